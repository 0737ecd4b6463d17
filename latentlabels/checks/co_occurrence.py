"""Which labels are known to be present together, and how often they would be if they were independent.

What is expected: of rows with known absences, from how often each of two labels is present where both are known; of rows that
list present labels alone, from how many each lists, as if labels were dealt to rows at random. Where E images with both are
expected, none is seen with a probability of at most exp(-E), as draws without replacement miss each other no more readily.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import sparse

from ..observed.known_table import KnownTable

_WORK = 2e10  # rows with known absences, times K * K, that are looked at; of more rows, some drawn at random

Matrix = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class Pairs(NamedTuple):
    """Numbers of rows, (K, K) each: where two labels are known, where the first is present besides, where both are."""

    known: Matrix
    first: Matrix
    present: Matrix


class CoOccurrence(NamedTuple):
    """What known labels show of F labels together.

    Attributes:
        together: (F, F) in how many images two of them are known to be present; 0 on the diagonal.
        expected: (F, F) in how many they would be if they were independent.
        values: int8 (R, K) rows with known absences, some if there are many.
        pairs: of these and all K labels.
        sizes: (N,) number of known present labels of each image.
        compared: images that can show two labels together: with several known labels, or with known absences.
    """

    together: Ints
    expected: Matrix
    values: npt.NDArray[np.int8]
    pairs: Pairs
    sizes: Ints
    compared: int


def co_occurrence(known: KnownTable, columns: Sequence[int]) -> CoOccurrence:
    """Count how often labels are present together.

    Args:
        known: N rows of K labels.
        columns: F of them.
    """
    own = np.asarray(columns, np.int64)
    row, column = known.entries(1)
    sizes = np.bincount(row, minlength=len(known))
    answered = known.num_known > known.num_present
    some = np.flatnonzero(answered)
    most = max(1000, int(_WORK / known.shape[1] ** 2))
    if len(some) > most:
        some = np.sort(np.random.default_rng(0).choice(some, most, replace=False))
    values = known.rows(some)
    pairs = _pairs(values)
    present = sparse.csr_matrix((np.ones(len(row), np.int64), (row, column)), shape=known.shape)[:, own]
    together = np.asarray((present.T @ present).toarray())
    mine = pairs.first[np.ix_(own, own)]
    rates = mine * mine.T / np.maximum(pairs.known[np.ix_(own, own)], 1.0)
    expected = rates + _by_sizes(present[~answered], sizes[~answered])
    np.fill_diagonal(together, 0)
    np.fill_diagonal(expected, 0.0)
    return CoOccurrence(together, expected, values, pairs, sizes, int((answered | (sizes > 1)).sum()))


def _pairs(values: npt.NDArray[np.int8]) -> Pairs:
    known, present = (values != -1).astype(np.float32), (values == 1).astype(np.float32)
    return Pairs(*(product.astype(np.float64) for product in (known.T @ known, present.T @ known, present.T @ present)))


def _by_sizes(present: Any, sizes: Ints) -> Matrix:
    """What is expected of rows that list `sizes` present labels each."""
    counts = np.asarray(present.sum(0), np.float64).ravel()
    slots, pairs = float(sizes.sum()), float((sizes * (sizes - 1)).sum())
    return np.outer(counts, counts) * (pairs / slots**2 if slots else 0.0)


def threshold(tests: int, level: float) -> float:
    """What has to be expected so that none is seen with a probability of at most level / tests."""
    return math.log(max(tests, 1) / level)


def never_together(seen: CoOccurrence, labels: Sequence[int], level: float) -> Iterator[tuple[list[int], float]]:
    """Groups of labels that are never together, by number, and in how many images two of each were to be expected.

    Groups, at first single labels, are joined where they are never together, first those for which most images with both
    were to be expected. A group then needs evidence as a whole: of all sets of as many labels none without a common image is
    found by chance but with a probability of level / F, by the union bound; and each of its labels needs evidence of its own.

    Args:
        seen: of all labels that are looked at, and more.
        labels: those that are looked at, F of them.
        level: the probability that any group is found where labels are independent.
    """
    own = np.asarray(labels, np.int64)
    size, least = len(own), threshold(len(own) ** 2, level)
    own = own[seen.expected[np.ix_(own, own)].sum(1) > least] if size > 1 else own[:0]  # others are in no group
    expected = seen.expected[np.ix_(own, own)]
    for joined in _joined(expected, seen.together[np.ix_(own, own)] > 0):
        group = np.asarray(joined)
        while len(group) > 1:
            weak = expected[np.ix_(group, group)].sum(1) <= least
            if not weak.any():
                break
            group = group[~weak]
        total = float(expected[np.ix_(group, group)].sum() / 2)
        ways = math.lgamma(size + 1) - math.lgamma(len(group) + 1) - math.lgamma(size - len(group) + 1)
        if len(group) > 1 and total > ways + threshold(size, level):
            yield sorted(own[group].tolist()), total


def _joined(expected: Matrix, together: npt.NDArray[np.bool_]) -> list[list[int]]:
    """Labels by number, joined to groups without a common image, first those for which most were to be expected."""
    members: list[list[int]] = [[number] for number in range(len(expected))]
    if len(members) < 2:
        return []
    score = np.where(together, -1.0, expected)  # of two groups; negative where they cannot be joined
    np.fill_diagonal(score, -1.0)
    partner, best = score.argmax(1), score.max(1)
    while best.max() > 0:
        one = int(best.argmax())
        other = int(partner[one])
        members[one] += members[other]
        members[other] = []
        joined = np.where((score[one] < 0) | (score[other] < 0), -1.0, score[one] + score[other])
        joined[[one, other]] = -1.0
        score[other], score[:, other] = -1.0, -1.0
        score[one], score[:, one] = joined, joined
        stale = (partner == one) | (partner == other)
        stale[[one, other]] = True
        better = joined > best
        partner[better], best[better] = one, joined[better]
        partner[stale], best[stale] = score[stale].argmax(1), score[stale].max(1)
    return [group for group in members if len(group) > 1]
