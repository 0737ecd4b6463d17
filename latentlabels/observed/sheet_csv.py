"""Tables in text: CSV and TSV, read with care, or fast where they are large; both give the same sheet."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from ..errors import DataError, ObservationError
from ..words import quoted, shown
from .names import label_name
from .sheet import Sheet, encoded, sheet_of
from .sheet_arrow import column_of_arrow

_MARKS = (b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf")
_ENCODINGS = ("utf-16", "utf-16", "utf-8-sig")
_BLOCK = 1 << 24  # bytes of a CSV that are parsed at a time
_HEAD = 1 << 18  # bytes by which the delimiter and the kinds of columns are recognised
_FEW = 3  # columns of small numbers from which they are parsed as such
DELIMITERS = ",;\t|"
_SEPARATOR = re.compile(r"(sep=.)\r?\n", re.IGNORECASE)  # the first line by which Excel is told the delimiter
_NOT_TEXT = {b"PK\x03\x04": "a spreadsheet (.xlsx, .ods) or a zip archive", b"PAR1": "a Parquet file (.parquet)"}


def text_of(path: Path, raw: bytes) -> str:
    """The text of a file.

    Raises:
        DataError: it is not UTF-8 (or UTF-16 with a mark), empty, or no text.
    """
    for mark, what in _NOT_TEXT.items():
        if raw.startswith(mark):
            raise DataError(f"{path}: is {what}, and its ending says otherwise; rename it")
    encoding = next((encoding for mark, encoding in zip(_MARKS, _ENCODINGS, strict=True) if raw.startswith(mark)), "utf-8")
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError as error:
        raise DataError(_not_utf8(path, raw, error)) from None
    if not text.strip():
        raise DataError(f"{path}: empty")
    if "\0" in text[:4096]:
        raise DataError(f"{path}: not a table in text (it holds zero bytes); give CSV, JSON lines, Parquet or a spreadsheet")
    first = _SEPARATOR.match(text)
    return text if first is None else text[first.end(1) :]  # the line itself stays, empty, so that lines are counted right


def _not_utf8(path: Path, raw: bytes, error: UnicodeDecodeError) -> str:
    """Why a file cannot be read, and what mends it. Its code page cannot be told from its bytes, so none is guessed."""
    begin, end = raw.rfind(b"\n", 0, error.start) + 1, raw.find(b"\n", error.start)
    line = raw[:begin].count(b"\n") + 1
    where = f"{path}:{line}: not UTF-8 text"
    again = 'save it again as "CSV UTF-8" in Excel, or with the character set UTF-8 in other programs'
    if b"\0" in raw[:_HEAD]:
        return f"{where} ({error.reason} at byte {error.start}); {again}"
    before = re.split(rb"[,;\t|]", raw[begin : error.start])[-1]
    after = re.split(rb"[,;\t|\r]", raw[error.start : len(raw) if end < 0 else end])[0]
    cell = shown((before + after).decode("cp1252", "replace"))
    return (
        f'{where}. Read as Windows-1252, the cell is "{cell}". If so: '
        f"iconv -f cp1252 -t utf-8 {quoted(path)} > NEW.csv; or {again}"
    )


def read_csv(path: Path, text: str, wanted: Sequence[str]) -> Sheet:
    """A table in text, row by row.

    Raises:
        ObservationError: rows of different lengths, or a quotation mark that is not closed; the line is named.
    """
    delimiter = _delimiter(text, wanted)
    names, rows, lines = _parsed(path, text, delimiter)
    cells = zip(*rows, strict=True) if rows else [[] for _ in names]
    columns = [encoded(name, some) for name, some in zip(names, cells, strict=True)]
    return sheet_of(str(path), columns, "line", lambda: lines)


def _parsed(path: Path, text: str, delimiter: str) -> tuple[list[str], list[list[str]], list[int]]:
    """Headings, rows and the line of each; rows of empty cells are rows, empty lines are none."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    names: list[str] = []
    rows: list[list[str]] = []
    lines: list[int] = []
    line = 1
    try:
        for row in reader:
            line, begins = reader.line_num + 1, line  # a quoted cell may hold line breaks
            if not names and any(cell.strip() for cell in row):
                names = row
            elif names and row:
                if len(row) != len(names):
                    if not any(cell.strip() for cell in row):
                        continue  # a line of delimiters or blanks
                    raise ObservationError(f"{path}:{begins}: {len(row)} cells, but the header has {len(names)} columns")
                rows.append(row)
                lines.append(begins)
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


def read_large(path: Path, raw: bytes, wanted: Sequence[str]) -> Sheet | None:
    """A large CSV by pyarrow; None where the careful reader is needed, to read it or to say what is wrong with it."""
    start = raw[:_HEAD].decode("utf-8-sig", errors="replace")
    if raw.startswith(_MARKS[:2]) or start.lstrip()[:1] in ("[", "{") or _SEPARATOR.match(start) or raw.count(b'"') % 2:
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
    columns, rows = tuple(column_of_arrow(name, table.column(name)) for name in names), table.num_rows

    @cache
    def places() -> Sequence[int]:
        raw = path.read_bytes()
        simple = not quoted and raw.count(b"\n") + (not raw.endswith(b"\n")) == rows + 1
        return range(2, rows + 2) if simple else _parsed(path, text_of(path, raw), delimiter)[2]

    return sheet_of(str(path), columns, "line", places)


def _guessed(text: str, names: Sequence[str], delimiter: str, numbers: dict[str, Any]) -> dict[str, Any]:
    """The columns that seem to hold only 1, 0, -1 and empty cells, by the first rows: small numbers are read faster."""
    lines = text.splitlines()[1:]
    rows = list(csv.reader(lines[:-1], delimiter=delimiter))
    whole = [row for row in rows if len(row) == len(names)]
    cells = zip(*whole, strict=True)
    found = {name: numbers[name] for name, column in zip(names, cells, strict=False) if {*column} <= {"1", "0", "-1", ""}}
    return found if len(found) >= _FEW else {}  # of fewer, one may hold names such as "01" further down
