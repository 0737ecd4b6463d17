"""Tables of probabilities, block by block, in the format that a file's ending names.

A row for each image: its name, and a number for each label; an empty cell where there is no number.
"""

from __future__ import annotations

import io
import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from ..errors import nearest
from ..words import printable
from ..writing import Part, replacing, separated
from .output import UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Values = NDArray[np.float32]

ENDINGS = (".csv", ".tsv", ".parquet", ".jsonl", ".ndjson")


def check_target(path: Path | None) -> None:
    """Before anything is computed: can a table be written there?

    Raises:
        UsageError: an ending that is not known, or a folder that is not there.
    """
    if path is None:
        return
    if path.suffix.lower() not in ENDINGS:
        hint = nearest(path.suffix.lower(), ENDINGS)
        raise UsageError(f'-o {path}: unknown file ending "{path.suffix}"{hint} (known: {", ".join(ENDINGS)})')
    if path.is_dir():
        raise UsageError(f"-o {path}: is a folder; give the name of a file")
    if not path.parent.is_dir():
        raise UsageError(f"-o {path}: folder {path.parent} not found; create it first")


def table_of(labels: Sequence[str], path: Path | None) -> Table:
    """The table of K labels that a file's ending asks for; CSV without a file."""
    ending = ".csv" if path is None else path.suffix.lower()
    if ending == ".parquet":
        return ParquetTable(labels)
    return JsonLines(labels) if ending in (".jsonl", ".ndjson") else Separated(labels, "\t" if ending == ".tsv" else ",")


class Table(ABC):
    """How rows become bytes. Abstract.

    Args:
        labels: of the K columns.
    """

    opened_by_spreadsheets = False
    unreadable = "their rows have empty cells"  # images that cannot be read

    def __init__(self, labels: Sequence[str]):
        from ..observed import name_column

        self.labels, self.column = tuple(labels), name_column(labels)

    def head(self) -> bytes:
        """What comes before the first row."""
        return b""

    @abstractmethod
    def rows(self, names: Sequence[str], values: Values) -> bytes:
        """Some rows: B names, and values (B, K) with NaN for an empty cell."""

    def finish(self, part: Part, size: int) -> None:
        """Make the table of all that was written, `size` bytes of `part`."""
        part.finish(size)

    def copy(self, content: IO[bytes], target: IO[bytes]) -> None:
        """Write the table of all that was written to `content` to an open file."""
        for piece in iter(lambda: content.read(1 << 20), b""):
            target.write(piece)


class Separated(Table):
    """CSV or TSV in UTF-8.

    Args:
        labels: of the K columns.
        delimiter: between cells.
    """

    opened_by_spreadsheets = True

    def __init__(self, labels: Sequence[str], delimiter: str):
        super().__init__(labels)
        self.delimiter = delimiter

    def head(self) -> bytes:
        """The line of column names."""
        return separated([[self.column, *self.labels]], self.delimiter).encode("utf-8")

    def rows(self, names: Sequence[str], values: Values) -> bytes:
        """A line for each image."""
        lines = (
            [name, *("" if value != value else f"{value:.6g}" for value in row)]
            for name, row in zip(names, values.tolist(), strict=True)
        )
        return separated(lines, self.delimiter).encode("utf-8")


class JsonLines(Table):
    """One JSON object on each line, in UTF-8; an empty cell is null."""

    def rows(self, names: Sequence[str], values: Values) -> bytes:
        """A line for each image."""
        labels = [printable(label) for label in self.labels]
        lines = []
        for name, row in zip(names, values.tolist(), strict=True):
            numbers = {k: None if v != v else float(f"{v:.6g}") for k, v in zip(labels, row, strict=True)}
            lines.append(json.dumps({self.column: printable(name), **numbers}, ensure_ascii=False) + "\n")
        return "".join(lines).encode("utf-8")


class ParquetTable(Table):
    """Parquet, a row group for each block; an empty cell is null. Its parts are Arrow streams, one after the other."""

    def rows(self, names: Sequence[str], values: Values) -> bytes:
        """An Arrow stream."""
        import pyarrow as pa

        columns = [pa.array([printable(name) for name in names], pa.string())]
        columns += [pa.array(column, pa.float32(), from_pandas=True) for column in values.T]
        batch = pa.record_batch(columns, names=[self.column, *(printable(label) for label in self.labels)])
        text = io.BytesIO()
        with pa.ipc.new_stream(text, batch.schema) as writer:
            writer.write_batch(batch)
        return text.getvalue()

    def finish(self, part: Part, size: int) -> None:
        """Read the streams one by one, and write their row groups."""
        with part.content.open("rb") as content, replacing(part.path) as temporary:
            self._convert(content, temporary, size)
        part.discard()

    def copy(self, content: IO[bytes], target: IO[bytes]) -> None:
        """Write the table of all that was written to `content` to an open file."""
        size = content.seek(0, io.SEEK_END)
        content.seek(0)
        self._convert(content, target, size)

    def _convert(self, content: IO[bytes], target: Any, size: int) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        fields = [(self.column, pa.string()), *((printable(label), pa.float32()) for label in self.labels)]
        with pq.ParquetWriter(target, pa.schema(fields)) as writer:
            while content.tell() < size:
                with pa.ipc.open_stream(content) as stream:
                    for batch in stream:
                        writer.write_batch(batch)
