"""Possible mistakes among known labels, out of sample: which known labels are wrong, how probably, and how many there are.

Each image is predicted by a fit that has not seen it (`estimator.cross_fitting`). Given these predictions, the annotation and
a rate of mistakes e, the probability that a known label is wrong is exact (`mistaken`); so it is with a share of images in
which two answers are exchanged (`exchanges`). Neither number is known, nor how sure the predictions should have been: their
posterior, by the likelihood of all known labels, is averaged over (`noise_rate`).
So the probabilities of the known labels sum to the expected number of mistakes, and the number itself has a mixture of
Poisson-binomial distributions, whose central 95 % is the interval.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from ..errors import ConfigError, ObservationError
from ..estimator.cross_fitting import CrossFit, cross_fitted
from ..space import LabelSpace
from .judging import Judgement, judge, own_errors
from .rivals import Rivals

if TYPE_CHECKING:
    from ..estimator import LatentLabels
    from ..inputs.alignment import Labels
    from ..inputs.given import Images

ALLOWED = 0.03
"""The rate of mistakes that the fits allow for where the run states none, so that they learn less of wrong labels."""
REPEATS = 4
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
        instead: what is most probable instead: a label that is present, or the name of an empty outcome such as "none"; None
            for the absence of the label itself.
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
        expected: number of wrong labels among the known ones that were judged, by these fits.
        low: the number is this at least, and
        high: this at most, with a probability of about 95 %. 0 and `num_judged` where the fits cannot tell.
        rows: the known labels that may be wrong, the most probably wrong first.
        rate: e: the estimate, and the bounds of its 95 % interval; see `latentlabels.review.mistaken`. Answers that were
            exchanged with each other do not count.
        sharpness: by what the logits were multiplied; above 1 the fits were less sure than they should have been.
        num_known: how many labels are known.
        num_judged: how many of them were judged: not those of labels that no image of another fold shows.
        folds: how many parts the images were in.
        repeats: how often they were parted; predictions were mixed in equal parts.
        can_tell: whether the fits predict known labels better from their own image than from other images. If not, they
            know nothing about single images, and neither the number nor the rows mean anything.
        gain: by how much better, in nats for each image.
    """

    expected: float
    low: int
    high: int
    rows: Sequence[PossibleMistake]
    rate: tuple[float, float, float]
    sharpness: float
    num_known: int
    num_judged: int
    folds: int
    repeats: int = 1
    can_tell: bool = True
    gain: float = 0.0


def find_mistakes(
    model: LatentLabels,
    images: Images,
    observed: Labels | None = None,
    folds: int = 2,
    *,
    repeats: int = REPEATS,
    together: str | ArrayLike | None = None,
    noise: float | None = None,
    at_least: float = AT_LEAST,
) -> Mistakes:
    """Known labels that may be wrong, judged by fits that have not seen their images.

    The settings of a fitted model are fitted again, to all folds of the images but one, for each fold. With features of an
    encoder that is not trained this takes seconds. A label that is known in images of one fold alone is not judged, because
    the other fits know nothing of it.

    Args:
        model: fitted, or loaded from a run folder; it stays as it is.
        images: the images with known labels, as for `LatentLabels.fit`.
        observed: their known labels, as for `fit`.
        folds: how many parts; with more of them each fit sees more images, and all take longer.
        repeats: how often the images are parted, at random; predictions are mixed in equal parts. It takes as many times as
            long as one, and finds more mistakes; after one alone, errors of the fits count as mistakes.
        together: which images belong together, as for `fit`; they are in one fold.
        noise: the share of known labels that the fits take for mistakes. None: that of the run's annotation, or 3 % where that
            has none.
        at_least: the probability of being wrong from which a label is in the rows.

    Raises:
        NotFittedError: before `fit`.
        ConfigError: fewer than 2 folds, no repeat, or a share or probability that is none.
        DataError: too few images or known labels.
    """
    check_at_least(at_least)
    crossed = predicted(model, images, observed, folds=folds, repeats=repeats, together=together, noise=noise)
    return mistakes_of(crossed, at_least)


def check_at_least(at_least: float) -> None:
    """Refuse what is no probability."""
    if not 0 <= at_least <= 1:
        raise ConfigError(f"at_least is {at_least}; give a probability from 0 to 1")


def predicted(
    model: LatentLabels,
    images: Images,
    observed: Labels | None = None,
    *,
    folds: int = 2,
    repeats: int = 1,
    together: str | ArrayLike | None = None,
    noise: float | None = None,
    strict: bool = False,
) -> CrossFit:
    """Predictions of all images by fits that have not seen them; arguments are those of `find_mistakes`.

    With `strict`, an image that cannot be read is an error.
    """
    from ..estimator import LatentLabels

    if not isinstance(model, LatentLabels):
        raise ConfigError(
            f"model is {model!r}, not a LatentLabels; give a fitted one, or LatentLabels.load(RUN) for that of a run folder"
        )
    check_is_fitted(model)
    own = model.annotation_.noise or ALLOWED
    noise = own if noise is None else noise
    return cross_fitted(
        model.fitted_, images, observed, folds=folds, repeats=repeats, together=together, noise=noise, strict=strict
    )


def mistakes_of(crossed: CrossFit, at_least: float = AT_LEAST) -> Mistakes:
    """The same of predictions that are there."""
    inputs = crossed.inputs
    assert inputs.observed is not None  # a fit had them
    known, space = inputs.observed.values, inputs.observed.space
    judged = np.where((known == 1) & ~crossed.all_taught, -1, known).astype(np.int8)
    try:
        found = judge(crossed.posterior.distribution, judged, crossed.annotation)
        low, high = found.interval(own_errors(crossed, judged, found.expected))
    except ObservationError as error:
        raise ObservationError(f"the predictions of another fold call known labels impossible: {error}") from None
    rows = _listed(found, judged, space, inputs.names, inputs.rows, at_least)
    numbers = int((known != -1).sum()), int((judged != -1).sum())
    parts, gain = (crossed.folds, crossed.repeats), found.gain
    how_sure = found.rate, found.sharpness
    return Mistakes(found.expected, low, high, rows, *how_sure, *numbers, *parts, gain.clear, gain.mean)


def _listed(
    found: Judgement,
    known: NDArray[np.int8],
    space: LabelSpace,
    names: Sequence[str],
    given: NDArray[np.int64],
    at_least: float,
) -> list[PossibleMistake]:
    """The labels that may be wrong, with their rivals."""
    rivals = Rivals(space)
    chosen = np.flatnonzero(found.wrong >= at_least)
    order = chosen[np.argsort(-found.wrong[chosen], kind="stable")]
    images = np.unique(found.rows[chosen])
    present = dict(zip(images.tolist(), found.present(images), strict=True)) if len(images) else {}
    out = []
    for place in order.tolist():
        row, column = int(found.rows[place]), int(found.columns[place])
        value = int(known[row, column])
        rival = rivals.find(column, value, present[row])
        label, p = space.labels[column], float(found.wrong[place])
        instead = p if rival.label is None or not value else min(p, rival.probability)  # rounding, and one setting for all
        out.append(PossibleMistake(int(given[row]), names[row], label, value, p, rival.label, instead))
    return out
