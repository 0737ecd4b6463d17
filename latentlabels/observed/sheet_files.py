"""Files of tables as sheets: CSV and TSV, JSON lines and JSON, Parquet and Feather, spreadsheets, DataFrames."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import DataError, ObservationError
from .names import label_name
from .sheet import Column, Sheet, encoded, recoded, without_empty_rows

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

BIG = 4 << 20
"""Bytes from which CSV is parsed by pyarrow: fast, but without the line of a mistake, which the careful reader then finds."""
SPREADSHEETS = (".xlsx", ".xlsm", ".ods")
JSON_LINES = (".jsonl", ".ndjson")
_MARKS = (b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf")
_ENCODINGS = ("utf-16", "utf-16", "utf-8-sig")
_BLOCK = 1 << 24  # bytes of a CSV that are parsed at a time
_HEAD = 1 << 18  # bytes by which the delimiter and the kinds of columns are recognised
DELIMITERS = ",;\t|"


def read_sheet(path: Path, wanted: Sequence[str] = ("image",), big: int = BIG) -> Sheet:
    """The table in a file.

    Args:
        path: CSV or TSV (any of ``, ; | tab``), ``.jsonl``, ``.json`` (an array of objects), ``.parquet``, ``.feather``,
            ``.xlsx``, ``.ods``.
        wanted: headings by which the delimiter of a CSV is recognised.
        big: bytes from which CSV is parsed by pyarrow.

    Raises:
        DataError: no file, or one that is not of its kind; the line is named.
        ObservationError: rows of different lengths, headings that are empty or double.
    """
    if not path.is_file():
        raise DataError(f"{path}: table not found")
    ending = path.suffix.lower()
    if ending in (".parquet", ".feather", ".arrow"):
        sheet = _read_arrow(path, ending)
    elif ending in SPREADSHEETS:
        sheet = _read_spreadsheet(path)
    else:
        raw = path.read_bytes()
        if len(raw) >= big and ending not in (*JSON_LINES, ".json"):
            fast = _read_large(path, raw, wanted)
            if fast is not None:
                return without_empty_rows(fast)
        text = _text_of(path, raw)
        del raw
        if ending in JSON_LINES:
            sheet = _read_json_lines(path, text)
        elif ending == ".json" or text.lstrip()[:1] in ("[", "{"):
            sheet = _read_json(path, text)
        else:
            sheet = _read_csv(path, text, wanted)
    return without_empty_rows(sheet)


def sheet_of_frame(frame: pd.DataFrame, source: str = "the DataFrame") -> Sheet:
    """A DataFrame as a sheet; its index is not a column."""
    import pyarrow as pa

    columns = []
    for number, name in enumerate(frame.columns):
        column = frame.iloc[:, number]
        try:
            columns.append(_of_arrow(str(name), pa.chunked_array([pa.array(column, from_pandas=True)])))
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):  # of several kinds
            columns.append(encoded(str(name), [cell_text(cell) for cell in column]))
    return Sheet(source, tuple(columns), "row", lambda: range(1, len(frame) + 1))


def cell_text(cell: Any) -> str:
    """A cell of any kind as text: missing ones are empty, lists and objects are JSON."""
    if isinstance(cell, np.ndarray):
        cell = cell.tolist()
    if isinstance(cell, list | tuple | dict):
        return json.dumps(cell, ensure_ascii=False, default=str)
    if cell is None or cell != cell or str(cell) in ("<NA>", "NaT"):
        return ""
    return str(cell)


# --- text ---------------------------------------------------------------------------------------------------------------


def _text_of(path: Path, raw: bytes) -> str:
    encoding = next((encoding for mark, encoding in zip(_MARKS, _ENCODINGS, strict=True) if raw.startswith(mark)), "utf-8")
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise DataError(
            f"{path}:{line}: not UTF-8 text ({error.reason} at byte {error.start}); save it as CSV in UTF-8"
        ) from None
    if not text.strip():
        raise DataError(f"{path}: empty")
    if "\0" in text[:4096]:
        raise DataError(f"{path}: not a table in text (it holds zero bytes); give CSV, JSON lines, Parquet or a spreadsheet")
    return text


def _read_csv(path: Path, text: str, wanted: Sequence[str]) -> Sheet:
    delimiter = _delimiter(text, wanted)
    names, rows, lines = _parsed(path, text, delimiter)
    columns = zip(*rows, strict=True) if rows else [[] for _ in names]
    return Sheet(
        str(path), tuple(encoded(name, cells) for name, cells in zip(names, columns, strict=True)), "line", lambda: lines
    )


def _parsed(path: Path, text: str, delimiter: str) -> tuple[list[str], list[list[str]], list[int]]:
    """Headings, rows and the line of each, by the careful reader."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    names: list[str] = []
    rows: list[list[str]] = []
    lines: list[int] = []
    line = 1
    try:
        for row in reader:
            if not names and any(cell.strip() for cell in row):
                names = row
            elif names and any(cell.strip() for cell in row):
                if len(row) != len(names):
                    raise ObservationError(f"{path}:{line}: {len(row)} cells, but the header has {len(names)} columns")
                rows.append(row)
                lines.append(line)
            line = reader.line_num + 1  # where the next row begins: a quoted cell may hold line breaks
    except csv.Error as error:
        raise ObservationError(
            f"{path}:{line}: not valid CSV from here on ({error}); check for a missing quotation mark"
        ) from None
    return names, rows, lines


def _delimiter(text: str, wanted: Sequence[str]) -> str:
    """What separates the cells: the delimiter by which the header has a wanted column, or else the most columns."""
    known = {name.lower() for name in wanted}

    def header(delimiter: str) -> tuple[bool, int]:
        try:
            lines = io.StringIO(text[:_HEAD], newline="")
            names = next(row for row in csv.reader(lines, delimiter=delimiter) if any(cell.strip() for cell in row))
        except (csv.Error, StopIteration):
            return False, 0
        return any(label_name(name).lower() in known for name in names), len(names)

    return max(DELIMITERS, key=header)


def _read_large(path: Path, raw: bytes, wanted: Sequence[str]) -> Sheet | None:
    """A large CSV by pyarrow; None where the careful reader is needed, to read it or to say what is wrong with it."""
    start = raw[:_HEAD].decode("utf-8-sig", errors="replace")
    if raw.startswith(_MARKS[:2]) or start.lstrip()[:1] in ("[", "{") or raw.count(b'"') % 2:
        return None
    return _parsed_by_arrow(path, raw, _delimiter(start, wanted), start)


def _parsed_by_arrow(path: Path, raw: bytes, delimiter: str, start: str) -> Sheet | None:
    import pyarrow as pa
    from pyarrow import csv as arrow

    quoted = b'"' in raw
    parse = arrow.ParseOptions(delimiter=delimiter, newlines_in_values=quoted, ignore_empty_lines=True)
    try:
        names = arrow.open_csv(pa.BufferReader(raw), parse_options=parse).schema.names
        if len({*names}) < len(names):
            return None
        numbers = {name: pa.int8() for name in names}
        table = None
        for types in (_guessed(start, names, delimiter, numbers), {}):
            every = {name: types.get(name, pa.dictionary(pa.int32(), pa.string())) for name in names}
            convert = arrow.ConvertOptions(
                column_types=every, null_values=[""], strings_can_be_null=False, quoted_strings_can_be_null=False
            )
            try:
                read = arrow.ReadOptions(block_size=_BLOCK)
                table = arrow.read_csv(pa.BufferReader(raw), read, parse, convert)
                break
            except pa.ArrowInvalid:
                if not types:
                    raise
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return None
    assert table is not None
    columns, rows = tuple(_of_arrow(name, table.column(name)) for name in names), table.num_rows

    @cache
    def places() -> Sequence[int]:
        raw = path.read_bytes()
        simple = not quoted and raw.count(b"\n") + (not raw.endswith(b"\n")) == rows + 1
        return range(2, rows + 2) if simple else _parsed(path, _text_of(path, raw), delimiter)[2]

    return Sheet(str(path), columns, "line", places)


def _guessed(text: str, names: Sequence[str], delimiter: str, numbers: dict[str, Any]) -> dict[str, Any]:
    """The columns that seem to hold only 1, 0, -1 and empty cells, by the first rows: small numbers are read faster."""
    lines = text.splitlines()[1:]
    rows = list(csv.reader(lines[:-1], delimiter=delimiter))
    whole = [row for row in rows if len(row) == len(names)]
    cells = zip(*whole, strict=True)
    return {name: numbers[name] for name, column in zip(names, cells, strict=False) if {*column} <= {"1", "0", "-1", ""}}


# --- JSON ---------------------------------------------------------------------------------------------------------------


class _Pairs(list[tuple[str, Any]]):
    """A JSON object, keys that occur twice included."""


def _read_json_lines(path: Path, text: str) -> Sheet:
    objects: list[dict[str, Any]] = []
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
        objects.append(_object(pairs, where))
        lines.append(number)
    return _of_objects(path, objects, "line", lines)


def _read_json(path: Path, text: str) -> Sheet:
    try:
        found = json.loads(text, object_pairs_hook=_Pairs)
    except json.JSONDecodeError as error:
        if "\n" in text.strip() and text.lstrip().startswith("{"):
            return _read_json_lines(path, text)
        raise DataError(f"{path}:{error.lineno}: not valid JSON ({error.msg} at column {error.colno})") from None
    if isinstance(found, _Pairs) or not isinstance(found, list) or not all(isinstance(one, _Pairs) for one in found):
        raise DataError(
            f"{path}: JSON of a kind that is not known; a table in JSON is an array of objects, "
            '[{"image": ..., "label": ...}, ...]. The formats of other tools that can be read are listed by '
            "`latentlabels convert --help`"
        )
    objects = [_object(one, f"{path}, row {number}") for number, one in enumerate(found, 1)]
    return _of_objects(path, objects, "row", range(1, len(objects) + 1))


def _object(pairs: _Pairs, where: str) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for key, value in pairs:
        if key in out:
            raise ObservationError(f'{where}: "{key}" occurs twice; remove one')
        out[key] = _plain(value)
    return out


def _plain(value: Any) -> Any:
    if isinstance(value, _Pairs):
        return {key: _plain(inner) for key, inner in value}
    return [_plain(inner) for inner in value] if isinstance(value, list) else value


def _of_objects(path: Path, objects: Sequence[dict[str, Any]], unit: str, places: Sequence[int]) -> Sheet:
    names = list(dict.fromkeys(key for one in objects for key in one))
    columns = tuple(encoded(name, [cell_text(one.get(name)) for one in objects]) for name in names)
    return Sheet(str(path), columns, unit, lambda: places)


# --- Arrow and spreadsheets ---------------------------------------------------------------------------------------------


def _read_arrow(path: Path, ending: str) -> Sheet:
    import pyarrow as pa
    from pyarrow import feather, parquet

    try:
        table = parquet.read_table(path) if ending == ".parquet" else feather.read_table(path)
    except (pa.ArrowException, OSError) as error:
        kind = "Parquet" if ending == ".parquet" else "Arrow"
        raise DataError(f"{path}: cannot be read as {kind} ({error})") from error
    return Sheet(str(path), columns_of_arrow(table), "row", lambda: range(1, table.num_rows + 1))


def columns_of_arrow(table: pa.Table) -> tuple[Column, ...]:
    """The columns of an Arrow table; an index that only counts is none."""
    names = table.schema.names
    return tuple(
        _of_arrow(name, table.column(number)) for number, name in enumerate(names) if not name.startswith("__index_level_")
    )


def _of_arrow(name: str, column: pa.ChunkedArray) -> Column:
    """A column of Arrow: each chunk has a dictionary of its own."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    if pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return encoded(name, [cell_text(cell) for cell in column.to_pylist()])
    if not pa.types.is_dictionary(kind):
        column = pc.dictionary_encode(column)
    number: dict[str, int] = {}
    parts = []
    missing = column.null_count > 0
    for chunk in column.chunks:
        texts = [cell_text(one) for one in chunk.dictionary.to_pylist()]
        new = np.array([number.setdefault(text, len(number)) for text in texts] or [0], dtype=np.int32)
        if missing:
            new = np.append(new, number.setdefault("", len(number)))  # the place of what is missing
        indices = pc.fill_null(chunk.indices, len(new) - 1) if missing else chunk.indices
        codes = np.asarray(indices)
        parts.append(new[codes] if len(codes) else np.zeros(0, np.int32))
    codes = np.concatenate(parts) if parts else np.zeros(0, np.int32)
    small = codes.astype(np.uint8) if len(number) < 256 else codes
    return recoded(label_name(name), small, list(number))


def _read_spreadsheet(path: Path) -> Sheet:
    import pandas as pd

    try:
        frames = pd.read_excel(path, sheet_name=None, dtype=object, keep_default_na=False)
    except ImportError as error:
        raise DataError(
            f"{path}: spreadsheets need a reader; pip install 'latentlabels[formats]', or save it as CSV in UTF-8"
        ) from error
    except Exception as error:  # zip, XML and format errors of several libraries
        raise DataError(f"{path}: cannot be read as a spreadsheet ({error})") from error
    filled = {name: frame for name, frame in frames.items() if len(frame.columns)}
    if len(filled) != 1:
        names = ", ".join(filled) or "none with cells"
        raise DataError(f"{path}: expected one sheet with cells, found {names}; save the one that is meant as CSV")
    frame = next(iter(filled.values()))
    frame.columns = pd.Index(["" if str(name).startswith("Unnamed: ") else str(name) for name in frame.columns])
    columns = tuple(
        encoded(str(name), [_of_excel(cell) for cell in frame.iloc[:, number]]) for number, name in enumerate(frame.columns)
    )
    return Sheet(str(path), columns, "row", lambda: range(2, len(frame) + 2))


def _of_excel(cell: Any) -> str:
    """Spreadsheets store 1 as 1.0 now and then."""
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else cell_text(cell)
