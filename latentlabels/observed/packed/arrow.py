"""Parquet and Arrow tables with images in a column: which column, how the images are named, and their bytes by row.

The images are encoded files: a binary column, or a struct of `bytes` and `path` as Hugging Face writes it
(https://huggingface.co/docs/datasets/image_dataset). Parquet is read by row group and Arrow by record batch, never as a whole.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError
from ...words import listed
from ..features import of_schema
from .layout import ROWS, TableLayout, checked_names, image_columns, is_label, layout_of, without_boxes

if TYPE_CHECKING:
    import pyarrow as pa

CACHE = 256 << 20
"""Bytes of row groups that are kept, so that images read one after the other cost one reading."""


@dataclass(frozen=True, eq=False)
class Shard:
    """One Parquet or Arrow file.

    Attributes:
        path: the file.
        kind: "parquet", "file" (Arrow with an index of its batches, as Feather is) or "stream".
        schema: its columns.
        starts: (G + 1,) the first row of each group, and the number of rows.
    """

    path: Path
    kind: str
    schema: pa.Schema
    starts: NDArray[np.int64]


def open_shard(path: Path) -> Shard:
    """Look at the schema and the groups of a file; no column is read.

    Raises:
        DataError: not Parquet or Arrow, or cut off.
    """
    import pyarrow as pa
    from pyarrow import parquet

    with path.open("rb") as file:
        head = file.read(8)
    try:
        if head[:4] == b"PAR1":
            about = parquet.ParquetFile(path)
            rows = [about.metadata.row_group(number).num_rows for number in range(about.num_row_groups)]
            return Shard(path, "parquet", about.schema_arrow, np.cumsum([0, *rows]))
        kind = "file" if head[:6] == b"ARROW1" else "stream"
        with _opened(path, kind) as (schema, batches):
            return Shard(path, kind, schema, np.cumsum([0, *(len(batch) for batch in batches)]))
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DataError(
            f"{path}: cannot be read as Parquet or Arrow ({str(error).splitlines()[0]}); it was cut off or is of another "
            "kind, get it again"
        ) from None


@contextmanager
def _opened(path: Path, kind: str) -> Iterator[tuple[pa.Schema, Iterator[pa.RecordBatch]]]:
    """The schema of an Arrow file and its batches, which stay on disk until they are looked at."""
    import pyarrow as pa

    with pa.memory_map(str(path)) as source:
        if kind == "file":
            reader = pa.ipc.open_file(source)
            yield reader.schema, (reader.get_batch(number) for number in range(reader.num_record_batches))
        else:
            stream = pa.ipc.open_stream(source)
            yield stream.schema, iter(stream)


def read_columns(shard: Shard, names: Sequence[str]) -> pa.Table:
    """Some columns of a whole file: not those of images."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        if shard.kind == "parquet":
            return parquet.read_table(shard.path, columns=list(names))
        with _opened(shard.path, shard.kind) as (_, batches):
            tables = [pa.Table.from_batches([batch]).select(list(names)) for batch in batches]
            # copied: what lies in the file's memory ends with it
            return (
                pa.concat_tables(tables).take(pa.array(np.arange(sum(map(len, tables)))))
                if tables
                else shard.schema.empty_table()
            )
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{shard.path}: its columns {listed(names)} cannot be read ({error}); get it again") from None


def label_table(shards: Sequence[Shard], how: TableLayout) -> pa.Table:
    """The columns that can hold labels, of all files one after the other: no images, no names of images, no boxes."""
    import pyarrow as pa

    tables = []
    for shard in shards:
        images = {how.column, *image_columns(shard.schema, how.features)}
        wanted = [
            field.name
            for field in shard.schema
            if field.name not in images and field.name != how.naming and is_label(field.type)
        ]
        tables.append(without_boxes(read_columns(shard, wanted)))
    return pa.concat_tables(tables, promote_options="permissive")


def has_images(path: Path) -> bool:
    """Whether a Parquet or Arrow file holds images; False where it is neither."""
    try:
        schema = open_shard(path).schema
        return bool(image_columns(schema, of_schema(schema.metadata, str(path))))
    except DataError:
        return False


def layout(source: str, shards: Sequence[Shard], asked: str | None) -> TableLayout:
    """Which column holds the images, and which names them; see `layout_of`.

    Raises:
        DataError: files whose columns differ.
    """
    first = shards[0]
    for shard in shards[1:]:
        if {*shard.schema.names} != {*first.schema.names}:
            other = sorted({*shard.schema.names} ^ {*first.schema.names})
            raise DataError(f"{shard.path}: has other columns than {first.path} ({listed(other)}); give files of one data set")
    return layout_of(source, first.schema, of_schema(first.schema.metadata, str(first.path)), asked)


def names_of(source: str, shards: Sequence[Shard], how: TableLayout) -> tuple[list[str], str]:
    """The names of the images, in order, and where they are from, in words; see `checked_names`."""
    by_row = [f"{shard.path.name}#{row}" for shard in shards for row in range(int(shard.starts[-1]))]
    names: list[object] = []
    for shard in shards if how.naming != ROWS else ():
        column = how.naming or how.column
        names += _paths(shard, column) if how.naming is None else read_columns(shard, [column]).column(0).to_pylist()
    return checked_names(source, names, by_row, how)


def _paths(shard: Shard, column: str) -> list[str | None]:
    """The field `path` of a struct; the bytes beside it are not read from Parquet."""
    import pyarrow.compute as pc
    from pyarrow import parquet

    kind = shard.schema.field(column).type
    if "path" not in [kind.field(number).name for number in range(kind.num_fields)]:
        return [None] * int(shard.starts[-1])
    if shard.kind == "parquet":
        read = parquet.ParquetFile(shard.path).read(columns=[f"{column}.path"]).column(0)
        return [None if one is None else one["path"] for one in read.to_pylist()]
    out: list[str | None] = []
    with _opened(shard.path, shard.kind) as (schema, batches):
        for batch in batches:
            out += pc.struct_field(batch.column(schema.get_field_index(column)), "path").to_pylist()
    return out


class TableImages:
    """The encoded images of Parquet or Arrow files, by row; the groups last read are kept.

    Args:
        shards: the files.
        column: of the images.
        names: of all rows, for messages.
    """

    def __init__(self, shards: Sequence[Shard], column: str, names: Sequence[str]):
        self.shards, self.column, self.names = tuple(shards), column, names
        self.starts = np.cumsum([0, *(int(shard.starts[-1]) for shard in shards)])
        self._lock = threading.Lock()
        self._groups: OrderedDict[tuple[int, int], Any] = OrderedDict()

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key not in ("_lock", "_groups")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _lock=threading.Lock(), _groups=OrderedDict())

    def _where(self, row: int) -> tuple[int, int, int]:
        """The file, the group and the row in it."""
        number = int(np.searchsorted(self.starts, row, "right")) - 1
        inside = row - int(self.starts[number])
        starts = self.shards[number].starts
        group = int(np.searchsorted(starts, inside, "right")) - 1
        return number, group, inside - int(starts[group])

    def place(self, row: int) -> str:
        """Where an image is, for messages."""
        number, _, _ = self._where(row)
        return f"{self.shards[number].path}, row {row - int(self.starts[number])} ({self.names[row]})"

    def read(self, row: int) -> bytes:
        """The encoded image of a row.

        Raises:
            DataError: the row has none, or its group cannot be read.
        """
        number, group, inside = self._where(row)
        with self._lock:
            value = self._group(number, group)[inside].as_py()
        return content(value, self.place(row), self.shards[number].path.parent)

    def _group(self, number: int, group: int) -> Any:
        import pyarrow as pa

        key = (number, group)
        if key not in self._groups:
            try:
                self._groups[key] = _read_group(self.shards[number], group, self.column)
            except (pa.ArrowException, OSError) as error:
                raise DataError(
                    f"{self.shards[number].path}: row group {group} cannot be read ({error}); get the file again"
                ) from None
        self._groups.move_to_end(key)
        while len(self._groups) > 1 and sum(one.nbytes for one in self._groups.values()) > CACHE:
            self._groups.popitem(last=False)
        return self._groups[key]


def _read_group(shard: Shard, group: int, column: str) -> Any:
    import pyarrow as pa
    from pyarrow import parquet

    if shard.kind == "parquet":
        with parquet.ParquetFile(shard.path) as file:
            return file.read_row_group(group, columns=[column]).column(0).combine_chunks()
    source = pa.memory_map(str(shard.path))
    if shard.kind == "file":
        reader = pa.ipc.open_file(source)
        return reader.get_batch(group).column(reader.schema.get_field_index(column))
    stream = pa.ipc.open_stream(source)
    batch = next(one for number, one in enumerate(stream) if number == group)
    return batch.column(stream.schema.get_field_index(column))


def content(value: Any, place: str, folder: Path) -> bytes:
    """The bytes of an image cell: bytes, or a struct with bytes, or with the path of a file.

    Raises:
        DataError: neither is there.
    """
    if isinstance(value, dict):
        path, value = value.get("path"), value.get("bytes")
        if value is None and path:
            file = folder / path
            if not file.is_file():
                raise DataError(f"{place}: holds no bytes but the path {path}, which is not found")
            return file.read_bytes()
    if not value:
        raise DataError(f"{place}: holds no image")
    return bytes(value)
