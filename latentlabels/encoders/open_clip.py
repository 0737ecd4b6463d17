"""`open_clip:NAME`: the image side of CLIP-like networks (Radford et al., ICML 2021), as the package open_clip describes them.

Size, mean, deviation, interpolation and activation are those of the weights' own record: open_clip's list of published weights,
or the `open_clip_config.json` beside them. Weights are read as tensors alone. The features are the image's embedding, in the
space that it shares with texts, scaled to length 1.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import ConfigError, WeightsError
from ..inputs import PixelFormat, as_size
from ..inputs.rgb import Size
from .family import AtHand, Family, Normalize
from .hub import cached_from_hub, content_hash
from .open_clip_record import CONFIG_FILE, FILES, PREFIX, checkpoint_of, library_of, names, record_of
from .open_clip_text import embed_texts
from .weights import is_intact, read_tensors

_NO_TEXT = {"context_length": 4, "vocab_size": 8, "width": 8, "heads": 1, "layers": 1}  # in the place of an unused text side


def takes(name: str) -> bool:
    """Whether a name belongs to this family."""
    return name.startswith(PREFIX)


def pixel_format(name: str, weights: str | None) -> PixelFormat:
    """What the weights were trained with, as their record says.

    Raises:
        ConfigError: an unknown name, or a package that is not installed.
        WeightsError: weights that do not exist, or whose record cannot be read.
    """
    return record_of(name, weights).pixels


def build(name: str, weights: str | None, pixels: PixelFormat, size: Size) -> tuple[nn.Module, int]:
    """The image side, and the number of its features.

    Args:
        name: "open_clip:" and a name.
        weights: None; "DEFAULT" or another published tag; a file; a folder in the layout of the Hugging Face hub, with
            `open_clip_config.json` beside the tensors; or "hf-hub:" and the name of a repository in that layout.
        pixels: mean and deviation.
        size: (height, width) of the images.

    Raises:
        ConfigError: an unknown name, or a size that the network does not take.
        WeightsError: weights that cannot be downloaded, read or fitted.
    """
    record = record_of(name, weights)
    return _built(record.config, name, pixels, size, weights)


def describe(name: str, weights: str | None) -> dict[str, Any]:
    """What `rebuild` needs: the description of the image side, which depends on the weights as well as on the name."""
    config = record_of(name, weights).config
    return {key: config[key] for key in ("embed_dim", "vision_cfg", "quick_gelu") if key in config}


def rebuild(stored: Mapping[str, Any], name: str, pixels: PixelFormat, size: Size) -> tuple[nn.Module, int]:
    """The image side of what `describe` gave, with random weights, without the files that it came from."""
    return _built(dict(stored), name, pixels, size, None)


class ImageTower(nn.Module):
    """Normalised images (B, 3, H, W) to embeddings of length 1, (B, D).

    Args:
        visual: open_clip's image side.
        config: its description, of which a hash is kept as a buffer: equal weights in other networks are told apart by it.
    """

    def __init__(self, visual: nn.Module, config: Mapping[str, Any]):
        super().__init__()
        self.visual = visual
        described = json.dumps([config.get("vision_cfg"), bool(config.get("quick_gelu"))], sort_keys=True).encode()
        self.register_buffer("described", torch.tensor(list(hashlib.sha256(described).digest()), dtype=torch.uint8), False)

    def forward(self, images: Tensor) -> Tensor:
        """See the class."""
        found = self.visual(images)
        if isinstance(found, tuple):  # some give their tokens as well
            found = found[0]
        return nn.functional.normalize(found, dim=-1)


def _built(config: dict[str, Any], name: str, pixels: PixelFormat, size: Size, weights: str | None) -> tuple[nn.Module, int]:
    library = library_of(name)
    config, own = deepcopy(config), as_size(config["vision_cfg"].get("image_size", 224))
    vision = config["vision_cfg"]
    by_timm = vision.get("timm_model_name") is not None
    if by_timm:
        vision["timm_model_pretrained"] = False  # the weights that come are the whole network's
    elif size != own:
        _check_size(name, vision, size, own)
        vision["image_size"] = list(size)
    network = library.CLIP(int(config["embed_dim"]), vision, dict(_NO_TEXT), quick_gelu=bool(config.get("quick_gelu")))
    if weights is not None:
        _load_image_side(network, name, weights)
    if by_timm and size != own:
        try:
            network.visual.set_input_size(size)
        except (AssertionError, ValueError) as error:
            raise ConfigError(
                f"{name} does not take images of {size[0]} x {size[1]} ({error})", key="model.image_size"
            ) from error
    tower = ImageTower(network.visual, config)
    return nn.Sequential(Normalize(pixels.mean, pixels.std), tower), int(config["embed_dim"])


def _check_size(name: str, vision: Mapping[str, Any], size: Size, own: Size) -> None:
    usual = f"{own[0]}" if own[0] == own[1] else f"[{own[0]}, {own[1]}]"
    if isinstance(vision.get("layers", 12), list | tuple):
        raise ConfigError(
            f"{name} takes only images of {usual} pixels, not {size[0]} x {size[1]}; leave image_size out",
            key="model.image_size",
        )
    patch = int(vision.get("patch_size", 16))
    if size[0] % patch or size[1] % patch:
        raise ConfigError(
            f"{name} cuts images into squares of {patch} pixels, which {size[0]} x {size[1]} pixels is not a "
            f"multiple of; give a multiple of {patch}, or leave image_size out for {usual}",
            key="model.image_size",
        )


def _load_image_side(network: nn.Module, name: str, weights: str) -> None:
    from open_clip.convert import convert_state_dict
    from open_clip.model import resize_pos_embed

    path, stated = checkpoint_of(name, weights)
    state = convert_state_dict(network, read_tensors(path, stated))
    resize_pos_embed(state, network)
    visual: nn.Module = network.visual  # type: ignore[assignment]
    own = visual.state_dict()
    found = {key.removeprefix("visual."): value for key, value in state.items() if key.startswith("visual.")}
    strange = [key for key in {**own, **found} if key not in own or key not in found or own[key].shape != found[key].shape]
    if strange:
        raise WeightsError(
            f"{path}: not the weights of {name}: {len(strange)} of the {len(own)} entries of its image side are missing or "
            f'have another shape (first: "visual.{strange[0]}"); give weights of this network, or the name of theirs as encoder'
        )
    visual.load_state_dict(found)


# --- what is at hand --------------------------------------------------------------------------------------------

_B32, _B16, _L14 = 4.4, 17.6, 81.1  # 10^9 multiply-adds of an image
PUBLISHED = {
    (PREFIX + "ViT-B-32", "datacomp_xl_s13b_b90k"): ("laion/CLIP-ViT-B-32-DataComp.XL-s13B-b90K", 69.2, _B32),
    (PREFIX + "ViT-B-32", "laion2b_s34b_b79k"): ("laion/CLIP-ViT-B-32-laion2B-s34B-b79K", 66.6, _B32),
    (PREFIX + "ViT-B-32", "openai"): ("timm/vit_base_patch32_clip_224.openai", 63.3, _B32),
    (PREFIX + "ViT-B-16", "datacomp_xl_s13b_b90k"): ("laion/CLIP-ViT-B-16-DataComp.XL-s13B-b90K", 73.5, _B16),
    (PREFIX + "ViT-B-16", "laion2b_s34b_b88k"): ("laion/CLIP-ViT-B-16-laion2B-s34B-b88K", 70.2, _B16),
    (PREFIX + "ViT-B-16", "openai"): ("timm/vit_base_patch16_clip_224.openai", 68.3, _B16),
    (PREFIX + "ViT-L-14", "datacomp_xl_s13b_b90k"): ("laion/CLIP-ViT-L-14-DataComp.XL-s13B-b90K", 79.2, _L14),
    (PREFIX + "ViT-L-14", "laion2b_s32b_b82k"): ("laion/CLIP-ViT-L-14-laion2B-s32B-b82K", 75.3, _L14),
    (PREFIX + "ViT-L-14", "openai"): ("timm/vit_large_patch14_clip_224.openai", 75.5, _L14),
}
"""Encoder and tag of well-known weights: their repository, zero-shot accuracy on ImageNet in percent, and cost.

Zero-shot, no image of ImageNet was learned from, so these figures are lower than those of encoders that were trained on it.
"""


def at_hand() -> list[AtHand]:
    """Which of `PUBLISHED` the Hugging Face cache has."""
    if not names():
        return []
    where, out = "its published weights are in the Hugging Face cache", []
    for (name, tag), (repository, top1, gflops) in PUBLISHED.items():
        path = cached_from_hub(repository, FILES)
        if path is not None:
            out.append(AtHand(name, tag, where, top1, gflops, partial(is_intact, path, content_hash(path))))
    return out


def recognise(path: Path) -> str | None:
    """The network of a folder that open_clip wrote, whose own record says the rest."""
    return f"{PREFIX}own" if (path / CONFIG_FILE).is_file() else None


FAMILY = Family(
    names, takes, pixel_format, build, at_hand, texts=embed_texts, describe=describe, rebuild=rebuild, recognise=recognise
)
