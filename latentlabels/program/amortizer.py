"""`Amortizer`: q_phi(y | x), a network that gives the labels' distribution of each image."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from ..distributions.label_vector import LabelVector
from ..distributions.nonempty import EMPTY_ODDS, NonEmptyLabelVector
from ..space import LabelSpace
from .adjustment import Adjustment
from .head import Head
from .sharing import once, shared_passes


def num_rows(space: LabelSpace, mixture: int = 1) -> int:
    """How many logits a head gives: M * L, and M mixture logits if M > 1."""
    return mixture * space.num_logits + (mixture if mixture > 1 else 0)


class Amortizer(nn.Module):
    """q_phi(y | x): encoder, linear head, `LabelVector`.

    Args:
        space: the label space.
        encoder: images (B, ...) to features (B, num_features).
        num_features: D.
        mixture: M.
        nonempty: the empty set counts little (`NonEmptyLabelVector`); with M = 1.
        head: features (B, D) to logits (B, `num_rows(space, mixture)`); a linear map if not given.

    The head gives M * L logits, then M mixture logits if M > 1. Where ``adjustment`` is set, as calibration after a fit does,
    it changes them before they become a distribution.

    Raises:
        ValueError: parts that do not go together.
    """

    def __init__(
        self,
        space: LabelSpace,
        encoder: nn.Module,
        num_features: int,
        mixture: int = 1,
        nonempty: bool = False,
        head: Head | None = None,
    ):
        super().__init__()
        if mixture < 1:
            raise ValueError(f"mixture is the number of components, at least 1, not {mixture}")
        if nonempty and mixture > 1:
            raise ValueError(f"label sets that are not empty are written for one forest, not for a mixture of {mixture}")
        self.space, self.mixture, self.nonempty = space, mixture, nonempty
        self.encoder = encoder
        rows = num_rows(space, mixture)
        if head is not None and (head.in_features, head.out_features) != (num_features, rows):
            raise ValueError(
                f"the head takes {head.in_features} features and gives {head.out_features} logits; the encoder gives "
                f"{num_features} features, and {mixture} times {space.num_logits} logits need {rows}"
            )
        self.adjustment: Adjustment | None = None
        self.head: Head | nn.Linear = nn.Linear(num_features, rows) if head is None else head

    @torch.no_grad()
    def start_at(self, logits: Tensor) -> None:
        """Make q_phi(y | x) the same for every image: that of logits (L,), for example those of `anchor.derive_prior`."""
        if logits.shape != (self.space.num_logits,):
            raise ValueError(f"logits have shape {tuple(logits.shape)}, but the space has {self.space.num_logits} logits")
        start = self.head.bias.new_zeros(self.head.out_features)
        start[: self.mixture * len(logits)] = logits.repeat(self.mixture)
        if isinstance(self.head, Head):
            self.head.start_at(start)
        else:
            self.head.weight.zero_()
            self.head.bias.copy_(start)
        if self.mixture > 1:  # equal components would stay equal
            self.head.weight.normal_(std=0.01)

    def features(self, images: Tensor) -> Tensor:
        """h, (B, D)."""
        return once(self, "features", images, self.encoder, lambda made: [made])

    def forward(self, images: Tensor) -> LabelVector:
        """q_phi(y | x) for images (B, ...)."""
        return once(
            self,
            "labels",
            images,
            lambda same: self.labels(self.features(same)),
            lambda q: [q.logits, q.mixture_logits],
        )

    def labels(self, features: Tensor) -> LabelVector:
        """q_phi for features (B, D)."""
        width = getattr(self.head, "in_features", features.shape[-1])
        if features.shape[-1] != width:
            raise ValueError(
                f"the encoder gives features of shape {tuple(features.shape)}, and the head takes (B, {width}); "
                f"give Amortizer(..., num_features={features.shape[-1]}), or an encoder that ends in (B, {width})"
            )
        return self.vector(self.head(features))

    def vector(self, flat: Tensor) -> LabelVector:
        """The distribution of what the head gives, (B, M * L), and M mixture logits if M > 1."""
        if self.adjustment is not None:
            flat = self.adjustment(flat)
        return self.unadjusted(flat)

    def unadjusted(self, flat: Tensor) -> LabelVector:
        """As `vector`, without the adjustment."""
        if self.mixture == 1:
            if self.nonempty:
                return NonEmptyLabelVector(self.space, flat, EMPTY_ODDS, validate_args=False)
            return LabelVector(self.space, flat, validate_args=False)
        logits = flat[..., : -self.mixture].unflatten(-1, (self.mixture, self.space.num_logits))
        return LabelVector(self.space, logits, flat[..., -self.mixture :], validate_args=False)

    @contextmanager
    def once(self) -> Iterator[None]:
        """Within this context the encoder runs once for the same images, though model and guide both ask for it.

        `CollapsedELBO` does so by itself. Around another ELBO it saves half of the time, and makes model and guide share
        one draw of dropout.
        """
        with shared_passes():
            yield
