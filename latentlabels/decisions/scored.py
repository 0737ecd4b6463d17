"""F1 of decisions on images whose labels are all known, in flat memory: at given thresholds, and at the best possible one.

The best threshold of many entries is found without sorting them all. A first pass counts them by the leading bits of their
probability. Within one such bin, no threshold can do better than one that calls the bin's present entries alone. A second pass
sorts the few bins in which that would be better than the best threshold between bins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .thresholds import Thresholds

_SHIFT = 10  # bits of a float32 that do not count in the first pass
_BINS = (int(np.float32(1).view(np.uint32)) >> _SHIFT) + 1
Blocks = Callable[[], Iterable[tuple[NDArray[np.bool_], NDArray[np.float32]]]]
"""Gives all images in blocks, each time from the first one: whether labels are present, and probabilities, (B, K) each."""


@dataclass(frozen=True, eq=False)
class ScoredDecisions:
    """How good decisions are.

    Attributes:
        thresholds: that were judged.
        f1: micro F1 at them; 1 where no label is present and none is called so.
        best_f1: the best possible micro F1 by one threshold for all labels, which reads the labels.
        best_threshold: that threshold.
    """

    thresholds: Thresholds
    f1: float
    best_f1: float
    best_threshold: float


def score_decisions(blocks: Blocks, thresholds: Thresholds) -> ScoredDecisions:
    """How good decisions at thresholds are, beside the best possible ones."""
    hits = called = 0
    entries, present = np.zeros((2, _BINS), np.int64)
    for shown, p in blocks():
        decided = thresholds.decide(p) == 1
        hits, called = hits + int((decided & shown).sum()), called + int(decided.sum())
        place = _places(p)
        entries += np.bincount(place.ravel(), minlength=_BINS)
        present += np.bincount(place[shown], minlength=_BINS)
    return ScoredDecisions(thresholds, _f1(hits, called, int(present.sum())), *_best(blocks, entries, present))


def _best(blocks: Blocks, entries: NDArray[np.int64], present: NDArray[np.int64]) -> tuple[float, float]:
    total = int(present.sum())
    if not total:
        return 1.0, 1.0
    hits, called = (np.cumsum(counts[::-1])[::-1] for counts in (present, entries))  # at the lower edge of each bin
    f1 = 2 * hits / (called + total)
    at = int(f1.argmax())
    best, threshold = float(f1[at]), float(np.uint32(at << _SHIFT).view(np.float32))
    above = called - entries
    could = 2 * hits / (above + present + total)
    for place, (p, shown) in _inside(blocks, np.flatnonzero((could > best) & (entries > 1))).items():
        order = np.argsort(-p, kind="stable")
        p, found = p[order], hits[place] - present[place] + np.cumsum(shown[order])
        own = 2 * found / (above[place] + np.arange(1, len(p) + 1) + total)
        own[:-1][p[1:] == p[:-1]] = 0.0  # equal probabilities are called alike
        if own.max() > best:
            best, threshold = float(own.max()), float(p[own.argmax()])
    return best, threshold


def _inside(blocks: Blocks, bins: NDArray[np.intp]) -> dict[int, tuple[NDArray[np.float32], NDArray[np.bool_]]]:
    """The entries of some bins: their probabilities, and whether they are present."""
    if not len(bins):
        return {}
    wanted = np.zeros(_BINS, bool)
    wanted[bins] = True
    parts = []
    for shown, p in blocks():
        chosen = wanted[_places(p)]
        parts.append((p[chosen], shown[chosen]))
    p, shown = (np.concatenate(part) for part in zip(*parts, strict=True))
    place = _places(p)
    order = np.argsort(place, kind="stable")
    edges = np.searchsorted(place[order], bins)
    pieces = np.split(order, edges[1:])
    return {int(one): (p[rows], shown[rows]) for one, rows in zip(bins, pieces, strict=True)}


def _places(p: NDArray[np.float32]) -> NDArray[np.int64]:
    """Of each entry its bin: the order of floats that are not negative is that of their bits."""
    return (np.ascontiguousarray(p, np.float32).view(np.uint32) >> _SHIFT).astype(np.int64)


def _f1(hits: int, called: int, shown: int) -> float:
    return 2 * hits / (called + shown) if called or shown else 1.0
