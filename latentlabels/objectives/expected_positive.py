"""The expected number of positives as a penalty (EPR), and unknown labels estimated as the network learns (ROLE).

Source: Cole et al., "Multi-label learning from single positive labels", CVPR 2021. Their losses are means over labels, here
they are sums: K times theirs.

    EPR(P) = mean over images of  sum_k  -[o_k = 1] log p_k - [o_k = 0] log(1 - p_k)   +  weight K ((m(P) - k) / K)^2,
    m(P) the mean over the batch of sum_k p_k,  k = `Known.expected_labels`

    expected-positive:  EPR(P),  P = s(logits)
    role:  (EPR(P) + CE(P | [Y]) + EPR(Y) + CE(Y | [P])) / 2,  CE(P | Y) = mean of sum_k -y_k log p_k - (1 - y_k) log(1 - p_k)

In ROLE, Y = s(theta) is an (N, K) table of estimates, one for each training image and label, trained along at 10 times the
learning rate, and [.] is not differentiated. It starts at random between 0.4 and 0.6, at 0.995 where the label is known to
be present and at 0.005 where it is known to be absent. In evaluation mode ROLE is EPR(P): other images have no estimate.

About an unknown label EPR assumes nothing; only how many labels there are on average is known. Known absences, which the
paper does not have, are negatives.

Pitfall: k has to be right, and is seen through batches: with few images m(P) scatters around k and is punished for that.
Which labels make up the number is left to the network; for EPR it is often the same ones in every image. The optimiser's
moments move estimates of images that are not in the batch, and the table with both moments takes 12 N K bytes.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import ConfigError
from ..space import LabelSpace
from .base import Known, Objective, Step, batch_mean, excess_penalty, known_cross_entropy


class ExpectedPositive(Objective):
    """Cross-entropy on known labels, and a penalty on the number of labels; all labels free at prediction.

    Args:
        space: the declared label space.
        weight: of the penalty, above 0.
    """

    name = "expected-positive"
    needs_start = True

    def __init__(self, space: LabelSpace, weight: float = 1.0):
        super().__init__(space)
        if weight <= 0:
            raise ConfigError(f"the weight of the penalty must be above 0, not {weight}")
        self.weight = weight
        self.expected = math.nan

    def start(self, known: Known) -> None:
        """Take over the expected number of labels."""
        super().start(known)
        self.expected = known.expected_labels

    def _loss(self, step: Step) -> Tensor:
        return self._penalised(step.logits, step.observed)

    def _penalised(self, logits: Tensor, observed: Tensor) -> Tensor:
        loss = batch_mean(known_cross_entropy(logits, observed).sum(-1))
        if not len(logits):
            return loss
        return loss + self.weight * excess_penalty(logits, self.expected)


class Role(ExpectedPositive):
    """EPR of the network and of estimated labels, and cross-entropies between both; all labels free at prediction.

    Args:
        space: the declared label space.
        weight: of the penalty, above 0.
    """

    name = "role"
    keeps_images = True
    rate = 10.0
    estimate: nn.Parameter

    def start(self, known: Known) -> None:
        """Start the estimates."""
        super().start(known)
        start = math.log(0.6 / 0.4) * (2 * torch.rand(known.observed.shape) - 1)
        certain = math.log(0.995 / 0.005)
        observed = known.whole()
        start = torch.where(observed == 1, certain, torch.where(observed == 0, -certain, start))
        self.estimate = nn.Parameter(start)  # (N, K) logits

    def _loss(self, step: Step) -> Tensor:
        loss = self._penalised(step.logits, step.observed)
        if not self.training or step.index is None:
            return loss
        logits, estimate = step.logits, self.estimate[step.index].to(step.logits.dtype)
        loss = loss + self._penalised(estimate, step.observed)
        for one, other in ((logits, estimate), (estimate, logits)):
            target = torch.sigmoid(other.detach())
            loss = loss + batch_mean(F.binary_cross_entropy_with_logits(one, target, reduction="none").sum(-1))
        return loss / 2
