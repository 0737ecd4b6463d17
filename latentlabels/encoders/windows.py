"""Two square windows of a picture: what an encoder makes of both, on average."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Windows(nn.Module):
    """The mean of an encoder's features over two windows that lie side by side in one picture.

    Squeezed into a square, a photo of 3:2 shows everything narrow or flat, which an encoder has not been trained on, and a
    square cut from its middle lacks a third of it. Two windows, one at each end, do neither. Measured on photos and products:
    benchmarks/README.md, "encoders".

    Args:
        network: float images (B, 3, s, s) in [0, 1] to features (B, D).
    """

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, s, 2 s), two windows side by side, to (B, D); pictures of another shape are shown whole."""
        height, width = images.shape[-2:]
        if width != 2 * height:
            whole: Tensor = self.network(images)
            return whole
        both = torch.cat([images[..., :height], images[..., height:]])
        return self.network(both).unflatten(0, (2, -1)).mean(0)
