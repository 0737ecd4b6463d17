"""Features at one scale: embeddings that others made, and encoders that are not trained."""

from __future__ import annotations

from math import prod

import torch
from torch import Tensor, nn

from .maps import Maps


class Standardize(nn.Module):
    """Embeddings to zero mean and a mean squared norm of 100, set by `fit_to` from the training embeddings.

    One scale for all D features, so that their relative sizes, which the network that made them learned, remain.
    With the norm fixed, one learning rate serves embeddings of any origin and size.

    Args:
        num_features: D; with maps that of both together.
        maps: (d, h, w) of the maps that stand behind the pooled features of each image. They have a mean for each channel,
            and a scale of their own: that by which their mean over the places has a mean squared norm of 100.
    """

    mean: Tensor
    scale: Tensor
    power = 100.0  # mean squared norm of what it gives

    def __init__(self, num_features: int, maps: Maps | None = None) -> None:
        super().__init__()
        self.maps = maps
        self.register_buffer("mean", torch.zeros(num_features))
        self.register_buffer("scale", torch.ones(()) if maps is None else torch.ones(num_features))

    def fit_to(self, embeddings: Tensor) -> None:
        """Take mean and scale from embeddings (N, D)."""
        if self.maps is None:
            self._take(embeddings, slice(None))
            return
        behind = embeddings.shape[1] - prod(self.maps)
        self._take(embeddings[:, :behind], slice(0, behind))
        over_places = embeddings[:, behind:].unflatten(1, (self.maps[0], -1)).mean(-1)
        self._take(over_places.repeat_interleave(prod(self.maps[1:]), 1), slice(behind, None), prod(self.maps[1:]))

    def _take(self, embeddings: Tensor, entries: slice, copies: int = 1) -> None:
        mean = embeddings.mean(0)
        norm = ((embeddings - mean).pow(2).sum(-1).mean() / copies).sqrt()
        self.mean[entries].copy_(mean)
        scale = norm / self.power**0.5 if norm > 0 else torch.ones(())
        (self.scale if self.maps is None else self.scale[entries]).copy_(scale)

    def forward(self, embeddings: Tensor) -> Tensor:
        """(B, D) to the same shape."""
        return (embeddings - self.mean).div_(self.scale)


class Frozen(nn.Module):
    """An encoder that is not trained: images to features, and precomputed features to a common scale.

    Args:
        module: images (B, 3, H, W) to features (B, D).
        num_features: D.
        maps: (d, h, w) of the maps that stand behind the pooled features, see `RegionFeatures`; None where there are none.
    """

    def __init__(self, module: nn.Module, num_features: int, maps: Maps | None = None):
        super().__init__()
        self.module = module.requires_grad_(False).eval()
        self.standardize = Standardize(num_features, maps)

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
    """An encoder that was frozen and is now trained: the scale of its features stays, so that the head still fits them.

    Args:
        module: images (B, 3, H, W) to features (B, D).
        num_features: D.
        maps: as of `Frozen`.
    """

    def __init__(self, module: nn.Module, num_features: int, maps: Maps | None = None):
        super().__init__(module, num_features, maps)
        self.module.requires_grad_(True)

    def extract(self, images: Tensor) -> Tensor:
        """Features of images, before their scale: (B, D)."""
        features: Tensor = self.module(images)
        return features

    def train(self, mode: bool = True) -> Thawed:
        """As of any module."""
        return nn.Module.train(self, mode)
