"""Arrays in ``.npy`` and ``.npz`` files, whose rows are read when they are asked for: they may be larger than memory."""

from __future__ import annotations

import io
import struct
import weakref
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from ..errors import DataError
from ..writing import scratch

CHUNK = 1 << 22  # bytes that are read at once
_LOCAL_HEADER = struct.Struct("<4s5H3I2H")  # of a zip's member, the sizes of its name and of its extra field last
_DAMAGED = (OSError, ValueError, EOFError, KeyError, NotImplementedError, struct.error, zipfile.BadZipFile, zlib.error)


class StoredArray:
    """An array (N, ...) in a file, read in rows. Its file stays where it is while this is in use.

    Args:
        path: the file that holds its numbers, one row after the other.
        start: where they begin, in bytes.
        shape: (N, ...).
        dtype: of the numbers.
        handle: an open file to read instead of `path`; it is closed with this object.
    """

    def __init__(
        self, path: Path, start: int, shape: tuple[int, ...], dtype: np.dtype[Any], handle: IO[bytes] | None = None
    ):  # fmt: skip
        self.path, self.shape, self.dtype = path, shape, dtype
        self._start, self._handle = start, handle
        self._row = int(np.prod(shape[1:])) * dtype.itemsize
        if handle is not None:
            weakref.finalize(self, handle.close)

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def block(self) -> int:
        """How many rows are `CHUNK` bytes, at least one."""
        return max(CHUNK // max(self._row, 1), 1)

    def rows(self, index: NDArray[np.integer[Any]]) -> NDArray[Any]:
        """Some rows, by number: (B, ...).

        Raises:
            DataError: the file has become shorter, or is gone.
        """
        out = np.empty((len(index), *self.shape[1:]), self.dtype)
        if not out.nbytes:
            return out
        target = memoryview(out.reshape(-1).view(np.uint8).data)
        runs = np.flatnonzero(np.diff(index, prepend=index[0] - 2) != 1)  # where rows do not follow the one before
        try:
            file = self.path.open("rb", buffering=0) if self._handle is None else self._handle
            try:
                for first, last in zip(runs, [*runs[1:], len(index)], strict=True):
                    file.seek(self._start + int(index[first]) * self._row)
                    _fill(file, target[first * self._row : last * self._row])
            finally:
                if self._handle is None:
                    file.close()
        except (OSError, EOFError) as error:
            raise DataError(f"{self.path}: cannot be read any more ({error})") from None
        return out

    def all(self) -> NDArray[Any]:
        """The whole array."""
        return self.rows(np.arange(len(self)))

    def blocks(self) -> Iterator[tuple[int, NDArray[Any]]]:
        """All rows, `block` of them at once, each with the number of the first."""
        for start in range(0, len(self), self.block):
            yield start, self.rows(np.arange(start, min(start + self.block, len(self))))


def open_arrays(path: Path) -> dict[str, StoredArray]:
    """The arrays of an .npz by name, or that of an .npy as `embeddings`. Every byte is read once, to see whether it is whole.

    Nothing is unpickled. Compressed arrays, and those stored by column, are copied into a file without a name.

    Raises:
        DataError: no such file, a damaged one, or arrays of objects.
    """
    try:
        with path.open("rb") as file:
            if file.read(4) != b"PK\x03\x04":
                file.seek(0)
                return {"embeddings": _array(file, path, 0)}
        with zipfile.ZipFile(path) as archive, path.open("rb") as file:
            return {_name(member.filename): _member(archive, member, file, path) for member in archive.infolist()}
    except _DAMAGED as error:
        hint = "; save arrays of numbers or text, not of objects" if "objects" in str(error) else ""
        raise DataError(f"{path}: cannot be read as .npz or .npy ({error}){hint}") from None


def _name(member: str) -> str:
    return member.removesuffix(".npy")


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, file: IO[bytes], path: Path) -> StoredArray:
    with archive.open(member) as content:
        if member.compress_type != zipfile.ZIP_STORED:
            return _array(content, path, None)
        file.seek(member.header_offset)
        *_, name, extra = _LOCAL_HEADER.unpack(file.read(_LOCAL_HEADER.size))
        return _array(content, path, member.header_offset + _LOCAL_HEADER.size + name + extra)


def _array(content: IO[bytes], path: Path, offset: int | None) -> StoredArray:
    """One array; `offset` is where its .npy begins in the file, None where the file holds it in another form."""
    shape, by_column, dtype, header = _header(content)
    size = int(np.prod(shape)) * dtype.itemsize
    if offset is not None and not by_column:
        for _ in _bytes(content, size):
            pass
        return StoredArray(path, offset + header, shape, dtype)
    handle = scratch()
    try:
        for part in _bytes(content, size):
            handle.write(part)
        if by_column and len(shape) > 1:
            handle = _by_rows(handle, shape, dtype)
    except BaseException:
        handle.close()
        raise
    return StoredArray(path, 0, shape, dtype, handle)


def _header(content: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    """Shape, whether it is stored by column, type, and how long the header is."""
    version = npy.read_magic(content)
    length = struct.unpack("<H" if version == (1, 0) else "<I", content.read(2 if version == (1, 0) else 4))[0]
    text = content.read(length)
    begun = 8 + (2 if version == (1, 0) else 4)
    # numpy's reader of headers takes versions 1 and 2; version 3 differs in the encoding of names of fields alone
    whole = struct.pack("<I", length) + text
    shape, by_column, dtype = npy.read_array_header_2_0(io.BytesIO(whole))
    if dtype.hasobject:
        raise ValueError("it holds objects")
    return shape, by_column, dtype, begun + length


def _bytes(content: IO[bytes], size: int) -> Iterator[bytes]:
    while size:
        part = content.read(min(size, CHUNK))
        if not part:
            raise EOFError(f"{size:,} bytes are missing")
        size -= len(part)
        yield part
    content.read(1)  # at the end of a zip's member its sum is checked


def _by_rows(handle: IO[bytes], shape: tuple[int, ...], dtype: np.dtype[Any]) -> IO[bytes]:
    """A file by column as a file by row; the array is in memory meanwhile."""
    handle.seek(0)
    array = np.frombuffer(handle.read(), dtype).reshape(shape, order="F")
    handle.close()
    turned = scratch()
    turned.write(np.ascontiguousarray(array).data)
    return turned


def _fill(file: IO[bytes], target: memoryview) -> None:
    while len(target):
        got = file.readinto(target)  # type: ignore[attr-defined]
        if not got:
            raise EOFError("it has become shorter")
        target = target[got:]
