"""Images and embeddings that may be too many for memory: `InputStream`, read block by block."""

from __future__ import annotations

import hashlib
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ..errors import DataError
from ..kind import Kind
from ..observed import Observed, Tree, list_images
from ..observed.image_files import report, warn
from ..observed.packed import Contents, contents_of
from ..shards import expand, is_packed
from ..words import count, listed
from .alignment import in_rows_of, selected
from .batches import InMemory
from .decoding import check_features, judge
from .door import read_files
from .embeddings import Stored, load_embeddings
from .given import Reading
from .images import check_images
from .inputs import Inputs, Wanted
from .looks import PixelNote, joined, sentence

_ENTRIES = 1 << 20  # of a block: images x labels, or embeddings x the larger of labels and numbers
_PIXELS = 48 << 20  # bytes of decoded images of a block
_FEATURED = 2048  # images of a block whose features are read: their pixels come and go within it
_MOST = 8192  # rows of a block


@dataclass(frozen=True, eq=False)
class InputBlock:
    """Some inputs that follow each other.

    Attributes:
        start: number of the first one.
        names: B names, those that could not be read included.
        inputs: those that could be read; `inputs.rows` are their numbers in the block.
    """

    start: int
    names: tuple[str, ...]
    inputs: Inputs

    def __len__(self) -> int:
        return len(self.names)


class InputStream(ABC):
    """N images or embeddings, one block at a time in memory. Abstract: `FileStream` and `VectorStream`.

    Attributes:
        names: N names.
        known: their known labels; None where nothing was said.
        size: rows of a block.
    """

    names: Sequence[str]
    known: Observed | None
    size: int

    def __len__(self) -> int:
        return len(self.names)

    def blocks(self, start: int = 0) -> Iterator[InputBlock]:
        """All inputs from one on, block by block.

        Raises:
            DataError: what cannot be read, where that was asked for.
        """
        for first in range(start, len(self), self.size):
            yield self.block(np.arange(first, min(first + self.size, len(self))))

    def block(self, rows: NDArray[np.int64]) -> InputBlock:
        """Some inputs by number, with their known labels."""
        inputs = self._read(rows)
        if self.known is not None:
            inputs = inputs.labelled(self.known.take(rows[inputs.rows]))
        return InputBlock(int(rows[0]), tuple(self.names[row] for row in rows), inputs)

    def known_rows(self, block: InputBlock) -> NDArray[np.int8]:
        """The known labels of all inputs of a block, those that could not be read included: int8 (B, K)."""
        assert self.known is not None
        return self.known.known.rows(np.arange(block.start, block.start + len(block)))

    @abstractmethod
    def _read(self, rows: NDArray[np.int64]) -> Inputs:
        """Some inputs by number, without labels; `rows` of the result count from 0."""

    @abstractmethod
    def sources(self) -> Iterator[str]:
        """The files that the inputs are read from."""

    def fingerprint(self) -> str:
        """Changes with the inputs: with their names and order, with size or time of a file, with what is known of them."""
        found = hashlib.sha256()
        for name in self.names:
            found.update(name.encode("utf-8", "surrogateescape") + b"\0")
        for source in self.sources():
            try:
                about = os.stat(source)
                found.update(f"{about.st_size} {about.st_mtime_ns}\0".encode())
            except OSError:  # it will be said when it is read
                found.update(b"-\0")
        found.update(b"" if self.known is None else self.known.known.digest().encode())
        return found.hexdigest()


class FileStream(InputStream):
    """Image files; one that cannot be read has no row in its block's `inputs`.

    Args:
        files: N paths.
        names: N names of theirs.
        wanted: what the model takes.
        num_labels: K, by which blocks are sized.
        strict: whether a file that cannot be read is an error.
        known: known labels, a row for each file.
    """

    def __init__(
        self, files: Sequence[str] | Contents, names: Sequence[str], wanted: Wanted, num_labels: int, strict: bool = False,
        known: Observed | None = None,
    ):  # fmt: skip
        self.files, self.names, self.known, self._wanted = files, names, known, wanted
        self._how, self._strict = Reading(unreadable="rows"), strict
        self._notes: list[PixelNote] = []
        height, width = wanted.size or wanted.format.size
        most = _PIXELS // (3 * height * width) if wanted.features is None else _FEATURED
        self.size = max(min(most, _ENTRIES // num_labels, _MOST), 1)

    def blocks(self, start: int = 0) -> Iterator[InputBlock]:
        """All inputs from one on; after the last, a warning of what is doubtful about their pixels."""
        self._notes = []
        yield from super().blocks(start)
        for note in joined(self._notes, len(self)):
            warn(sentence(note))

    def _read(self, rows: NDArray[np.int64]) -> Inputs:
        files = self._files(rows)
        inputs = read_files(files, self._wanted, self._how)
        if inputs.levels != self._wanted.levels:  # numbers that the fit has not seen: all files say how many bits are in use
            checked = check_images(self._files(np.arange(len(self))), None, self._wanted.levels)
            self._notes += [note for note in checked.notes if note.doubt == "new to the model"]
            self._wanted = replace(self._wanted, levels=checked.levels)
            inputs = read_files(files, self._wanted, self._how)
        self._notes = joined([*self._notes, *inputs.notes], len(self))
        if self._strict and inputs.left_out:
            judge(inputs.left_out, len(files), replace(self._how, unreadable="error"))
        return inputs

    def _files(self, rows: NDArray[np.int64]) -> list[Path] | Contents:
        if isinstance(self.files, Contents):
            return self.files.take(rows)
        return [Path(self.files[row]) for row in rows]

    def sources(self) -> Iterator[str]:
        """The image files, or those that hold the images."""
        return iter(map(str, expand(self.files.source)) if isinstance(self.files, Contents) else self.files)


class VectorStream(InputStream):
    """Embeddings in files.

    Args:
        stored: the files.
        names: N names, one for each embedding.
        wanted: what the model takes.
        num_labels: K, by which blocks are sized.
        rows: which embeddings of the files, one file after the other; None for all.
        known: known labels, a row for each embedding.

    Raises:
        DataError: embeddings of another size than the model takes.
    """

    def __init__(
        self, stored: Sequence[Stored], names: Sequence[str], wanted: Wanted, num_labels: int,
        rows: NDArray[np.int64] | None = None, known: Observed | None = None,
    ):  # fmt: skip
        for one in stored:
            check_features(one.vectors.shape[1], wanted)
        self.names, self.known, self._stored = names, known, stored
        self._ends = np.cumsum([len(one) for one in stored])
        self._rows = np.arange(self._ends[-1]) if rows is None else rows
        width = max([num_labels, *(one.vectors.shape[1] for one in stored)])
        self.size = max(min(_ENTRIES // width, _MOST), 1)

    def _read(self, rows: NDArray[np.int64]) -> Inputs:
        chosen = self._rows[rows]
        of = np.searchsorted(self._ends, chosen, side="right")
        out = np.empty((len(rows), self._stored[0].vectors.shape[1]), np.float32)
        for number in np.unique(of):
            here = of == number
            stored = self._stored[number]
            out[here] = stored.rows(chosen[here] - (self._ends[number] - len(stored)))
        names = tuple(self.names[row] for row in rows)
        return Inputs(Kind.EMBEDDINGS, InMemory(torch.from_numpy(out)), names, np.arange(len(rows)), named=True)

    def sources(self) -> Iterator[str]:
        """The files of embeddings."""
        return (str(one.path) for one in self._stored)


class InputParts(InputStream):
    """Inputs that were read before, block by block.

    Args:
        inputs: N of them.
        num_labels: K, by which blocks are sized.
        known: known labels, a row for each input.
    """

    def __init__(self, inputs: Inputs, num_labels: int, known: Observed | None = None):
        self.names, self.known, self._inputs = inputs.names, known, inputs
        self.size = max(min(_ENTRIES // num_labels, _MOST), 1)

    def _read(self, rows: NDArray[np.int64]) -> Inputs:
        return replace(self._inputs.take(rows), rows=np.arange(len(rows)))

    def sources(self) -> Iterator[str]:
        """None: they are in memory."""
        return iter(())


def open_stream(
    images: str | Path | Sequence[str | Path], known: Observed | None, wanted: Wanted, num_labels: int, strict: bool = False,
    what: str = "observed", tree: Tree | None = None,
) -> InputStream:  # fmt: skip
    """Images by folder, file or glob, or embeddings by file; each image once, none decoded yet.

    A table of known labels with names selects from one folder or file, and its order is that of the stream.

    Args:
        images: one of them, or several.
        known: known labels of these inputs.
        wanted: what the model takes.
        num_labels: K.
        strict: whether an image that cannot be read is an error.
        what: what `known` is called in messages.
        tree: folders that were listed before.

    Raises:
        DataError: nothing there, or rows of `known` without an input.
    """
    many = [images] if isinstance(images, str | Path) else list(images)
    if any(is_packed(one) for one in many):
        return _of_shards(many, known, wanted, num_labels, strict, what)
    if wanted.kind is Kind.EMBEDDINGS:
        return _vectors([load_embeddings(one) for one in many], known, wanted, num_labels, what)
    found = [list_images(one, tree) for one in many]
    for one, part in zip(many, found, strict=True):
        if not part:
            raise DataError(f"{one}: no images found; give a folder, image files or a glob")
    files = list(dict.fromkeys(file for part in found for file in part)) if len(found) > 1 else found[0]
    if known is not None and known.images is not None and len(many) == 1 and os.path.isdir(many[0]):
        return _of_a_folder(str(many[0]), files, known, wanted, num_labels, strict, what)
    known = None if known is None else in_rows_of(files, known, len(files), what)
    return FileStream(files, files, wanted, num_labels, strict, known)


def _of_shards(
    many: Sequence[str | Path], known: Observed | None, wanted: Wanted, num_labels: int, strict: bool, what: str
) -> FileStream:  # fmt: skip
    """The images inside of packed files, or those of them that a table names."""
    if len(many) > 1:
        raise DataError(f"{many[0]}: give several shards by one pattern, such as shard-*.tar, and nothing beside it")
    if wanted.kind is Kind.EMBEDDINGS:
        raise DataError(f"{many[0]}: holds images, but this run was fitted on embeddings; give an .npz or .npy")
    contents = contents_of(many[0])
    for note in contents.notes:
        report(f"{many[0]}: {note}", strict)
    if known is None or known.images is None:
        known = None if known is None else in_rows_of(contents.names, known, len(contents), what)
        return FileStream(contents, contents.names, wanted, num_labels, strict, known)
    rows = selected(contents.names, known, str(many[0]), what)
    _say_left_out(contents.names, rows, str(many[0]), what)
    return FileStream(contents.take(rows), known.images, wanted, num_labels, strict, known)


def _of_a_folder(
    folder: str, files: list[str], known: Observed, wanted: Wanted, num_labels: int, strict: bool, what: str
) -> FileStream:  # fmt: skip
    """The images that a table names, by their names in the folder, or by absolute paths elsewhere."""
    assert known.images is not None
    top = str(Path(folder))
    root = 0 if top == os.curdir else len(os.path.join(top, ""))
    names = [file[root:].replace(os.sep, "/") for file in files]
    inside = os.path.join(os.path.realpath(folder), "")
    absolute = [name for name in known.images if os.path.isabs(name) and os.path.isfile(name)]
    others = [name for name in absolute if not os.path.realpath(name).startswith(inside)]
    names, files = names + others, files + others
    rows = selected(names, known, folder, what)
    _say_left_out(names, rows, folder, what)
    return FileStream([files[row] for row in rows.tolist()], known.images, wanted, num_labels, strict, known)


def _vectors(
    stored: Sequence[Stored], known: Observed | None, wanted: Wanted, num_labels: int, what: str
) -> VectorStream:  # fmt: skip
    names = [name for one in stored for name in one.names]
    if known is None:
        return VectorStream(stored, names, wanted, num_labels)
    own = names if all(one.images is not None for one in stored) else None
    if own is None or known.images is None:
        return VectorStream(stored, names, wanted, num_labels, None, in_rows_of(own, known, len(names), what))
    where = ", ".join(str(one.path) for one in stored)
    rows = selected(own, known, where, what)
    _say_left_out(own, rows, where, what)
    return VectorStream(stored, known.images, wanted, num_labels, rows, known)


def _say_left_out(names: Sequence[str], rows: NDArray[np.int64], where: str, what: str) -> None:
    """Warn of inputs that a table does not name."""
    used = np.zeros(len(names), bool)
    used[rows] = True
    left = [names[row] for row in np.flatnonzero(~used).tolist()]
    if left:
        warn(f"{where}: {count(len(left), 'image')} not in {what}, so not used: {listed(left)}")
