"""The run folder: what a fit leaves behind, written whole and read without executing anything."""

from __future__ import annotations

import hashlib
import json
import platform
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from ..errors import RunError
from ..space import LabelSpace

FORMAT = 1
_PACKAGES = ("latentlabels", "torch", "torchvision", "pyro-ppl", "lightning", "numpy")


@dataclass(frozen=True)
class Run:
    """The contents of a run folder.

    Attributes:
        config: sections `annotation`, `model` and `fit`, resolved.
        space: the label space.
        weights: the state_dict of the Pyro model.
        history: a dict per epoch.
        environment: versions, seed, a hash of the data, the format of the folder.
        diagnostics: what the fit reports; see `LatentLabels.diagnostics_`.
    """

    config: dict[str, Any]
    space: LabelSpace
    weights: dict[str, Tensor]
    history: list[dict[str, Any]]
    environment: dict[str, Any]
    diagnostics: dict[str, Any]


def write_run(folder: str | Path, run: Run) -> Path:
    """Write a run folder; existing files of the same names are replaced."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    config = {**run.config, "labels": run.space.to_config()}
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False, allow_unicode=True), encoding="utf-8")
    _json(folder / "labels.json", {"labels": run.space.to_config()})
    save_file({key: value.detach().cpu().contiguous() for key, value in run.weights.items()}, folder / "weights.safetensors")
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in run.history), encoding="utf-8")
    _json(folder / "environment.json", run.environment)
    _json(folder / "diagnostics.json", run.diagnostics)
    return folder


def read_run(folder: str | Path, *, unfinished: bool = False) -> Run:
    """Read a run folder.

    Args:
        folder: where it is.
        unfinished: take what an interrupted fit left as well, without weights and diagnostics.

    Raises:
        RunError: no run folder, a file that is missing or damaged, or a format of a later version.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise RunError(f"{folder}: no such run folder; `latentlabels fit ... --out {folder}` writes one")
    if unfinished and not (folder / "weights.safetensors").exists() and (folder / "checkpoints").is_dir():
        return _unfinished(folder)
    missing = [
        name
        for name in ("config.yaml", "labels.json", "weights.safetensors", "environment.json")
        if not (folder / name).exists()
    ]
    if missing:
        raise RunError(f"{folder}: not a complete run folder, it lacks {', '.join(missing)}; fit again with --out")
    try:
        environment = json.loads((folder / "environment.json").read_text(encoding="utf-8"))
        config = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
        weights = load_file(folder / "weights.safetensors")
        history = _lines(folder / "metrics.jsonl")
        diagnostics = _lines(folder / "diagnostics.json", whole=True)
        for what in (environment, config, diagnostics, *history):
            if not isinstance(what, dict):
                raise ValueError(f"it holds {str(what)[:40]!r} where names and values should be")
    except (ValueError, yaml.YAMLError, SafetensorError, OSError) as error:
        raise RunError(f"{folder}: damaged ({error}); fit again, or restore the folder") from error
    if environment.get("format", 0) > FORMAT:
        raise RunError(
            f"{folder}: written by version {environment.get('versions', {}).get('latentlabels')}, in a format later than "
            "this version reads; install that version or a later one"
        )
    space = LabelSpace.read(folder / "labels.json")
    return Run(config, space, weights, history, environment, diagnostics)


def _unfinished(folder: Path) -> Run:
    """What a fit has written before it was interrupted: its config, and the epochs that it finished."""
    try:
        config = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
        history = _lines(folder / "checkpoints" / "last.json", whole=True) or []
        space = LabelSpace.from_config(config["labels"])
        if not isinstance(history, list) or not all(isinstance(row, dict) for row in history):
            raise ValueError("checkpoints/last.json holds no epochs")
    except (ValueError, KeyError, TypeError, yaml.YAMLError, OSError) as error:
        raise RunError(f"{folder}: an interrupted fit, and damaged ({error}); fit again") from error
    return Run(config, space, {}, history, {}, {})


def environment(seed: int, data_hash: str) -> dict[str, Any]:
    """What a fit ran on."""
    versions: dict[str, str | None] = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = None
    return {"format": FORMAT, "versions": versions, "seed": seed, "data_hash": data_hash, "platform": platform.platform()}


def hash_data(observed: NDArray[np.int8], images: tuple[str, ...] | None) -> str:
    """A hash of what is known and of the images' names: the same data give the same one."""
    digest = hashlib.sha256(np.ascontiguousarray(observed).tobytes())
    digest.update("\n".join(images or ()).encode())
    return digest.hexdigest()[:16]


def _json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _lines(path: Path, whole: bool = False) -> Any:
    if not path.exists():
        return {} if whole else []
    text = path.read_text(encoding="utf-8")
    return json.loads(text) if whole else [json.loads(line) for line in text.splitlines() if line.strip()]
