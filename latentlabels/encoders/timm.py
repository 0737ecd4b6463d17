"""Networks of timm by name, `timm:NAME` or `timm:NAME.TAG`, with published weights, a file, a folder, or none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from torch import Tensor, nn

from ..errors import WeightsError
from ..inputs import PixelFormat
from ..inputs.rgb import Size
from . import sizes
from .family import DEFAULT, AtHand, Family, Normalize
from .hub import cached_from_hub, content_hash, from_hub, from_url, need
from .timm_record import PREFIX, architecture_in, pixels_of, record_of
from .weights import is_intact, read_tensors, weights_file

FILES = ("model.safetensors", "pytorch_model.bin")  # of a repository on the Hugging Face hub
_DESCRIBED = ("architecture", "input_size", "fixed_input_size", "model_args")
_AT_HAND = {  # ImageNet's top-1 in percent and 10^9 multiply-adds: timm's results/, of the size that the weights record
    "efficientnet_b0.ra_in1k": (77.7, 0.40),
    "efficientnet_b1.ra4_e3600_r240_in1k": (80.4, 0.71),
    "tf_efficientnet_lite0.in1k": (74.8, 0.40),
    "tf_efficientnet_lite2.in1k": (77.5, 0.89),
    "tf_efficientnetv2_b0.in1k": (76.9, 0.54),
    "mobilenetv3_large_100.ra_in1k": (75.8, 0.23),
    "mobilenetv4_conv_medium.e500_r224_in1k": (79.1, 0.84),
    "regnetz_b16.ra3_in1k": (79.9, 1.45),
    "convnext_nano.in12k_ft_in1k": (82.3, 2.46),
    "resnet18.a1_in1k": (71.5, 1.82),
    "resnet50.a1_in1k": (80.4, 4.11),
    "convnext_tiny.fb_in1k": (82.1, 4.47),
    "vit_small_patch16_224.augreg_in21k_ft_in1k": (81.4, 4.61),
    "convnext_base.fb_in22k_ft_in1k": (85.8, 15.38),
    "vit_base_patch16_224.augreg2_in21k_ft_in1k": (85.1, 17.58),
}


# --- building -----------------------------------------------------------------------------------------------------


def pixel_format(name: str, weights: str | None) -> PixelFormat:
    """What weights were trained with, by their record; see `Family.pixels`."""
    return pixels_of(record_of(name, weights), name)


def build(name: str, weights: str | None, pixels: PixelFormat, size: Size) -> tuple[nn.Module, int]:
    """A network without its head, and the number of its features; see `Family.build`."""
    record = record_of(name, weights)
    module = _made(record, size, name)
    if weights is not None:
        module = _loaded(record, weights, size, name)
    return nn.Sequential(Normalize(pixels.mean, pixels.std), module), int(module.head_hidden_size)


def describe(name: str, weights: str | None) -> dict[str, Any]:
    """What a run stores: a tag or a folder may say more of a network than its name does."""
    record = record_of(name, weights)
    return {key: record[key] for key in _DESCRIBED if key in record}


def rebuild(stored: Mapping[str, Any], name: str, pixels: PixelFormat, size: Size) -> tuple[nn.Module, int]:
    """The network of what `describe` gave, with random weights."""
    need("timm", PREFIX + name)
    module = _made(stored, size, name)
    return nn.Sequential(Normalize(pixels.mean, pixels.std), module), int(module.head_hidden_size)


def _made(record: Mapping[str, Any], size: Size, name: str) -> Any:
    """A network without a head, with random weights, for a size.

    Raises:
        ConfigError: a size for which the network cannot be made.
    """
    try:
        module = _create(record, size, num_classes=0)
        patch = getattr(getattr(module, "patch_embed", None), "patch_size", None) or (1, 1)
        if isinstance(patch, tuple) and any(side % step for side, step in zip(size, patch, strict=True)):
            raise ValueError(f"it sees patches of {patch[0]} x {patch[1]} px, and would lose the border")
    except (TypeError, ValueError, AssertionError, RuntimeError) as error:
        raise sizes.unfit(PREFIX + name, size, str(error), lambda other: _create(record, other, num_classes=0)) from error
    return module


def _create(record: Mapping[str, Any], size: Size, **how: Any) -> Any:
    import timm
    from timm.models import PretrainedCfg

    kept = {one.name for one in fields(PretrainedCfg)} - {"source", "file", "state_dict", "custom_load"}
    made = dict(record.get("model_args") or {})
    if record.get("fixed_input_size") and tuple(record["input_size"][1:]) != size:
        made["img_size"] = size
    about = {key: value for key, value in record.items() if key in kept}
    return timm.create_model(record["architecture"], pretrained_cfg=about, **{**made, **how})


def _loaded(record: Mapping[str, Any], weights: str, size: Size, name: str) -> Any:
    """A network with its weights, of which timm renames entries and resizes embeddings of places, without its head."""
    state, where = _tensors(record, weights, name)
    classifier = record.get("classifier") or ""
    head = state.get(f"{classifier if isinstance(classifier, str) else classifier[0]}.weight")
    own = int(record.get("num_classes", 1000))
    refused: Exception | None = None
    for num_classes in dict.fromkeys([own, 0] if head is None else [len(head)]):
        about = {"state_dict": dict(state), "num_classes": num_classes, "label_offset": 0}
        try:  # with its head, so that an entry that is missing or left over is an error
            module = _create(record, size, num_classes=num_classes, pretrained=True, pretrained_cfg_overlay=about)
        except Exception as error:  # of whatever timm does to entries that are not its own
            refused = refused or error
            continue
        module.reset_classifier(0)
        module.pretrained_cfg.pop("state_dict", None)  # else all tensors stay in memory twice
        return module
    reason = " ".join(str(refused).split())[:200]
    raise WeightsError(f"{where}: not the weights of {name} ({reason}); set model.encoder to their network") from refused


def _tensors(record: Mapping[str, Any], weights: str, name: str) -> tuple[dict[str, Tensor], str]:
    """The tensors of weights, and where they are from."""
    if Path(weights).exists():
        file = weights_file(weights)
        return read_tensors(file), str(file)
    repo, url = record.get("hf_hub_id"), record.get("url")
    if repo:
        files = (record["hf_hub_filename"],) if record.get("hf_hub_filename") else FILES
        return from_hub(repo, files, name), f"{repo} of the Hugging Face hub"
    if url and Path(urlparse(url).path).suffix in (".pth", ".pt", ".bin", ".safetensors"):
        return from_url(url, name), url
    raise WeightsError(
        f"model.weights: no weights of {name} are published as tensors; give a file, or null to train from scratch"
    )


# --- what is on this machine ----------------------------------------------------------------------------------------


def at_hand() -> list[AtHand]:
    """Networks whose published weights are in the Hugging Face cache, of those whose figures are known here."""
    return [found for name, figures in _AT_HAND.items() if (found := in_cache(PREFIX + name, f"timm/{name}", figures))]


def in_cache(name: str, repo: str, figures: tuple[float, float]) -> AtHand | None:
    """An encoder whose weights the Hugging Face cache has; None where it has not, or where timm is missing."""
    path = cached_from_hub(repo, FILES) if find_spec("timm") is not None else None
    if path is None:
        return None
    where = "its published weights are in the Hugging Face cache"
    return AtHand(name, DEFAULT, where, *figures, partial(is_intact, path, content_hash(path)))


def recognise(path: Path) -> str | None:
    """The network of a folder that timm wrote."""
    found = architecture_in(path) if path.is_dir() else None
    return None if found is None else PREFIX + found


def _short(name: str) -> str:
    return name.removeprefix(PREFIX)


FAMILY = Family(
    tuple,
    lambda name: name.startswith(PREFIX),
    lambda name, weights: pixel_format(_short(name), weights),
    lambda name, weights, pixels, size: build(_short(name), weights, pixels, size),
    at_hand,
    describe=lambda name, weights: describe(_short(name), weights),
    rebuild=lambda stored, name, pixels, size: rebuild(stored, _short(name), pixels, size),
    recognise=recognise,
)
