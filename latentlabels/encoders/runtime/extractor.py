"""`Extractor`: features of pictures, by one runtime at one precision; `TorchExtractor` runs the module itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor, nn

PART = 32
"""Images that a runtime takes at once: more are hardly faster on a CPU, and memory stays bounded."""


class Extractor(Protocol):
    """Computes features."""

    @property
    def runtime(self) -> str:
        """What computes: "torch", "openvino" or "onnx"."""
        ...

    @property
    def precision(self) -> str:
        """Either "f32" or "bf16": features of one precision may stand in one cache, whatever the runtime."""
        ...

    def __call__(self, images: Tensor) -> Tensor:
        """uint8 images (B, 3, H, W) to float32 features (B, D), on the CPU; B may be any number."""
        ...


class TorchExtractor:
    """The module itself.

    Args:
        module: float images (B, 3, H, W) in [0, 1] to features (B, D).
        device: where it runs.
        channels_last: hand over images with their channels side by side in memory. Convolutions on a CPU are faster so
            (lite0 by a factor of 1.7), but a module that calls `view` may refuse them.
    """

    runtime, precision = "torch", "f32"

    def __init__(self, module: nn.Module, device: torch.device | str = "cpu", channels_last: bool = False):
        self.module, self.device = module.eval().to(device), device
        self._format = torch.channels_last if channels_last else torch.contiguous_format

    def __call__(self, images: Tensor) -> Tensor:
        """uint8 images (B, 3, H, W) to float32 features (B, D), on the CPU.

        Raises:
            TypeError: images of another type.
        """
        with torch.inference_mode():
            found = in_parts(images, self._part)
        return found.clone()  # an ordinary tensor, which may be trained on

    def _part(self, images: Tensor) -> Tensor:
        pixels = images.to(self.device).float().div_(255).contiguous(memory_format=self._format)
        found: Tensor = self.module(pixels)
        return found.float().cpu()


def in_parts(images: Tensor, extract: Callable[[Tensor], Tensor]) -> Tensor:
    """Features of any number of images, `PART` at a time.

    Args:
        images: uint8 (B, 3, H, W).
        extract: features of at least one image and at most `PART`.

    Raises:
        TypeError: images of another type.
    """
    if images.dtype != torch.uint8:
        raise TypeError(f"images of type {images.dtype}; features are computed from uint8 images with values from 0 to 255")
    if not len(images):  # networks need not take an empty batch
        return extract(images.new_zeros(1, *images.shape[1:]))[:0]
    return torch.cat([extract(part) for part in images.split(PART)])
