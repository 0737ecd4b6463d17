"""Consistency between views: what the averaged network makes of one view of a picture is what the network learns on another.

Source: Tarvainen and Valpola, "Mean teachers are better role models", NeurIPS 2017; the ramp is that of Laine and Aila,
"Temporal ensembling for semi-supervised learning", ICLR 2017. The target is not theirs: it is the posterior of all labels
given the known ones, every combination of the unknown ones summed over exactly.

    loss + c r(epoch) * mean over images of  -sum_y q(y | x', o) log p(y | x),    r(e) = exp(-5 (1 - min(1, e / 5))^2)
    q(y | x', o) proportional to p'(y | x') p(o | y),  p' the network with averaged weights, x and x' two views of a picture

p is taken at the scale of the target, see `Collapsed.consistency`: which labels is learned from another view, how many is not.

The averaged network is in evaluation mode, draws nothing at random and gets no gradient. Its view is changed as with
``fit.augment: true``, also where the other one is changed more.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import ConfigError
from ..inputs.batches import Batch, Batches
from ..kind import Kind
from ..objectives import DEFAULT, Objective
from ..program import LabelModel
from .averaging import WeightAverage

RAMP_EPOCHS = 5
AVERAGED_EPOCHS = 1.0  # that the teacher's weights reach back, where fit.average does not say


def ramp(epoch: int) -> float:
    """What share of the weight holds in an epoch, from 0: 0.007 in the first, 1 from the sixth on."""
    return math.exp(-5 * (1 - min(1.0, epoch / RAMP_EPOCHS)) ** 2)


@dataclass
class Teacher:
    """The averaged network as a teacher.

    Attributes:
        average: of the weights that are trained.
        weight: c.
    """

    average: WeightAverage
    weight: float

    def term(self, objective: Objective, logits: Tensor, batch: Batch) -> Tensor:
        """What is added to the loss: a scalar with the gradient of the weighted cross-entropy and the value 0.

        The value of the loss then stays what it is without a teacher, for example a log-likelihood, and can be compared.

        Args:
            objective: whose epoch it is.
            logits: (B, L) of the views that are trained on.
            batch: with the other views.
        """
        assert batch.other is not None
        with torch.no_grad():
            amortizer = self.average.averaged.amortizer
            target = amortizer.head(amortizer.features(batch.other))
        term = self.weight * ramp(objective.epoch) * objective.consistency(logits, target, batch.observed)
        return term - term.detach()


def check_consistency(weight: float, objective: Objective, model: LabelModel, batches: Batches) -> None:
    """Refuse a teacher where there is no posterior in closed form, or no second view.

    Raises:
        ConfigError: which setting does not go with fit.consistency, and what to change.
    """
    given = f"fit.consistency is {weight:g}"
    if not objective.takes_views:
        raise ConfigError(
            f'{given}, but objective "{objective.name}" states no posterior of the unknown labels that another view could '
            f'learn from; set fit.consistency to 0, or model.objective to "{DEFAULT}"'
        )
    if model.amortizer.mixture > 1 or model.beta > 0:
        raise ConfigError(
            f"{given}, which needs mixture 1 and beta 0, not {model.amortizer.mixture} and {model.beta:g}; set "
            "fit.consistency to 0, or leave out the other two"
        )
    if batches.kind is not Kind.IMAGES:
        raise ConfigError(
            f"{given}, but embeddings and the features of a frozen encoder have no second view; set fit.consistency to 0, or "
            "train the encoder on images with model.frozen: false"
        )
    if not batches.augment:
        raise ConfigError(
            f"{given}, but with fit.augment: false both views of a picture are the same; set fit.augment to true or strong, "
            "or fit.consistency to 0"
        )
