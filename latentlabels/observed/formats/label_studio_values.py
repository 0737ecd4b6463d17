"""Label Studio's values: what an annotator chose, in results, in JSON-MIN and in the cells of a CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...errors import AmbiguousError, Choice, DataError, ObservationError, nearest
from ...words import count, listed
from ..image_files import warn
from ..options import ReadOptions
from .json_files import checked, shown

LabelPath = tuple[str, ...]
"""A label with what is above it in a taxonomy, from the top; mostly of one part."""

META = frozenset(
    ("id", "annotator", "annotation_id", "created_at", "updated_at", "lead_time", "agreement", "history", "total_annotations",
     "completed_by", "project", "inner_id", "file_upload")
)  # fmt: skip
"""Columns of an export that belong neither to the data of a task nor to its controls."""


def labels_in(value: dict[str, Any], where: str) -> list[LabelPath] | None:
    """The labels in the value of a result; None where it holds none by its kind (a text, a number).

    Raises:
        DataError: choices that are no list of texts.
    """
    found: list[LabelPath] = []
    kind = None
    for key, many in value.items():
        if key == "taxonomy":
            kind = key
            for path in checked(many, list, f"{where}: {key}"):
                found.append(tuple(_text(one, where, key) for one in (path if isinstance(path, list) else [path])))
        elif key == "choices" or (key.endswith("labels") and isinstance(many, list)):
            kind = key
            found += [(_text(one, where, key),) for one in (many if isinstance(many, list) else [many])]
    return None if kind is None else [path for path in found if path]


def _text(value: Any, where: str, key: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise DataError(f"{where}: {key}: expected the name of a label, not {shown(value)}")
    return value.strip()


def labels_of_cell(value: Any, where: str) -> list[LabelPath] | None:
    """The labels in a column of JSON-MIN or CSV: a text is one choice, objects hold results; None for nothing of the kind."""
    value = _parsed(value, where)
    if isinstance(value, str):
        return [(value.strip(),)] if value.strip() else None
    if isinstance(value, dict):
        return labels_in(value, where)
    if isinstance(value, list):
        parts = [labels_of_cell(one, where) for one in value]
        known = [one for one in parts if one is not None]
        return [label for one in known for label in one] if known else None
    return None


def _parsed(value: Any, where: str) -> Any:
    """A cell of a CSV that holds JSON, as its content."""
    if isinstance(value, str) and value.lstrip()[:2] in ('{"', "[{", '["', "[["):
        try:
            return json.loads(value)
        except json.JSONDecodeError as error:
            raise DataError(
                f"{where}: the cell begins as JSON, but is not valid ({error.msg}, character {error.pos})"
            ) from None
    return value


def label_columns(path: Path, records: Sequence[dict[str, Any]], image: str, options: ReadOptions) -> list[str]:
    """Which columns hold labels.

    Those that the user names; those with results in them; in JSON-MIN what stands between the task's data and the
    annotation's; else the only column that is left. Several columns of plain texts are asked for.

    Raises:
        AmbiguousError: several that may hold choices or other data.
        ObservationError: none, or one that is not there.
    """
    columns = [name for name in dict.fromkeys(key for one in records for key in one) if name not in META and name != image]
    if options.label_columns is not None:
        chosen = _apart(options.label_columns, columns)
        for name in chosen:
            if name not in columns:
                raise ObservationError(f"{path}: no column {name!r}{nearest(name, columns)} (columns: {listed(columns)})")
        return chosen
    ignored = _apart(options.ignore, columns)
    columns = [name for name in columns if name not in ignored and not name.startswith("_data_")]
    outputs = _between(records)
    if outputs is not None:
        columns = [name for name in columns if name in outputs]
    texts = {name: [one[name] for one in records if one.get(name) not in (None, "")] for name in columns}
    parsed = {name: [_parsed(value, f"{path}: {name}") for value in many] for name, many in texts.items()}
    results = [name for name, many in parsed.items() if any(_has_results(value) for value in many)]
    plain = [name for name, many in parsed.items() if name not in results and many and all(isinstance(v, str) for v in many)]
    if outputs is not None:  # controls alone: free texts are written hardly ever twice
        plain = [name for name in plain if len({*parsed[name]}) <= max(20, len(parsed[name]) // 2)]
        return _some(path, results + plain, columns)
    if options.space is not None:  # which says what is a label
        known = {*options.space.labels}
        return _some(path, results + [name for name in plain if known & {*parsed[name]}], columns)
    if len(plain) == 1 and not results:
        return plain
    if plain:
        return _asked(path, results, plain, parsed, options)
    return _some(path, results, columns)


def _apart(names: Sequence[str], columns: Sequence[str]) -> list[str]:
    """Names of columns; "a,b" are two where there is no column of that name."""
    return [part.strip() for name in names for part in ([name] if name in columns else name.split(","))]


def _asked(path: Path, results: list[str], plain: list[str], cells: dict[str, list[Any]], options: ReadOptions) -> list[str]:
    """The columns where some may hold choices or other data: asked, or taken by whether their texts repeat."""
    often = [name for name in plain if len({*cells[name]}) <= len(cells[name]) // 2]
    question = AmbiguousError(
        f"{path}: {listed([repr(name) for name in plain])} may hold choices or other data",
        [
            Choice({"label_columns": ",".join(results + (often or plain))}, "the columns that hold labels, for example these"),
            Choice({"ignore": plain[-1]}, "to leave a column out"),
        ],
    )
    if options.ambiguous == "refuse" or options.strict:
        raise question
    taken = _some(path, results + often, plain)
    warn(f"{question}. Read for now as labels: {listed(taken)}")
    return taken


def _some(path: Path, found: list[str], columns: list[str]) -> list[str]:
    if not found:
        raise ObservationError(
            f"{path}: no column holds choices (columns: {listed(columns) or 'none'}); export a project with choices, or name "
            "the columns of labels with --label-columns"
        )
    return found


def _has_results(value: Any) -> bool:
    many = value if isinstance(value, list) else [value]
    return any(isinstance(one, dict) and labels_in(one, "") is not None for one in many) or (
        isinstance(value, list) and bool(value) and all(isinstance(one, str) for one in value)
    )


def _between(records: Sequence[dict[str, Any]]) -> set[str] | None:
    """The controls of JSON-MIN: its keys are the task's data, id, controls, annotator. None where the order tells nothing."""
    controls: set[str] = set()
    for one in records:
        keys = list(one)
        if "id" not in keys or "annotator" not in keys or keys.index("id") > keys.index("annotator"):
            return None
        controls.update(keys[keys.index("id") + 1 : keys.index("annotator")])
    return controls


def read_csv(path: Path) -> tuple[list[Any], list[int]]:
    """The rows of a CSV or TSV as records, and their lines."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 text ({error.reason} at byte {error.start}); save it as CSV in UTF-8") from None
    if not text.strip():
        raise DataError(f"{path}: empty")
    limit = csv.field_size_limit(1 << 30)  # outlines in a cell are long
    first = text.split("\n", 1)[0]
    reader = csv.reader(io.StringIO(text), delimiter="\t" if first.count("\t") > first.count(",") else ",", strict=True)
    records: list[Any] = []
    lines: list[int] = []
    line = 1
    try:
        columns = next(reader)
        line = reader.line_num + 1
        for row in reader:
            if any(row):
                if len(row) != len(columns):
                    raise DataError(f"{path}:{line}: {count(len(row), 'cell')}, but the header has {len(columns)} columns")
                records.append(dict(zip(columns, row, strict=True)))
                lines.append(line)
            line = reader.line_num + 1
    except csv.Error as error:
        raise DataError(f"{path}:{line}: not valid CSV from here on ({error}); the file is cut off or edited") from None
    finally:
        csv.field_size_limit(limit)
    if not records:
        raise DataError(f"{path}: has a header but no rows")
    return records, lines
