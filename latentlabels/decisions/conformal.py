r"""Label sets with a guarantee: split conformal prediction from images that the model was not trained on.

Let n calibration images and a new one be exchangeable: drawn alike, none used in the fit. An image's score m is a number by
which the model is wrong where it is small, and t the r-th smallest of the n scores, r = floor((1 - coverage) (n + 1)). The
rank of the new score among all n + 1 is uniform, so that

    P(m_new >= t) >= 1 - r / (n + 1) >= coverage,

whatever the model, the data and ties are. There has to be an r >= 1: n >= ceil(1 / (1 - coverage)) - 1 images, 9 for 0.9. The
set of an image is { k : p_k >= t }, p_k its marginal probabilities. Three kinds of sets differ in their score.

- "joint", from complete images: m = the lowest p_k of the labels that are present, 1 where none is. **All** labels of a new
  image are in its set with probability `coverage`.
- "label", from complete images: each label k has its own t_k, from the p_k of the images that show it. Of new images that
  **show label k**, a share of `coverage` has it in the set, for each k. A label that too few images show is in every set,
  which is the only promise that can be kept; `Inclusion.always` names them.
- "revealed", from images with single known labels: m = the p_k of the known label (the lowest one, of several). The label
  **that an annotator would name** is in the set with probability `coverage`, on average over images and over what annotators
  choose. It says nothing about the labels that nobody names: single known labels alone cannot tell how many those are.

The probability is over calibration images and new image together. For calibration images once drawn, the coverage of new ones
is about Beta(n + 1 - r, r), with a standard deviation of 3 % for 100 images and 0.9. Marginals before calibration make the
scores, since calibration has read the complete images.

Source: Vovk, Gammerman, Shafer, "Algorithmic learning in a random world", 2005; label by label: Vovk, "Conditional validity of
inductive conformal predictors", ACML 2012.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import ConfigError, DataError, nearest
from ..words import count

JOINT, LABEL, REVEALED = "joint", "label", "revealed"
Kind = Literal["joint", "label", "revealed"]
_TINY = 1e-9  # 1 - 0.9 is a little less than 0.1


@dataclass(frozen=True, eq=False)
class Inclusion:
    """From which probability on a label is in the set of an image.

    Attributes:
        values: (K,) float32; 0 for a label that is in every set.
        kind: which promise it keeps.
        coverage: the probability of the promise, at least.
        num_images: (K,) calibration images behind each value.
        always: numbers of labels that are in every set, since too few calibration images show them.
    """

    values: NDArray[np.float32]
    kind: Kind
    coverage: float
    num_images: NDArray[np.int64]
    always: tuple[int, ...] = ()

    def sets(self, marginals: NDArray[np.float32]) -> NDArray[np.int8]:
        """Which labels are in the sets of images with these marginals (N, K): int8 (N, K)."""
        return (np.asarray(marginals, np.float32) >= self.values).astype(np.int8)


@dataclass(frozen=True, eq=False)
class Conformal:
    """Calibration images that were not used in the fit.

    Attributes:
        marginals: float32 (n, K), before calibration.
        known: int8 (n, K): 1, 0, and for "revealed" also -1.
    """

    marginals: NDArray[np.float32]
    known: NDArray[np.int8]

    def __post_init__(self) -> None:
        p, known = self.marginals, self.known
        if p.ndim != 2 or p.shape != known.shape:
            raise DataError(f"marginals are {p.shape} and known labels {known.shape}; expected (n, K) of both")
        if not ((p >= 0) & (p <= 1)).all() or not np.isin(known, (-1, 0, 1)).all():
            raise DataError("expected probabilities in [0, 1], and known labels of 1, 0 and -1")

    def inclusion(self, coverage: float = 0.9, kind: Kind = "joint") -> Inclusion:
        """What keeps a promise; see the module.

        Args:
            coverage: its probability, above 0 and below 1.
            kind: "joint", "label" or "revealed".

        Raises:
            ConfigError: an unknown kind, or a coverage out of range.
            DataError: fewer images than the coverage needs, which is named; or images that are not complete, for "joint" and
                "label".
        """
        needed = images_needed(coverage)
        if kind not in (JOINT, LABEL, REVEALED):
            raise ConfigError(
                f'unknown kind of sets "{kind}"{nearest(kind, (JOINT, LABEL, REVEALED))} (joint, label, revealed)'
            )
        present = self.known == 1
        if kind != REVEALED and (self.known == -1).any():
            raise DataError(f'sets of kind "{kind}" need complete images; for images with single known labels use "revealed"')
        if kind == LABEL:
            return self._by_label(present, coverage, needed)
        scores = np.where(present, self.marginals, np.float32(1)).min(1, initial=1)
        scores = scores[present.any(1)] if kind == REVEALED else scores
        if len(scores) < needed:
            what = "image with a known label" if kind == REVEALED else "complete image"
            raise DataError(
                f"a coverage of {coverage:g} needs at least {count(needed, what, what.replace('image', 'images'))}, not "
                f"{len(scores):,}; label more images, or ask for a coverage of at most {_reachable(len(scores)):.3g}"
            )
        values = np.full(present.shape[1], _ranked(scores, coverage), np.float32)
        return Inclusion(values, kind, coverage, np.full(present.shape[1], len(scores)))

    def _by_label(self, present: NDArray[np.bool_], coverage: float, needed: int) -> Inclusion:
        shown = present.sum(0)
        if shown.max(initial=0) < needed:
            raise DataError(
                f"a coverage of {coverage:g} label by label needs at least {count(needed, 'complete image')} that show a "
                f'label, and no label is shown by more than {shown.max(initial=0):,}; label more images, or use kind "joint"'
            )
        values = np.zeros(present.shape[1], np.float32)
        for k in np.flatnonzero(shown >= needed):
            values[k] = _ranked(self.marginals[present[:, k], k], coverage)
        return Inclusion(values, "label", coverage, shown, tuple(int(k) for k in np.flatnonzero(shown < needed)))


def images_needed(coverage: float) -> int:
    """The fewest calibration images with which a coverage can be promised: ceil(1 / (1 - coverage)) - 1.

    Raises:
        ConfigError: a coverage out of range.
    """
    if not 0 < coverage < 1:
        raise ConfigError(f"coverage is {coverage:g}; expected a number above 0 and below 1, for example 0.9")
    return max(math.ceil(1 / (1 - coverage) - _TINY) - 1, 1)


def _ranked(scores: NDArray[np.float32], coverage: float) -> np.float32:
    """The score of rank floor((1 - coverage) (n + 1)), from the smallest."""
    rank = math.floor((1 - coverage) * (len(scores) + 1) + _TINY)
    return np.float32(np.partition(scores, rank - 1)[rank - 1])


def _reachable(number: int) -> float:
    """The highest coverage that so many images can promise, rounded down."""
    return math.floor(1000 * number / (number + 1)) / 1000
