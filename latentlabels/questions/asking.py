"""From the posterior of N images to the questions to ask: candidates, scores, a batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..distributions import LabelVector
from ..errors import DataError
from .batch import MARGINALS_NEAR, NEAR, choose, unit
from .candidates import candidates
from .question import Question


class Wanted(NamedTuple):
    """What is asked for; see `Posterior.next_questions`."""

    number: int = 20
    per_label: bool = False
    random_share: float = 0.05
    seed: int = 0
    about: str | None = None
    most_per_image: int | None = None


def next_questions(
    q: LabelVector,
    images: Sequence[str],
    known: NDArray[np.int8] | None,
    features: NDArray[np.floating[Any]] | None,
    wanted: Wanted,
) -> list[Question]:
    """The questions whose answers are expected to teach most: the chosen ones, the best first, then the random ones.

    Args:
        q: the posterior of N images, given what is known.
        images: N names.
        known: (N, K) of 1, 0, -1: labels that are not asked again.
        features: (N, D) by which images are compared; None to compare their label probabilities.
        wanted: how many, and of which kind.

    Raises:
        DataError: numbers out of range, or tables of another size.
        LabelSpaceError: an unknown label of interest.
    """
    _check(wanted, features, len(images))
    found = candidates(q, known, wanted.per_label, wanted.about)
    vectors = unit(found.marginals if features is None else features)
    generator = np.random.default_rng(wanted.seed)
    near = MARGINALS_NEAR if features is None else NEAR
    chosen = choose(found.score, wanted.number, vectors, wanted.random_share, generator, wanted.most_per_image, near)
    return [found.question(row, column, images[row], random) for row, column, random in chosen]


def _check(wanted: Wanted, features: NDArray[np.floating[Any]] | None, size: int) -> None:
    if wanted.number < 1:
        raise DataError(f"n is {wanted.number}, but at least one question is asked for; give n=20")
    if not 0 <= wanted.random_share <= 1:
        raise DataError(f"random_share is {wanted.random_share:g}, but a share lies between 0 and 1")
    if wanted.most_per_image is not None and wanted.most_per_image < 1:
        raise DataError(f"most_per_image is {wanted.most_per_image}; give at least 1, or None for any number")
    if features is not None and (np.ndim(features) != 2 or len(features) != size):
        raise DataError(
            f"features has shape {np.shape(features)}, but there are {size} images; give ({size}, D), a row for each"
        )
    if features is not None and not np.isfinite(features).all():
        raise DataError("features holds values that are not finite; look at what computed them")
