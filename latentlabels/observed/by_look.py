"""What the columns of a table are by their headings and cells alone, where nobody says it."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import AmbiguousError, Choice
from ..words import count, listed
from .column_kinds import (
    ANSWER_NAMES,
    ASIDE,
    LABEL_NAMES,
    SPLIT_NAMES,
    VALUE_NAMES,
    Roles,
    as_split,
    as_together,
    is_number,
    leave,
    mostly_values,
    of_values,
    some_words,
)
from .image_files import warn
from .options import ALL, ReadOptions
from .sheet import Column, Sheet

_NAMED = 8  # columns of labels that a message names one by one


def by_look(sheet: Sheet, image: Column, rest: Sequence[Column], options: ReadOptions) -> tuple[Roles, list[str]]:
    """What the columns are, by their headings and cells alone; and the headings of those left out."""
    side = [column for column in rest if column.name.lower() in ASIDE]
    main = [column for column in rest if column not in side]
    holding = [column for column in main if column.name.lower() in LABEL_NAMES]
    values = [column for column in main if column not in holding and mostly_values(column, options)]
    others = [column for column in main if column not in holding and column not in values]
    if holding and not (len(holding) == 1 and of_values(holding[0], options) and (values or others)):
        return _long(sheet, image, holding, values, others, side, options)
    values = [column for column in main if column not in others]
    if others and not values:
        return _of_words(sheet, image, others, side, options)
    return Roles(image, tuple(values)), _left_out(sheet, [*others, *side], values, options)


def _of_words(
    sheet: Sheet, image: Column, others: Sequence[Column], side: Sequence[Column], options: ReadOptions
) -> tuple[Roles, list[str]]:
    """A table without a column of values or of names of labels by its heading: words in one column, or in several."""
    numbers = [column for column in others if all(is_number(text) for text in column.words)]
    if len(numbers) == len(others):  # probabilities, counts: which value is wrong is said where values are read
        return Roles(image, tuple(others)), _left_out(sheet, side, others, options)
    names = tuple(column.name for column in others)
    one = len(others) == 1
    question = AmbiguousError(
        f"{sheet.head}: {count(len(others), 'column')} {'holds' if one else 'hold'} words "
        f"({listed(names, 4)}, with cells such as {some_words(others[0])}), and no column holds 1 or 0",
        [
            Choice({"label_columns": names}, "it holds names of labels")
            if one
            else Choice({"label_columns": names}, "each column is a group of labels that exclude each other"),
            *([] if one else [Choice({"ignore": others[-1].name}, "a column that is not about labels")]),
        ],
    )
    if options.ambiguous == "refuse" or options.strict:
        raise question
    warn(f"{question}. Read for now as: {'names of labels' if one else 'a group for each column'}")
    return Roles(image, (), tuple(others), not one), _left_out(sheet, side, (), options)


def _long(
    sheet: Sheet,
    image: Column,
    holding: Sequence[Column],
    values: Sequence[Column],
    others: Sequence[Column],
    side: Sequence[Column],
    options: ReadOptions,
) -> tuple[Roles, list[str]]:
    """A table of label names: beside them at most a column of values, and what is left out."""
    if len(holding) > 1:
        raise AmbiguousError(
            f"{sheet.head}: several columns could hold the names of labels",
            [Choice({"label_columns": column.name}, f"for example {some_words(column)}") for column in holding],
        )
    beside = [column for column in (*values, *others, *side) if column.name.lower() in VALUE_NAMES]
    value = next((column for column in beside if column.name.lower() == "value" or of_values(column, options)), None)
    if of_values(holding[0], options) and holding[0].words and options.separator is None and value is None:
        name = holding[0].name
        raise AmbiguousError(
            f'{sheet.head}: column "{name}" holds {listed(holding[0].words, 3)}, which could be values or names of labels',
            [
                Choice({"label_columns": name}, f'whether the image shows the one label "{name}"'),
                Choice({"separator": ""}, "each cell is the name of a label"),
            ],
        )
    rest = [column for column in (*values, *others, *side) if column is not value]
    known = [column for column in rest if column in side]
    told = [c for c in rest if value is not None and c not in known and c.name.lower() in ANSWER_NAMES]
    left = _left_out(sheet, [column for column in rest if column not in (*known, *told)], (), options, holding[0])
    return Roles(image, (), tuple(holding), False, value), left + _noted(sheet, known, options) + [one.name for one in told]


def _left_out(
    sheet: Sheet, columns: Sequence[Column], values: Sequence[Column], options: ReadOptions, holding: Column | None = None
) -> list[str]:
    """Columns that look like no label: asked about, or left out with a warning."""
    if not columns:
        return []
    names = tuple(column.name for column in columns)
    one = len(columns) == 1
    labels = [holding.name] if holding is not None else [column.name for column in values]
    meant = [column for column in columns if column.name.lower() not in ASIDE or of_values(column, options)]
    first = labels if len(labels) <= _NAMED or holding is not None else [ALL]
    every = (*first, *(column.name for column in meant))
    words = "every label has a column" if holding is None else "these columns hold the labels"
    question = AmbiguousError(
        f"{sheet.head}: {'column' if one else 'columns'} {listed([f'{c.name!r} ({some_words(c)})' for c in columns], 4)} "
        f"{'looks' if one else 'look'} like neither a label nor an image name",
        [
            Choice({"ignore": names}, leave(len(columns))),
            *as_split(columns),
            *as_together(columns),
            *([Choice({"label_columns": every}, words)] if len(meant) == len(columns) else []),
        ],
    )
    if options.ambiguous == "refuse" or options.strict:
        raise question
    warn(f"{question}. Left out for now")
    return [column.name for column in columns]


def _noted(sheet: Sheet, columns: Sequence[Column], options: ReadOptions) -> list[str]:
    """Columns beside the names of labels that are plainly about something else; whether one is a split is asked."""
    splits = [column for column in columns if column.name.lower() in SPLIT_NAMES]
    if splits:
        name = splits[0].name
        question = AmbiguousError(
            f'{sheet.head}: column "{name}" ({some_words(splits[0])}) looks like a split into training and held-out images',
            [*as_split(splits), Choice({"ignore": name}, "to leave it out")],
        )
        if options.ambiguous == "refuse" or options.strict:
            raise question
        warn(f"{question}. Left out for now")
    return [column.name for column in columns]
