"""`Family`: encoders of images that are built alike. Each is a module of this folder, and a line of `registry.FAMILIES`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..inputs import PixelFormat
from ..inputs.rgb import Size

DEFAULT = "DEFAULT"  # the name of the weights that a network's publishers recommend


class Normalize(nn.Module):
    """Images in [0, 1] to the mean and deviation that the weights were trained with.

    Args:
        mean: of red, green and blue.
        std: likewise.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Sequence[float] = PixelFormat.mean, std: Sequence[float] = PixelFormat.std) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) to the same shape."""
        return (images - self.mean) / self.std


@dataclass(frozen=True)
class AtHand:
    """An encoder whose published weights are on this machine, so that it needs no network.

    Attributes:
        name: of the encoder.
        weights: their name, for `build_encoder`.
        where: where they are, in words: "its published weights are installed".
        top1: accuracy on ImageNet in percent, as the publishers state it.
        gflops: cost of one image, in 10^9 multiplications with an addition.
        intact: whether the file has the hash that its name states; it reads the file, so that it is asked last.
    """

    name: str
    weights: str
    where: str
    top1: float
    gflops: float
    intact: Callable[[], bool] = lambda: True


@dataclass(frozen=True)
class Texts:
    """The labels' names, as the text side of an encoder embeds them.

    Attributes:
        embeddings: (K, D), of length 1, in the space of the features.
        scale: by which its publishers multiply cosines to have logits.
    """

    embeddings: Tensor
    scale: float


@dataclass(frozen=True)
class Family:
    """Encoders of images that are built alike.

    Attributes:
        names: those that are listed; asked often, so that it imports nothing large.
        takes: whether a name belongs to this family: one that is listed, or one behind a prefix, such as "timm:NAME".
        pixels: what an encoder takes, by its name and weights (None: random ones), as the weights' own record says.
            Raises `ConfigError` for an unknown name, `WeightsError` for weights that do not exist.
        build: by name, weights (None, the name of published ones, a file or a folder), pixel format and (height, width) of
            the images: the network, from float images (B, 3, H, W) in [0, 1] to features (B, D), and D. It begins with
            `Normalize`. Raises `ConfigError` for a size that the network cannot take, `WeightsError` for weights that cannot
            be downloaded, read or fitted.
        at_hand: encoders whose published weights are on this machine; it asks no network and imports nothing large.
        texts: by name, weights and the texts of each label, their embeddings; None for encoders without a text side.
        describe: what a run stores (as JSON has it) where a name does not say what the network is, since the weights do.
        rebuild: the network of `build`, with random weights, from what `describe` gave.
        recognise: the encoder whose weights a file or folder has, by its name or record; None where it does not say.
    """

    names: Callable[[], Sequence[str]]
    takes: Callable[[str], bool]
    pixels: Callable[[str, str | None], PixelFormat]
    build: Callable[[str, str | None, PixelFormat, Size], tuple[nn.Module, int]]
    at_hand: Callable[[], Sequence[AtHand]] = tuple
    texts: Callable[[str, str | None, Mapping[str, Sequence[str]]], Texts] | None = None
    describe: Callable[[str, str | None], dict[str, Any]] | None = None
    rebuild: Callable[[Mapping[str, Any], str, PixelFormat, Size], tuple[nn.Module, int]] | None = None
    recognise: Callable[[Path], str | None] = lambda path: None
