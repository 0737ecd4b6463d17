"""Non-negative positive-unlabelled risk (nnPU), for each label alone.

Source: Kiryo et al., "Positive-unlabeled learning with non-negative risk estimator", NeurIPS 2017; here with the logistic
loss in place of their sigmoid loss, since its minimum is at the probability, and without their ascent where the maximum
below is 0.

    loss = sum_k  r_k+ + max(0, u_k - r_k-)
    r_k+ = pi_k / c_k  mean over the batch of  [o_k = 1] (-log p_k),    p_k = s(l_k)
    r_k- = pi_k / c_k  mean over the batch of  [o_k = 1] (-log(1 - p_k)),    u_k = mean over the batch of -log(1 - p_k)

with pi_k = `Known.prevalence` and c_k the share of the training images in which the label is known to be present. All images
are draws from p(x), hence all of them are the unlabelled set. The divisor c_k belongs to the data and not to the batch: a
batch without a positive of the label adds its share of the expectation, 0, and the estimates before the maximum are unbiased.

About an unknown label it assumes that known positives are a random draw from all positives of the label, pi_k of the images.
A known absence is one more image of the unlabelled set. A label never known to be present has no risk and is left alone.

Pitfall: it stands and falls with pi_k, which single positives alone do not give. The maximum is taken for each batch, and
is no expectation: the smaller the batch, the more often the negative side is 0 and teaches nothing, so that probabilities
come out higher. One positive among several, picked at random, is no random draw: images of few labels are preferred.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..space import LabelSpace
from .base import Known, Objective, Step, batch_mean


class NonNegative(Objective):
    """Positive-unlabelled risk of each label, its negative part kept from going below 0; all labels free at prediction."""

    name = "nnpu"
    needs_start = True
    weight: Tensor

    def __init__(self, space: LabelSpace):
        super().__init__(space)
        self.register_buffer("weight", torch.zeros(space.num_labels))

    def start(self, known: Known) -> None:
        """Count how often each label is known to be present."""
        super().start(known)
        share = known.counted(1).double() / max(len(known.rows), 1)
        # what is known to be present is present: a lower prevalence would contradict the data
        weight = torch.maximum(known.prevalence.to(share), share) / share
        self.weight = torch.where(share > 0, weight, 0.0).float()

    def _loss(self, step: Step) -> Tensor:
        weight = self.weight.to(step.logits.dtype)
        positive = (step.observed == 1) * weight
        present, absent = F.softplus(-step.logits), F.softplus(step.logits)
        count = max(len(step.logits), 1)
        negative = ((1 - positive) * absent).sum(0) / count
        return batch_mean((positive * present).sum(-1)) + (negative.clamp(min=0) * (weight > 0)).sum()
