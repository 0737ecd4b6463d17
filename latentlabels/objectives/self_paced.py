"""Hill loss, and self-paced loss correction: confident negatives are doubted.

Source: Zhang et al., "Simple and robust loss design for multi-label learning with missing labels", 2021 (arXiv:2112.07368),
with lambda = 1.5, margin m = 1, gamma = 2, tau = 0.6, correction from the second epoch on.

    positive:  -(1 - p')^gamma log p',   p' = s(l - m)
    hill:  an unknown label counts (lambda - p) p^2,   p = s(l)
    splc:  an unknown label counts -p^gamma log(1 - p),  or, where p > tau after the first epoch, -(1 - p)^gamma log p

The hill's slope in the logit is (2 lambda - 3 p) p^2 (1 - p), with the default largest at p = 1/2 and 0 at both ends, so
that a confident prediction is hardly held to be wrong. The pseudo-positives of splc have no margin, as in the authors' program.

About an unknown label hill assumes that it is absent, the less surely the higher the prediction; splc that it is absent
unless the prediction exceeds tau. Known absences are not doubted: cross-entropy for hill, -p^gamma log(1 - p) for splc.

Pitfall: neither is a proper scoring rule, so that probabilities are off even with complete labels. splc confirms itself: a
label that crosses tau by mistake is taught as present from then on, and a network that starts above tau never recovers.
"""

from __future__ import annotations

from abc import abstractmethod

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import ConfigError
from ..space import LabelSpace
from .base import Objective, Step, batch_mean


def _focal(logits: Tensor, gamma: float) -> Tensor:
    """-(1 - p)^gamma log p; the power by way of its logarithm, whose gradient stays finite where 1 - p has become 0."""
    return -torch.exp(gamma * F.logsigmoid(-logits)) * F.logsigmoid(logits)


class _Margin(Objective):
    def __init__(self, space: LabelSpace, margin: float, gamma: float):
        super().__init__(space)
        if margin < 0 or gamma < 0:
            raise ConfigError(f"margin and gamma must be at least 0, not {margin} and {gamma}")
        self.margin, self.gamma = margin, gamma

    def _loss(self, step: Step) -> Tensor:
        positive = _focal(step.logits - self.margin, self.gamma)
        return batch_mean(torch.where(step.observed == 1, positive, self._others(step)).sum(-1))

    @abstractmethod
    def _others(self, step: Step) -> Tensor:
        """Of the unknown labels; what the variants differ in."""


class Hill(_Margin):
    """Focal loss with a margin on positives, a hill on unknown labels; all labels free at prediction.

    Args:
        space: the declared label space.
        lambda_: of the hill, at least 1.
        margin: by which logits of positives are lowered, at least 0.
        gamma: exponent on positives, at least 0.
    """

    name = "hill"

    def __init__(self, space: LabelSpace, lambda_: float = 1.5, margin: float = 1.0, gamma: float = 2.0):
        super().__init__(space, margin, gamma)
        if lambda_ < 1:
            raise ConfigError(f"lambda_ must be at least 1, not {lambda_}: the loss of a negative would be below 0")
        self.lambda_ = lambda_

    def _others(self, step: Step) -> Tensor:
        p = torch.sigmoid(step.logits)
        return torch.where(step.observed == 0, F.softplus(step.logits), (self.lambda_ - p) * p**2)


class SelfPaced(_Margin):
    """Focal loss with a margin, unknown labels of high probability as positives; all labels free at prediction.

    Args:
        space: the declared label space.
        tau: probability above which an unknown label counts as present, in (0, 1).
        warmup: epochs before that, at least 0.
        margin: by which logits of known positives are lowered, at least 0.
        gamma: exponent, at least 0.
    """

    name = "splc"

    def __init__(self, space: LabelSpace, tau: float = 0.6, warmup: int = 1, margin: float = 1.0, gamma: float = 2.0):
        super().__init__(space, margin, gamma)
        if not 0 < tau < 1 or warmup < 0:
            raise ConfigError(f"tau must be in (0, 1) and warmup at least 0, not {tau} and {warmup}")
        self.tau, self.warmup = tau, warmup

    @property
    def ramp_epochs(self) -> int:
        """Until unknown labels may count as present."""
        return self.warmup

    def _others(self, step: Step) -> Tensor:
        negative = _focal(-step.logits, self.gamma)
        if self.epoch < self.warmup:
            return negative
        present = (step.observed == -1) & (torch.sigmoid(step.logits.detach()) > self.tau)
        return torch.where(present, _focal(step.logits, self.gamma), negative)
