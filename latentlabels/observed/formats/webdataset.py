"""WebDataset: tar shards whose samples are an image ``NAME.jpg`` and its labels, ``NAME.cls``, ``NAME.json`` or ``NAME.txt``.

See https://github.com/webdataset/webdataset. A `.cls` is a class number, a `.json` an object with a key such as `label` or
`tags`, and a
`.txt` names of labels, one on each line.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ... import shards
from ...errors import AmbiguousError, Choice, DataError, ObservationError
from ...words import count, listed
from ..classes import HOLDERS
from ..features import of_card
from ..file_kinds import IMAGE_SUFFIXES
from ..options import ReadOptions
from ..packed import tar
from ..record import Statements
from ..sheet import Column, Sheet, encoded
from ..sheet_arrow import cell_text
from .classed import statements
from .registry import Labelled

NAME = "webdataset"
TITLE = "WebDataset tar shards: images with a .cls, .json or .txt each"
WRITES: frozenset[str] = frozenset()
_NUMBERS = ("cls", "class", "label", "labels")
_TEXTS = ("txt", "text")


def recognise(path: Path, head: bytes) -> bool:
    """A tar, by the mark in its first header."""
    return head[257:262] == b"ustar" or str(path).lower().endswith(shards.TARS)


def read(path: Path, options: ReadOptions) -> Statements:
    """What tar shards state; `path` may be a glob or have numbers in braces.

    Raises:
        DataError: shards that are not there or not whole, samples without images, parts that cannot be read.
        AmbiguousError: which part holds the labels, or what class numbers mean, is unclear.
    """
    found = tar.samples(str(path), shards.expand(path))
    fields = tar.image_fields(found, options.image_column)
    rows = np.flatnonzero(np.asarray(fields, object) != "")
    names = encoded("image", [found.names[fields[row]][row] for row in rows.tolist()])
    columns, asked, fact = _columns(found, rows, options)
    keys = [found.keys[row] for row in rows.tolist()]

    def locate(row: int) -> str:
        return f"{found.shards[int(found.shard[rows[row]])]}, sample {keys[row]}"

    sheet = Sheet(str(path), (names, *columns), "row", lambda: range(1, len(keys) + 1), locate)
    lacking = len(found.keys) - len(rows)
    notes = [*found.notes, *([f"{count(lacking, 'sample')} without an image left out"] if lacking else [])]
    card, stated = of_card(found.shards[0].parent), replace(options, label_columns=asked)
    return statements(sheet, card, stated, NAME, (("image names", "members of the tar"), fact), notes)


def write(path: Path, content: Labelled) -> None:
    """Not written.

    Raises:
        DataError: always.
    """
    raise DataError(f"{path}: labels cannot be written into tar shards; write a table")


def _columns(
    found: tar.Samples, rows: NDArray[np.intp], options: ReadOptions
) -> tuple[list[Column], tuple[str, ...] | None, tuple[str, str]]:
    """The columns that the parts of the samples make, which of them hold labels, and that in words."""
    parts = [field for field in found.fields if f".{field.rpartition('.')[2]}" not in IMAGE_SUFFIXES]
    asked = [one for name in options.label_columns or () for one in name.split(",")]
    named = [field for field in parts if field in asked]
    inside = [name.removeprefix("json.") for name in asked if name not in parts]
    if inside and "json" not in parts:
        raise ObservationError(f"{found.source}: no part {inside[0]} (parts: {listed(sorted(parts))}); correct label_columns")
    beside = [one.partition("=")[0] for one in (options.split, options.together) if one is not None]
    keyed = _keys(found, rows) if "json" in parts and (inside or beside or not named) else {}
    if not asked:
        numbers = [field for field in parts if field in _NUMBERS]
        inside = [name for name in keyed if name.lower() in HOLDERS] if not numbers else []
        texts = [field for field in parts if field in _TEXTS]
        named = numbers[:1]
        if not numbers and not inside and texts:
            named = _asked_for_texts(found, texts[0], options)
        if not named and not inside:
            raise _unclear(found, parts, keyed)
    missing = [name for name in inside if name not in keyed]
    if missing:
        raise ObservationError(
            f'{found.source}: no .json has a key "{missing[0]}" (keys: {listed(list(keyed), 10)}); correct label_columns'
        )
    columns = [_part(found, field, rows) for field in named]
    columns += [encoded(name, keyed[name]) for name in dict.fromkeys([*inside, *(one for one in beside if one in keyed)])]
    holding = (*named, *inside)
    return (
        columns,
        holding,
        ("labels", f"in {listed([f'.{field}' for field in named] + [f'.json, key {name}' for name in inside])}"),
    )


def _part(found: tar.Samples, field: str, rows: NDArray[np.intp]) -> Column:
    """A part of each sample as a column; several lines are several labels."""
    every = found.all_of(field)
    out = []
    for row in rows.tolist():
        text = _text(found, field, row, every[row])
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        out.append(json.dumps(lines, ensure_ascii=False) if len(lines) > 1 and text[:1] not in "[{" else text.strip())
    return encoded(field, out)


def _keys(found: tar.Samples, rows: NDArray[np.intp]) -> dict[str, list[str]]:
    """The values of each key of the .json parts, as text; of a .json that is no object, under "json" itself."""
    every = found.all_of("json")
    out: dict[str, list[str]] = {}
    for place, row in enumerate(rows.tolist()):
        text = _text(found, "json", row, every[row])
        if not text.strip():
            continue
        try:
            value: Any = json.loads(text)
        except ValueError as error:
            raise DataError(f"{_member(found, 'json', row)}: not valid JSON ({error}); write the shard again") from None
        for key, one in (value if isinstance(value, dict) else {"label": value}).items():
            out.setdefault(key, [""] * len(rows))[place] = cell_text(one)
    return out


def _member(found: tar.Samples, field: str, row: int) -> str:
    return f"{found.shards[int(found.shard[row])]}/{found.names[field][row]}"


def _text(found: tar.Samples, field: str, row: int, content: bytes | None) -> str:
    try:
        return "" if content is None else content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{_member(found, field, row)}: not UTF-8 text ({error.reason} at byte {error.start}); name another part by "
            "label_columns"
        ) from None


def _asked_for_texts(found: tar.Samples, field: str, options: ReadOptions) -> list[str]:
    """Texts beside images are captions as often as labels."""
    question = AmbiguousError(
        f"{found.source}: only .{field} is there beside the images, and may hold labels or captions",
        [Choice({"label_columns": field}, "names of labels, one on each line or separated by --separator")],
    )
    if options.ambiguous == "refuse" or options.strict:
        raise question
    return [field]


def _unclear(found: tar.Samples, parts: Sequence[str], keyed: dict[str, list[str]]) -> ObservationError:
    if keyed:
        return AmbiguousError(
            f"{found.source}: no .cls, and no key of the .json parts is called label or tags",
            [Choice({"label_columns": name}, f"the key {name}") for name in list(keyed)[:4]],
        )
    beside = f" (parts: {listed(sorted(parts))})" if parts else ""
    return ObservationError(
        f"{found.source}: its samples have no labels: expected NAME.cls, NAME.json or NAME.txt beside the images{beside}; "
        "give the "
        "known labels as a table, --observed TABLE"
    )
