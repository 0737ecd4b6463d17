"""How much an answer about an image would tell, of all images of a collection; worked out again where something changed."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from .predicting import Predictions


def largest_gain(p: NDArray[np.float32], settled: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The largest expected gain of a yes-or-no answer about a label that nobody knows, in nats (B,).

    The gain is the entropy of the label, which grows with min(p, 1 - p). So the largest min(p, 1 - p) gives it, without a
    logarithm of B x K numbers.

    Args:
        p: (B, K) probabilities; NaN of an image that the model has not looked at, whose gain is 0.
        settled: (B, K) labels that nobody needs to be asked for.
    """
    doubt = np.minimum(p, 1 - p)
    doubt[settled] = 0.0
    top = np.nan_to_num(doubt).max(1, initial=0.0).astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(top > 0, -(top * np.log(top) + (1 - top) * np.log1p(-top)), 0.0)


class Usefulness:
    """`largest_gain` of N images. What it depends on is kept with it: which images were looked at, and the answers about each.

    Args:
        size: N.
    """

    def __init__(self, size: int):
        self._value = np.zeros(size)
        self._done = np.zeros(size, bool)
        self._revision = np.zeros(size, np.int64)
        self._lock = threading.Lock()

    def values(
        self, found: Predictions, revision: NDArray[np.int64], settled: Callable[[NDArray[np.int64]], NDArray[np.bool_]]
    ) -> NDArray[np.float64]:
        """The gains (N,) of now.

        Args:
            found: what the model says of the images; always the same object.
            revision: (N,) a number for each image, which changes with what is known of it.
            settled: gives the settled labels (B, K) of some rows.
        """
        with self._lock:
            done, revision = (
                found.done.copy(),
                revision.copy(),
            )  # before what they stand for: a change meanwhile is seen next time
            rows = np.flatnonzero((done != self._done) | (revision != self._revision))
            if len(rows):
                self._value[rows] = largest_gain(found.marginals[rows], settled(rows))
                self._done, self._revision = done, revision
            return self._value.copy()
