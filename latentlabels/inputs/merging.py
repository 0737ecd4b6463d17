"""Images of equal pixels as one image, with all that is known of any of them; and what is said about copies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..observed import Observed
from ..observed.contradictions import ContradictionError, settle
from ..observed.image_files import report
from ..observed.options import ReadOptions
from ..observed.record import Contradiction, HowRead
from ..words import count, listed
from .inputs import Inputs

_OFTEN = 5  # times that one picture may stand without a word
_SHOWN = 3

_Ints = NDArray[np.int64]


def with_copies_merged(inputs: Inputs, merge: bool, options: ReadOptions) -> Inputs:
    """Inputs with copies merged, and notes about those that are left.

    Images of equal pixels become the first of them, with what is known of any. Where it is stated that one is held out and
    another trained on, or that they belong to different images, they stay apart.

    Args:
        inputs: N images with known labels, whose copies were looked for; others are returned as they are. The rows of an
            array are never merged.
        merge: whether the annotation allows it. Otherwise copies are as they should be: images of their own, which are held
            out together.
        options: what becomes of known labels of copies that contradict each other, and whether notes are errors.

    Raises:
        ContradictionError: known labels of copies that contradict each other, unless they are to be settled; all are listed.
        ObservationError: a note, where notes are errors.
    """
    copies, table = inputs.copies, inputs.observed
    if copies is None or table is None:
        return inputs
    if merge:
        _note_often(inputs, copies.same, options.strict)
    groups = _groups(_apart(inputs, copies.same)) if merge and copies.of_files else []
    if groups:
        names = [[inputs.names[row] for row in rows] for rows in groups]
        report(_merged(names), options.strict)
        inputs = _as_one(inputs, table, groups, options)
    _note_left(inputs, merge, options.strict)
    return inputs


def _apart(inputs: Inputs, same: _Ints) -> _Ints:
    """(N,) numbers, equal for images of equal pixels of which nothing different is stated."""
    stated = inputs.stated
    parts = [same]
    if stated is not None:
        parts += [one.astype(np.int64) for one in (stated.held, stated.together) if one is not None]
    return np.unique(np.stack(parts), axis=1, return_inverse=True)[1].reshape(-1)


def _groups(numbers: _Ints) -> list[_Ints]:
    """The rows of each number that several rows have, in the order of the first."""
    order = np.argsort(numbers, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(numbers[order])) + 1) if len(order) else []
    return sorted((group for group in groups if len(group) > 1), key=lambda group: int(group[0]))


def _as_one(inputs: Inputs, table: Observed, groups: Sequence[_Ints], options: ReadOptions) -> Inputs:
    """The first image of each group, with what is known of all of them."""
    first = np.array([group[0] for group in groups])
    values = [table.known.rows(group) for group in groups]
    present, absent = (np.stack([(rows == value).sum(0) for rows in values]) for value in (1, 0))
    settled = np.where(present > absent, 1, np.where(absent > present, 0, -1)).astype(np.int8)
    both = (present > 0) & (absent > 0)
    policy = options.policy
    if policy != "vote":
        settled[both] = -1
    names = [inputs.names[row] for row in first.tolist()]
    where = [tuple(inputs.names[row] for row in group.tolist()) for group in groups]
    labels = table.space.labels
    found = [
        Contradiction(names[row], (labels[k],), f'"{labels[k]}" is present in one copy and absent in another', where[row])
        for row, k in np.argwhere(both).tolist()
    ]
    settled, impossible = settle(settled, np.maximum(present, absent), table.space, names, policy, where)
    found += impossible
    if found and options.refuses:
        raise ContradictionError("copies of one image", found)
    if found and not options.listing:
        did = "count as unknown" if policy == "unknown" else "are settled by a vote"
        shown = listed([str(one) for one in found], _SHOWN)
        report(f"{count(len(found), 'contradiction')} between copies of one image {did}: {shown}", options.strict)
    how = table.how_read or HowRead("the images", "images", policy=options.contradictions)
    how = replace(how, contradictions=(*how.contradictions, *found))
    merged = Observed(table.known.replaced(first, settled), table.space, table.images, how, table.extra)
    gone = np.concatenate([group[1:] for group in groups])
    return inputs.labelled(merged, inputs.truth).take(np.setdiff1d(np.arange(len(inputs)), gone))


def _merged(names: Sequence[Sequence[str]]) -> str:
    """Which files were merged, in words."""
    pairs = [f"{other} = {some[0]}" for some in names for other in some[1:]]
    return f"{count(len(pairs), 'image')} merged with an image of the same pixels: {listed(pairs, _SHOWN)}"


def _note_often(inputs: Inputs, same: _Ints, strict: bool) -> None:
    """Say which pictures stand very often: "photo no longer available" is one."""
    number, first = np.bincount(same), np.unique(same, return_index=True)[1]
    often = [int(one) for one in np.argsort(-number, kind="stable") if number[one] > _OFTEN]
    if often:
        shown = listed([f"{inputs.names[first[one]]} ({number[one]:,} times)" for one in often], _SHOWN)
        stand = "picture stands" if len(often) == 1 else "pictures stand"
        report(
            f"{len(often):,} {stand} more than {_OFTEN} times: {shown}; if it only says that a photo is missing, remove it",
            strict,
        )


def _note_left(inputs: Inputs, merge: bool, strict: bool) -> None:
    """Say which images are copies that were not merged, and which are nearly equal."""
    copies = inputs.copies
    assert copies is not None
    equal = [(copies.same, None, "with the same pixels as another image")] if merge else []
    for numbers, within, what in (*equal, (copies.twins, copies.same, "nearly equal to another image")):
        pairs = [
            f"{inputs.names[int(other)]} ~ {inputs.names[int(group[0])]}"
            for group in _groups(numbers)
            for other in (group[1:] if within is None else _different(group, within))
        ]
        if pairs:
            report(
                f"{count(len(pairs), 'image')} {what} ({listed(pairs, _SHOWN)}): they are held out together or not at all",
                strict,
            )


def _different(group: _Ints, same: _Ints) -> _Ints:
    """The rows of a group without those of equal pixels, each picture once, and without the first."""
    _, first = np.unique(same[group], return_index=True)
    return group[np.sort(first)][1:]
