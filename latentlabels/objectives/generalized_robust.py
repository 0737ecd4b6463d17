"""Generalised robust loss: soft pseudo-labels and weights from the prediction itself, in place of the logarithm.

Source: Chen et al., "Boosting single positive multi-label classification with generalized robust loss", IJCAI 2024, with
the defaults of its published program (VOC); `gr-coco` has the values that the follow-up takes for data with many labels.

    loss = sum_k  -[o_k = 1] log p_k - [o_k = 0] log(1 - p_k)
                  + [o_k = -1] v_k (t_k (1 - p_k^q2) / q2 + (1 - t_k) (1 - (1 - p_k)^q3) / q3),    p_k = s(l_k)
    t_k = s(w p_k + b), the chance that an unknown label is present,   v_k = exp(-(p_k - mu)^2 / (2 sigma^2))

t and v are not differentiated. q2 = 0.01 is nearly the logarithm, q3 = 1 the absolute error, which false negatives move
little. Over `ramp` epochs (8 there) w goes from 0 to 2, b stays at -2, mu goes from 0.5 to 0.8 and sigma from 2 to 0.5:
first all unknown labels count alike, with a chance of 0.12, then those near 0.8 most, with a chance of up to 1/2. As in
the program, mu and sigma are one epoch ahead of w and b: in epoch e, from 0, the former have gone (e + 1) / ramp of their
way, the latter e / ramp.

gr-coco: w goes to 10 and b to -8, the values for COCO, NUS and CUB of Tran et al., "More reliable pseudo-labels, better
performance: a generalized approach to single positive multi-label learning", ICCV 2025: in the end the chance of an
unknown label is 0.0003 where p = 0 and 0.88 where p = 1.

About an unknown label it assumes a chance of presence that grows with the prediction. Known absences, which the paper does
not have, are negatives.

Pitfall: four numbers at both ends of the ramp, tuned for each data set against complete labels there. A chance of 0.12 for
every unknown label is far too high with many labels: probabilities come out too high, and ranking hides it.
"""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import ConfigError
from ..space import LabelSpace
from .base import Objective, Step, batch_mean, known_cross_entropy


class GeneralizedRobust(Objective):
    """Cross-entropy on known labels, a weighted mixture of robust losses on the others; all labels free at prediction.

    Args:
        space: the declared label space.
        w: slope of the chance of presence, first and last; None: 0 and 2, for `gr-coco` 0 and 10.
        b: its offset, first and last; None: -2 and -2, for `gr-coco` -2 and -8.
        mu: the prediction that counts most, first and last.
        sigma: how far around it, first and last, above 0.
        q2: exponent of the loss of presence, in (0, 1].
        q3: exponent of the loss of absence, in (0, 1].
        ramp: epochs from first to last, at least 1.
    """

    name = "gr"
    usual_w: ClassVar[tuple[float, float]] = (0.0, 2.0)
    usual_b: ClassVar[tuple[float, float]] = (-2.0, -2.0)

    def __init__(
        self,
        space: LabelSpace,
        w: tuple[float, float] | None = None,
        b: tuple[float, float] | None = None,
        mu: tuple[float, float] = (0.5, 0.8),
        sigma: tuple[float, float] = (2.0, 0.5),
        q2: float = 0.01,
        q3: float = 1.0,
        ramp: int = 8,
    ):
        super().__init__(space)
        if min(sigma) <= 0 or not (0 < q2 <= 1 and 0 < q3 <= 1) or ramp < 1:
            raise ConfigError(
                f"sigma must be above 0, q2 and q3 in (0, 1] and ramp at least 1, not {sigma}, {q2}, {q3} and {ramp}"
            )
        w, b = self.usual_w if w is None else w, self.usual_b if b is None else b
        self.ends, self.q2, self.q3, self.ramp = (w, b, mu, sigma), q2, q3, ramp

    @property
    def ramp_epochs(self) -> int:
        """Until the four numbers are their last ones."""
        return self.ramp

    def _loss(self, step: Step) -> Tensor:
        now, ahead = (min(epoch / self.ramp, 1.0) for epoch in (self.epoch, self.epoch + 1))
        progress = (now, now, ahead, ahead)
        w, b, mu, sigma = (first + (last - first) * part for (first, last), part in zip(self.ends, progress, strict=True))
        p = torch.sigmoid(step.logits.detach())
        chance, weight = torch.sigmoid(w * p + b), torch.exp(-((p - mu) ** 2) / (2 * sigma**2))
        unknown = weight * (chance * _box(step.logits, self.q2) + (1 - chance) * _box(-step.logits, self.q3))
        return batch_mean(torch.where(step.observed == -1, unknown, known_cross_entropy(step.logits, step.observed)).sum(-1))


class GeneralizedRobustCoco(GeneralizedRobust):
    """`gr` with the values for data with many labels; all labels free at prediction. Its arguments are those of `gr`."""

    name = "gr-coco"
    usual_w = (0.0, 10.0)
    usual_b = (-2.0, -8.0)


def _box(logits: Tensor, q: float) -> Tensor:
    """(1 - p^q) / q; by way of log p, since p^(q - 1) of the gradient is infinite where p has become 0."""
    return -torch.expm1(q * F.logsigmoid(logits)) / q
