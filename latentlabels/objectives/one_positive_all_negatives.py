"""One positive, all negatives: the known positive and all true absences are taught, other present labels left out.

Source: a ceiling of the papers on single positive labels (Cole et al., CVPR 2021: one positive, all negatives known).

    loss = sum_k  -[o_k = 1] log s(l_k) - [o_k != 1, y_k = 0] log(1 - s(l_k))

It reads the truth for the absences only: about a label that is present and not known it says nothing. It shows what is
lost by not knowing the positives, once no negative is false.

Pitfall: positives are rarer in training than in truth, so that probabilities come out too low where several labels are
present, as ranking does not show. A ceiling for comparison only.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from .base import Objective, Step, batch_mean


class OnePositiveAllNegatives(Objective):
    """Binary cross-entropy on known positives and true absences; all labels free at prediction."""

    name = "one-positive-all-negatives"
    needs_truth = True

    def _loss(self, step: Step) -> Tensor:
        assert step.truth is not None  # forward has seen to it
        positive = step.observed == 1
        each = F.binary_cross_entropy_with_logits(step.logits, positive.to(step.logits.dtype), reduction="none")
        return batch_mean((each * (positive | (step.truth == 0))).sum(-1))
