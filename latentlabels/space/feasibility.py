"""Whether any valid label set agrees with the known labels of an image: one pass over the forest of groups."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ObservationError
from .conflicts import explain
from .groups import Free, Group
from .label_space import LabelSpace

Mask = NDArray[np.bool_]


def feasible(values: NDArray[np.int8], space: LabelSpace) -> Mask:
    """For each row of int8 (N, K) of 1, 0, -1 whether a valid label set agrees with it: (N,)."""
    out = np.ones(len(values), dtype=bool)
    off: dict[str, Mask] = {}  # nothing at or below a group is known to be present
    on: dict[str, Mask] = {}  # some outcome of a group, which applies, agrees
    for group in reversed(space.parents_first):
        root = space.parent(group) is None
        below = {outcome: [child.name for child in space.below(group, outcome)] for outcome in (*group.labels, None)}
        if root and isinstance(group, Free) and not any(below.values()):
            continue  # whatever is known of it agrees with anything
        known = values[:, space.columns(group)]
        present, absent = known == 1, known == 0
        positives = present.sum(1)
        if not any(below.values()):
            on[group.name] = (~absent & (positives[:, None] == present)).any(1)
            if group.optional:
                on[group.name] |= positives == 0
            off[group.name] = positives == 0
        else:
            on[group.name], off[group.name] = _with_children(group, below, present, absent, on, off)
        if root:
            out &= on[group.name]
    return out


def _with_children(
    group: Group,
    below: Mapping[str | None, Sequence[str]],
    present: Mask,
    absent: Mask,
    on: Mapping[str, Mask],
    off: Mapping[str, Mask],
) -> tuple[Mask, Mask]:
    size, positives = len(present), present.sum(1)
    not_off = _number_not_off({name for names in below.values() for name in names}, off, size)
    agrees = np.zeros(size, dtype=bool)
    for place, (outcome, names) in enumerate(below.items()):
        if outcome is None and not group.optional:
            continue
        # nothing is known to be present that does not hang below this outcome, and no other label
        own = not_off == _number_not_off(names, off, size)
        for name in names:
            own &= on[name]
        agrees |= own & (positives == 0 if outcome is None else ~absent[:, place] & (positives == present[:, place]))
    return agrees, (positives == 0) & (not_off == 0)


def _number_not_off(names: Collection[str], off: Mapping[str, Mask], size: int) -> NDArray[np.intp]:
    out = np.zeros(size, dtype=np.intp)
    for name in names:
        out += ~off[name]
    return out


def contradiction(row: NDArray[np.int8], space: LabelSpace) -> str:
    """Why no valid label set agrees with a row that `feasible` refuses, in words."""
    return explain({label: int(row[k]) for k, label in enumerate(space.labels) if row[k] != -1}, space)


def stated_row(space: LabelSpace, present: Sequence[str], absent: Sequence[str]) -> NDArray[np.int8]:
    """Labels that are stated, as a row of known labels: int8 (K,) of 1, 0, -1.

    Args:
        space: the label space.
        present: labels; also the empty outcome of an optional group, by its name (`LabelSpace.empty_outcome`).
        absent: labels.

    Raises:
        LabelSpaceError: a label that the space lacks.
        ObservationError: labels that are impossible together.
    """
    both = set(present) & set(absent)
    if both:
        raise ObservationError(f'"{sorted(both)[0]}" is given as present and as absent; remove one of the two')
    row = np.full(space.num_labels, -1, np.int8)
    for label in absent:
        row[space.index(label)] = 0
    for label in sorted(present, key=lambda label: label not in space.labels):
        columns, value = space.stated(label)
        if (row[columns] == 1 - value).any():
            raise ObservationError(f'"{label}" is given together with a label that it excludes; remove one of the two')
        row[columns] = value
    if not feasible(row[None], space)[0]:
        stated = in_words(present, absent)
        raise ObservationError(f"{stated}: impossible together, because {contradiction(row, space)}")
    return row


def in_words(present: Sequence[str], absent: Sequence[str]) -> str:
    """What is stated, in words: ``car, not night``."""
    return ", ".join([*present, *(f"not {label}" for label in absent)])


def impossible_rows(
    wrong: NDArray[np.integer[Any]],
    rows: Callable[[NDArray[np.integer[Any]]], NDArray[np.int8]],
    space: LabelSpace,
    images: Sequence[str] | None = None,
) -> ObservationError:
    """The error about rows that no valid label set agrees with: the first one, why, and how many more there are.

    Args:
        wrong: their numbers, at least one.
        rows: gives the values (B, K) of rows by number.
        space: the label space.
        images: the names of all rows.
    """
    row, others = int(wrong[0]), len(wrong) - 1
    where = f"row {row}" if images is None else images[row]
    more = f" ({others:,} more row{'s are' if others > 1 else ' is'} impossible)" if others else ""
    why = contradiction(rows(wrong[:1])[0], space)
    return ObservationError(f"{where}: {why}; correct the known labels or the label space{more}")
