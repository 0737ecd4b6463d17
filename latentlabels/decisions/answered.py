"""The scale of probabilities, by answers to questions.

Picked labels fix the probabilities of an image only up to a common factor; see `..program.starting_point`. An answer says how
often a label is present, so answers fix the scale. But a fit that was trained on the answers agrees with them, and then says
nothing about the scale. So there are two fits.

1. A first fit has not seen the answers. Let o be what was known of an image before, and a its answers. The questions were
   chosen by the images and by o, so that given these the choice says nothing about y, and the likelihood of the answers is

       p(a | x, o) = Z(o, a | x) / Z(o | x),    Z(o | x) = sum_y p(y | x) p(o | y).

   Beside it stands Z(o | x) of the images that the first fit held out: they say how sharp its probabilities are, which answers
   to the most uncertain questions alone would not. Both are exact, and together they say how to change the first fit's logits
   (`rescaling`). That is `Answered`.

2. The fit on everything is brought to the scale of the first: of the images that both fits held out and nobody was asked about,
   its changed logits maximise the expected log p(y | x), y from the first fit's changed posterior given o. This is exact as
   well (`LabelVector.cross_entropy`). That is `CarriedOver`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..annotation import Annotation
from ..distributions import LabelVector
from ..space import LabelSpace
from .rescaling import Change, Rescaling, Vector

WIDTH = 0.5
"""Standard deviation of the bias of a logit, in logits."""


class Answered(Rescaling):
    """What a fit has not seen, and the likelihood of what changes its logits.

    Args:
        vector: from logits to the labels' distributions.
        logits: (N, rows) what the head gives.
        before: (N, K) int8 what was known before the questions, 1, 0 or -1.
        told: (N, K) the same with the answers, as `annotation.asked.with_answers` makes them.
        seen: (N,) bool, whether the fit was trained on what was known before; of the others that counts as well.
        how: the annotation.
        space: the label space of the logits.
        scale_prior: see `LabelModel`; it holds for what was known before.
    """

    def __init__(
        self,
        vector: Vector,
        logits: Tensor,
        before: Tensor,
        told: Tensor,
        seen: Tensor,
        how: Annotation,
        space: LabelSpace,
        scale_prior: float = 0.0,
    ):
        super().__init__(vector, logits, space)
        self.before, self.told, self.seen = before, told, seen
        self.how, self.scale_prior = how, scale_prior

    def nll(self, change: Change, rows: Tensor | slice = slice(None)) -> Tensor:
        """-log Z(o, a | x), and of images that the fit was trained on + log Z(o | x)."""
        q, seen = self.changed(change, rows), self.seen[rows]
        value = q.log_marginal(self.told[rows], self.how)
        if bool(seen.any()):
            own = seen.nonzero().squeeze(-1)
            value = value.index_add(0, own, -q.take(own).log_marginal(self.before[rows][own], self.how))
        if self.scale_prior:
            value = value + self.scale_prior * torch.where(seen, 0.0, q.log_mass)
        return -value


class CarriedOver(Rescaling):
    """A posterior whose scale is right, and the likelihood of what brings other logits to it.

    Args:
        vector: from logits to the labels' distributions.
        logits: (N, rows) what the other head gives.
        posterior: of the same N images.
        space: the label space of the logits.
    """

    def __init__(self, vector: Vector, logits: Tensor, posterior: LabelVector, space: LabelSpace):
        super().__init__(vector, logits, space)
        self.posterior = posterior

    def nll(self, change: Change, rows: Tensor | slice = slice(None)) -> Tensor:
        """-E[log p(y | x)] of all images; rows cannot be chosen."""
        assert rows == slice(None)
        return self.posterior.cross_entropy(self.changed(change))
