"""Whether any valid label set agrees with the known labels of an image: one pass over the forest of groups."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ObservationError
from .groups import Group
from .label_space import LabelSpace

Mask = NDArray[np.bool_]


def feasible(values: NDArray[np.int8], space: LabelSpace) -> Mask:
    """For each row of int8 (N, K) of 1, 0, -1 whether a valid label set agrees with it: (N,)."""
    present, absent = values == 1, values == 0
    off: dict[str, Mask] = {}  # nothing at or below a group is known to be present
    on: dict[str, Mask] = {}  # some outcome of a group, which applies, agrees
    for group in reversed(space.parents_first):
        columns = space.columns(group)
        positives = present[:, columns].sum(1)
        own_on, below_off = [~absent[:, column] for column in columns], [np.ones(len(values), bool) for _ in columns]
        for position, label in enumerate(group.labels):
            for child in space.children.get(label, ()):
                own_on[position] &= on.pop(child.name)
                below_off[position] &= off.pop(child.name)
        not_off = sum((~one).astype(int) for one in below_off)
        # the outcome "this label": no other one is known to be present, nor anything below another one
        others_off = [
            (positives - present[:, column] == 0) & (not_off - ~one == 0)
            for column, one in zip(columns, below_off, strict=True)
        ]
        agrees: Mask = np.any([a & b for a, b in zip(own_on, others_off, strict=True)], axis=0)
        off[group.name] = (positives == 0) & (not_off == 0)
        on[group.name] = agrees | off[group.name] if group.optional else agrees
    return np.logical_and.reduce([on[root.name] for root in space.roots])


def contradiction(row: NDArray[np.int8], space: LabelSpace) -> str:
    """Why no valid label set agrees with a row that `feasible` refuses, in words."""
    groups = {label: group for group in space.groups for label in group.labels}
    known = {label: int(row[k]) for k, label in enumerate(space.labels) if row[k] != -1}
    implied: dict[str, str] = {}  # labels that must be present, and the known one that says so
    for label, value in known.items():
        above: str | None = label if value == 1 else None
        while above is not None:
            implied.setdefault(above, label)
            above = groups[above].requires
    for label, because in implied.items():
        if known.get(label) == 0:
            return f'"{because}" is known to be present and requires "{label}", which is known to be absent'
    for group in space.groups:
        shown = [label for label in group.labels if label in implied]
        if len(shown) > 1:
            first, second = (
                f'"{label}"' + (f' (required by "{implied[label]}")' if implied[label] != label else "") for label in shown[:2]
            )
            return f'{first} and {second} exclude each other (group "{group.name}")'

    # of each group for each label why it cannot be present: known to be absent (None), or a blocked group below it
    blocked: dict[str, dict[str, Group | None]] = {}
    for group in reversed(space.parents_first):
        if group.optional:
            continue
        why: dict[str, Group | None] = {}
        for label in group.labels:
            below = next((child for child in space.children.get(label, ()) if child.name in blocked), None)
            if known.get(label) == 0 or below is not None:
                why[label] = None if known.get(label) == 0 else below
        if len(why) == len(group.labels):
            blocked[group.name] = why

    # no label of the groups that are left is implied, and nothing below them: only exhaustive ones can fail
    for group in space.groups:
        applies = group.requires is None or group.requires in implied
        why = blocked.get(group.name, {}) if applies and not any(label in implied for label in group.labels) else {}
        if why:
            shows = f'an image with "{group.requires}" shows' if group.requires else "every image shows"
            if not any(why.values()):
                return f'all labels of group "{group.name}" are known to be absent, but {shows} one of them'
            reasons = "; ".join(
                f'"{label}" is known to be absent'
                if below is None
                else f'"{label}" needs a label of group "{below.name}", and all of them are excluded'
                for label, below in why.items()
            )
            return f'no label of group "{group.name}" is possible, but {shows} one of them: {reasons}'
    return "no valid label set agrees with the known labels"


def check_consistent(values: NDArray[np.int8], space: LabelSpace, images: Sequence[str] | None = None) -> None:
    """Check that some valid label set agrees with each row of values (N, K).

    Raises:
        ObservationError: the first row that none agrees with, and why; how many more there are.
    """
    wrong = np.flatnonzero(~feasible(values, space))
    if len(wrong):
        raise impossible_rows(wrong, values.__getitem__, space, images)


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
