"""Collapsed: the evidence lower bound of the Pyro program, every combination of the unknown labels summed over exactly.

Source: this package; see `..program` for the program, and `CollapsedELBO` for the bound. Swersky et al., "Probabilistic
n-choose-k models for classification and ranking", NeurIPS 2012, sum over cardinalities in the same spirit.

    loss = -mean over images of  log p(o | x) = -log sum_y p(y | x) p(o | y),    p(o | y) the annotation
    and of what the program adds: the scale prior, the stated number of labels, and for beta > 0 the label prior and features

About an unknown label it assumes what the annotation states, and nothing else. Its value is a log-likelihood, so that it is
comparable between epochs and fits, tells when to stop, and its probabilities are meant as such.

Pitfall: known positives fix probabilities only up to a scale per image (see `..program.starting_point`).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from .. import exact
from ..annotation import Annotation, CountBound, UniformPositive
from ..annotation.asked import ASKED
from ..distributions import LabelVector, NonEmptyLabelVector
from ..exact.picked import FlatGroups, PickedLogLikelihood, Terms, flat_groups, serves
from ..inputs.known_rows import blocks_of
from ..program import CollapsedELBO, LabelGuide, LabelModel
from ..space import Free, LabelSpace, OneOf
from .base import HeldOut, Known, Objective, Step, Value, batch_mean

_LEAST_ODDS = 0.01  # of the empty set; with less, what is left of the other sets may be a difference of equal numbers
_FEW = 16  # groups up to which the quadrature is exact with few nodes


class _Program(NamedTuple):
    """Kept in a tuple, as a module would hold the parameters of the network twice."""

    model: LabelModel
    guide: LabelGuide


class _OnePositive:
    """What is worked out once for a data set of which each image to train on has one known label, present: most training.

    Of some more may be known: all labels, or answers to questions.

    Args:
        model: of the program.
        label: (N, 1) the known label of each image.
        groups: of the label space.
        apart: (N,) images of which more is known, complete or by answers; None where there are none.
    """

    def __init__(self, model: LabelModel, label: Tensor, groups: FlatGroups, apart: Tensor | None):
        self.model, self.apart = model, apart
        self.annotation, self.groups, self.space = model.annotation, groups, model.amortizer.space
        self.own, self.place = groups.group[label], groups.place[label]  # (N, 1)
        self.example = torch.full((1, self.space.num_labels), -1, dtype=torch.int8)
        self.example[0, 0] = 1
        q = model.amortizer.vector(torch.zeros(1, self.space.num_logits))
        odds = q.empty_odds if isinstance(q, NonEmptyLabelVector) else 1.0
        self.terms = Terms(
            torch.zeros(1, 1), torch.zeros(1), 1 - odds, (model.scale_prior - 1) * (odds < 1),
            0.0 if model.expected_labels is None or apart is not None else model.count_weight,
            model.expected_labels or 1.0,
        )  # fmt: skip
        self._rules: dict[tuple[int, torch.dtype], Terms] = {}

    @classmethod
    def of(cls, model: LabelModel, known: Known) -> _OnePositive | None:
        """None where the program or the data ask for the general sums."""
        forest = exact.compile_forest(model.amortizer.space)
        groups, rows = flat_groups(forest), known.rows
        simple = model.beta == 0 and model.amortizer.mixture == 1 and len(rows) > 0
        how = model.annotation
        every = torch.arange(known.observed.shape[0])
        complete = torch.cat([how.complete(block) for block in blocks_of(known.observed, every)])
        apart = complete | torch.cat([_has_answers(block) for block in blocks_of(known.observed, every)])
        picked = rows[~apart[rows]]
        simple = simple and len(picked) > 0 and all(_one_each(block) for block in blocks_of(known.observed, picked))
        q = model.amortizer.vector(torch.zeros(1, model.amortizer.head.out_features))
        simple = simple and (not isinstance(q, NonEmptyLabelVector) or q.empty_odds > _LEAST_ODDS)
        if not simple or groups is None or not _shares_evidence(how, known.observed[picked[:2]]):
            return None
        label = torch.cat([block.argmax(-1, keepdim=True) for block in blocks_of(known.observed, every)])
        return cls(model, label, groups, apart if bool(apart.any()) else None)

    def loss(self, logits: Tensor, index: Tensor, observed: Tensor) -> Tensor | None:
        """Minus the mean log-likelihood of images by row; None where the general sums do better."""
        if not len(logits) or not serves(logits):
            return None
        return self._of_picked(logits, index) if self.apart is None else self._of_both(logits, index, observed)

    def _of_both(self, logits: Tensor, index: Tensor, observed: Tensor) -> Tensor | None:
        """The same of a batch in which more is known of some images."""
        assert self.apart is not None
        apart, model = self.apart.index_select(0, index), self.model
        value = logits.new_zeros(())
        if not bool(apart.all()):
            picked = self._of_picked(logits[~apart], index[~apart])
            if picked is None:
                return None
            value = picked * (~apart).sum()
        q = model.amortizer.vector(logits)
        if bool(apart.any()):
            told = q.take(apart.nonzero().squeeze(-1))
            value = value - (told.log_marginal(observed[apart], self.annotation) + model.scale_prior * told.log_mass).sum()
        value = value / len(logits)
        if model.expected_labels is None:
            return value
        return value + model.count_weight * (q.marginals.sum(-1).mean() / model.expected_labels).log().pow(2)

    def _of_picked(self, logits: Tensor, index: Tensor) -> Tensor | None:
        own, place = self.own.index_select(0, index), self.place.index_select(0, index)
        value: Tensor | None = PickedLogLikelihood.apply(logits, own, place, self.groups, self._terms)
        return None if value is None else -value

    def _terms(self, rest: Tensor) -> Terms:
        """With the nodes that label probabilities (N, G) ask for, in steps of a fifth of their expected number."""
        longest = rest.shape[-1]
        step = 0 if longest <= _FEW else math.ceil(4 * math.log2(max(float(rest.sum(-1).max()), 0.05)))
        if (step, rest.dtype) not in self._rules:
            bound = CountBound(float(longest) if longest <= _FEW else 2.0 ** (step / 4), 1, longest)
            evidence = self.annotation.evidence(self.example, lambda: bound, rest.dtype)
            less, log_weight = evidence.tilt.double().exp() - 1, evidence.log_weight
            self._rules[step, rest.dtype] = self.terms._replace(less=less.to(rest.dtype), log_weight=log_weight.to(rest.dtype))
        return self._rules[step, rest.dtype]


def _has_answers(observed: Tensor) -> Tensor:
    """Which images (B, K) have answers beside one picked label, or none: bool (B,)."""
    return ((observed == ASKED) | (observed == 0)).any(-1)


def _one_each(observed: Tensor) -> bool:
    """Whether each image (B, K) has one known label, present."""
    return bool(((observed == 1).sum(-1) == 1).all()) and not bool((observed == 0).any())


def _shares_evidence(annotation: Annotation, rows: Tensor) -> bool:
    """Whether all images of one known label have the same tilts and weights, and nothing else comes in."""
    if annotation.noise or annotation.selection_weights(rows.shape[-1], torch.float64, rows.device) is not None:
        return False
    evidence = annotation.evidence(rows, lambda: CountBound(1.0, 1, rows.shape[-1]), torch.float64)
    return evidence.uniform and evidence.log_weight.dim() == 1 and evidence.tilt.dim() == 2


class _Tilts:
    """The logits that a common factor of an image's odds moves: of free labels, and of the labels of optional groups.

    Args:
        space: the label space.
    """

    def __init__(self, space: LabelSpace):
        self.labels: list[int] = []
        self.none: list[int] = []  # "none of them" beside each label of an optional group; of a free label, a column of zeros
        at = 0
        for group in space.groups:
            own, optional = len(group.labels), isinstance(group, OneOf) and group.optional
            if optional or isinstance(group, Free):
                self.labels += range(at, at + own)
                self.none += [at + own if optional else space.num_logits] * own
            at += own + optional

    def tilt(self, apart: Tensor) -> Tensor:
        """Of differences of logits (B, L), what is a common factor of the odds: (B, L), 0 for logits that it does not move."""
        out = torch.zeros_like(apart)
        if self.labels:
            padded = torch.nn.functional.pad(apart, (0, 1))
            out[:, self.labels] = (apart[:, self.labels] - padded[:, self.none]).mean(-1, keepdim=True)
        return out


class Collapsed(Objective):
    """Minus the log-likelihood of the known labels, the unknown ones summed over; the declared groups at prediction.

    Args:
        space: the label space.
        annotation: how the known labels came about; `UniformPositive` if not given. `attach` takes that of the program.
    """

    name = "collapsed"
    is_likelihood = True
    takes_whole_model = True
    takes_views = True

    def __init__(self, space: LabelSpace, annotation: Annotation | None = None):
        super().__init__(space)
        self.annotation = UniformPositive() if annotation is None else annotation
        self._program: _Program | None = None
        self._elbo = CollapsedELBO()
        self._one_positive: _OnePositive | None = None
        self._tilts = _Tilts(self.space)

    @classmethod
    def value(cls) -> Value:
        """A log-likelihood."""
        name, detail = "log-likelihood", "of the known labels, nats per image"
        return Value(name, detail, f"{name} {detail}")

    @classmethod
    def conditions_by(cls, annotation: Annotation) -> Annotation:
        """By the annotation that it was fitted under."""
        return annotation

    def prediction_space(self, space: LabelSpace) -> LabelSpace:
        """The declared one."""
        return space

    def attach(self, model: LabelModel, guide: LabelGuide) -> None:
        """Take the program's annotation, and what it adds to the likelihood."""
        self._program, self.annotation = _Program(model, guide), model.annotation

    @property
    def num_logits(self) -> int:
        """Those of the program's head, of every component of a mixture and of their weights."""
        return self.space.num_logits if self._program is None else self._program.model.amortizer.head.out_features

    @property
    def runs_program(self) -> bool:
        """With a generative side the bound needs the traces of model and guide."""
        return self._program is not None and self._program.model.beta > 0

    def program_loss(self, inputs: Tensor, observed: Tensor) -> Tensor:
        """Minus the evidence lower bound, the mean over images: a scalar."""
        assert self._program is not None
        return self._elbo.differentiable_loss(*self._program, inputs, observed) / max(len(observed), 1)

    def consistency(self, logits: Tensor, target: Tensor, observed: Tensor) -> Tensor:
        """-sum_y q(y | x', o) log p(y | x), the mean over images, with p at the scale of the target: a scalar, exact.

        Known labels fix an image's odds only up to a common factor, on which q is no evidence: were it learned from q, noise
        between the views would drive the odds towards 1, and the likelihood would not resist. So the odds in p are first
        multiplied by the factor that gives them the geometric mean of those in the target. The result does not depend on a
        common factor of the odds of an image.

        Args:
            logits: (B, L) of p, of one view of each image.
            target: (B, L) of another view, which gets no gradient; given what is known they make q.
            observed: (B, K) int8 of 1, 0, -1.
        """
        with torch.no_grad():
            posterior = self._vector(target.detach()).condition(observed, self.annotation)
        at_scale = logits + self._tilts.tilt(target.detach() - logits)
        return batch_mean(posterior.cross_entropy(self._vector(at_scale)))

    def start(self, known: Known) -> None:
        """Work out what is the same in every epoch."""
        super().start(known)
        self._one_positive = None if self._program is None else _OnePositive.of(self._program.model, known)

    def _loss(self, step: Step) -> Tensor:
        if self.training and self._one_positive is not None and step.index is not None:
            loss = self._one_positive.loss(step.logits, step.index, step.observed)
            if loss is not None:
                return loss
        # the ELBO is log Z itself where beta is 0: the tests hold the two equal, and a trace costs a millisecond
        q = self._vector(step.logits)
        value = q.log_marginal(step.observed, self.annotation)
        return -batch_mean(value if self._program is None else value + self._program.model.log_factors(q))

    def held_out(self, step: Step) -> HeldOut:
        """log p(o | x), and the expected number of labels."""
        q = self._vector(step.logits)
        return HeldOut(batch_mean(q.log_marginal(step.observed, self.annotation)), batch_mean(q.marginals.sum(-1)))

    def _vector(self, logits: Tensor) -> LabelVector:
        if self._program is None:
            return LabelVector(self.space, logits, validate_args=False)
        return self._program.model.amortizer.vector(logits)
