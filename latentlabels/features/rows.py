"""Rows of numbers of one width, in a file to which rows are only ever added, or in memory."""

from __future__ import annotations

import mmap
import os
import weakref
from abc import ABC, abstractmethod
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

LARGEST = 65504.0  # float16
_SMALLEST = 2.0**-15  # rows whose largest number lies below lose digits in float16


def fits_half(features: NDArray[np.float32]) -> NDArray[np.bool_]:
    """(N,) which rows float16 holds: none of their numbers overflows, and the largest keeps its 11 binary digits."""
    largest = np.abs(features).max(1, initial=0)
    return (largest <= LARGEST) & ((largest >= _SMALLEST) | (largest == 0))


class Rows(ABC):
    """Rows of numbers. Abstract: `FileRows` and `MemoryRows`.

    Attributes:
        dtype: of the numbers.
        width: numbers of a row.
    """

    dtype: np.dtype[Any]
    width: int

    @abstractmethod
    def __len__(self) -> int:
        """Whole rows."""

    @abstractmethod
    def write(self, at: int, values: NDArray[Any]) -> None:
        """Write rows from number `at` on, over whatever lies there."""

    @abstractmethod
    def read(self, numbers: NDArray[np.int64]) -> NDArray[Any]:
        """Some rows: (B, width), a copy."""


class FileRows(Rows):
    """Rows in a file, which is mapped into memory where they are read.

    The file stays open: who removes it meanwhile changes nothing for whoever reads and writes it already.

    Args:
        path: of the file; it is made where it can be.
        dtype: of the numbers.
        width: numbers of a row.

    Raises:
        OSError: it cannot be opened.
    """

    def __init__(self, path: Path, dtype: Any, width: int):
        self.path, self.dtype, self.width = path, np.dtype(dtype), width
        self._bytes = width * self.dtype.itemsize
        self._open()

    def _open(self) -> None:
        binary = getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
        try:
            self._handle = os.open(self.path, os.O_RDWR | os.O_CREAT | binary, 0o666)
        except OSError:  # a cache that somebody else fills may still be read
            self._handle = os.open(self.path, os.O_RDONLY | binary)
        weakref.finalize(self, os.close, self._handle)
        self._mapped: NDArray[Any] = np.empty((0, self.width), self.dtype)

    def __getstate__(self) -> dict[str, Any]:
        """A copy opens the file for itself."""
        return {"path": self.path, "dtype": self.dtype, "width": self.width, "_bytes": self._bytes}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._open()

    def __len__(self) -> int:
        return os.fstat(self._handle).st_size // self._bytes

    def write(self, at: int, values: NDArray[Any]) -> None:
        """Write rows from number `at` on, and flush them to the disk; where that fails, the file is cut to `at` rows.

        Raises:
            OSError: the disk is full, for example.
        """
        left = memoryview(np.ascontiguousarray(values, self.dtype).tobytes())
        place = at * self._bytes
        try:
            while left:
                written = _write_at(self._handle, left, place)
                left, place = left[written:], place + written
            os.fsync(self._handle)
        except OSError:
            with suppress(OSError):
                os.ftruncate(self._handle, at * self._bytes)  # nobody reads beyond, and a full disk needs the space
            raise

    def read(self, numbers: NDArray[np.int64]) -> NDArray[Any]:
        """Some rows: (B, width), a copy.

        Raises:
            IndexError: the file has fewer rows.
        """
        if len(numbers) and int(numbers.max()) >= len(self._mapped):
            there = len(self)
            if there > len(self._mapped):
                mapped = mmap.mmap(self._handle, there * self._bytes, access=mmap.ACCESS_READ)
                self._mapped = np.frombuffer(mapped, self.dtype).reshape(there, self.width)
        return np.asarray(self._mapped[numbers])


def _write_at(handle: int, content: memoryview, place: int) -> int:
    if hasattr(os, "pwrite"):
        return os.pwrite(handle, content, place)
    os.lseek(handle, place, os.SEEK_SET)
    return os.write(handle, content)


class MemoryRows(Rows):
    """Rows in memory, where there is no disk to write to."""

    def __init__(self, dtype: Any, width: int):
        self.dtype, self.width, self._count = np.dtype(dtype), width, 0
        self._values: NDArray[Any] = np.empty((0, width), self.dtype)

    def __len__(self) -> int:
        return self._count

    def write(self, at: int, values: NDArray[Any]) -> None:
        """Write rows from number `at` on."""
        self._count = at + len(values)
        if self._count > len(self._values):
            larger = np.empty((max(self._count, 2 * len(self._values)), self.width), self.dtype)
            larger[:at] = self._values[:at]
            self._values = larger
        self._values[at : self._count] = values

    def read(self, numbers: NDArray[np.int64]) -> NDArray[Any]:
        """Some rows: (B, width), a copy."""
        return np.asarray(self._values[: self._count][numbers])
