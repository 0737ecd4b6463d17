"""Label smoothing on assumed negatives: nothing is taught with certainty.

Source: AN-LS of Cole et al., "Multi-label learning from single positive labels", CVPR 2021, whose program teaches 0.9 and 0.1:
epsilon = 0.2 here.

    loss = sum_k  -t_k log s(l_k) - (1 - t_k) log(1 - s(l_k)),    t_k = 1 - epsilon / 2 if o_k = 1, else epsilon / 2

About an unknown label it assumes that it is absent, with a doubt of epsilon / 2.

Pitfall: the doubt is one number for all labels, so that rare and frequent ones are pushed to the same floor; it
softens the false negatives and does not know how many there are.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from ..errors import ConfigError
from ..space import LabelSpace
from .base import Objective, Step, batch_mean


class LabelSmoothing(Objective):
    """Binary cross-entropy with smoothed targets and everything unknown as absent; all labels free at prediction.

    Args:
        space: the declared label space.
        epsilon: half of it is the target of an absent label, in [0, 1).
    """

    name = "label-smoothing"

    def __init__(self, space: LabelSpace, epsilon: float = 0.2):
        super().__init__(space)
        if not 0 <= epsilon < 1:
            raise ConfigError(f"epsilon must be in [0, 1), not {epsilon}")
        self.epsilon = epsilon

    def _loss(self, step: Step) -> Tensor:
        target = (step.observed == 1).to(step.logits.dtype) * (1 - self.epsilon) + self.epsilon / 2
        return batch_mean(F.binary_cross_entropy_with_logits(step.logits, target, reduction="none").sum(-1))
