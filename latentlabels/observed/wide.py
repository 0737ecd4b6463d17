"""Known labels as a wide table: a DataFrame, and files that are written block by block."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..words import printable
from ..writing import replacing, separated, writing
from .known_table import KnownTable
from .names import name_column

if TYPE_CHECKING:
    import pandas as pd


def wide_frame(
    values: NDArray[np.int8], labels: Sequence[str], images: Sequence[str] | None, start: int = 0
) -> pd.DataFrame:  # fmt: skip
    """A DataFrame of 1, 0 and missing: images as index, labels as columns.

    Args:
        values: int8 (B, K) of 1, 0 and -1.
        labels: K names.
        images: N names; None to number them.
        start: which of the images is the first row.
    """
    import pandas as pd

    rows = range(start, start + len(values))
    names = [str(row) if images is None else printable(images[row]) for row in rows]
    index = pd.Index(names, name=name_column(labels), dtype=object)
    frame = pd.DataFrame(values, index=index, columns=list(labels)).astype("Int8")
    return frame.mask(frame == -1)


def write_wide(path: Path, known: KnownTable, labels: Sequence[str], images: Sequence[str] | None) -> Path:
    """Write a wide table: Parquet or JSON lines where the file's ending says so, CSV otherwise.

    Args:
        path: the file.
        known: of N images and K labels.
        labels: K names.
        images: N names; None to number them.
    """
    frames = (wide_frame(block.values, labels, images, block.start) for block in known.blocks())
    if path.suffix.lower() == ".parquet":
        _write_parquet(path, frames, wide_frame(known.rows([]), labels, images))
        return path
    lines = path.suffix.lower() in (".jsonl", ".ndjson")
    with writing(path) as file:
        if not lines:
            file.write(separated([[name_column(labels), *labels]]))
        for frame in frames:
            whole = frame.reset_index()
            if lines:
                file.write(whole.to_json(orient="records", lines=True, force_ascii=False))
            else:
                file.write(separated(whole.astype(object).where(whole.notna(), "").astype(str).to_numpy().tolist()))
    return path


def _write_parquet(path: Path, frames: Iterable[pd.DataFrame], empty: pd.DataFrame) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema, names = pa.Table.from_pandas(empty).schema, str(empty.index.name)
    schema = schema.set(schema.get_field_index(names), pa.field(names, pa.string()))  # of no rows it is not seen
    with replacing(path) as temporary, pq.ParquetWriter(temporary, schema) as writer:
        for frame in frames:
            writer.write_table(pa.Table.from_pandas(frame, schema=schema))
