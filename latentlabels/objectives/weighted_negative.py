"""Weighted negatives: assumed absences count for less than what is known.

Source: WAN of Cole et al., "Multi-label learning from single positive labels", CVPR 2021, with gamma = 1 / (K - 1), by
which the assumed negatives of an image weigh as much together as its one known positive.

    loss = sum_k  -[o_k = 1] log s(l_k) - [o_k = 0] log(1 - s(l_k)) - gamma [o_k = -1] log(1 - s(l_k))

About an unknown label it assumes that it is absent, with weight gamma. Known absences, which the paper does not have, keep
weight 1.

Pitfall: if a share c of a label's presences is known, its minimum is not its probability p but
c p / (c p + gamma (1 - c p)): with many labels, gamma is small and probabilities come out far too high.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import ConfigError
from ..space import LabelSpace
from .base import Objective, Step, batch_mean


class WeightedNegative(Objective):
    """Binary cross-entropy with everything unknown as absent, at a weight; all labels free at prediction.

    Args:
        space: the declared label space.
        gamma: the weight, above 0; 1 / (K - 1) if None.
    """

    name = "weighted-negative"

    def __init__(self, space: LabelSpace, gamma: float | None = None):
        super().__init__(space)
        if gamma is not None and gamma <= 0:
            raise ConfigError(f"gamma must be above 0, not {gamma}")
        self.gamma = 1 / max(space.num_labels - 1, 1) if gamma is None else gamma

    def _loss(self, step: Step) -> Tensor:
        target = (step.observed == 1).to(step.logits.dtype)
        weight = torch.ones_like(step.logits).masked_fill(step.observed == -1, self.gamma)
        return batch_mean((weight * F.binary_cross_entropy_with_logits(step.logits, target, reduction="none")).sum(-1))
