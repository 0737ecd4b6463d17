"""Tables, wide or long: CSV and TSV, JSON lines and arrays of objects, Parquet and Feather, spreadsheets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError, LabelSpaceError, ObservationError
from ...space import Free, LabelSpace, OneOf
from ...writing import replacing
from ..column_kinds import IMAGE_NAMES, Roles
from ..columns import roles
from ..meaning import OPEN, meanings
from ..names import full_name, label_name
from ..options import ReadOptions
from ..record import SEVERAL, Statements
from ..sheet import Column, Sheet
from ..sheet_files import read_sheet
from ..tags import names_in
from .registry import Labelled

NAME = "table"
TITLE = "a wide or long table: CSV, TSV, JSON lines, Parquet, a spreadsheet"
WRITES = frozenset(("known", "probabilities"))


def recognise(path: Path, head: bytes) -> bool:
    """Any file: what is no table is refused by the reader with its reason."""
    return path.is_file()


def read(path: Path, options: ReadOptions) -> Statements:
    """What a table states.

    Raises:
        DataError: no file, or no table.
        ObservationError: rows or columns that cannot be used; file, line and column are named.
        AmbiguousError: what columns, cells or values mean is unclear.
    """
    wanted = (options.image_column,) if options.image_column is not None else IMAGE_NAMES
    sheet = read_sheet(path, wanted)
    return of_sheet(sheet, options)


def of_sheet(sheet: Sheet, options: ReadOptions) -> Statements:
    """`read` for a table that is in memory."""
    space = options.space
    found = roles(sheet, space, options)
    if not sheet.num_rows:
        raise DataError(f"{sheet.source}: has a header but no rows")
    images, image_of = _images(sheet, found.image)
    extra = {column.name: _per_image(sheet, column, images, image_of) for column in found.extra}
    reading = found.facts()
    common: dict[str, Any] = {
        "source": sheet.source, "format": NAME, "images": images, "unit": sheet.unit, "extra": extra,
        "where": np.arange(sheet.num_rows), "locate": sheet.at,
    }  # fmt: skip
    if found.values and not found.names:
        return _wide(sheet, found, options, space, image_of, reading, common)
    return _named(sheet, found, options, space, image_of, reading, common)


def write(path: Path, content: Labelled) -> None:
    """A wide table: known labels as 1, 0 and empty, or probabilities."""
    import pandas as pd

    values: NDArray[Any]
    if content.probabilities is not None:
        values = content.probabilities
    elif content.known is not None:
        values = content.known
    else:
        raise DataError(f"{path}: nothing to write: neither known labels nor probabilities are given")
    frame = pd.DataFrame(values, columns=list(content.space.labels))
    if content.probabilities is None:
        frame = frame.astype("Int8").mask(frame == -1)
    name = next(one for one in IMAGE_NAMES if one not in content.space.labels)
    frame.insert(0, name, list(content.images))
    with replacing(path) as temporary:
        ending = path.suffix.lower()
        if ending == ".parquet":
            frame.to_parquet(temporary, index=False)
        elif ending in (".jsonl", ".ndjson"):
            frame.to_json(temporary, orient="records", lines=True, force_ascii=False)
        else:
            frame.to_csv(temporary, index=False, sep="\t" if ending == ".tsv" else ",")


# --- names --------------------------------------------------------------------------------------------------------------


def _images(sheet: Sheet, column: Column) -> tuple[list[str], NDArray[np.integer[Any]]]:
    """The names of the images, in order of appearance, and the number of each row's."""
    if "" in column.texts:
        row = int(column.rows_of("")[0])
        raise ObservationError(f'{sheet.at(row)}: the name of the image is missing (column "{column.name}")')
    number: dict[str, int] = {}
    new = [number.setdefault(_image_name(text), len(number)) for text in column.texts]
    codes = np.asarray(new, dtype=np.int32)[column.codes]
    return list(number), codes


def _image_name(text: str) -> str:
    if "\\" not in text and "//" not in text and "./" not in text and not text.endswith("/"):
        return text  # what the line below would give, in a tenth of the time
    return str(PurePosixPath(text.replace("\\", "/")))


def _per_image(sheet: Sheet, column: Column, images: Sequence[str], image_of: NDArray[np.integer[Any]]) -> list[str]:
    """What a further column says of each image; rows of one image have to agree."""
    out = np.full(len(images), -1, np.int64)
    out[image_of] = column.codes
    differing = np.flatnonzero(out[image_of] != column.codes)
    if len(differing):
        row = int(differing[0])
        name = images[int(image_of[row])]
        raise ObservationError(
            f'{sheet.at(row)}, column "{column.name}": "{column.text(row)}", but '
            f'"{column.texts[int(out[image_of[row]])]}" in another row of {name}; all rows of an image have to agree'
        )
    return [column.texts[code] for code in out.tolist()]


# --- values -------------------------------------------------------------------------------------------------------------


def _wide(
    sheet: Sheet,
    found: Roles,
    options: ReadOptions,
    space: LabelSpace | None,
    image_of: NDArray[np.integer[Any]],
    reading: list[tuple[str, str]],
    common: dict[str, Any],
) -> Statements:
    labels = [column.name for column in found.values]
    several = space is None or len([root for root in space.roots if {*root.labels} & {*labels}]) > 1
    meaning, words = meanings(sheet, found.values, options, wide=True, several_roots=several)
    matrix = np.empty((sheet.num_rows, len(labels)), np.int8)
    for k, (column, one) in enumerate(zip(found.values, meaning, strict=True)):
        matrix[:, k] = one.table(column)[column.codes]
    empty = np.zeros(0, np.int32)
    facts = [*reading, *words]
    if len(common["images"]) == sheet.num_rows:
        return Statements(
            **common, labels=labels, image=empty, label=empty, value=empty.astype(np.int8), matrix=matrix, reading=facts
        )
    row, label = np.nonzero(matrix != OPEN)
    common["where"] = row
    return Statements(
        **common, labels=labels, image=image_of[row], label=label.astype(np.int32), value=matrix[row, label], reading=facts
    )


def _named(
    sheet: Sheet,
    found: Roles,
    options: ReadOptions,
    space: LabelSpace | None,
    image_of: NDArray[np.integer[Any]],
    reading: list[tuple[str, str]],
    common: dict[str, Any],
) -> Statements:
    """Entries of columns of names, and of columns of values beside them."""
    number: dict[tuple[str, str | None], int] = {}  # a name, and the group whose column it stands in
    parts: list[tuple[NDArray[np.integer[Any]], ...]] = []  # row, label, value
    groups: list[Free | OneOf] = []
    given = np.ones(sheet.num_rows, np.int8)
    held_by: dict[str, list[tuple[str, ...]]] = {}
    if found.value is not None:
        meaning, words = meanings(sheet, [found.value], options, wide=False)
        given = meaning[0].table(found.value)[found.value.codes]
        reading = [*reading, *words]
    for column in found.names:
        group = column.name if found.grouped else None
        known = frozenset(() if space is None else space.labels)
        held = names_in(column.texts, options, f'{sheet.source}, column "{column.name}"', column.name, known)
        held_by[column.name] = held
        if not any(held):
            raise ObservationError(f'{sheet.source}: its column "{column.name}" is empty; give at least one known label')
        parts.append(_entries(column, held, group, number, given))
        if found.value is not None:
            bare = np.flatnonzero(np.array([not names for names in held])[column.codes] & (given >= 0))
            if len(bare):
                first = int(bare[0])
                name = common["images"][int(image_of[first])]
                raise ObservationError(f"{sheet.at(first)}: {name} has a value but no label; add the label, or remove the row")
    names = _full_names(number) if space is None else {key: key[0] for key in number}
    if found.grouped and space is None:
        groups += [_group(sheet, column, held_by[column.name], names) for column in found.names]
    if found.values:
        meaning, words = meanings(sheet, found.values, options, wide=False)
        reading = [*reading, *words]
        for column, one in zip(found.values, meaning, strict=True):
            value = one.table(column)[column.codes]
            rows = np.flatnonzero(value != OPEN)
            k = number.setdefault((column.name, None), len(number))
            parts.append((rows, np.full(len(rows), k, np.int32), value[rows]))
            if space is None:
                groups.append(Free(column.name))
    row, label, said = (np.concatenate(part) for part in zip(*parts, strict=True))
    if options.separator:
        reading = [*reading, (SEVERAL, f"separated by {options.separator!r}")]
    elif any(text[:1] in ("[", "{") for column in found.names for text in column.texts):
        reading = [*reading, (SEVERAL, "a list")]
    common["where"] = row
    try:
        own = LabelSpace(groups) if groups else None
    except LabelSpaceError as error:
        raise ObservationError(
            f"{sheet.source}: the columns {', '.join(column.name for column in found.names)} do not make a label space: {error}"
        ) from None
    return Statements(
        **common,
        labels=[names.get(key, key[0]) for key in number],
        outcome_of=[group for _, group in number],
        image=image_of[row],
        label=label,
        value=said.astype(np.int8),
        space=own,
        unlisted="unknown" if found.grouped else None,  # the labels of a group exclude each other: nothing else is open
        reading=reading,
    )


def _entries(
    column: Column,
    held: Sequence[tuple[str, ...]],
    group: str | None,
    number: dict[tuple[str, str | None], int],
    given: NDArray[np.int8],
) -> tuple[NDArray[np.integer[Any]], ...]:
    """Row, label and value of each name in the cells of a column."""
    for names in held:  # the texts of a column stand in the order of their first rows, and so do the labels
        for name in names:
            number.setdefault((name, group), len(number))
    flat = np.array([number[name, group] for names in held for name in names], dtype=np.int32)
    many = np.array([len(names) for names in held], dtype=np.int64)
    start = np.cumsum(many) - many
    times = many[column.codes]
    row = np.repeat(np.arange(len(column.codes)), times)
    within = np.arange(len(row)) - np.repeat(np.cumsum(times) - times, times)
    label = flat[start[column.codes[row]] + within]
    value = given[row]
    said = value != OPEN
    return row[said], label[said], value[said]


def _full_names(number: Mapping[tuple[str, str | None], int]) -> dict[tuple[str, str | None], str]:
    """Names of labels by name and group: a name that stands in the columns of several groups is told by its group."""
    groups: dict[str, set[str | None]] = {}
    for name, group in number:
        groups.setdefault(name, set()).add(group)
    return {
        (name, group): name if len(groups[name]) == 1 or group is None or name.lower() == "none" else full_name(group, name)
        for name, group in number
    }


def _group(
    sheet: Sheet, column: Column, held: Sequence[tuple[str, ...]], full: Mapping[tuple[str, str | None], str]
) -> OneOf:  # fmt: skip
    """The group of a column: its names are labels, "none" its empty outcome."""
    several = next((names for names in held if len(names) > 1), None)
    if several is not None:
        raise ObservationError(
            f'{sheet.source}, column "{column.name}": {", ".join(several)} in one cell, but labels of a group exclude each '
            "other; give a labels.yaml in which they do not"
        )
    names = list(dict.fromkeys(label_name(name) for names in held for name in names))
    labels = [name for name in names if name.lower() != "none"]
    if not labels:
        raise ObservationError(f'{sheet.source}: column "{column.name}" holds no label but none; ignore it')
    return OneOf(column.name, [full[name, column.name] for name in labels], optional=len(labels) < len(names))
