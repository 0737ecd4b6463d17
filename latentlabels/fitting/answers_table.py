"""Answers to questions, in a table of their own beside the known labels of all images: `data.answers`.

A line of the table is one answer: columns `image`, `label` and `value`; others, such as `time` and `kind`, are not read. A
value is 1 or yes (present), 0 or no (absent), or empty where nobody knew. `label` may name a group; the value is then one of
its labels, or "none" where none of them applies. Of several answers to one question the last counts. How answers enter a fit
is told in `annotation.asked`.
"""

from __future__ import annotations

import contextlib
import csv
import io
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, LabelSpaceError, ObservationError, nearest
from ..inputs import Inputs
from ..observed import Observed, match_names
from ..observed.image_files import report, warn
from ..observed.meaning import usual_value
from ..observed.names import label_name
from ..observed.sheet import Sheet
from ..observed.sheet_csv import read_csv, text_of
from ..observed.sheet_files import read_sheet
from ..observed.sparse import known_table
from ..space import LabelSpace
from ..space.feasibility import feasible
from ..words import count, listed

NONE = "none"  # the value of a group of which no label is present
_NAMES = ("image", "label")
_COLUMNS = (*_NAMES, "value")
_OF_THE_PAGE = "image,label,value,kind,decision\n"  # the first line of the tables that `latentlabels explore` writes


class _Entry(NamedTuple):
    """One label of one image, by one answer."""

    image: str
    column: int
    value: int


def read_answers(path: Path, space: LabelSpace) -> Observed:
    """A table of answers: one row for each of its images, 1 present, 0 absent, -1 not asked.

    CSV as spreadsheets save it is understood: another delimiter, a byte-order mark, lines of empty cells. A last line that a
    killed process did not finish does not count.

    Raises:
        DataError: no such file, no table, or columns that are missing.
        ObservationError: unknown labels or values, with their line, or answers that contradict each other.
    """
    try:
        sheet = _sheet(path)
    except (DataError, ObservationError) as error:
        raise type(error)(f"data.answers: {error}") from None
    found = [sheet.column(name) for name in _COLUMNS]
    lost = [name for name, column in zip(_COLUMNS, found, strict=True) if column is None]
    if lost:
        raise DataError(f"data.answers: {path}: has no column {listed(lost)}; expected the columns {listed(_COLUMNS)}")
    cells = [column.cells() for column in found if column is not None]
    cells[0] = _spelt(path, cells[0])
    entries: dict[tuple[str, int], int] = {}
    for row, (image, label, value) in enumerate(zip(*cells, strict=True)):
        for entry in _entries(image, label, value, space, partial(sheet.at, row)):
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


def _sheet(path: Path) -> Sheet:
    """The table in the file, without a last line that was cut off."""
    if path.suffix.lower() not in ("", ".csv", ".tsv", ".txt") or not path.is_file():
        return read_sheet(path, _COLUMNS)
    text = text_of(path, path.read_bytes())
    whole = text[: text.rfind("\n") + 1]
    if not whole.strip() or len(whole) == len(text):
        return read_csv(path, text, _COLUMNS)
    with contextlib.suppress(ObservationError):  # fewer cells than the header has, or an open quotation mark
        sheet = read_csv(path, text, _COLUMNS)
        last = sheet.columns[-1]
        if last.name.lower() not in _NAMES and (last.name.lower() != "value" or last.text(-1) in ("0", "1")):
            return sheet
    warn(f"data.answers: {path}: its last line has no end and does not count; end it with a line break if it is whole")
    return read_csv(path, whole, _COLUMNS)


def _spelt(path: Path, images: list[str]) -> list[str]:
    """The names of images as the page wrote them, which may begin or end with a space; other tables have none there."""
    head = _OF_THE_PAGE.encode()
    with path.open("rb") as file:
        if file.read(len(head)) != head:
            return images
        text = file.read().decode("utf-8", "replace")
    rows = csv.reader(io.StringIO(text, newline=""))
    exact = [row[0] for row, _ in zip((row for row in rows if row), images, strict=False)]
    return exact if [label_name(name) for name in exact] == images else images


def _entries(image: str, label: str, value: str, space: LabelSpace, where: Callable[[], str]) -> list[_Entry]:
    """What one line says."""
    if not image or not label:
        raise ObservationError(
            f"data.answers: {where()}: {'image' if not image else 'label'} is empty; name it, or remove the line"
        )
    if label in space.labels:
        return [_Entry(image, space.index(label), _value(value, where))]
    try:
        group = space.named(label)
    except LabelSpaceError as error:
        raise ObservationError(f"data.answers: {where()}: {error}") from None
    columns = space.columns(group)
    if value and value != NONE and value not in group.labels:
        raise ObservationError(
            f'data.answers: {where()}: value is "{value}", but group "{label}" has the labels {listed(group.labels, 5)}'
            f"{nearest(value, (*group.labels, NONE))}; write one of them, {NONE}, or nothing"
        )
    return [_Entry(image, k, -1 if not value else int(space.labels[k] == value)) for k in columns]


def _value(text: str, where: Callable[[], str]) -> int:
    """What is said of a label: 1, 0, or -1 where nobody knew."""
    found = usual_value(text) if text.lower() != NONE else None  # "none" could say "not known", and "does not show it"
    if found is None:
        raise ObservationError(
            f'data.answers: {where()}: value is "{text}"; expected 1 or yes (present), 0 or no (absent), or nothing (not known)'
        )
    return found


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
