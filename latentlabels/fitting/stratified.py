"""Which images are held out: a split by known labels, after which every label still has an image to train on.

A label keeps an image: before anything is held out, one unit of each label is set aside for training. A unit is an image, or
images that belong together. This is the whole argument, and it holds for any labels.

The shares are near: labels are gone through from the rarest to the most frequent. Of a label's images the wanted number is its
share rounded down or up, whichever brings the number of all images that are held out so far nearer to its own. What rarer
labels have decided counts. Where each image has one known label, each label's number is therefore exact to less than one.
The order is that of iterative stratification (Sechidis, Tsoumakas and Vlahavas, On the stratification of multi-label data,
ECML PKDD 2011), but a label's images are decided at once, evenly over the labels that they have besides, so that the work is
a sort and a pass over the known labels.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csc_array, hstack
from torch import Tensor

from ..observed.known_table import DenseKnown, KnownTable

_Ints = NDArray[np.int64]
_DEPTH = 4  # labels of an image, from the rarest, that the order of images goes by
_NEAR = 0.01  # of the number of rows held out, which may be off by as much
_ROUNDS = 200  # of exchanges, at most
_FAILURES = 9  # exchanges of single units in vain, after which there are no more
_LAST = np.iinfo(np.int64).max


def split_rows(
    count: int,
    held_out: float,
    seed: int,
    known: NDArray[np.int8] | KnownTable | None = None,
    together: ArrayLike | None = None,
) -> tuple[Tensor, Tensor]:
    """Rows to train on and rows held out, both sorted.

    Args:
        count: N.
        held_out: the share held out. If it is above 0, at least one row is, and one left, where there are two that may part.
        seed: of the split.
        known: int8 (N, K) of 1 known present, 0 known absent, -1 unknown, or a `KnownTable` of them, to hold out the same
            share of each label. Every label keeps a training row where it is known to be present; a label that is never
            known to be present keeps one where it is known to be absent. None: a random split.
        together: (N,) of any values; rows of equal value stay together.

    Returns:
        Two int64 tensors, together the numbers from 0 to N - 1.
    """
    if known is None and together is None:
        order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
        size = min(max(round(count * held_out), int(held_out > 0)), count - 1)
        return order[size:].sort().values, order[:size].sort().values
    units = np.arange(count) if together is None else _numbered(np.asarray(together))
    labels = DenseKnown(known) if isinstance(known, np.ndarray) else known
    row, label = (np.empty(0, np.int64),) * 2 if labels is None else strata(labels)
    table = _Table.of(units, row, label, np.random.default_rng(seed))
    held = torch.from_numpy(_held_units(table, held_out)[units])
    return torch.nonzero(~held).flatten(), torch.nonzero(held).flatten()


def _numbered(values: NDArray[Any]) -> _Ints:
    """Numbers of equal values in the order in which they come, so that how they are called makes no difference."""
    _, first, number = np.unique(values, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[number.reshape(-1)]


def strata(known: KnownTable) -> tuple[_Ints, _Ints]:
    """Which row has which label, for the split: (row, label) of each known present one.

    Of labels that are never known to be present, those that are known to be absent count instead.
    """
    row, label = known.entries(1)
    lacking = np.ones(known.shape[1], bool)
    lacking[label] = False
    if lacking.any():
        more, column = known.entries(0)
        only = lacking[column]
        row, label = np.concatenate([row, more[only]]), np.concatenate([label, column[only]])
    return row, label


def lost_labels(known: KnownTable, train: Tensor) -> _Ints:
    """The labels known to be present somewhere, but in no training row.

    Args:
        known: of N rows and K labels.
        train: the rows to train on.
    """
    row, label = known.entries(1)
    trained = np.zeros(len(known), bool)
    trained[train.numpy()] = True
    return np.setdiff1d(label, label[trained[row]])


class _Table(NamedTuple):
    """Units and their labels; a unit is what is held out or trained on as a whole.

    Attributes:
        sizes: (U,) rows of each unit.
        counts: (U, S) rows of a unit with a label; labels are in the order in which they are gone through, the rarest first.
        order: (U,) units by their rarest label, then by the next; those of equal labels at random, those without any last.
        first: (U,) the rarest label of a unit; `_LAST` without any.
        start: in [0, 1), of each label and one more, where counting off begins.
        generator: of what else is left to chance.
    """

    sizes: _Ints
    counts: csc_array
    order: _Ints
    first: _Ints
    start: NDArray[np.float64]
    generator: np.random.Generator

    @classmethod
    def of(cls, units: _Ints, row: _Ints, label: _Ints, generator: np.random.Generator) -> _Table:
        """Sort units.

        Args:
            units: (N,) the unit of each row.
            row: (E,) of each known label.
            label: (E,) which label it is.
            generator: of what is left to chance.
        """
        sizes = np.bincount(units)
        names, label = np.unique(label, return_inverse=True)
        shape = (len(sizes), len(names))
        counts = csc_array((np.ones(len(row), np.int64), (units[row], label.reshape(-1))), shape=shape)
        rarity = np.argsort(np.diff(counts.indptr), kind="stable")
        counts = counts[:, rarity]
        by_unit = counts.tocsr()
        by_unit.sort_indices()
        keys = np.full((_DEPTH, len(sizes)), _LAST)
        number = np.diff(by_unit.indptr)
        for depth in range(_DEPTH):
            some = np.flatnonzero(number > depth)
            keys[depth, some] = by_unit.indices[by_unit.indptr[some] + depth]
        order = np.lexsort([generator.random(len(sizes)), *keys[::-1]])
        return cls(sizes, counts, order, keys[0], generator.random(len(names) + 1), generator)

    def label(self, number: int) -> tuple[_Ints, _Ints]:
        """The units with a label, and their rows with it."""
        at = slice(self.counts.indptr[number], self.counts.indptr[number + 1])
        return self.counts.indices[at], self.counts.data[at]


def _held_units(table: _Table, share: float) -> NDArray[np.bool_]:
    """(U,) which units are held out."""
    held = np.zeros(len(table.sizes), bool)
    if not share or len(held) < 2:
        return held
    pinned = _pinned(table)
    total = max(round(share * int(table.sizes.sum())), 1)
    labels = table.counts.shape[1]
    bounds = np.searchsorted(table.first[table.order], np.arange(labels + 1))
    weights = np.zeros(len(held), np.int64)
    taken, seen = 0, 0  # rows held out, and rows that have been decided about
    for number in range(labels):
        block = table.order[bounds[number] : bounds[number + 1]]  # the units for which it is the rarest label
        units, rows = table.label(number)
        weights[units] = rows
        seen += int(table.sizes[block].sum())
        wanted, had = share * int(rows.sum()), int(rows[held[units]].sum())
        size = min(max(round(share * seen) - taken, math.floor(wanted) - had), math.ceil(wanted) - had)
        free = block[~pinned[block]]
        chosen = free[_counted_off(weights[free], size, table.start[number])]
        held[chosen] = True
        taken += int(table.sizes[chosen].sum())
    rest = table.order[bounds[-1] :]
    if not taken:  # what is measured on held-out images needs one with a label
        taken += _hold_one(table, held, pinned, table.order[: bounds[-1]])
    free = rest[~pinned[rest]]
    held[free[_counted_off(table.sizes[free], total - taken, table.start[-1])]] = True
    if not held.any():
        _hold_one(table, held, pinned, rest)
    return _exchanged(table, held, pinned, share)


def _pinned(table: _Table) -> NDArray[np.bool_]:
    """Units to train on whatever else is decided: one of each label, or any one where there are no labels."""
    pinned = np.zeros(len(table.sizes), bool)
    for number in range(table.counts.shape[1]):
        units, rows = table.label(number)
        if not pinned[units].any():
            pinned[units[int(np.argmax(rows + table.generator.random(len(rows))))]] = True
    if not pinned.any():
        pinned[int(np.argmax(table.sizes + table.generator.random(len(pinned))))] = True
    return pinned


def _exchanged(table: _Table, held: NDArray[np.bool_], pinned: NDArray[np.bool_], share: float) -> NDArray[np.bool_]:
    """The units held out, after exchanges that bring labels nearer to their share which the pass has left off by more than one.

    In each round some of the units that help most change sides, if the sum of squared excesses is then less.
    """
    counts = hstack([table.counts, csc_array(table.sizes[:, None])], format="csr")  # all rows are a label as well
    rows, generator = counts.sum(0), table.generator
    slack = np.append(np.ones(len(rows) - 1), max(1.0, _NEAR * share * rows[-1]))
    free = np.flatnonzero(~pinned)
    choice, held, fixed = counts[free], held.copy(), share * rows

    def excess(numbers: NDArray[np.int64]) -> tuple[float, NDArray[np.float64]]:
        off = numbers - fixed
        over = np.sign(off) * np.maximum(np.abs(off) - slack, 0)
        return float((over**2 / rows).sum()), over / rows

    numbers = held.astype(np.int64) @ counts
    (loss, pull), size, failed = excess(numbers), max(1, int(held.sum()) // 8), 0
    for _ in range(_ROUNDS):
        if not loss or failed > _FAILURES:
            break
        side = held[free]
        worth = (choice @ pull) * generator.random(len(free))
        out, into = _greatest(np.where(side, worth, 0), size), _greatest(np.where(side, 0, -worth), size)
        leave, enter = choice[out].sum(0), choice[into].sum(0)
        tried = [(numbers - leave + enter, out, into), (numbers - leave, out, into[:0]), (numbers + enter, out[:0], into)]
        changes = [(*excess(after), after, *moved) for after, *moved in tried if after[-1] > 0]
        best = min(changes, key=lambda one: one[0], default=None)
        if best is None or best[0] >= loss * (1 - 1e-9):
            size, failed = max(size // 2, 1), failed + (size == 1)
            continue
        loss, pull, numbers, out, into = best
        held[free[out]], held[free[into]] = False, True
    return held


def _greatest(values: NDArray[np.float64], size: int) -> _Ints:
    """The places of the greatest values above 0, `size` at most."""
    places = np.flatnonzero(values > 0)
    return places if len(places) <= size else places[np.argpartition(-values[places], size - 1)[:size]]


def _counted_off(weights: _Ints, wanted: int, start: float) -> _Ints:
    """Places of some units, evenly over their order, whose weights add up as nearly to a number as they allow."""
    whole = int(weights.sum())
    wanted = min(wanted, whole)
    if wanted <= 0:
        return np.empty(0, np.int64)
    chosen: list[int] = []
    taken, past = 0, 0
    large = np.flatnonzero(weights > 1)
    for place in large[np.argsort(-weights[large], kind="stable")].tolist():  # first: the small ones make up for them
        weight = int(weights[place])
        past += weight
        if wanted * past / whole - taken >= weight / 2:
            chosen.append(place)
            taken += weight
    single = np.flatnonzero(weights == 1)
    left = min(wanted - taken, len(single))
    if left <= 0:
        return np.array(chosen, np.int64)
    steps = np.floor((np.arange(left) + start) * (len(single) / left)).astype(np.int64)
    return np.concatenate([np.array(chosen, np.int64), single[steps]])


def _hold_one(table: _Table, held: NDArray[np.bool_], pinned: NDArray[np.bool_], units: _Ints) -> int:
    """Hold out the smallest of some units, if it may be; how many rows it has."""
    free = units[~pinned[units] & ~held[units]]
    if not len(free):
        return 0
    chosen = free[int(np.argmin(table.sizes[free]))]
    held[chosen] = True
    return int(table.sizes[chosen])
