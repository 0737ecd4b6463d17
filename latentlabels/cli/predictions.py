"""Predictions as other tools read them, made from rows that were written block by block."""

from __future__ import annotations

import io
import shutil
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import IO, TYPE_CHECKING

from ..errors import nearest
from ..writing import Part, scratch
from .output import UsageError
from .tables import ParquetTable

if TYPE_CHECKING:
    from ..observed.formats import Labelled
    from ..space import LabelSpace

Write = Callable[[Path, "Labelled"], None]

CLEANLAB = "cleanlab"


def writer_of(name: str, path: Path | None) -> Write:
    """What writes predictions in a format, checked before anything is computed.

    Raises:
        UsageError: an unknown format, one that holds no probabilities, or a file that cannot be one.
    """
    from ..observed import formats

    known = [CLEANLAB, *(one for one in formats.NAMES if "probabilities" in formats.find(one).WRITES and one != "table")]
    if name not in known:
        raise UsageError(f'--to: predictions are not written as "{name}"{nearest(name, known)} (known: {", ".join(known)})')
    if path is None:
        raise UsageError(f"--to {name} writes a file; name it with -o FILE")
    if path.is_dir():
        raise UsageError(f"-o {path}: is a folder; give the name of a file")
    if not path.parent.is_dir():
        raise UsageError(f"-o {path}: folder {path.parent} not found; create it first")
    if name != CLEANLAB:
        return formats.find(name).write
    from ..export.cleanlab import ENDINGS, write_cleanlab

    if path.suffix.lower() not in ENDINGS:
        raise UsageError(f"-o {path}: a file for cleanlab ends in {' or '.join(ENDINGS)}")
    return write_cleanlab


class Predictions(ParquetTable):
    """Predictions of another tool's format, made when all rows are there; images without probabilities are left out.

    Args:
        space: whose K labels the columns are.
        write: makes the file.
        given: whether rows have K more columns, 1 where a label is known to be present.
    """

    unreadable = "they are left out"

    def __init__(self, space: LabelSpace, write: Write, given: bool = False):
        super().__init__(space.labels * 2 if given else space.labels)
        self._space, self._write, self._given = space, write, given

    def finish(self, part: Part, size: int) -> None:
        """Write the file from what was written to a part."""
        with part.content.open("rb") as content, ExitStack() as held:
            self._write(part.path, self._gathered(content, size, held))
        part.discard()

    def copy(self, content: IO[bytes], target: IO[bytes]) -> None:
        """Write the file to an open one, by way of a temporary one."""
        size = content.seek(0, io.SEEK_END)
        content.seek(0)
        with tempfile.TemporaryDirectory(prefix="latentlabels-") as folder, ExitStack() as held:
            path = Path(folder) / f"predictions{Path(str(target.name)).suffix}"
            self._write(path, self._gathered(content, size, held))
            with path.open("rb") as made:
                shutil.copyfileobj(made, target)

    def _gathered(self, content: IO[bytes], size: int, held: ExitStack) -> Labelled:
        """All rows, with the numbers in a file of the system's, so that memory does not grow with them."""
        import numpy as np
        import pyarrow as pa

        from ..observed.formats import Labelled

        labels, names = self._space.num_labels, []
        probabilities, known = held.enter_context(scratch()), held.enter_context(scratch())
        while content.tell() < size:
            with pa.ipc.open_stream(content) as stream:
                for batch in stream:
                    values = np.stack([column.to_numpy(zero_copy_only=False) for column in batch.columns[1:]], 1)
                    read = ~np.isnan(values[:, :labels]).all(1)
                    names += [name for name, there in zip(batch.column(0).to_pylist(), read.tolist(), strict=True) if there]
                    probabilities.write(values[read, :labels].astype(np.float32).tobytes())
                    if self._given:
                        known.write(np.where(values[read, labels:] == 1, 1, -1).astype(np.int8).tobytes())
        shape = len(names), labels
        return Labelled(
            tuple(names),
            self._space,
            np.memmap(known, np.int8, "r", shape=shape) if self._given else None,
            np.memmap(probabilities, np.float32, "r", shape=shape),
        )
