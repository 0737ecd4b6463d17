"""Revealed group: softmax cross-entropy inside the group of the known label, nothing elsewhere.

Source: the usual answer to "each image has only one of its labels" on forums; partial-label likelihood under values
missing at random (Rubin, 1976) with every group taken as exhaustive.

    loss = sum over groups with something known of
           -log sum of p(label | group) over the labels that what is known leaves possible,
    p(. | group) a softmax over the group's labels only, without "none of them"

With a known positive that is its cross-entropy; known absences leave the rest of the group. Known free labels give
their binary cross-entropy. It is the negative log-probability of what is known, were it known at random.

About an unknown label it assumes nothing: its group is left out. A group whose labels are all known absent has no
outcome left here and is left out too.

Pitfall: no image ever teaches that a group does not apply, so that a bike gets a number of car doors for certain, and
free labels with known positives alone go to "always present". Probabilities are those *given that the group
applies*.
"""

from __future__ import annotations

from torch import Tensor

from ..space import LabelSpace
from .base import Objective, Step, batch_mean
from .group_outcomes import flat_groups, group_outcomes, log_total


class RevealedGroup(Objective):
    """Cross-entropy within the groups that have a known label; all groups exhaustive at prediction."""

    name = "revealed-group"

    def prediction_space(self, space: LabelSpace) -> LabelSpace:
        """The same groups, none optional and none requiring a label."""
        return flat_groups(space, optional=False)

    def _loss(self, step: Step) -> Tensor:
        total = step.logits.new_zeros(len(step.logits))
        for group in group_outcomes(self.space, step.logits, step.observed):
            found = group.known_present.any(-1, keepdim=True)
            possible = (group.known_present | (group.not_absent & ~found)) & group.any_known.unsqueeze(-1)
            total = total - log_total(group.log_probs, possible).sum(-1)
        return batch_mean(total)
