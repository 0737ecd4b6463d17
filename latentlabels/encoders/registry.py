"""The table of encoders: one entry for each family, which says what it is called, what it takes and how it is built."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from ..errors import ConfigError, nearest
from ..inputs import PixelFormat
from ..inputs.rgb import Size
from ..kind import PASSED_THROUGH, Kind, kind_of
from . import dinov2, lite, sizes, timm, tiny, torchvision
from .family import Family
from .frozen import Frozen, Standardize


@dataclass(frozen=True)
class Encoder:
    """An encoder and what it expects.

    Attributes:
        module: float images (B, 3, H, W), or embeddings (B, D), to features (B, num_features).
        num_features: D.
        kind: what it takes.
        pixels: how its pictures are resized and normalised; None for embeddings.
    """

    module: nn.Module
    num_features: int
    kind: Kind
    pixels: PixelFormat | None


FAMILIES = (tiny.FAMILY, lite.FAMILY, torchvision.FAMILY, dinov2.FAMILY, timm.FAMILY)


def names() -> list[str]:
    """The names that `build_encoder` takes."""
    return [PASSED_THROUGH, *(name for family in FAMILIES for name in family.names())]


def _family(name: str) -> Family:
    for family in FAMILIES:
        if family.takes(name):
            return family
    raise ConfigError(
        f'model.encoder: unknown encoder "{name}"{nearest(name, names())} '
        "(known: lite0 to lite2, a classification network of torchvision, dinov2-small, timm:NAME, tiny, or embedding)"
    )


def pixel_format(name: str, weights: str | None = None) -> PixelFormat:
    """What an encoder takes for a picture: size, mean and deviation, and how to resize, as its weights were trained.

    Raises:
        ConfigError: an unknown name.
        WeightsError: published weights that do not exist.
    """
    return PixelFormat() if kind_of(name) is Kind.EMBEDDINGS else _family(name).pixels(name, weights)


def build_encoder(
    name: str,
    weights: str | None = None,
    num_inputs: int | None = None,
    frozen: bool = False,
    pixels: PixelFormat | None = None,
    size: Size | None = None,
) -> Encoder:
    """An encoder by name.

    Args:
        name: "lite0", "lite1" or "lite2", a classification network of torchvision, "dinov2-small" and others, "timm:NAME" for
            any network of timm, "tiny", or "embedding".
        weights: None for random weights; "DEFAULT" or another name for published weights, which are downloaded where they are
            not on this machine; or the path of a local file (.safetensors, .pth, .pt, .bin) with a state_dict, or of a folder
            with one. Files are read as tensors alone.
        num_inputs: D of the embeddings.
        frozen: whether the encoder is left as it is and only the head is trained.
        pixels: how pictures are normalised; None for what the weights were trained with.
        size: (height, width) of the pictures, for which a network of one size is built; None for that of `pixels`.

    Raises:
        ConfigError: an unknown name, a library that is not installed, or a size that the network cannot take.
        WeightsError: weights that cannot be downloaded, read or fitted.
    """
    kind = kind_of(name)
    if kind is Kind.EMBEDDINGS:
        if num_inputs is None:
            raise ConfigError('encoder "embedding" takes an array of embeddings (N, D), not images')
        return Encoder(Standardize(num_inputs), num_inputs, kind, None)
    family = _family(name)
    taken = family.pixels(name, weights) if pixels is None else pixels
    size = taken.size if size is None else size
    module, num_features = family.build(name, weights, taken, size)
    sizes.check(name, module, num_features, size, lambda other: family.build(name, None, taken, other)[0])
    return Encoder(Frozen(module, num_features) if frozen else module, num_features, kind, taken)
