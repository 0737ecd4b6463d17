"""Class numbers in columns of labels become names; vectors of 1 and 0 become a column for each class."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..errors import AmbiguousError, Choice, ObservationError
from ..words import count, listed
from .column_kinds import LABEL_NAMES
from .features import LABEL_FIELDS, Features
from .options import ReadOptions
from .sheet import Column, Sheet, recoded

HOLDERS = (*LABEL_NAMES, "objects", "cls")
"""Columns that hold labels, where nothing else is said."""
_UNLABELLED = -1  # how Hugging Face numbers images without a class


@dataclass(frozen=True)
class Prepared:
    """A sheet whose columns of labels hold names.

    Attributes:
        sheet: the table.
        options: what the user states, with the names that the columns have now.
        classes: the names of all classes, where numbers were named.
        reading: what was taken for what, in words.
    """

    sheet: Sheet
    options: ReadOptions
    classes: tuple[str, ...] = ()
    reading: tuple[tuple[str, str], ...] = ()


def prepare(sheet: Sheet, features: Features, options: ReadOptions) -> Prepared:
    """Put names in the place of class numbers.

    Args:
        sheet: a table whose first column names the images.
        features: the names behind class numbers, by column.
        options: `label_columns` and `classes` are what the user states.

    Raises:
        AmbiguousError: class numbers without names.
        ObservationError: a class number without a class, or a stated column that is not there.
    """
    image, *rest = sheet.columns
    beside = {
        name
        for stated in (options.split, options.together)
        if stated is not None
        for name in (stated, stated.partition("=")[0])
    }
    classed = [column.name for column in rest if any(name.partition(".")[0] == column.name for name in features.classes)]
    asked = _asked(sheet, options)
    free = [column.name for column in rest if column.name not in {*beside, *options.ignore}]
    chosen = asked or [name for name in classed if name in free] or [name for name in free if name.lower() in HOLDERS]
    decided = bool(asked or classed)
    out: list[Column] = []
    labels: list[str] = []
    facts: list[tuple[str, str]] = []
    classes: list[str] = []
    several: list[str] = []
    for column in rest:
        if column.name in chosen:
            cells, inside = _cells(sheet, column)
            several += [column.name] if any(len(cell) > 1 for cell in cells) else []
            made, names, fact = _decoded(sheet, column, cells, inside, features, options)
            classes += names
            if len(chosen) == 1 and len(made) == 1 and column.name.lower() not in LABEL_NAMES:
                made = [replace(made[0], name="label")]
            out += made
            labels += [one.name for one in made]
            facts += [fact] if fact else []
        elif not decided or column.name in beside:
            out.append(column)
    left = [name for name in free if name not in chosen]
    if decided and left:
        facts.append(("columns left out", listed(left, 6)))
    if several and len(chosen) > 1 and not asked:
        raise AmbiguousError(
            f"{sheet.source}: the columns {listed(chosen)} hold labels, and cells of {listed(several)} hold several",
            [Choice({"label_columns": name}, f'the labels are those of "{name}"') for name in chosen],
        )
    options = replace(options, image_column=image.name, label_columns=tuple(labels) if decided else None)
    return Prepared(replace(sheet, columns=(image, *out)), options, tuple(classes), tuple(facts))


def _asked(sheet: Sheet, options: ReadOptions) -> list[str]:
    """The columns that the user names; "a,b" are two where there is no column of that name."""
    out: list[str] = []
    for name in options.label_columns or ():
        parts = [name] if sheet.column(name) is not None else [part.strip() for part in name.split(",")]
        for part in parts:
            found = sheet.column(part)
            if found is None:
                raise ObservationError(
                    f'{sheet.head}: no column "{part}" (columns: {listed(sheet.names, 10)}); correct label_columns'
                )
            out.append(found.name)
    return out


def _decoded(
    sheet: Sheet, column: Column, cells: list[list[Any]], inside: str, features: Features, options: ReadOptions
) -> tuple[list[Column], Sequence[str], tuple[str, str] | None]:
    """A column of names, as JSON lists, or one column for each class; the names of classes, and where they are from."""
    flat = [one for cell in cells for one in cell]
    if not all(isinstance(one, int) for one in flat) or not flat:
        if inside or any(len(cell) > 1 for cell in cells):
            return [_recoded(column, [[str(one) for one in cell] for cell in cells])], (), None
        return [column], (), None
    said = features.classes.get(f"{column.name}{inside}") or features.classes.get(column.name)
    names = options.classes or said
    source = "data.classes" if options.classes else features.source
    if not said and _are_vectors(cells):
        if names is None or len(names) != len(cells[0]):
            raise _nameless(sheet, column, f"vectors of {len(cells[0])} numbers, 1 and 0", flat, names)
        fact = ("labels", f'a place in "{column.name}" for each of {count(len(names), "label")}, named by {source}')
        return [_place(column, cells, k, name) for k, name in enumerate(names)], (), fact
    if not names:
        raise _nameless(sheet, column, "class numbers", flat, None)
    for code, cell in enumerate(cells):
        for number in cell:
            if not _UNLABELLED <= number < len(names):
                row = int((column.codes == code).argmax())
                raise ObservationError(
                    f'{sheet.at(row)}, column "{column.name}": class {number}, but there are '
                    f"{count(len(names), 'class', 'classes')} "
                    f"(0 to {len(names) - 1}, named by {source}); correct the number, or the names of the classes"
                )
    texts = [[names[number] for number in cell if number != _UNLABELLED] for cell in cells]
    return [_recoded(column, texts)], names, ("names of classes", source)


def _cells(sheet: Sheet, column: Column) -> tuple[list[list[Any]], str]:
    """The values in each text of a column, and the field that they are from where it holds objects: ".category"."""
    out: list[list[Any]] = []
    inside = ""
    for code, text in enumerate(column.texts):
        value: Any = text
        if text[:1] in "[{-0123456789" and text:
            with suppress(ValueError):
                value = json.loads(text)
        if isinstance(value, list) and value and all(isinstance(one, dict) for one in value):
            value = {"objects": value}
        if isinstance(value, dict):
            objects = value.get("objects")
            several = objects if isinstance(objects, list) else [value]
            found: list[Any] = []
            for one in several:
                name = next((name for name in LABEL_FIELDS if name in one), None)
                if name is None and one:
                    row = int((column.codes == code).argmax())
                    raise ObservationError(
                        f'{sheet.at(row)}, column "{column.name}": an object without a field of labels (fields: '
                        f"{listed(list(one))}; "
                        "expected `category`); name another column by label_columns"
                    )
                if name is not None:
                    inside = f".{name}"
                    found += one[name] if isinstance(one[name], list) else [one[name]]
            value = found
        many = value if isinstance(value, list) else [] if value == "" else [value]
        # a text that only looks like a number is one all the same: "007" or "1.5" is no class number
        out.append([text if isinstance(one, float) else one for one in many if one is not None])
    return out, inside


def _are_vectors(cells: Sequence[Sequence[Any]]) -> bool:
    """Whether all cells are lists of one length that hold 1 and 0 alone, and a number twice: no list of classes does."""
    lengths = {len(cell) for cell in cells}
    return (
        len(lengths) == 1
        and lengths.pop() > 1
        and all({*cell} <= {0, 1} for cell in cells)
        and any(len({*cell}) < len(cell) for cell in cells)
    )


def _recoded(column: Column, cells: Sequence[Sequence[str]]) -> Column:
    """Lists keep names whole that hold a comma, or that read like a value."""
    texts = [json.dumps(list(dict.fromkeys(cell)), ensure_ascii=False) if cell else "" for cell in cells]
    return recoded(column.name, column.codes, texts)


def _place(column: Column, cells: Sequence[Sequence[int]], k: int, name: str) -> Column:
    return recoded(name, column.codes, [str(cell[k]) for cell in cells])


def _nameless(sheet: Sheet, column: Column, what: str, flat: Sequence[int], names: Sequence[str] | None) -> AmbiguousError:
    shown = listed(np.unique(flat).tolist(), 4)
    given = "" if names is None else f", and {count(len(names), 'name is', 'names are')} given"
    return AmbiguousError(
        f'{sheet.source}: column "{column.name}" holds {what} ({shown}), but nothing says which labels they are{given}',
        [
            Choice({"classes": "NAME,NAME,..."}, "the names in the order of the numbers, or a file with one on each line"),
            *([] if names else [Choice({"ignore": column.name}, "the column is not about labels")]),
        ],
    )
