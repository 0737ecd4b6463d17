"""The images in packed files: their names, in order, and how each is opened."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Protocol, overload

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError
from ...shards import TARS, expand
from . import arrow, tar


class Archive(Protocol):
    """Encoded images by number."""

    def place(self, row: int) -> str:
        """Where an image is, for messages."""
        ...

    def read(self, row: int) -> bytes:
        """The encoded image."""
        ...


@dataclass(frozen=True, slots=True)
class PackedImage:
    """One image inside a packed file; its text is its place, as that of a path would be.

    Attributes:
        archive: what it is in.
        row: its number there.
    """

    archive: Archive
    row: int

    def __str__(self) -> str:
        return self.archive.place(self.row)

    def read(self) -> bytes:
        """The encoded image."""
        return self.archive.read(self.row)


class Contents(Sequence[PackedImage]):
    """The images of packed files.

    Args:
        source: the file or glob that was given.
        archive: reads them.
        names: of the N images.
        rows: (N,) their numbers in the archive; None for all.
        naming: where the names are from, in words.
        notes: what looks wrong, as sentences.
    """

    def __init__(
        self,
        source: str,
        archive: Archive,
        names: Sequence[str],
        rows: NDArray[np.int64] | None = None,
        naming: str = "",
        notes: Iterable[str] = (),
    ):
        self.source, self.archive, self.names = source, archive, tuple(names)
        self.rows = np.arange(len(self.names)) if rows is None else rows
        self.naming, self.notes = naming, tuple(notes)

    def __len__(self) -> int:
        return len(self.names)

    @overload
    def __getitem__(self, row: int) -> PackedImage: ...
    @overload
    def __getitem__(self, row: slice) -> Contents: ...
    def __getitem__(self, row: int | slice) -> PackedImage | Contents:
        if isinstance(row, slice):
            return self.take(np.arange(len(self))[row])
        return PackedImage(self.archive, int(self.rows[row]))

    def __iter__(self) -> Iterator[PackedImage]:
        return (PackedImage(self.archive, row) for row in self.rows.tolist())

    def take(self, rows: Sequence[int] | NDArray[np.int64]) -> Contents:
        """Some of the images, in the order of `rows`."""
        index = np.asarray(rows, np.int64)
        names = [self.names[row] for row in index.tolist()]
        return Contents(self.source, self.archive, names, self.rows[index], self.naming, self.notes)


class TarImages:
    """The encoded images of tar shards, by number.

    Args:
        shards: the tars.
        shard: (N,) which tar each image is in.
        places: (N, 2) offset and size.
        names: N names.
    """

    def __init__(self, shards: Sequence[Path], shard: NDArray[np.int32], places: NDArray[np.int64], names: Sequence[str]):
        self.shards, self.shard, self.places, self.names = tuple(shards), shard, places, tuple(names)

    def place(self, row: int) -> str:
        """Where an image is: the tar, and its name in it."""
        return f"{self.shards[int(self.shard[row])]}/{self.names[row]}"

    def read(self, row: int) -> bytes:
        """The encoded image, read by its offset."""
        offset, size = (int(at) for at in self.places[row])
        return tar.read_at(self.shards[int(self.shard[row])], offset, size)


def contents_of(where: str | Path, image_column: str | None = None) -> Contents:
    """The images of one packed file or of several shards.

    Args:
        where: a .tar, .parquet, .arrow or .feather file, a glob of them, or a name with numbers in braces.
        image_column: the part or column of the images, or of their names; None to see it.

    Raises:
        DataError: files that are not there, not whole, or of several kinds; images of one name. They are named.
        AmbiguousError: several columns hold images.
    """
    shards = expand(where)
    stamps = tuple((str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in shards)
    return _contents(str(where), stamps, image_column)


@lru_cache(maxsize=4)
def _contents(where: str, stamps: tuple[tuple[str, int, int], ...], image_column: str | None) -> Contents:
    shards = [Path(path) for path, _, _ in stamps]
    tars = [path.suffix.lower() in TARS for path in shards]
    if all(tars):
        return of_samples(tar.samples(where, shards), image_column)
    if any(tars):
        raise DataError(
            f"{where}: means {shards[tars.index(True)].name} and {shards[tars.index(False)].name}; give shards of one kind"
        )
    opened = [arrow.open_shard(path) for path in shards]
    how = arrow.layout(where, opened, image_column)
    names, naming = arrow.names_of(where, opened, how)
    return Contents(where, arrow.TableImages(opened, how.column, names), names, naming=naming)


def of_samples(found: tar.Samples, image_column: str | None = None) -> Contents:
    """The images of tar shards; samples without an image are passed over."""
    fields = np.asarray(tar.image_fields(found, image_column), object)
    there = np.flatnonzero(fields != "")
    names = [found.names[fields[row]][row] for row in there.tolist()]
    places = np.stack([found.fields[fields[row]][row] for row in there.tolist()])
    archive = TarImages(found.shards, found.shard[there], places, names)
    return Contents(found.source, archive, names, naming="members of the tar", notes=found.notes)
