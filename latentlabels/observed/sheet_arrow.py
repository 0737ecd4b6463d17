"""Columns of Arrow as columns of text, and files that hold them: Parquet and Feather."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import DataError
from .names import label_name
from .sheet import Column, Sheet, encoded, recoded

if TYPE_CHECKING:
    import pyarrow as pa

ARROW = (".parquet", ".feather", ".arrow")


def cell_text(cell: Any) -> str:
    """A cell of any kind as text: missing ones are empty, lists and objects are JSON."""
    if isinstance(cell, np.ndarray):
        cell = cell.tolist()
    if isinstance(cell, list | tuple | dict):
        return json.dumps(cell, ensure_ascii=False, default=str)
    if cell is None or cell != cell or str(cell) in ("<NA>", "NaT"):
        return ""
    return str(cell)


def read_arrow(path: Path) -> Sheet:
    """The table in a Parquet or Feather file.

    Raises:
        DataError: a file that is neither.
    """
    import pyarrow as pa
    from pyarrow import feather, parquet

    try:
        table = parquet.read_table(path) if path.suffix.lower() == ".parquet" else feather.read_table(path)
    except (pa.ArrowException, OSError) as error:
        kind = "Parquet" if path.suffix.lower() == ".parquet" else "Arrow"
        raise DataError(f"{path}: cannot be read as {kind} ({error})") from error
    return Sheet(str(path), columns_of_arrow(table), "row", lambda: range(1, table.num_rows + 1))


def columns_of_arrow(table: pa.Table) -> tuple[Column, ...]:
    """The columns of an Arrow table; an index that only counts is none."""
    names = table.schema.names
    kept = ((number, name) for number, name in enumerate(names) if not name.startswith("__index_level_"))
    return tuple(column_of_arrow(name, table.column(number)) for number, name in kept)


def column_of_arrow(name: str, column: pa.ChunkedArray) -> Column:
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
