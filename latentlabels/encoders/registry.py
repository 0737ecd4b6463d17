"""The table of encoders: one entry for each family, which says what it is called, what it takes and how it is built."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import prod
from typing import Any

from torch import nn

from ..errors import ConfigError, nearest
from ..inputs import PixelFormat
from ..inputs.rgb import Size, are_windows
from ..kind import PASSED_THROUGH, Kind, kind_of
from . import dinov2, lite, open_clip, sizes, timm, tiny, torchvision
from .family import Family, Texts
from .frozen import Frozen, Standardize, Thawed
from .maps import COMPONENTS, Maps, RegionFeatures
from .windows import Windows


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


FAMILIES = (tiny.FAMILY, lite.FAMILY, torchvision.FAMILY, dinov2.FAMILY, timm.FAMILY, open_clip.FAMILY)


def names() -> list[str]:
    """The names that `build_encoder` takes."""
    return [PASSED_THROUGH, *(name for family in FAMILIES for name in family.names())]


def _family(name: str) -> Family:
    for family in FAMILIES:
        if family.takes(name):
            return family
    raise ConfigError(
        f'unknown encoder "{name}"{nearest(name, names())} '
        "(known: auto, lite0 to lite2, a classification network of torchvision, dinov2-small, timm:NAME, open_clip:NAME, tiny, "
        "or embedding)",
        key="model.encoder",
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
    described: Mapping[str, Any] | None = None,
) -> Encoder:
    """An encoder by name.

    Args:
        name: "lite0", "lite1" or "lite2", a classification network of torchvision, "dinov2-small" and others, "timm:NAME" for
            any network of timm, "open_clip:NAME" for any of open_clip, "tiny", or "embedding".
        weights: None for random weights; "DEFAULT" or another name for published weights, which are downloaded where they are
            not on this machine; or the path of a local file (.safetensors, .pth, .pt, .bin) with a state_dict, or of a folder
            with one. Files are read as tensors alone.
        num_inputs: D of the embeddings.
        frozen: whether the encoder is left as it is and only the head is trained.
        pixels: how pictures are normalised; None for what the weights were trained with.
        scaled: whether features of an encoder that is trained have a scale as those of a frozen one have; see `Thawed`.
        size: (height, width) of the pictures, for which a network of one size is built; None for that of `pixels`.
        regions: whether the features are those of the whole image and of its places; see `RegionFeatures`.
        described: what `describe_encoder` gave, to build the network without its weights and without the files that they
            came from.

    Raises:
        ConfigError: an unknown name, regions of an encoder that has none, a library that is not installed, or a size that the
            network cannot take.
        WeightsError: weights that cannot be downloaded, read or fitted.
    """
    kind = kind_of(name)
    if kind is Kind.EMBEDDINGS:
        if num_inputs is None:
            raise ConfigError('encoder "embedding" takes an array of embeddings (N, D), not images')
        if regions:
            raise ConfigError(
                "embeddings have no places to look at; give images and an encoder, or set regions to false", key="model.regions"
            )
        return Encoder(Standardize(num_inputs), num_inputs, kind, None)
    family = _family(name)
    taken = family.pixels(name, weights) if pixels is None else pixels
    size = taken.size if size is None else size
    if family.describe is not None and family.rebuild is not None:
        about, rebuild = described or family.describe(name, weights), family.rebuild
        make = partial(rebuild, about, name, taken)
    else:
        make = partial(family.build, name, None, taken)
    windows = are_windows(size, taken.interpolation)
    sees = (size[0], size[0]) if windows else size  # what the network itself is built for
    module, num_features = make(sees) if described else family.build(name, weights, taken, sees)
    sizes.check(name, module, num_features, sees, lambda other: make(other)[0])
    maps = None
    if windows:
        module = Windows(module)
    if regions:  # of an encoder that is trained whole, the head learns itself what to keep of the maps
        module = RegionFeatures(module, num_features, size, name, COMPONENTS if frozen or scaled else None)
        num_features, maps = module.num_features, module.maps
    if frozen or scaled:
        module = (Frozen if frozen else Thawed)(module, num_features, maps)
    return Encoder(module, num_features, kind, taken, maps)


def describe_encoder(name: str, weights: str | None = None) -> dict[str, Any] | None:
    """What has to be stored, beside its name, to build an encoder again without its weights; None where the name says it.

    Raises:
        ConfigError, WeightsError: as `pixel_format`.
    """
    if kind_of(name) is Kind.EMBEDDINGS:
        return None
    describe = _family(name).describe
    return None if describe is None else describe(name, weights)


def has_texts(name: str) -> bool:
    """Whether an encoder has a text side, which places texts where it places images.

    Raises:
        ConfigError: an unknown name.
    """
    return kind_of(name) is Kind.IMAGES and _family(name).texts is not None


def embed_texts(name: str, weights: str | None, texts: Mapping[str, Sequence[str]]) -> Texts:
    """Embeddings of labels by the text side of an encoder: the mean of those of their texts, at length 1.

    Args:
        name: of an encoder that `has_texts`.
        weights: its weights.
        texts: what is said of each label; at least one text.

    Raises:
        ConfigError: no text side, random weights, or a text that is too long.
        WeightsError: weights or a tokenizer that cannot be had.
    """
    embed = _family(name).texts if kind_of(name) is Kind.IMAGES else None
    if embed is None:
        raise ConfigError(
            f'the encoder "{name}" has no text side; give one that has, open_clip:NAME, for example '
            "open_clip:ViT-B-32 with weights: DEFAULT, or names: false",
            key="model.names",
        )
    return embed(name, weights, texts)
