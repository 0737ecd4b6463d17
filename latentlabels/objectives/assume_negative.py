"""Assume negative: every label that is not known present is taken to be absent.

Source: the usual baseline; AN of Cole et al., "Multi-label learning from single positive labels", CVPR 2021.

    loss = sum_k  -[o_k = 1] log s(l_k) - [o_k != 1] log(1 - s(l_k)),    s the logistic function, l the logits

About an unknown label it assumes that it is absent. An image without known labels is a negative of every label.

Pitfall: with one known label per image most present labels are taught as absent, so that probabilities come out too low
by about the share of present labels that is known (ranking suffers less), and long training memorises the false
negatives: its own held-out value does not tell when to stop, the mAP against held-out known labels does.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from .base import Objective, Step, batch_mean


class AssumeNegative(Objective):
    """Binary cross-entropy with everything unknown as absent; all labels free at prediction."""

    name = "assume-negative"

    def _loss(self, step: Step) -> Tensor:
        target = (step.observed == 1).to(step.logits.dtype)
        return batch_mean(F.binary_cross_entropy_with_logits(step.logits, target, reduction="none").sum(-1))
