"""Thresholds on probabilities for micro F1: the one that its expectation asks for, which reads no label, and the best one."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .cuts import cuts
from .refused import Array, checked


def expected_f1_threshold(marginals: npt.ArrayLike) -> float:
    """The threshold with the largest expected micro F1, if the probabilities are right. It reads no label.

    Of all entries together, the k largest probabilities are predicted as present; k maximises
    2 sum of the k largest p / (k + sum of all p), the ratio of the expectations in 2 TP / (predicted + present). The ratio of
    expectations stands for the expectation of the ratio, from which it differs by about one part in the number of entries.

    Args:
        marginals: any shape, probabilities of presence in [0, 1].

    Returns:
        A probability t: predict what is at least t. 1 where all probabilities are 0, or there is none.
    """
    p = np.asarray(marginals, np.float64).ravel()
    return _best(p, p)


def best_f1_threshold(truth: npt.ArrayLike, marginals: npt.ArrayLike) -> float:
    """The threshold with the largest micro F1 against complete labels: what a decision by one threshold can reach at most.

    Args:
        truth: (N, K) of 0 and 1.
        marginals: (N, K) probabilities of presence.

    Returns:
        A probability t: predict what is at least t. 1 where no label is present.

    Raises:
        DataError: shapes that do not agree, a truth other than 0 and 1, or no probabilities.
    """
    present, p = checked(truth, marginals)
    return _best(p.ravel(), present.ravel())


def f1_at(truth: npt.ArrayLike, marginals: npt.ArrayLike, threshold: float) -> float:
    """Micro F1 of "probability at least `threshold`"; 1 where no label is present and none is predicted.

    Raises:
        DataError: shapes that do not agree, a truth other than 0 and 1, or no probabilities.
    """
    present, p = checked(truth, marginals)
    predicted = p >= threshold
    total = int(present.sum() + predicted.sum())
    return 2 * int((present & predicted).sum()) / total if total else 1.0


def _best(p: Array, w: npt.NDArray[Any]) -> float:
    found = cuts(p, w)
    return 1.0 if found.best is None else float(found.lowest[found.best])
