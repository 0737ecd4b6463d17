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

from typing import NamedTuple

from torch import Tensor

from ..annotation import Annotation, UniformPositive
from ..distributions import LabelVector
from ..program import CollapsedELBO, LabelGuide, LabelModel
from ..space import LabelSpace
from .base import HeldOut, Objective, Step, Value, batch_mean


class _Program(NamedTuple):
    """Kept in a tuple, as a module would hold the parameters of the network twice."""

    model: LabelModel
    guide: LabelGuide


class Collapsed(Objective):
    """Minus the log-likelihood of the known labels, the unknown ones summed over; the declared groups at prediction.

    Args:
        space: the label space.
        annotation: how the known labels came about; `UniformPositive` if not given. `attach` takes that of the program.
    """

    name = "collapsed"
    is_likelihood = True
    takes_whole_model = True

    def __init__(self, space: LabelSpace, annotation: Annotation | None = None):
        super().__init__(space)
        self.annotation = UniformPositive() if annotation is None else annotation
        self._program: _Program | None = None
        self._elbo = CollapsedELBO()

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

    def _loss(self, step: Step) -> Tensor:
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
