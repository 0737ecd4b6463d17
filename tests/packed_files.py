"""Small files with images inside, as the tools that have these formats write them."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image
from pyarrow import parquet


def png(value: int = 0, size: tuple[int, int] = (8, 8)) -> bytes:
    """A picture of one colour."""
    return encoded_png(np.full((*size, 3), value, np.uint8))


def encoded_png(pixels: NDArray[np.uint8]) -> bytes:
    """A picture (H, W, 3)."""
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "png")
    return content.getvalue()


def write_tar(path: Path, files: Mapping[str, bytes | str]) -> Path:
    """A tar of files, in order."""
    with tarfile.open(path, "w") as tar:
        for name, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return path


def class_label(names: Sequence[str]) -> dict[str, object]:
    """A feature of class numbers, as Hugging Face describes it."""
    return {"names": list(names), "_type": "ClassLabel"}


def write_parquet(
    path: Path, columns: Mapping[str, object], features: Mapping[str, object] | None = None, rows: int = 100
) -> Path:
    """A Parquet file as Hugging Face writes it: the features in the metadata, `rows` in a row group."""
    parquet.write_table(hugging_face(columns, features), path, row_group_size=rows)
    return path


def hugging_face(columns: Mapping[str, object], features: Mapping[str, object] | None = None) -> pa.Table:
    """An Arrow table with features in its metadata."""
    table = pa.table(dict(columns))
    if features is None:
        return table
    return table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})


def pictures(names: Sequence[str | None], values: Sequence[int] | None = None) -> pa.Array:
    """A column of images: structs of bytes and path."""
    values = [10 * row for row in range(len(names))] if values is None else values
    cells = [{"bytes": png(value), "path": name} for name, value in zip(names, values, strict=True)]
    return pa.array(cells, pa.struct([("bytes", pa.binary()), ("path", pa.string())]))
