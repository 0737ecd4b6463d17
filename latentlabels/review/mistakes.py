"""Possible mistakes among known labels, out of sample: which known labels are wrong, how probably, and how many there are.

Each image is predicted by a fit that has not seen it (`estimator.cross_fitting`). Given these predictions, the annotation and a
rate of mistakes e, the probability that a known label is wrong is exact (`mistaken`). e is not known: its posterior, by the
likelihood of all known labels, is averaged over (`noise_rate`). So the probabilities of the known labels sum to the expected number
of mistakes, and the number itself has a mixture of Poisson-binomial distributions, whose central 95 % is the interval.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..annotation import Annotation
from ..distributions import LabelVector
from ..errors import ObservationError
from ..estimator.cross_fitting import CrossFit, cross_fitted
from ..space import LabelSpace
from .counting import count_distribution, interval
from .noise_rate import KnownLabels
from .rivals import Rivals

if TYPE_CHECKING:
    from ..estimator import LatentLabels
    from ..inputs.alignment import Labels
    from ..inputs.given import Images

ALLOWED = 0.05
"""The rate of mistakes that the fits allow for where the run states none: those to images with wrong labels would learn them."""
COVERAGE = 0.95
AT_LEAST = 0.01

_Floats = NDArray[np.float64]


class PossibleMistake(NamedTuple):
    """A known label that may be wrong.

    Attributes:
        row: of the image, from 0, in the order in which they were given.
        image: its name.
        label: the label that is known.
        value: 1 if it is known to be present, 0 if it is known to be absent.
        probability: that this is wrong.
        instead: what is most probable instead: a label that is present, or the name of an empty outcome such as "none"; None for
            the absence of the label itself.
        instead_probability: of that, given the image and its known labels.
    """

    row: int
    image: str
    label: str
    value: int
    probability: float
    instead: str | None
    instead_probability: float


@dataclass(frozen=True)
class Mistakes:
    """What a review of known labels found.

    Attributes:
        expected: number of wrong labels among the known ones that were judged.
        low: the number is this at least, and
        high: this at most, with a probability of 95 % if the predictions are right.
        rows: the known labels that may be wrong, the most probably wrong first.
        rate: share of known labels that are mistakes: the estimate, and the bounds of its 95 % interval.
        num_known: how many labels are known.
        num_judged: how many of them were judged: not those of labels that no image of another fold shows.
        folds: how many parts the images were in.
    """

    expected: float
    low: int
    high: int
    rows: Sequence[PossibleMistake]
    rate: tuple[float, float, float]
    num_known: int
    num_judged: int
    folds: int


class Judgement(NamedTuple):
    """Known labels of N images judged, E of them in order of rows.

    Attributes:
        rows: (E,) the image of each.
        columns: (E,) its label.
        wrong: (E,) the probability that it is wrong.
        present: (N, K) probabilities of presence given the image and its known labels; NaN where nothing is judged.
        expected: number of wrong ones.
        low: see `Mistakes`.
        high: see `Mistakes`.
        rate: see `Mistakes`.
    """

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    wrong: _Floats
    present: _Floats
    expected: float
    low: int
    high: int
    rate: tuple[float, float, float]


def judge(q: LabelVector, observed: NDArray[np.int8], how: Annotation) -> Judgement:
    """How probably each known label is wrong.

    Args:
        q: p(y | x) of N images alone, by a fit that has not seen them; batch shape (N,).
        observed: int8 (N, K) of 1, 0, -1.
        how: the annotation of labels that are no mistakes.
    """
    rows, columns = np.nonzero(observed != -1)
    known = KnownLabels(q, observed, how)
    grid = known.rates()
    present = np.full(observed.shape, np.nan)
    present[np.unique(rows)] = 0.0
    each, numbers = np.zeros(len(rows)), np.zeros(len(rows) + 1)
    for rate, weight in zip(grid.rates.tolist(), grid.weights.tolist(), strict=True):
        wrong = np.zeros(len(rows))
        for some, p in known.present(rate):
            present[some] += weight * p
            own = np.isin(rows, some)
            place = np.searchsorted(some, rows[own]) if len(some) else some
            is_present = p[place, columns[own]]
            wrong[own] = np.where(observed[rows[own], columns[own]] == 1, 1 - is_present, is_present)
        each += weight * wrong
        numbers += weight * count_distribution(wrong)
    low, high = interval(numbers, COVERAGE)
    return Judgement(rows, columns, each, present, float(each.sum()), low, high, (grid.best, *grid.interval(COVERAGE)))


def find_mistakes(
    model: LatentLabels,
    images: Images,
    observed: Labels | None = None,
    folds: int = 2,
    *,
    together: str | ArrayLike | None = None,
    noise: float | None = None,
    at_least: float = AT_LEAST,
) -> Mistakes:
    """Known labels that may be wrong, judged by fits that have not seen their images.

    The settings of a fitted model are fitted again, to all folds of the images but one, for each fold. With features of an encoder
    that is not trained this takes seconds. A label that images of one fold alone show is not judged there, because the other
    fits know nothing of it.

    Args:
        model: fitted, or loaded from a run folder; it stays as it is.
        images: the images with known labels, as for `LatentLabels.fit`.
        observed: their known labels, as for `fit`.
        folds: how many parts; with more of them each fit sees more images, and all take longer.
        together: which images belong together, as for `fit`; they are in one fold.
        noise: the share of known labels that the fits take for mistakes. None: that of the run's annotation, or 5 % where that
            has none.
        at_least: the probability of being wrong from which a label is in the rows.

    Raises:
        NotFittedError: before `fit`.
        ConfigError: fewer than 2 folds, or a share that is none.
        DataError: too few images or known labels.
    """
    model._check_fitted()
    own = model.annotation_.noise or ALLOWED
    crossed = cross_fitted(
        model.fitted_, images, observed, folds=folds, together=together, noise=own if noise is None else noise
    )
    return mistakes_of(crossed, at_least)


def mistakes_of(crossed: CrossFit, at_least: float = AT_LEAST) -> Mistakes:
    """The same of predictions that are there."""
    inputs = crossed.inputs
    assert inputs.observed is not None  # a fit had them
    known, space = inputs.observed.values, inputs.observed.space
    judged = np.where((known == 1) & ~crossed.taught[crossed.fold], -1, known).astype(np.int8)
    try:
        found = judge(crossed.posterior.distribution, judged, crossed.annotation)
    except ObservationError as error:
        raise ObservationError(f"the predictions of another fold call known labels impossible: {error}") from None
    rows = _listed(found, judged, space, inputs.names, inputs.rows, at_least)
    numbers = int((known != -1).sum()), int((judged != -1).sum())
    return Mistakes(found.expected, found.low, found.high, rows, found.rate, *numbers, crossed.folds)


def _listed(
    found: Judgement, known: NDArray[np.int8], space: LabelSpace, names: Sequence[str], given: NDArray[np.int64], at_least: float
) -> list[PossibleMistake]:
    """The labels that may be wrong, with their rivals."""
    rivals = Rivals(space)
    chosen = np.flatnonzero(found.wrong >= at_least)
    order = chosen[np.argsort(-found.wrong[chosen], kind="stable")]
    out = []
    for place in order.tolist():
        row, column = int(found.rows[place]), int(found.columns[place])
        value = int(known[row, column])
        rival = rivals.find(column, value, found.present[row])
        label, p = space.labels[column], float(found.wrong[place])
        out.append(PossibleMistake(int(given[row]), names[row], label, value, p, rival.label, rival.probability))
    return out
