"""Tables of known labels, wide or long, read with the line of every mistake."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, LabelSpaceError, ObservationError, nearest
from ..labels import LabelSpace
from .core import Observed
from .files import find_images, listed, report

_OPEN = -2  # a cell that the table leaves open: what it means is for `unlisted` to say
_VALUES = {
    **dict.fromkeys(("1", "1.0", "true", "yes"), 1),
    **dict.fromkeys(("0", "0.0", "false", "no"), 0),
    **dict.fromkeys(("-1", "-1.0"), -1),
    **dict.fromkeys(("", "nan", "na", "none", "<na>"), _OPEN),
}


@dataclass
class _Sheet:
    """A table as text: `lines` says where in the file a row stands."""

    path: Path
    columns: list[str]
    rows: list[list[str]]
    lines: list[int]

    def where(self, row: int) -> str:
        return f"{self.path}:{self.lines[row]}"


def read_table(path: Path, space: LabelSpace | None, unlisted: str | None, images_root: Path | None, strict: bool) -> Observed:
    """See `Observed.from_table`."""
    if unlisted not in (None, "unknown", "absent"):
        raise ObservationError(f'unlisted is "unknown" or "absent", not {unlisted!r}')
    sheet = _read_sheet(path)
    lowered = [column.strip().lower() for column in sheet.columns]
    if "image" not in lowered:
        raise ObservationError(
            f"{path}:1: no column `image`{nearest('image', sheet.columns)} (columns: {listed(sheet.columns)}); give a wide table "
            "(image, one column for each label) or a long one (image, label[, value])"
        )
    if not sheet.rows:
        raise DataError(f"{path}: holds no rows, only the header")
    long = sorted(lowered) in (["image", "label"], ["image", "label", "value"])
    values, space, images, lines = (_read_long if long else _read_wide)(sheet, space, lowered, strict)
    open_cells = values == _OPEN
    if open_cells.any() and unlisted is None and not (values == 0).any():
        raise ObservationError(
            f"{path}: says of labels only that they are present; what of those that it does not list? "
            'Say unlisted="unknown" (nobody looked, or nobody wrote it down) or unlisted="absent"'
        )
    values[open_cells] = 0 if unlisted == "absent" else -1
    try:
        observed = Observed(values, space, tuple(images))
    except ObservationError as error:
        name, _, rest = str(error).partition(": ")
        raise ObservationError(f"{path}:{lines.get(name, 1)}: {name}: {rest}") from None
    return observed if images_root is None else _with_files(observed, path, images_root, strict)


def _read_sheet(path: Path) -> _Sheet:
    if not path.is_file():
        raise DataError(f"{path}: no such table")
    if path.suffix.lower() in (".parquet", ".jsonl", ".ndjson"):
        return _read_frame(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 text ({error.reason} at byte {error.start}); save it as CSV in UTF-8") from None
    header = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=header.count)  # a single column has none of them, and any will do
    reader = csv.reader(text.splitlines(), delimiter=delimiter)
    try:
        columns = next(reader)
    except StopIteration:
        raise DataError(f"{path}: empty") from None
    rows: list[list[str]] = []
    lines: list[int] = []
    for row in reader:
        if not any(cell.strip() for cell in row):
            continue
        if len(row) != len(columns):
            raise ObservationError(f"{path}:{reader.line_num}: {len(row)} cells, but the header has {len(columns)} columns")
        rows.append([cell.strip() for cell in row])
        lines.append(reader.line_num)
    columns = [column.strip() for column in columns]
    twice = sorted({column for column in columns if columns.count(column) > 1})
    if twice:
        raise ObservationError(f"{path}:1: two columns are called {twice[0]!r}; remove or rename one")
    return _Sheet(path, columns, rows, lines)


def _read_frame(path: Path) -> _Sheet:
    import pandas as pd

    try:
        frame = pd.read_parquet(path) if path.suffix.lower() == ".parquet" else pd.read_json(path, lines=True, dtype=False)
    except (ValueError, OSError) as error:
        raise DataError(f"{path}: cannot be read as a table ({error})") from error
    if frame.index.name is not None:
        frame = frame.reset_index()
    rows = [["" if pd.isna(cell) else str(cell).strip() for cell in row] for row in frame.itertuples(index=False)]
    return _Sheet(path, [str(column) for column in frame.columns], rows, list(range(1, len(rows) + 1)))


def _image_name(sheet: _Sheet, row: int, column: int) -> str:
    name = sheet.rows[row][column].replace("\\", "/")
    if not name:
        raise ObservationError(f"{sheet.where(row)}: no name of an image")
    return str(PurePosixPath(name))


def _value(sheet: _Sheet, row: int, column: int) -> int:
    value = _VALUES.get(sheet.rows[row][column].lower())
    if value is None:
        raise ObservationError(
            f"{sheet.where(row)}, column {sheet.columns[column]!r}: {sheet.rows[row][column]!r} is none of 1 (present), "
            "0 (absent) and empty"
        )
    return value


_WORDS = ("absent", "present")
_Cells = tuple[int, list[int], list[int]]  # row of the sheet, columns of the space, values
Table = tuple[NDArray[np.int8], LabelSpace, list[str], dict[str, int]]


def _read_wide(sheet: _Sheet, space: LabelSpace | None, lowered: list[str], strict: bool) -> Table:
    image = lowered.index("image")
    columns = [column for column in range(len(lowered)) if column != image]
    labels = [sheet.columns[column] for column in columns]
    if not labels:
        raise ObservationError(f"{sheet.path}:1: no columns of labels beside `image`")
    space = LabelSpace.free(labels) if space is None else space
    targets = [_column(space, label, f"{sheet.path}:1") for label in labels]
    cells = ((row, targets, [_value(sheet, row, column) for column in columns]) for row in range(len(sheet.rows)))
    names = [_image_name(sheet, row, image) for row in range(len(sheet.rows))]
    again = len(names) - len(set(names))
    table = _collect(sheet, space, names, cells)
    if again:
        report(f"{sheet.path}: {again} rows are of images that have a row already; merged", strict)
    return table


def _read_long(sheet: _Sheet, space: LabelSpace | None, lowered: list[str], strict: bool) -> Table:
    image, label = lowered.index("image"), lowered.index("label")
    value = lowered.index("value") if "value" in lowered else None
    texts = [row[label] for row in sheet.rows]
    space = LabelSpace.free(dict.fromkeys(text for text in texts if text)) if space is None else space
    names = [_image_name(sheet, row, image) for row in range(len(sheet.rows))]
    cells: list[_Cells] = []
    again = 0
    seen: set[tuple[str, str]] = set()
    for row, text in enumerate(texts):
        if not text:
            continue  # an image of which nothing is known
        again += (names[row], text) in seen
        seen.add((names[row], text))
        target = _column(space, text, sheet.where(row))
        cells.append((row, [target], [1 if value is None else _value(sheet, row, value)]))
    table = _collect(sheet, space, names, cells)
    if again:
        report(f"{sheet.path}: {again} rows repeat an image with a label; merged", strict)
    return table


def _column(space: LabelSpace, label: str, where: str) -> int:
    try:
        return space.index(label)
    except LabelSpaceError:
        raise ObservationError(
            f'{where}: label "{label}" is none of the label space{nearest(label, space.labels)}; correct the table, or add it '
            "to the label space"
        ) from None


def _collect(sheet: _Sheet, space: LabelSpace, names: Sequence[str], cells: Iterable[_Cells]) -> Table:
    """Rows of the same image become one; what they say must agree."""
    order = {name: row for row, name in enumerate(dict.fromkeys(names))}
    first_line: dict[str, int] = {}
    for row, name in enumerate(names):
        first_line.setdefault(name, sheet.lines[row])
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
                f"{_WORDS[int(before[position])]} in line {said[at, column]}; remove one of the two"
            )
        better = new > before  # known before "unknown" before left open
        values[at, columns] = np.where(better, new, before)
        said[at, columns] = np.where(better, sheet.lines[row], said[at, columns])
    return values, space, list(order), first_line


def _with_files(observed: Observed, path: Path, root: Path, strict: bool) -> Observed:
    """Only rows whose image is there; a name without a folder or an ending finds its file if only one fits."""
    assert observed.images is not None
    if not root.is_dir():
        raise DataError(f"{root}: no such folder of images")
    short: dict[str, list[str]] | None = None
    names: list[str | None] = []
    for name in observed.images:
        if (root / name).is_file():
            names.append(name)
            continue
        if short is None:
            short = {}
            for file in find_images(root):
                relative = file.relative_to(root)
                for key in {file.name, file.stem, str(relative.with_suffix("").as_posix())}:
                    short.setdefault(key, []).append(relative.as_posix())
        fits = short.get(name, [])
        names.append(fits[0] if len(fits) == 1 else None)
    lost = [name for name, file in zip(observed.images, names, strict=True) if file is None]
    if len(lost) == len(names):
        raise DataError(f"{path}: none of its {len(names)} images is in {root} (for example {lost[0]}); names are relative to it")
    if lost:
        report(f"{path}: {len(lost)} of its {len(names)} images are not in {root}, left out: {listed(lost)}", strict)
    kept = [row for row, file in enumerate(names) if file is not None]
    files = tuple(file for file in names if file is not None)
    return Observed(observed.values[kept], observed.space, files)
