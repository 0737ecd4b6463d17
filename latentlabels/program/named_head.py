r"""`NamedHead`: labels whose names are evidence.

The encoder places images and texts in one space, and the logit of label k for an image with features h is

    a (cos(h, t_k) - c_k) + b_k + w_k . h

t_k the embedding of the label's texts, c_k the mean of the cosine over images, which keeps a and b_k apart. a > 0, b and w are
learned. At w = 0 it is the zero-shot classifier of CLIP (Radford et al., ICML 2021), with a scale and a bias. w has the prior

    w_k ~ N(0, r^2 / E|h|^2),

under which w_k . h is about r for an image before anything is known, and images share it as far as their features are alike (a
Gaussian process whose covariance is r^2 times the cosine of the features). It enters once for a whole data set: with few images
the names decide, with many the images do.

Features may come standardised, as (h - m) / s: then s t_k . features is cos(h, t_k) less its mean, s being ``stretch``.

| symbol | code | shape |
|---|---|---|
| a | ``log_scale.exp()`` | () |
| b | ``bias`` | (rows,) |
| w | ``weight`` | (rows, D) |
| t | ``names`` | (rows, D), of length 1; zero for rows that are no label |
| c | ``average`` | (rows,) |
| E\|h\|^2 | ``power`` | () |
| r | ``residual`` | |
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ..space import LabelSpace, OneOf
from .amortizer import num_rows
from .head import Head


class NamedHead(Head):
    """See the module.

    Args:
        names: (rows, D) embeddings of length 1 of the rows' labels; zeros for a row that is no label.
        scale: at which a starts.
        residual: r, in logits.
    """

    log_scale: nn.Parameter
    names: Tensor
    average: Tensor
    stretch: Tensor
    power: Tensor
    read: Tensor

    def __init__(self, names: Tensor, scale: float = 1.0, residual: float = 1.0):
        super().__init__()
        self.out_features, self.in_features = names.shape
        self.residual = residual
        self.weight = nn.Parameter(torch.zeros_like(names))
        self.bias = nn.Parameter(torch.zeros(len(names)))
        self.log_scale = nn.Parameter(torch.tensor(scale).log())
        self.register_buffer("names", names.clone())
        self.register_buffer("average", torch.zeros(len(names)))
        self.register_buffer("stretch", torch.ones(()))
        self.register_buffer("power", torch.ones(()))
        self.register_buffer("read", names.abs().sum(-1) > 0, persistent=False)

    def forward(self, features: Tensor) -> Tensor:
        """Features (B, D) to logits (B, rows)."""
        scale = self.log_scale.exp()
        weight = torch.addcmul(self.weight, self.names, scale * self.stretch)
        return nn.functional.linear(features, weight, self.bias - scale * self.average)

    def cosines(self, features: Tensor) -> Tensor:
        """cos(h, t_k) for features (B, D), less its mean over images: (B, rows)."""
        return nn.functional.linear(features, self.names * self.stretch, -self.average)

    @property
    def scale(self) -> float:
        """a."""
        return float(self.log_scale.detach().exp())

    @property
    def quick_parameters(self) -> list[nn.Parameter]:
        """b and a."""
        return [self.bias, self.log_scale]

    @torch.no_grad()
    def start_at(self, logits: Tensor) -> None:
        """The zero-shot classifier, which gives logits (rows,) where the cosines are those of an average image."""
        super().start_at(logits)

    def own_rows(self, entry: str) -> Tensor | None:
        """Rows whose names were read for this fit: those of an earlier fit do not replace them."""
        return self.read if entry in ("names", "average") else None

    @torch.no_grad()
    def see_scale(self, features: Tensor, stretch: Tensor) -> None:
        """Take how features (B, D) of some images come: as (h - m) / `stretch`, h of length 1."""
        self.stretch.copy_(stretch)
        self.power.copy_(features.square().sum(-1).mean())

    @torch.no_grad()
    def see_average(self, features: Tensor) -> None:
        """Take the mean cosine of the labels whose names were read for this fit, over images with features (B, D)."""
        mean = self.names @ features.mean(0) * self.stretch
        self.average.copy_(torch.where(self.read, mean, self.average))

    @torch.no_grad()
    def start_within(self, spread: float, features: Tensor) -> None:
        """Lower a where the logits of the names would have a larger standard deviation over images than `spread`.

        Publishers' scales are meant for a softmax over thousands of texts, and are too large for the odds of one label.

        Args:
            spread: in logits.
            features: (B, D) of some images.
        """
        found = self.cosines(features)[:, self.read].square().mean().sqrt()
        if found > 0:
            self.log_scale.clamp_(max=float((spread / found).log()))

    def log_prior(self) -> Tensor:
        """The logarithm of w's density, but for a constant: a scalar."""
        return -self.weight.square().sum() * self.power / (2 * self.residual**2)


def labels_of_logits(space: LabelSpace) -> list[str | None]:
    """Which label each logit (L,) of a space is of; None for "none of them" of an optional group."""
    found: list[str | None] = []
    for group in space.groups:
        found += group.labels
        if isinstance(group, OneOf) and group.optional:
            found.append(None)
    return found


def rows_of_names(space: LabelSpace, embeddings: Mapping[str, Tensor], num_features: int, mixture: int = 1) -> Tensor:
    """Embeddings (rows, D) of a head's rows, from those of labels (D,): the same for each component of a mixture; else 0."""
    rows = torch.zeros(num_rows(space, mixture), num_features)
    labels = labels_of_logits(space)
    for row, label in enumerate(labels * mixture):
        if label is not None and label in embeddings:
            rows[row] = embeddings[label]
    return rows
