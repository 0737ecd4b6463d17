"""Full labels: binary cross-entropy on the complete truth, the ceiling of what known labels can teach.

Source: the fully labelled reference of Cole et al., CVPR 2021.

    loss = sum_k  -y_k log s(l_k) - (1 - y_k) log(1 - s(l_k))
    grouped:  loss = -log p(y | x), p the distribution of the declared label space

It reads the truth, and `observed` not at all; labels that the truth itself leaves unknown (-1) are summed over.

Pitfall: it is a ceiling for comparison only; where complete labels exist, nothing is latent.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..annotation import Ignorable
from ..errors import ObservationError
from ..space import LabelSpace
from .base import Objective, Step, batch_mean


class FullLabels(Objective):
    """Likelihood of the complete truth; all labels free at prediction, or the declared groups.

    Args:
        space: the declared label space.
        grouped: use the declared groups instead of free labels.
    """

    name = "full-labels"
    needs_truth = True

    def __init__(self, space: LabelSpace, grouped: bool = False):
        self._grouped = grouped
        super().__init__(space)

    def prediction_space(self, space: LabelSpace) -> LabelSpace:
        """All labels free, or the declared space if `grouped`."""
        return space if self._grouped else super().prediction_space(space)

    def _loss(self, step: Step) -> Tensor:
        assert step.truth is not None  # forward has seen to it
        if self._grouped:
            value = self.space.distribution(step.logits).log_marginal(step.truth.to(torch.int8), Ignorable())
            wrong = torch.isneginf(value).nonzero().flatten().tolist()
            if wrong:
                raise ObservationError(
                    f"the truth of {len(wrong)} of {len(value)} images breaks a group of the label space (rows "
                    f"{', '.join(map(str, wrong[:5]))} of the batch): two labels of one group, or a label without the "
                    "one it requires; mend the table or the label space"
                )
            return batch_mean(-value)
        each = F.binary_cross_entropy_with_logits(step.logits, (step.truth == 1).to(step.logits.dtype), reduction="none")
        return batch_mean((each * (step.truth != -1)).sum(-1))
