"""GPR's loss: the generalised robust loss, and a penalty on the expected number of labels.

Source: Tran et al., "More reliable pseudo-labels, better performance: a generalized approach to single positive multi-label
learning", ICCV 2025, with w to 10, b to -8 and weight = 0.001 (COCO and NUS; VOC keeps `gr`'s w and b and takes 0.05, CUB
takes 0.01). Their losses are means over labels, here they are sums: K times theirs.

    loss = GR  +  weight K ((m - k) / K)^2,    GR as in `gr-coco`,
    m the mean over the batch of sum_k p_k,    k = `Known.expected_labels`

About an unknown label it assumes what `gr` does, and how many labels there are on average. In the paper k is the data set's
true number.

What differs from the paper: its pseudo-labels come from a network that reads the labels' names (CLIP), and are left out, with
the two terms that take them.

Pitfall: at a weight of 0.001 the penalty is next to nothing: with 80 labels and five too many it adds 0.0003 to a loss of
about 3.
"""

from __future__ import annotations

import math

from torch import Tensor

from ..errors import ConfigError
from ..space import LabelSpace
from .base import Known, Step, excess_penalty
from .generalized_robust import GeneralizedRobustCoco


class PenalisedRobust(GeneralizedRobustCoco):
    """`gr-coco` and a penalty on the number of labels; all labels free at prediction.

    Args:
        space: the declared label space.
        weight: of the penalty, at least 0.
        w: slope of the chance of presence, first and last; None: 0 and 10.
        b: its offset, first and last; None: -2 and -8.
        ramp: epochs from first to last, at least 1.
    """

    name = "gpr"
    needs_start = True

    def __init__(
        self,
        space: LabelSpace,
        weight: float = 0.001,
        w: tuple[float, float] | None = None,
        b: tuple[float, float] | None = None,
        ramp: int = 8,
    ):
        super().__init__(space, w, b, ramp=ramp)
        if weight < 0:
            raise ConfigError(f"the weight of the penalty must be at least 0, not {weight}")
        self.weight = weight
        self.expected = math.nan

    def start(self, known: Known) -> None:
        """Take over the expected number of labels."""
        super().start(known)
        self.expected = known.expected_labels

    def _loss(self, step: Step) -> Tensor:
        loss = super()._loss(step)
        if not len(step.logits):
            return loss
        return loss + self.weight * excess_penalty(step.logits, self.expected)
