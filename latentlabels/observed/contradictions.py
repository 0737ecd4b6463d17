"""Known labels of one image that cannot all be true: found, listed, and settled as the user wants."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from ..errors import Choice, ObservationError
from ..space import LabelSpace
from ..space.feasibility import contradiction, feasible
from ..words import count
from .known_table import KnownTable
from .options import Contradictions
from .record import Contradiction

_SHOWN = 10
_SETS = 5_000  # sets of known labels of one image that are looked at


_CHOICES = (
    Choice({"contradictions": "unknown"}, "the labels concerned count as unknown"),
    Choice({"contradictions": "vote"}, "the majority of statements counts"),
)


class ContradictionError(ObservationError):
    """Known labels that cannot all be true.

    Attributes:
        source: the file or folder.
        found: every contradiction.
    """

    def __init__(self, source: str, found: Sequence[Contradiction]):
        self.source, self.found = source, tuple(found)
        super().__init__(self.worded(Choice.in_python))

    def worded(self, spelt: Callable[[Choice], str]) -> str:
        """The message, with what settles contradictions spelt as arguments or as flags."""
        shown = "; ".join(str(one) for one in self.found[:_SHOWN])
        more = f"; and {len(self.found) - _SHOWN:,} more" if len(self.found) > _SHOWN else ""
        many = "" if len(self.found) == 1 else f"{count(len(self.found), 'contradiction')}: "
        either = " or ".join(f"{spelt(choice)} ({choice.meaning})" for choice in _CHOICES)
        return f"{self.source}: {many}{shown}{more}. Correct them, or give {either}"


def impossible(known: KnownTable, space: LabelSpace) -> NDArray[np.int64]:
    """The rows that no valid label set agrees with, ascending."""
    if space.num_label_sets == 1 << space.num_labels:
        return np.zeros(0, np.int64)  # every label set is valid
    if all(feasible(block.values, space).all() for block in known.blocks(known.distinct())):
        return np.zeros(0, np.int64)
    wrong = [block.start + np.flatnonzero(~feasible(block.values, space)) for block in known.blocks()]
    return np.concatenate(wrong).astype(np.int64)


def settle(
    values: NDArray[np.int8],
    votes: NDArray[np.integer] | None,
    space: LabelSpace,
    images: Sequence[str],
    policy: Contradictions,
    where: Sequence[Sequence[str]] | None = None,
) -> tuple[NDArray[np.int8], list[Contradiction]]:
    """Make rows that contradict the label space agree with it.

    "unknown" forgets the known labels that cannot be true together: first those that cannot be true alone, then all
    pairs, then sets of three, until the rest can be true. Where that would be more than 5,000 sets, all known labels of the
    groups concerned are forgotten. "vote" takes known labels in the order of their votes: a label that does
    not agree with those of more votes is forgotten, and labels of equal votes that exclude each other are all forgotten.

    Args:
        values: int8 (R, K) of 1, 0, -1.
        votes: (R, K) how many statements say so; None: one each.
        space: the K labels.
        images: R names.
        policy: "refuse" only lists, and leaves the values as they are.
        where: for each row where its statements stand.

    Returns:
        The values, and a contradiction for each row that no label set agrees with.
    """
    out, found = values.copy(), []
    trees = _trees(space)
    for row in np.flatnonzero(~feasible(values, space)).tolist():
        why = contradiction(values[row], space)
        if policy == "vote" and votes is not None:
            kept = _by_votes(values[row], votes[row], space, trees)
        else:
            kept = _forget(values[row], space, trees)
        gone = np.flatnonzero(kept != values[row])
        labels = tuple(space.labels[k] for k in gone.tolist())
        found.append(Contradiction(images[row], labels, why, tuple(where[row]) if where is not None else ()))
        if policy != "refuse":
            out[row] = kept
    return out, found


def _trees(space: LabelSpace) -> NDArray[np.int64]:
    """For each label the number of the root that it hangs below: (K,)."""
    out = np.zeros(space.num_labels, np.int64)
    number = {root.name: place for place, root in enumerate(space.roots)}
    for group in space.parents_first:
        if group.name not in number:
            parent = space.parent(group)
            assert parent is not None  # no root
            number[group.name] = number[parent.group]
        out[space.columns(group)] = number[group.name]
    return out


def _forget(row: NDArray[np.int8], space: LabelSpace, trees: NDArray[np.int64]) -> NDArray[np.int8]:
    """A row without the known labels that cannot be true together."""
    out = row.copy()
    for tree in np.unique(trees[row != -1]).tolist():
        alone = np.where(trees == tree, row, -1).astype(np.int8)
        size = 1
        while not feasible(alone[None], space)[0]:
            for k in _in_sets(alone, size, space):
                alone[k] = -1
            size += 1
        out[trees == tree] = alone[trees == tree]
    return out


def _in_sets(row: NDArray[np.int8], size: int, space: LabelSpace) -> list[int]:
    """The known labels of a row that are in a set of so many which cannot be true together; all where the sets are too many."""
    known = np.flatnonzero(row != -1).tolist()
    if math.comb(len(known), size) > _SETS:
        return known
    sets = np.array(list(itertools.combinations(known, size)))
    rows = np.full((len(sets), len(row)), -1, np.int8)
    at = np.arange(len(sets))[:, None]
    rows[at, sets] = row[sets]
    return np.unique(sets[~feasible(rows, space)]).tolist()


def _by_votes(
    row: NDArray[np.int8], votes: NDArray[np.integer], space: LabelSpace, trees: NDArray[np.int64]
) -> NDArray[np.int8]:
    """A row of the known labels that have most votes and agree with each other."""
    out = np.full_like(row, -1)
    known = np.flatnonzero(row != -1)
    for level in np.unique(votes[known])[::-1].tolist():
        group = known[votes[known] == level]
        if len(group):
            tried = np.repeat(out[None], len(group), 0)
            tried[np.arange(len(group)), group] = row[group]
            group = group[feasible(tried, space)]  # those of more votes stay
        trial = out.copy()
        trial[group] = row[group]
        if not feasible(trial[None], space)[0]:
            forgotten = _forget(trial, space, trees)
            trial = np.where(out != -1, out, forgotten)
        if feasible(trial[None], space)[0]:
            out = trial
    return out
