"""What all objectives share: one interface on logits and known labels.

An objective is the mean over the images of a batch of the sum over labels (or groups), so that its scale is that of a
negative log-likelihood per image, and the same learning rate means the same for all of them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..annotation import Annotation, Ignorable
from ..errors import ConfigError, ObservationError
from ..inputs.known_rows import LabelRows, counted
from ..space import LabelSpace

if TYPE_CHECKING:
    from ..program import LabelGuide, LabelModel


class Known(NamedTuple):
    """What is known of the training data before the first step; no complete label.

    Attributes:
        observed: (N, K) int8 of all images, held-out ones included, by rows; `whole` for all of it.
        rows: (n,) of those that are trained on.
        prevalence: (K,) p(y_k = 1), as the known labels and the expected number of labels say (see `anchor`).
        expected_labels: the expected number of present labels per image.
        inputs: gives the encoder's inputs of some rows, (B, ...).
    """

    observed: LabelRows
    rows: Tensor
    prevalence: Tensor
    expected_labels: float
    inputs: Callable[[Tensor], Tensor]

    def whole(self) -> Tensor:
        """All known labels: (N, K), for objectives that keep as much for each image themselves."""
        return self.observed[torch.arange(self.observed.shape[0])]

    def counted(self, value: int) -> Tensor:
        """In how many of the images to train on each label has a value, 1, 0 or -1: int64 (K,)."""
        return counted(self.observed, self.rows, value)


class Step(NamedTuple):
    """A batch as an objective sees it.

    Attributes:
        logits: (B, num_logits), float32 or float64.
        observed: (B, K) int8 of 1 known present, 0 known absent, -1 unknown.
        truth: (B, K) of 1 and 0, or None.
        index: (B,) which training images these are, or None.
        inputs: (B, ...) of the encoder, or None.
        predict: maps inputs to logits, with the weights of this step, and leaves running statistics alone; or None.
    """

    logits: Tensor
    observed: Tensor
    truth: Tensor | None
    index: Tensor | None  # type: ignore[assignment]  # a field hides tuple.index, which nobody misses
    inputs: Tensor | None
    predict: Callable[[Tensor], Tensor] | None


class Value(NamedTuple):
    """How to speak of an objective's value, which is the larger the better.

    Attributes:
        name: for example "log-likelihood".
        detail: its unit, or how to read it.
        whole: both in one phrase.
    """

    name: str
    detail: str
    whole: str


class HeldOut(NamedTuple):
    """What a batch of held-out images says.

    Attributes:
        value: a scalar, the mean over images of the objective's value, the larger the better.
        count: a scalar, the expected number of present labels per image, if the objective's probabilities are meant as such.
    """

    value: Tensor
    count: Tensor | None = None  # type: ignore[assignment]  # a field hides tuple.count, which nobody misses


class Objective(nn.Module, ABC):
    """What a fit minimises, a loss on the logits of a batch.

    `start` is called once, before the first step, and `on_epoch` at the start of each epoch. Parameters of its own are
    trained along, at `rate` times the learning rate; in evaluation mode it gives the value for images that it has not
    trained on.

    Args:
        space: the declared label space.

    Attributes:
        name: by which a config calls it.
        is_likelihood: whether its value is the log-probability of what is known, and its probabilities are meant as such.
        takes_whole_model: whether mixture, at_least_one and the generative side (beta) go with it; else it has a plain head.
        needs_truth: whether it reads complete labels.
        needs_start: whether it cannot do without `start`.
        keeps_images: whether it keeps something for each training image, which several processes would not share.
        takes_views: whether it has `consistency`, by which one view of a picture learns from another.
        rate: learning rate of the objective's own parameters, in units of that of the network.
        ramp_epochs: epochs until the loss is what it stays; early stopping does not count them.
        epoch: the current one, from 0.
        declared: the declared label space.
        space: the space whose logits it takes and whose distribution they parametrise at prediction. Its labels are
            those of `declared`, in the same order; its groups may differ.
    """

    name: ClassVar[str]
    is_likelihood: ClassVar[bool] = False
    takes_whole_model: ClassVar[bool] = False
    needs_truth: ClassVar[bool] = False
    needs_start: ClassVar[bool] = False
    keeps_images: ClassVar[bool] = False
    takes_views: ClassVar[bool] = False
    rate: ClassVar[float] = 1.0

    def __init__(self, space: LabelSpace):
        super().__init__()
        self.declared = space
        self.space = self.prediction_space(space)
        self.epoch = 0
        self.started = False

    @classmethod
    def value(cls) -> Value:
        """What minus the loss is called: a history's and a held-out value."""
        name, detail = f"negative {cls.name} loss", "higher is better"
        return Value(name, detail, f"{name}, {detail}")

    @classmethod
    def stops_by_value(cls) -> bool:
        """Whether its own value on held-out images tells when to stop.

        With labels missing, the value of a loss that is no likelihood goes on rising while it overfits.
        """
        return cls.is_likelihood or cls.needs_truth

    @classmethod
    def conditions_by(cls, annotation: Annotation) -> Annotation:
        """How known labels of an image enter its posterior: a loss on logits states nothing about how they came about."""
        return Ignorable()

    @property
    def ramp_epochs(self) -> int:
        """The loss is the same from the first epoch on."""
        return 0

    @property
    def runs_program(self) -> bool:
        """Whether the loss is `program_loss`, of inputs instead of logits."""
        return False

    def attach(self, model: LabelModel, guide: LabelGuide) -> None:
        """See the Pyro program that is trained; a loss on logits alone needs nothing of it."""

    def program_loss(self, inputs: Tensor, observed: Tensor) -> Tensor:
        """The loss where `runs_program`: a scalar, the mean over images."""
        raise NotImplementedError(f'objective "{self.name}" is a loss on logits; call it')

    def consistency(self, logits: Tensor, target: Tensor, observed: Tensor) -> Tensor:
        """The cross-entropy between two views where `takes_views`: a scalar, the mean over images."""
        raise NotImplementedError(f'objective "{self.name}" has no posterior for another view to learn from')

    def prediction_space(self, space: LabelSpace) -> LabelSpace:
        """The space of the logits, here all labels free."""
        return LabelSpace.free(space.labels)

    @property
    def num_logits(self) -> int:
        """How many logits of an image it takes."""
        return self.space.num_logits

    def start(self, known: Known) -> None:
        """Look at the training data before the first step; most objectives need nothing of it."""
        self.started = True

    def on_epoch(self, epoch: int) -> None:
        """An epoch begins, numbered from 0."""
        self.epoch = epoch

    def looks_at_all(self, epoch: int) -> bool:
        """Whether it wants to see the predictions of all images trained on before an epoch; most never do."""
        return False

    def look(self, marginals: Tensor) -> None:
        """See label probabilities, (n, K), of the images `Known.rows`, by the network as it is; before `on_epoch`."""

    def forward(
        self,
        logits: Tensor,
        observed: Tensor,
        truth: Tensor | None = None,
        index: Tensor | None = None,
        inputs: Tensor | None = None,
        predict: Callable[[Tensor], Tensor] | None = None,
    ) -> Tensor:
        """The loss: a scalar, the mean over images of the sum over labels; 0 for a batch of none.

        Args:
            logits: (B, num_logits of `space`); half precision is widened first.
            observed: (B, K) int8 of 1 known present, 0 known absent, -1 unknown.
            truth: (B, K) of 1 and 0, for objectives that need it.
            index: (B,) which training images these are, for objectives that keep something for each.
            inputs: (B, ...) of the encoder, for objectives that look at them.
            predict: maps inputs to logits, for objectives that ask for those of other inputs.

        Raises:
            ValueError: logits of the wrong shape.
            ObservationError: observed or truth of the wrong shape.
            ConfigError: truth is needed and missing, or `start` is needed and was not called.
        """
        return self._loss(self._checked(logits, observed, truth, index, inputs, predict))

    def evaluate(
        self,
        logits: Tensor,
        observed: Tensor,
        truth: Tensor | None = None,
        index: Tensor | None = None,
        inputs: Tensor | None = None,
        predict: Callable[[Tensor], Tensor] | None = None,
    ) -> HeldOut:
        """What held-out images say, on which no step was made; arguments and errors of `forward`."""
        return self.held_out(self._checked(logits, observed, truth, index, inputs, predict))

    def held_out(self, step: Step) -> HeldOut:
        """Minus the loss."""
        return HeldOut(-self._loss(step))

    def _checked(
        self,
        logits: Tensor,
        observed: Tensor,
        truth: Tensor | None,
        index: Tensor | None,
        inputs: Tensor | None,
        predict: Callable[[Tensor], Tensor] | None,
    ) -> Step:
        width = self.num_logits
        if logits.dim() != 2 or logits.shape[1] != width:
            raise ValueError(
                f'logits have shape {tuple(logits.shape)}, but objective "{self.name}" on this space takes (B, {width})'
            )
        shape = (len(logits), self.space.num_labels)
        for what, values in (("observed", observed), ("truth", truth)):
            if values is not None and tuple(values.shape) != shape:
                raise ObservationError(
                    f"{what} has shape {tuple(values.shape)}, but logits of shape {tuple(logits.shape)} ask for {shape}"
                )
        if self.needs_truth and truth is None:
            raise ConfigError(
                f'objective "{self.name}" learns from complete labels; give them as fit(images, observed, truth=...), '
                "or choose an objective that needs known labels only"
            )
        if self.needs_start and not self.started:
            raise ConfigError(
                f'objective "{self.name}" looks at the training data before its first step; call its start(Known(...)) once, '
                "or let LatentLabels.fit do so"
            )
        if logits.dtype in (torch.float16, torch.bfloat16):
            logits = logits.float()
        return Step(logits, observed, truth, index, inputs, predict)

    @abstractmethod
    def _loss(self, step: Step) -> Tensor:
        """The loss of a batch whose shapes are right: a scalar."""


def batch_mean(values: Tensor) -> Tensor:
    """Mean over (B,), 0 with a gradient if B is 0."""
    return values.sum() / max(len(values), 1)


def known_cross_entropy(logits: Tensor, observed: Tensor) -> Tensor:
    """Binary cross-entropy of each label that is known, 0 for the others: (B, K)."""
    each = F.binary_cross_entropy_with_logits(logits, (observed == 1).to(logits.dtype), reduction="none")
    return each.masked_fill(observed == -1, 0.0)


def excess_penalty(logits: Tensor, expected: float) -> Tensor:
    """Squared excess of the mean number of labels over the expected one, divided by K: a scalar."""
    excess = torch.sigmoid(logits).sum(-1).mean() - expected
    return excess**2 / logits.shape[1]
