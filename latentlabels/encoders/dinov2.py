"""DINOv2 by short names: vision transformers of timm, trained without labels (Oquab et al., TMLR 2024)."""

from __future__ import annotations

from torch import nn

from ..inputs import PixelFormat
from ..inputs.rgb import Size
from . import timm
from .family import AtHand, Family

_SIZES = {"small": (81.1, 46.8), "base": (84.5, 152.0), "large": (86.3, 507.0), "giant": (86.5, 1784.0)}
# ImageNet's top-1 of a linear head in percent, from the paper; 10^9 multiply-adds of an image of 518 px, from timm's results


def _timm(name: str) -> str:
    """The name in timm: dinov2-small is vit_small_patch14_dinov2.lvd142m, dinov2-small-reg has four registers."""
    _, size, *registers = name.split("-")
    return f"vit_{size}_patch14_{'reg4_' if registers else ''}dinov2.lvd142m"


NAMES = tuple(f"dinov2-{size}{registers}" for size in _SIZES for registers in ("", "-reg"))


def _pixels(name: str, weights: str | None) -> PixelFormat:
    return timm.pixel_format(_timm(name), weights)


def _build(name: str, weights: str | None, pixels: PixelFormat, size: Size) -> tuple[nn.Module, int]:
    return timm.build(_timm(name), weights, pixels, size)


def _at_hand() -> list[AtHand]:
    named = [(name, _timm(name), _SIZES[name.split("-")[1]]) for name in NAMES]
    return [found for name, full, figures in named if (found := timm.in_cache(name, f"timm/{full}", figures))]


FAMILY = Family(lambda: NAMES, lambda name: name in NAMES, _pixels, _build, _at_hand)
