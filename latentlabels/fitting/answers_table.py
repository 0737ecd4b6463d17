"""Answers to questions, in a table of their own beside the known labels of all images: `data.answers`.

A line of the table is one answer: columns `image`, `label` and `value`; others, such as `time` and `kind`, are not read. A
value is 1 (present), 0 (absent), or empty where nobody knew. `label` may name a group; the value is then one of its labels,
or "none" where none of them applies. Of several answers to one question the last counts. How answers enter a fit is told in
`annotation.asked`.
"""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, LabelSpaceError, ObservationError
from ..inputs import Inputs
from ..observed import Observed, match_names
from ..observed.image_files import report
from ..observed.sparse import known_table
from ..space import LabelSpace
from ..space.feasibility import feasible
from ..words import count, listed

NONE = "none"  # the value of a group of which no label is present
_COLUMNS = ("image", "label", "value")


class _Entry(NamedTuple):
    """One label of one image, by one answer."""

    image: str
    column: int
    value: int


def read_answers(path: Path, space: LabelSpace) -> Observed:
    """A table of answers: one row for each of its images, 1 present, 0 absent, -1 not asked.

    A last line without an end, as a process that was killed leaves it, does not count.

    Raises:
        DataError: no such file, or columns that are missing.
        ObservationError: unknown labels or values, with their line, or answers that contradict each other.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"data.answers: {path}: cannot be read ({error}); give a CSV with the columns image, label, value"
        ) from None
    whole = text[: text.rfind("\n") + 1]
    lines = csv.DictReader((whole or text).splitlines())
    lost = [name for name in _COLUMNS if name not in (lines.fieldnames or ())]
    if lost:
        raise DataError(f"data.answers: {path}: has no column {listed(lost)}; expected the columns image, label, value")
    entries: dict[tuple[str, int], int] = {}
    for row in lines:
        for entry in _entries(row, space, f"data.answers: {path}, line {lines.line_num}"):
            entries.pop((entry.image, entry.column), None)
            if entry.value >= 0:
                entries[entry.image, entry.column] = entry.value
    names = tuple(dict.fromkeys(image for image, _ in entries))
    number = {name: row for row, name in enumerate(names)}
    rows, columns = [number[image] for image, _ in entries], [column for _, column in entries]
    try:
        return Observed.from_entries(rows, columns, list(entries.values()), len(names), space, names)
    except ObservationError as error:
        raise ObservationError(f"data.answers: {path}: {error}") from None


def _entries(row: dict[str, str | None], space: LabelSpace, where: str) -> list[_Entry]:
    """What one line says."""
    image, label, value = ((row[name] or "").strip() for name in _COLUMNS)
    if not image or not label:
        raise ObservationError(f"{where}: {'image' if not image else 'label'} is empty; name it, or remove the line")
    if label in space.labels:
        if value not in ("1", "0", ""):
            raise ObservationError(f'{where}: value is "{value}"; expected 1 (present), 0 (absent) or nothing (not known)')
        return [_Entry(image, space.index(label), int(value) if value else -1)]
    try:
        group = space.named(label)
    except LabelSpaceError as error:
        raise ObservationError(f"{where}: {error}") from None
    columns = space.columns(group)
    if value and value != NONE and value not in group.labels:
        raise ObservationError(
            f'{where}: value is "{value}", but group "{label}" has the labels {listed(group.labels, 5)}; write one of them, '
            f"{NONE}, or nothing"
        )
    return [_Entry(image, k, -1 if not value else int(space.labels[k] == value)) for k in columns]


def with_answers(inputs: Inputs, answers: Observed, what: str = "answers", strict: bool = False) -> Inputs:
    """The same inputs with answers to questions about some of them.

    Where an answer denies a picked label, or no label set agrees with both, the picked label was a mistake and is forgotten.

    Args:
        inputs: N images or embeddings with known labels.
        answers: of some of them, by name; or of all in their order, without names.
        what: the table is called, in messages.
        strict: whether rows without an image are an error.

    Raises:
        DataError: none of its images is among the inputs, or another number of rows.
    """
    before = inputs.observed
    assert before is not None  # a fit has known labels
    asked, rows = _matched(inputs, answers.in_space(before.space), what, strict)
    known, told = before.known.rows(rows), asked.values
    wrong = (known == 1) & (told == 0)
    kept = np.where(wrong, -1, known).astype(np.int8)
    impossible = ~feasible(np.where(told == -1, kept, told).astype(np.int8), before.space)
    kept[impossible[:, None] & (kept != -1)] = -1
    changed = (kept != known).any(1)
    if changed.any():
        table = before.known.replaced(rows[changed], kept[changed])
        before = Observed(table, before.space, before.images, before.how_read, before.extra)
    row, column = np.nonzero(told != -1)
    table = known_table(rows[row], column, told[row, column], (len(inputs), before.space.num_labels), before.space.labels)
    return replace(inputs, observed=before, answers=table)


def _matched(inputs: Inputs, answers: Observed, what: str, strict: bool) -> tuple[Observed, NDArray[np.int64]]:
    """The rows of the answers that are about an input, and the numbers of those inputs."""
    if answers.images is None:
        if len(answers) != len(inputs):
            raise DataError(
                f"{what} has {count(len(answers), 'row')} without names, but there are {count(len(inputs), 'image')}; give one "
                "row for each image, or names"
            )
        rows = np.flatnonzero(answers.num_known)
        return answers.take(rows), rows
    found = match_names(answers.images, inputs.table_names)
    lost = [name for name, row in zip(answers.images, found, strict=True) if row is None]
    if lost and len(lost) == len(found):
        raise DataError(
            f"{what}: none of its {count(len(found), 'image')} is among the images of the fit ({listed(lost, 3)}); give the "
            "answers that belong to these images"
        )
    if lost:
        report(f"{what}: {count(len(lost), 'image')} left out, because the fit has no such image: {listed(lost, 3)}", strict)
    kept = answers.take([number for number, row in enumerate(found) if row is not None])
    return kept, np.array([row for row in found if row is not None], np.int64)
