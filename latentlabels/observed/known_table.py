"""How known labels are kept: `KnownTable`, all of them (`DenseKnown`) or the known ones alone (`observed.sparse`).

What goes over a whole table asks here for counts, or takes blocks of rows, so that nobody needs the whole table at once.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from hashlib import _Hash as Hash

BLOCK = 1 << 24  # entries of a block of rows: 16 MB
Rows = NDArray[np.integer[Any]] | Sequence[int]


class Block(NamedTuple):
    """Some rows that follow each other.

    Attributes:
        start: number of the first one.
        values: int8 (B, K) of 1, 0 and -1.
    """

    start: int
    values: NDArray[np.int8]


class KnownTable(ABC):
    """N rows of K labels, each 1 (known present), 0 (known absent) or -1 (unknown). Immutable."""

    @property
    @abstractmethod
    def shape(self) -> tuple[int, int]:
        """(N, K)."""

    @property
    @abstractmethod
    def num_known(self) -> NDArray[np.int64]:
        """How many labels of each row are known: (N,)."""

    @property
    @abstractmethod
    def num_present(self) -> NDArray[np.int64]:
        """How many labels of each row are known to be present: (N,)."""

    @abstractmethod
    def counts(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """In how many rows each label is known to be present, and absent: (K,) each."""

    @abstractmethod
    def entries(self, value: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Rows and columns of all entries of a value, 1 or 0, in order of rows: (S,) each."""

    @abstractmethod
    def rows(self, index: Rows) -> NDArray[np.int8]:
        """The values of some rows, by number, in that order: int8 (B, K)."""

    @abstractmethod
    def dense(self) -> NDArray[np.int8]:
        """All values: int8 (N, K)."""

    @abstractmethod
    def take(self, index: Rows) -> KnownTable:
        """Some rows, by number, as a table."""

    @abstractmethod
    def in_columns(self, order: Sequence[int]) -> KnownTable:
        """The same with the columns in another order: column k is the column order[k] of this one."""

    @abstractmethod
    def with_unknown(self, number: int) -> KnownTable:
        """The same, and after them further rows without known labels."""

    @abstractmethod
    def distinct(self) -> NDArray[np.int64]:
        """Numbers of rows, in order, that hold every combination of known labels at least once: (R,)."""

    @abstractmethod
    def replaced(self, rows: Rows, values: NDArray[np.int8]) -> KnownTable:
        """The same with other values (B, K) in some rows."""

    @property
    @abstractmethod
    def num_bytes(self) -> int:
        """Memory that the values take."""

    def __len__(self) -> int:
        return self.shape[0]

    def blocks(self, rows: Rows | None = None) -> Iterator[Block]:
        """All rows, or some by number, in blocks of at most `BLOCK` entries; `start` counts along `rows`."""
        total = len(self) if rows is None else len(rows)
        size = max(BLOCK // max(self.shape[1], 1), 1)
        for start in range(0, total, size):
            end = min(start + size, total)
            yield Block(start, self.rows(np.arange(start, end) if rows is None else rows[start:end]))

    def hashed(self) -> Hash:
        """SHA-256 of all values, row by row, whichever way they are kept; more may be added to it."""
        found = hashlib.sha256()
        for block in self.blocks():
            found.update(np.ascontiguousarray(block.values).data)
        return found

    def digest(self) -> str:
        """`hashed` as text."""
        return self.hashed().hexdigest()


class DenseKnown(KnownTable):
    """All values in one array.

    Args:
        values: int8 (N, K) of 1, 0 and -1.
    """

    def __init__(self, values: NDArray[np.int8]):
        self._values = values

    @property
    def shape(self) -> tuple[int, int]:
        """(N, K)."""
        return self._values.shape[0], self._values.shape[1]

    @property
    def num_known(self) -> NDArray[np.int64]:
        """How many labels of each row are known: (N,)."""
        return np.asarray((self._values != -1).sum(1))

    @property
    def num_present(self) -> NDArray[np.int64]:
        """How many labels of each row are known to be present: (N,)."""
        return np.asarray((self._values == 1).sum(1))

    def counts(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """In how many rows each label is known to be present, and absent: (K,) each."""
        return np.asarray((self._values == 1).sum(0)), np.asarray((self._values == 0).sum(0))

    def entries(self, value: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Rows and columns of all entries of a value: (S,) each."""
        row, column = np.nonzero(self._values == value)
        return row, column

    def rows(self, index: Rows) -> NDArray[np.int8]:
        """The values of some rows: int8 (B, K)."""
        return self._values[np.asarray(index, dtype=np.int64)]

    def dense(self) -> NDArray[np.int8]:
        """The array itself."""
        return self._values

    def take(self, index: Rows) -> DenseKnown:
        """Some rows, copied."""
        return DenseKnown(self.rows(index))

    def in_columns(self, order: Sequence[int]) -> DenseKnown:
        """The same with the columns in another order."""
        return DenseKnown(np.ascontiguousarray(self._values[:, list(order)]))

    def with_unknown(self, number: int) -> DenseKnown:
        """The same, and further rows of -1."""
        more = np.full((number, self.shape[1]), -1, dtype=np.int8)
        return DenseKnown(np.concatenate([self._values, more]))

    def distinct(self) -> NDArray[np.int64]:
        """All rows: to compare them costs more than to work on all."""
        return np.arange(len(self))

    def replaced(self, rows: Rows, values: NDArray[np.int8]) -> DenseKnown:
        """The same with other values (B, K) in some rows."""
        out = self._values.copy()
        out[np.asarray(rows, dtype=np.int64)] = values
        return DenseKnown(out)

    @property
    def num_bytes(self) -> int:
        """Memory that the values take."""
        return self._values.nbytes


def table_of(values: ArrayLike | KnownTable) -> KnownTable:
    """An array (N, K) of 1, 0 and -1 as a table; a table as it is."""
    return values if isinstance(values, KnownTable) else DenseKnown(np.asarray(values))
