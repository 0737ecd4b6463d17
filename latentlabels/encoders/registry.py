"""The table of encoders: one entry for each family, which says what it is called, what it takes and how it is built."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from torch import nn

from ..errors import ConfigError, nearest
from ..inputs import PixelFormat
from ..inputs.rgb import Size
from ..kind import PASSED_THROUGH, Kind, kind_of
from . import convolutional, tiny
from .family import Family
from .frozen import Frozen, Standardize, Thawed
from .maps import COMPONENTS, Maps, RegionFeatures


@dataclass(frozen=True)
class Encoder:
    """An encoder and what it expects.

    Attributes:
        module: float images (B, 3, H, W), or embeddings (B, D), to features (B, num_features).
        num_features: D.
        kind: what it takes.
        pixels: how its pictures are resized and normalised; None for embeddings.
        maps: (d, h, w) of the maps that stand behind the pooled features; None where the features are of the whole image.
    """

    module: nn.Module
    num_features: int
    kind: Kind
    pixels: PixelFormat | None
    maps: Maps | None = None

    @property
    def num_pooled(self) -> int:
        """How many of the features are of the whole image."""
        return self.num_features - (0 if self.maps is None else prod(self.maps))


FAMILIES = (tiny.FAMILY, convolutional.FAMILY)


def names() -> list[str]:
    """The names that `build_encoder` takes."""
    return [PASSED_THROUGH, *(name for family in FAMILIES for name in family.names())]


def _family(name: str) -> Family:
    for family in FAMILIES:
        if family.takes(name):
            return family
    raise ConfigError(
        f'model.encoder: unknown encoder "{name}"{nearest(name, names())} '
        "(known: a torchvision resnet, convnext or efficientnet, tiny, or embedding)"
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
    scaled: bool = False,
    regions: bool = False,
) -> Encoder:
    """An encoder by name.

    Args:
        name: a torchvision ResNet, ConvNeXt or EfficientNet, "tiny", or "embedding".
        weights: None for random weights; "DEFAULT" or another torchvision name for published weights, which
            are downloaded; or the path of a local file (.safetensors, .pth, .pt) with a state_dict.
        num_inputs: D of the embeddings.
        frozen: whether the encoder is left as it is and only the head is trained.
        pixels: how pictures are normalised; None for what the weights were trained with.
        scaled: whether features of an encoder that is trained have a scale as those of a frozen one have; see `Thawed`.
        size: (height, width) of the pictures, for which a network of one size is built; None for that of `pixels`.
        regions: whether the features are those of the whole image and of its places; see `RegionFeatures`.

    Raises:
        ConfigError: an unknown name, or regions of an encoder that has none.
        WeightsError: weights that cannot be downloaded, read or fitted.
    """
    kind = kind_of(name)
    if kind is Kind.EMBEDDINGS:
        if num_inputs is None:
            raise ConfigError('encoder "embedding" takes an array of embeddings (N, D), not images')
        if regions:
            raise ConfigError(
                "model.regions: embeddings say nothing of places; give images and an encoder, or set regions to false"
            )
        return Encoder(Standardize(num_inputs), num_inputs, kind, None)
    family = _family(name)
    pixels = family.pixels(name, weights) if pixels is None else pixels
    size = pixels.size if size is None else size
    module, num_features = family.build(name, weights, pixels, size)
    maps = None
    if regions:  # of an encoder that is trained whole, the head learns itself what to keep of the maps
        module = RegionFeatures(module, num_features, size, name, COMPONENTS if frozen or scaled else None)
        num_features, maps = module.num_features, module.maps
    if frozen or scaled:
        module = (Frozen if frozen else Thawed)(module, num_features, maps)
    return Encoder(module, num_features, kind, pixels, maps)
