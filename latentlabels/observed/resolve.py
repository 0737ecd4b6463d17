"""What the statements of a file mean for a label space: the same decisions for all formats."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import AmbiguousError, Choice, LabelSpaceError, ObservationError
from ..space import LabelSpace
from ..words import count, listed
from .contradictions import ContradictionError, impossible, settle
from .entries import SHOWN_PLACES, Entries
from .image_files import report
from .known_table import DenseKnown, KnownTable
from .meaning import OPEN
from .names import label_name, near_equal, nfc
from .none_of_them import ask_about_none
from .options import ReadOptions
from .record import Contradiction, HowRead, KnownLabels, Statements
from .sparse import known_table

_Ints = NDArray[np.integer[Any]]


def resolve(found: Statements, options: ReadOptions) -> KnownLabels:
    """Known labels of statements: names become columns, what is not mentioned gets its meaning, contradictions are settled.

    Raises:
        AmbiguousError: the file lists present labels alone, and nobody says what the others mean.
        ObservationError: labels that the space lacks, or contradictions that are to be refused; all are listed.
    """
    names = [label_name(name) for name in found.labels]
    space = options.space or found.space or _free(names, found)
    images, image_of = _same_images(found)
    entries = Entries(found, names, space, image_of)
    entries.notes += near_notes(names) if options.space is None else []
    shape = (len(images), space.num_labels)
    contradictions: list[Contradiction] = []
    known: KnownTable
    votes: tuple[_Ints, _Ints, NDArray[np.int64]] | None = None
    if found.matrix is not None and image_of is None and entries.plain is not None:
        values, said = _of_matrix(found, entries.plain, shape[1], options)
        known = DenseKnown(values)
    else:
        row, column, value, place = entries.all()
        row, column, value, number, contradictions, note = _merged(
            found, images, space, (row, column, value, place), options.policy
        )
        entries.notes += [] if note is None else [note]
        if contradictions and options.refuses:
            raise ContradictionError(found.source, contradictions)
        unlisted, said = _unlisted(found, options, bool((value == 0).any()), len(row) == shape[0] * shape[1])
        if unlisted == "absent":
            dense = np.zeros(shape, np.int8)
            dense[row, column] = value
            known = DenseKnown(dense)
        else:
            known = known_table(row, column, value, shape, space.labels)
        votes = (row, column, number)
    entries.notes += ask_about_none(known, space, images, found.source, options)
    known, impossible_ = _settled(known, votes, space, images, entries, options)
    contradictions = sorted([*contradictions, *impossible_], key=lambda one: one.image)
    if contradictions and options.refuses:
        raise ContradictionError(found.source, contradictions)
    notes = [*found.left_out, *entries.notes]
    if contradictions and not options.listing:
        what = "count as unknown" if options.contradictions == "unknown" else "are settled by a vote"
        text = f"{count(len(contradictions), 'contradiction')} {what}: {listed([str(one) for one in contradictions], 3)}"
        report(f"{found.source}: {text}", options.strict)
    for note in notes:
        report(f"{found.source}: {note}", options.strict)
    facts = (*found.reading, *said)
    how_read = HowRead(found.source, found.format, facts, tuple(notes), tuple(contradictions), options.contradictions)
    extra = {name: _of_images(texts, image_of, len(images)) for name, texts in found.extra.items()}
    return KnownLabels(known, space, tuple(images), how_read, extra)


def _free(names: Sequence[str], found: Statements) -> LabelSpace:
    try:
        return LabelSpace.free(dict.fromkeys(names))
    except LabelSpaceError as error:
        raise ObservationError(f"{found.source}: no label can be read from it ({error})") from None


def _same_images(found: Statements) -> tuple[list[str], _Ints | None]:
    """Names of different images, and the number of each name's image; None where no two names are the same."""
    if all(name.isascii() for name in found.images):
        return list(found.images), None
    number: dict[str, int] = {}
    of = [number.setdefault(nfc(name), len(number)) for name in found.images]
    if len(number) == len(of):
        return list(found.images), None
    first = dict(zip(reversed(of), reversed(found.images), strict=True))
    return [first[place] for place in range(len(number))], np.asarray(of)


def _of_images(texts: Sequence[str], image_of: _Ints | None, number: int) -> tuple[str, ...]:
    if image_of is None:
        return tuple(texts)
    out = [""] * number
    for place, text in zip(reversed(image_of.tolist()), reversed(texts), strict=True):
        out[place] = text
    return tuple(out)


def near_notes(names: Iterable[str]) -> list[str]:
    """Labels that differ only in capitals, blanks or hyphens, as sentences."""
    return [
        f"{listed([repr(name) for name in some])} differ only in capitals, blanks or hyphens and count as different labels; "
        "if they are one label, spell them alike"
        for some in near_equal(names)
    ]


def _of_matrix(
    found: Statements, column: _Ints, num_labels: int, options: ReadOptions
) -> tuple[NDArray[np.int8], list[tuple[str, str]]]:  # fmt: skip
    """The values of a wide table: the array of the file itself, where its columns are those of the space."""
    matrix = found.matrix
    assert matrix is not None
    if not np.array_equal(column, np.arange(num_labels)):
        values = np.full((len(matrix), num_labels), OPEN, np.int8)
        values[:, column] = matrix
    else:
        values = matrix
    open_ = values == OPEN
    unlisted, said = _unlisted(found, options, bool((values == 0).any()), not open_.any())
    values[open_] = 0 if unlisted == "absent" else -1
    return values, said


def _unlisted(
    found: Statements, options: ReadOptions, any_absent: bool, complete: bool
) -> tuple[str, list[tuple[str, str]]]:  # fmt: skip
    """What a label means that the file does not mention, and how that is known."""
    if options.unlisted is not None:
        return options.unlisted, [("unlisted labels", f"{options.unlisted} (stated)")]
    if complete:
        return "unknown", []
    if found.unlisted is not None:
        return found.unlisted, [("unlisted labels", f"{found.unlisted} (by the format)")]
    if any_absent:
        return "unknown", [("unlisted labels", "unknown (absent labels are listed)")]
    choices = {"unknown": "not checked or not recorded", "absent": "checked, and not there"}
    if found.usually is not None:
        first, why = found.usually
        choices = {first: f"{choices[first]}: {why}", **{key: text for key, text in choices.items() if key != first}}
    raise AmbiguousError(
        f"{found.source}: lists only labels that are present, so the meaning of the others is unclear",
        [Choice({"unlisted": key}, text) for key, text in choices.items()],
    )


def _merged(
    found: Statements,
    images: Sequence[str],
    space: LabelSpace,
    entries: tuple[_Ints, _Ints, NDArray[np.int8], _Ints],
    policy: str,
) -> tuple[_Ints, _Ints, NDArray[np.int8], NDArray[np.int64], list[Contradiction], str | None]:
    """One entry for each image and label, the number of statements that say so, and those on which they disagree.

    What is stated to be present or absent comes before what is stated to be unknown.
    """
    image, column, value, where = entries
    key = image.astype(np.int64) * space.num_labels + column
    step = np.diff(key)
    if (step > 0).all() or len(key) == 0:
        return image, column, value, np.ones(len(key), np.int64), [], None
    order = np.argsort(key, kind="stable")
    ordered = key[order]
    start = np.flatnonzero(np.concatenate([[True], np.diff(ordered) > 0]))
    said = value[order]
    present, absent = (np.add.reduceat((said == one).astype(np.int64), start) for one in (1, 0))
    one = np.where(present > absent, 1, np.where(absent > 0, 0, -1)).astype(np.int8)
    clash = (present > 0) & (absent > 0)
    contradictions = []
    if clash.any():
        end = np.concatenate([start[1:], [len(order)]])
        for place in np.flatnonzero(clash).tolist():
            mine = order[start[place] : end[place]]
            label = space.labels[int(column[mine[0]])]
            numbers = [int(number) for number in where[mine].tolist() if number >= 0]
            contradictions.append(
                Contradiction(
                    images[int(image[mine[0]])],
                    (label,),
                    f'"{label}" is present by {present[place]} and absent by {count(int(absent[place]), "statement")}',
                    tuple(found.at(number) for number in numbers[:SHOWN_PLACES]),
                )
            )
        open_ = clash if policy != "vote" else clash & (present == absent)
        one[open_] = -1
    first = order[start]
    note = None
    repeated = int((present + absent > 1).sum() - clash.sum())
    if repeated:
        twice = np.flatnonzero((present + absent > 1) & ~clash)[:3]
        shown = listed([f"{images[int(image[first[i]])]} ({space.labels[int(column[first[i]])]})" for i in twice.tolist()], 3)
        note = f"{count(repeated, 'label')} of an image stated more than once, merged: {shown}"
    return image[first], column[first], one, np.maximum(present, absent), contradictions, note


def _settled(
    known: KnownTable,
    votes: tuple[_Ints, _Ints, NDArray[np.int64]] | None,
    space: LabelSpace,
    images: Sequence[str],
    entries: Entries,
    options: ReadOptions,
) -> tuple[KnownTable, list[Contradiction]]:
    """Rows that no label set agrees with, settled."""
    rows = impossible(known, space)
    if not len(rows):
        return known, []
    counted = np.zeros((len(rows), space.num_labels), np.int64)
    if votes is not None:
        row, column, number = votes
        place = np.full(len(known), -1, np.int64)
        place[rows] = np.arange(len(rows))
        mine = place[row] >= 0
        counted[place[row[mine]], column[mine]] = number[mine]
    where = [entries.places(int(row)) if number < 100 else [] for number, row in enumerate(rows.tolist())]
    names = [images[row] for row in rows.tolist()]
    values, found = settle(known.rows(rows), counted, space, names, options.policy, where)
    return known.replaced(rows, values), found
