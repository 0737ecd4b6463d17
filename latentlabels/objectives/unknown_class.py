"""Unknown class: every group gets one more class, "unknown or none", the target wherever no label is known.

Source: the usual remedy on forums for softmax heads with one labelled head per image; "assume negative" (AN of Cole
et al., CVPR 2021) told of the groups.

    loss = sum over groups of  -log p(known label | group),  or  -log p(unknown | group)  if no label of it is known,
    p(. | group) a softmax over the group's labels and the extra class

Free labels are binary, and absent unless known present, as in `assume_negative`.

About an unknown label it assumes that "not known" is a property of the image that can be predicted, as absence is. A
known absence adds nothing to that: the extra class says the same of it.

Pitfall: a group that always applies is known on a share of the images only, so that its labels' probabilities sum to
about that share, not to 1. The extra class mixes "does not apply" with "nobody said", and no threshold separates them.
"""

from __future__ import annotations

from torch import Tensor

from ..space import LabelSpace
from .base import Objective, Step, batch_mean
from .group_outcomes import flat_groups, group_outcomes, log_total


class UnknownClass(Objective):
    """Cross-entropy in every group, with an extra class for "not known"; all groups optional at prediction."""

    name = "unknown-class"

    def prediction_space(self, space: LabelSpace) -> LabelSpace:
        """The same groups, all optional and none requiring a label: "none" is the extra class."""
        return flat_groups(space, optional=True)

    def _loss(self, step: Step) -> Tensor:
        total = step.logits.new_zeros(len(step.logits))
        for group in group_outcomes(self.space, step.logits, step.observed):
            target = group.known_present.clone()
            target[..., -1] = ~group.known_present.any(-1)
            total = total - log_total(group.log_probs, target).sum(-1)
        return batch_mean(total)
