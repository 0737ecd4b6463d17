"""Tables of known labels, wide or long, read with the line of every mistake."""

from __future__ import annotations

import csv
import io
import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, LabelSpaceError, ObservationError, OpenCellsError, nearest
from ..space import LabelSpace
from ..space.feasibility import check_consistent, feasible
from ..words import listed
from .image_files import Tree, find_images, report
from .record import KnownLabels

_OPEN = -2  # a cell that the table leaves open: what it means is for `unlisted` to say
_VALUES = {
    **dict.fromkeys(("1", "1.0", "true", "yes"), 1),
    **dict.fromkeys(("0", "0.0", "false", "no"), 0),
    **dict.fromkeys(("-1", "-1.0"), -1),
    **dict.fromkeys(("", "nan", "na", "n/a", "none", "null", "<na>"), _OPEN),
}


@dataclass
class _Sheet:
    """A table as text: `lines` says where in the file a row stands (a Parquet file has rows, but no lines)."""

    path: Path
    columns: list[str]
    rows: list[list[str]]
    lines: list[int]
    unit: str = "line"

    def __post_init__(self) -> None:
        self.columns = [column.strip() for column in self.columns]
        for number, column in enumerate(self.columns, 1):
            if not column:
                raise ObservationError(
                    f"{self.head}: column {number} has no name; name or remove it (if it is the index of a DataFrame, "
                    "write the table with index=False)"
                )
            if self.columns.index(column) + 1 < number:
                raise ObservationError(f"{self.head}: two columns are called {column!r}; remove or rename one")

    @property
    def head(self) -> str:
        return f"{self.path}:1" if self.unit == "line" else str(self.path)

    def where(self, row: int) -> str:
        return self.at(self.lines[row])

    def at(self, line: int) -> str:
        return f"{self.path}:{line}" if self.unit == "line" else f"{self.path}, row {line}"


def read_table(
    path: Path,
    space: LabelSpace | None,
    unlisted: str | None,
    images_root: Path | None,
    strict: bool,
    tree: Tree | None = None,
) -> KnownLabels:
    """See `Observed.from_table`; `tree` holds folders that were listed before."""
    if unlisted not in (None, "unknown", "absent"):
        raise ObservationError(f'expected unlisted="unknown" or "absent", not {unlisted!r}')
    sheet = _read_sheet(path)
    lowered = [column.lower() for column in sheet.columns]
    if "image" not in lowered:
        raise ObservationError(
            f"{sheet.head}: no column `image`{nearest('image', sheet.columns)} (columns: {listed(sheet.columns)}); give a wide "
            "table (image, one column for each label) or a long one (image, label[, value])"
        )
    if not sheet.rows:
        raise DataError(f"{path}: has a header but no rows")
    long = sorted(lowered) in (["image", "label"], ["image", "label", "value"])
    table = (_read_long if long else _read_wide)(sheet, space, lowered)
    values = table.values
    open_cells = values == _OPEN
    if open_cells.any() and unlisted is None and not (values == 0).any():
        raise OpenCellsError(path)
    values[open_cells] = 0 if unlisted == "absent" else -1
    try:
        check_consistent(values, table.space, tuple(table.lines))
    except ObservationError as error:
        first = int(np.flatnonzero(~feasible(values, table.space))[0])
        raise ObservationError(f"{sheet.at(list(table.lines.values())[first][0])}: {error}") from None
    if table.repeated:
        shown = listed([f"{name} ({sheet.unit}s {listed(table.lines[name])})" for name in table.repeated], 3)
        report(f"{path}: {table.message}, merged: {shown}", strict)
    known = KnownLabels(values, table.space, tuple(table.lines))
    return known if images_root is None else _with_files(known, path, images_root, strict, tree)


def _read_sheet(path: Path) -> _Sheet:
    if not path.is_file():
        raise DataError(f"{path}: table not found")
    if path.suffix.lower() == ".parquet":
        return _read_parquet(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 text ({error.reason} at byte {error.start}); save it as CSV in UTF-8") from None
    if not text.strip():
        raise DataError(f"{path}: empty")
    return _read_json_lines(path, text) if path.suffix.lower() in (".jsonl", ".ndjson") else _read_csv(path, text)


def _read_csv(path: Path, text: str) -> _Sheet:
    # names may hold the other delimiters, so the header decides as a whole; of a single column any delimiter will do
    reader = csv.reader(io.StringIO(text), delimiter=max(",;\t", key=lambda one: _header(text, one)), strict=True)
    columns: list[str] = []
    rows: list[list[str]] = []
    lines: list[int] = []
    line = 1
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if any(cells) and not columns:
                columns = cells
            elif any(cells):
                if len(row) != len(columns):
                    raise ObservationError(f"{path}:{line}: {len(row)} cells, but the header has {len(columns)} columns")
                rows.append(cells)
                lines.append(line)
            line = reader.line_num + 1  # where the next row begins: a quoted cell may hold line breaks
    except csv.Error as error:
        raise ObservationError(
            f"{path}:{line}: not valid CSV from here on ({error}); check for a missing quotation mark"
        ) from None
    return _Sheet(path, columns, rows, lines)


def _header(text: str, delimiter: str) -> tuple[bool, int]:
    """Whether there is a column `image` if cells are separated by this delimiter, and how many columns there are."""
    try:
        columns = next(row for row in csv.reader(io.StringIO(text), delimiter=delimiter) if row)
    except (csv.Error, StopIteration):
        return False, 0
    return "image" in (column.strip().lower() for column in columns), len(columns)


def _read_parquet(path: Path) -> _Sheet:
    import pandas as pd

    try:
        frame = pd.read_parquet(path)
    except (ValueError, OSError) as error:
        raise DataError(f"{path}: cannot be read as Parquet ({error})") from error
    if any(name is not None for name in frame.index.names):
        frame = frame.reset_index()
    sheet = _Sheet(path, [str(column) for column in frame.columns], [], list(range(1, len(frame) + 1)), "row")
    for row, cells in enumerate(frame.itertuples(index=False)):
        sheet.rows.append([_text(sheet.where(row), name, cell) for name, cell in zip(sheet.columns, cells, strict=True)])
    return sheet


def _read_json_lines(path: Path, text: str) -> _Sheet:
    objects: list[dict[str, str]] = []
    lines: list[int] = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        where = f"{path}:{number}"
        try:
            pairs = json.loads(line, object_pairs_hook=_Pairs)
        except json.JSONDecodeError as error:
            raise DataError(
                f"{where}: not valid JSON ({error.msg} at character {error.pos}); write one object on each line"
            ) from None
        if not isinstance(pairs, _Pairs):
            raise DataError(f'{where}: expected an object; write {{"image": ..., "label": ...}} on each line')
        objects.append({})
        for key, cell in pairs:
            if key in objects[-1]:
                raise ObservationError(f"{where}: {key!r} occurs twice; remove one")
            objects[-1][key] = _text(where, key, cell)
        lines.append(number)
    columns = list(dict.fromkeys(key for one in objects for key in one))
    return _Sheet(path, columns, [[one.get(column, "") for column in columns] for one in objects], lines)


class _Pairs(list[tuple[str, Any]]):
    """A JSON object, keys that occur twice included."""


def _text(where: str, column: str, cell: Any) -> str:
    if isinstance(cell, list | dict | np.ndarray):
        raise ObservationError(
            f"{where}, column {column!r}: holds a list; give a long table (image, label), one row for each image and label"
        )
    missing = cell is None or str(cell) == "<NA>" or cell != cell
    return "" if missing else str(cell).strip()


def _image_name(sheet: _Sheet, row: int, column: int) -> str:
    name = sheet.rows[row][column].replace("\\", "/")
    if not name:
        raise ObservationError(f"{sheet.where(row)}: the name of the image is missing")
    return str(PurePosixPath(name))


def _value(sheet: _Sheet, row: int, column: int) -> int:
    value = _VALUES.get(sheet.rows[row][column].lower())
    if value is None:
        raise ObservationError(
            f"{sheet.where(row)}, column {sheet.columns[column]!r}: expected 1 (present), 0 (absent), -1 or empty "
            f"(unknown), not {sheet.rows[row][column]!r}"
        )
    return value


_WORDS = ("absent", "present")
_Cells = tuple[int, Sequence[int], Sequence[int]]  # row of the sheet, columns of the space, values


@dataclass
class _Table:
    """What a sheet says: `values` with `_OPEN`, a row for each image; the lines of each image, in the same order."""

    values: NDArray[np.int8]
    space: LabelSpace
    lines: dict[str, list[int]]
    repeated: Sequence[str] = ()
    message: str = ""


def _read_wide(sheet: _Sheet, space: LabelSpace | None, lowered: list[str]) -> _Table:
    image = lowered.index("image")
    columns = [column for column in range(len(lowered)) if column != image]
    labels = [sheet.columns[column] for column in columns]
    if not labels:
        raise ObservationError(f"{sheet.head}: no columns of labels, only `image`; add one column for each label")
    space = LabelSpace.free(labels) if space is None else space
    targets = [_column(space, label, sheet.head) for label in labels]
    cells = ((row, targets, [_value(sheet, row, column) for column in columns]) for row in range(len(sheet.rows)))
    names = [_image_name(sheet, row, image) for row in range(len(sheet.rows))]
    table = _collect(sheet, space, names, cells)
    table.repeated = [name for name, lines in table.lines.items() if len(lines) > 1]
    table.message = f"{len(names) - len(table.lines)} rows repeat an image"
    return table


def _read_long(sheet: _Sheet, space: LabelSpace | None, lowered: list[str]) -> _Table:
    image, label = lowered.index("image"), lowered.index("label")
    value = lowered.index("value") if "value" in lowered else None
    texts = [row[label] for row in sheet.rows]
    if not any(texts):
        raise ObservationError(f"{sheet.path}: its column `label` is empty; give at least one known label")
    space = LabelSpace.free(dict.fromkeys(text for text in texts if text)) if space is None else space
    names = [_image_name(sheet, row, image) for row in range(len(sheet.rows))]
    cells: list[_Cells] = []
    lines: dict[tuple[str, str], list[int]] = defaultdict(list)
    for row, text in enumerate(texts):
        given = 1 if value is None else _value(sheet, row, value)
        if text:
            lines[names[row], text].append(sheet.lines[row])
            cells.append((row, [_column(space, text, sheet.where(row))], [given]))
        elif value is not None and given >= 0:
            raise ObservationError(
                f"{sheet.where(row)}: {names[row]} has a value but no label; add the label, or remove the row"
            )
    table = _collect(sheet, space, names, cells)
    table.repeated = list(dict.fromkeys(name for (name, _), where in lines.items() if len(where) > 1))
    table.message = f"{len(cells) - len(lines)} rows repeat an image with a label"
    return table


def _column(space: LabelSpace, label: str, where: str) -> int:
    try:
        return space.index(label)
    except LabelSpaceError:
        raise ObservationError(
            f'{where}: the label space has no label "{label}"{nearest(label, space.labels)}; correct the table, or add '
            "the label "
            "to the label space"
        ) from None


def _collect(sheet: _Sheet, space: LabelSpace, names: Sequence[str], cells: Iterable[_Cells]) -> _Table:
    """Rows of the same image become one; what they say must agree."""
    lines: dict[str, list[int]] = defaultdict(list)
    for row, name in enumerate(names):
        lines[name].append(sheet.lines[row])
    order = {name: row for row, name in enumerate(lines)}
    values = np.full((len(order), space.num_labels), _OPEN, dtype=np.int8)
    said = np.zeros(values.shape, dtype=np.int32)  # the line that a value is from
    for row, columns, given in cells:
        at, new = order[names[row]], np.asarray(given, dtype=np.int8)
        before = values[at, columns]
        clash = (before >= 0) & (new >= 0) & (before != new)
        if clash.any():
            position = int(clash.argmax())
            column = columns[position]
            raise ObservationError(
                f'{sheet.where(row)}: {names[row]}: label "{space.labels[column]}" is {_WORDS[int(new[position])]}, but '
                f"{_WORDS[int(before[position])]} in {sheet.unit} {said[at, column]}; remove one of the two"
            )
        better = new > before  # known before "unknown" before left open
        values[at, columns] = np.where(better, new, before)
        said[at, columns] = np.where(better, sheet.lines[row], said[at, columns])
    return _Table(values, space, dict(lines))


def _with_files(known: KnownLabels, path: Path, root: Path, strict: bool, tree: Tree | None) -> KnownLabels:
    """Only rows whose image is there; a name without a folder or an ending finds its file if only one fits."""
    if not root.is_dir():
        raise DataError(f"{root}: folder of images not found")
    short: dict[str, list[str]] | None = None
    row_of: dict[str, int] = {}  # the file of each row
    lost: list[str] = []
    for row, name in enumerate(known.images):
        if (root / name).is_file():
            fits = [name]
        else:
            short = _short_names(root, tree) if short is None else short
            fits = short.get(name, [])
        if len(fits) != 1:
            lost.append(f"{name} ({len(fits)} files fit: {listed(fits, 2)})" if fits else name)
        elif fits[0] in row_of:
            raise ObservationError(
                f"{path}: {known.images[row_of[fits[0]]]} and {name} both name the image {root / fits[0]}; use one of the names"
            )
        else:
            row_of[fits[0]] = row
    if not row_of:
        raise DataError(
            f"{path}: none of its {len(lost)} images is in {root} (for example {lost[0]}); image names must be relative "
            "to that folder"
        )
    if lost:
        report(f"{path}: {len(lost)} of its {len(known.images)} images are not in {root}, left out: {listed(lost)}", strict)
    return KnownLabels(np.asarray(known.values)[list(row_of.values())], known.space, tuple(row_of))


def _short_names(root: Path, tree: Tree | None) -> dict[str, list[str]]:
    short: dict[str, list[str]] = defaultdict(list)
    for file in find_images(root, tree):
        relative = file.relative_to(root)
        for key in {file.name, file.stem, relative.with_suffix("").as_posix()}:
            short[key].append(relative.as_posix())
    return short
