"""Files of tables as sheets: CSV and TSV, JSON lines and JSON, Parquet and Feather, spreadsheets."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import DataError, ObservationError
from .sheet import Sheet, encoded, sheet_of
from .sheet_arrow import ARROW, cell_text, read_arrow
from .sheet_csv import read_csv, read_large, text_of
from .spreadsheets import SPREADSHEETS, read_spreadsheet

BIG = 4 << 20
"""Bytes from which CSV is parsed by pyarrow: fast, but without the line of a mistake, which the careful reader then finds."""
JSON_LINES = (".jsonl", ".ndjson")


def read_sheet(path: Path, wanted: Sequence[str] = ("image",), big: int = BIG) -> Sheet:
    """The table in a file.

    Args:
        path: CSV or TSV (any of ``, ; | tab``), ``.jsonl``, ``.json`` (an array of objects), ``.parquet``, ``.feather``,
            ``.xlsx``, ``.ods``.
        wanted: headings by which the delimiter of a CSV and the sheet of a spreadsheet are recognised.
        big: bytes from which CSV is parsed by pyarrow.

    Raises:
        DataError: no file, or one that is not of its kind; the line is named.
        ObservationError: rows of different lengths, headings that are empty or double.
    """
    if not path.is_file():
        raise DataError(f"{path}: table not found")
    ending = path.suffix.lower()
    if ending in ARROW:
        return read_arrow(path)
    if ending in SPREADSHEETS:
        return read_spreadsheet(path, wanted)
    raw = path.read_bytes()
    if len(raw) >= big and ending not in (*JSON_LINES, ".json"):
        fast = read_large(path, raw, wanted)
        if fast is not None:
            return fast
    text = text_of(path, raw)
    del raw
    if ending in JSON_LINES:
        return _read_json_lines(path, text)
    if ending == ".json" or text.lstrip()[:1] in ("[", "{"):
        return _read_json(path, text)
    return read_csv(path, text, wanted)


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
    return sheet_of(str(path), columns, unit, lambda: places)
