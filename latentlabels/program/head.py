"""`Head`: from the features of an image to its logits, where that is more than one linear map."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn


class Head(nn.Module, ABC):
    """What an `Amortizer` takes in place of its linear head.

    Attributes:
        in_features: D, numbers of an image that the encoder gives.
        out_features: rows, the number of logits.
        weight: (rows, ...), what makes the logits differ between images; row r belongs to logit r alone.
        bias: (rows,), what they start from.
    """

    in_features: int
    out_features: int
    weight: nn.Parameter
    bias: nn.Parameter

    @property
    def quick_parameters(self) -> list[nn.Parameter]:
        """Parameters that carry the scale of all probabilities, and learn faster than the others."""
        return [self.bias]

    def own_rows(self, entry: str) -> Tensor | None:
        """(rows,) True for rows of an entry of its state that a fit does not take over from an earlier one; None for none."""
        return None

    def log_prior(self) -> Tensor | None:
        """The logarithm of the density of its parameters, a scalar; None for a head without a prior."""
        return None

    @abstractmethod
    def forward(self, features: Tensor) -> Tensor:
        """Features (B, D) to logits (B, rows)."""

    @torch.no_grad()
    def start_at(self, logits: Tensor) -> None:
        """Give every image these logits (rows,)."""
        self.weight.zero_()
        self.bias.copy_(logits)
