"""A small network, for toys, tests and small pictures on a CPU."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from ..errors import WeightsError
from ..inputs import PixelFormat
from ..inputs.rgb import Size
from .family import Family
from .weights import load_weights

FORMAT = PixelFormat(mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))  # its own first step: [0, 1] to [-1, 1]


class TinyCNN(nn.Module):
    """Four strided convolutions and a global mean and maximum: for toys, tests and small pictures on a CPU."""

    num_features = 256

    def __init__(self) -> None:
        super().__init__()

        def stage(inputs: int, outputs: int, size: int) -> nn.Sequential:
            return nn.Sequential(
                nn.Conv2d(inputs, outputs, size, stride=2, padding=size // 2, bias=False),
                nn.BatchNorm2d(outputs),
                nn.ReLU(inplace=True),
            )

        self.stages = nn.Sequential(stage(3, 24, 5), stage(24, 48, 3), stage(48, 96, 3), stage(96, 128, 3))

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, 3, H, W) in [0, 1] to features (B, 256)."""
        maps = self.stages(images * 2 - 1)
        return torch.cat([maps.mean((-2, -1)), maps.amax((-2, -1))], -1)


def _build(name: str, weights: str | None, pixels: PixelFormat, size: Size) -> tuple[nn.Module, int]:
    module = TinyCNN()
    if weights is not None:
        if not Path(weights).exists():
            raise WeightsError(
                f'model.weights: "{weights}" is neither a file nor a folder, and no weights of {name} are published; '
                "give a file with a state_dict, or null to train from scratch"
            )
        load_weights(module, name, weights)
    return module, module.num_features


FAMILY = Family(lambda: ("tiny",), lambda name: name == "tiny", lambda name, weights: FORMAT, _build)
