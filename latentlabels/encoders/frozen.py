"""Features at one scale: embeddings that others made, and encoders that are not trained."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Standardize(nn.Module):
    """Embeddings to zero mean and a mean squared norm of 100, set by `fit_to` from the training embeddings.

    One scale for all D features, so that their relative sizes, which the network that made them learned, remain.
    With the norm fixed, one learning rate serves embeddings of any origin and size.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(num_features))
        self.register_buffer("scale", torch.ones(()))

    def fit_to(self, embeddings: Tensor) -> None:
        """Take mean and scale from embeddings (N, D)."""
        self.mean.copy_(embeddings.mean(0))
        norm = (embeddings - self.mean).pow(2).sum(-1).mean().sqrt()
        self.scale.copy_(norm / 10 if norm > 0 else torch.ones(()))

    def forward(self, embeddings: Tensor) -> Tensor:
        """(B, D) to the same shape."""
        return (embeddings - self.mean).div_(self.scale)


class Frozen(nn.Module):
    """An encoder that is not trained: images to features, and precomputed features to a common scale.

    Args:
        module: images (B, 3, H, W) to features (B, D).
        num_features: D.
    """

    def __init__(self, module: nn.Module, num_features: int):
        super().__init__()
        self.module = module.requires_grad_(False).eval()
        self.standardize = Standardize(num_features)

    def extract(self, images: Tensor) -> Tensor:
        """Features of images, before their scale: (B, D)."""
        with torch.no_grad():
            return self.module(images)

    def forward(self, inputs: Tensor) -> Tensor:
        """Images (B, 3, H, W), or features of `extract` (B, D), to (B, D)."""
        return self.standardize(self.extract(inputs) if inputs.dim() == 4 else inputs)

    def train(self, mode: bool = True) -> Frozen:
        """Always in evaluation mode: normalisation keeps its statistics."""
        return super().train(False)


class Thawed(Frozen):
    """An encoder that was frozen and is trained on: the scale of its features stays, so that the head goes on with them.

    Args:
        module: images (B, 3, H, W) to features (B, D).
        num_features: D.
    """

    def __init__(self, module: nn.Module, num_features: int):
        super().__init__(module, num_features)
        self.module.requires_grad_(True)

    def extract(self, images: Tensor) -> Tensor:
        """Features of images, before their scale: (B, D)."""
        features: Tensor = self.module(images)
        return features

    def train(self, mode: bool = True) -> Thawed:
        """As of any module."""
        return nn.Module.train(self, mode)
