"""What timm records about its networks and their weights: architecture, pixels, classes, where they are published."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import ConfigError, WeightsError, nearest
from ..inputs import PixelFormat
from ..inputs.rgb import Interpolation
from .family import DEFAULT
from .hub import need

PREFIX = "timm:"


def record_of(name: str, weights: str | None = None) -> dict[str, Any]:
    """What timm, or the config.json of a folder, records about weights: architecture, size, mean, std, classes, address.

    Args:
        name: ARCHITECTURE or ARCHITECTURE.TAG, without a prefix.
        weights: None, "DEFAULT", a tag, a file, or a folder.

    Raises:
        ConfigError: timm is not installed, or has no such network or tag.
        WeightsError: weights that do not exist, or a folder with those of another network.
    """
    need("timm", PREFIX + name)
    import timm

    architecture, _, tag = name.partition(".")
    now = timm.models.get_deprecated_models().get(architecture)
    if now is not None:
        raise ConfigError(f'timm calls "{architecture}" by another name now; set it to "{PREFIX}{now}"', key="model.encoder")
    if not timm.is_model(architecture):
        raise ConfigError(
            f'timm has no network "{architecture}"{nearest(architecture, timm.list_models())} (timm.list_models() lists them)',
            key="model.encoder",
        )
    tags = [one.partition(".")[2] for one in timm.list_models(f"{architecture}.*", pretrained=True)]
    if tag and tag not in tags:
        raise ConfigError(
            f'timm has no weights "{tag}" of {architecture}{nearest(tag, tags)} (published: {_listed(tags)})',
            key="model.encoder",
        )
    if weights not in (None, DEFAULT) and not Path(str(weights)).exists():
        if weights not in tags or tag not in ("", weights):
            raise WeightsError(
                f'model.weights: "{weights}" is neither a file, a folder nor published weights of {name}'
                f"{nearest(str(weights), tags)} (published: {_listed([tag] if tag else tags)}); give a file with a state_dict, "
                "or null to train from scratch"
            )
        tag = str(weights)
    stored = None if weights is None else _config_of(Path(weights), architecture)
    if stored is not None:
        return stored
    found = timm.get_pretrained_cfg(f"{architecture}.{tag}" if tag else architecture)
    return {"architecture": architecture, **({} if found is None else found.to_dict())}


def _listed(tags: list[str]) -> str:
    return ", ".join(tags) or "none"


def architecture_in(folder: Path) -> str | None:
    """The network whose weights a folder has, as its config.json says; None without one that timm wrote.

    Raises:
        WeightsError: a config.json that cannot be read.
    """
    file = folder / "config.json"
    if not file.is_file():
        return None
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WeightsError(f"{file}: cannot be read ({error}); fetch the folder again") from error
    name = found.get("architecture") if isinstance(found, dict) else None
    return name if isinstance(name, str) else None


def _config_of(folder: Path, architecture: str) -> dict[str, Any] | None:
    """The record of a folder, as timm writes it to the hub; None where it has none."""
    found = architecture_in(folder)
    if found is None:
        return None
    if found != architecture:
        raise WeightsError(f'{folder}: weights of {found}, not of {architecture}; set model.encoder to "{PREFIX}{found}"')
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    record = config.get("pretrained_cfg", config)
    more = {key: config[key] for key in ("num_classes", "model_args") if key in config}
    return {**record, "architecture": architecture, **more}


def pixels_of(record: Mapping[str, Any], name: str) -> PixelFormat:
    """The pixel format of a record.

    Raises:
        ConfigError: a network of something else than RGB.
    """
    from timm.data import resolve_data_config

    found = resolve_data_config(pretrained_cfg=dict(record))
    channels, height, width = found["input_size"]
    if channels != 3:
        raise ConfigError(
            f'"{name}" takes {channels} channels, not red, green and blue; choose another encoder', key="model.encoder"
        )
    mean, std = ((float(r), float(g), float(b)) for r, g, b in (found["mean"], found["std"]))
    interpolation: Interpolation = "bilinear" if found["interpolation"] == "bilinear" else "bicubic"
    return PixelFormat((int(height), int(width)), mean, std, interpolation)
