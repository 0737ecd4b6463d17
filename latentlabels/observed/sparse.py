"""Few known labels of many images: the known entries alone, row by row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import ObservationError
from .known_table import DenseKnown, KnownTable, Rows

SPARSE_FROM = 1 << 26  # entries from which a table may be kept sparse: below, 64 MB at most, all of it is kept


class SparseKnown(KnownTable):
    """The known entries of a table in order of rows, and within a row of columns.

    `scipy.sparse` would take the entries that are 0, known absent, for those that are left out.

    Args:
        starts: int64 (N + 1,): the entries of row n are those from starts[n] to starts[n + 1].
        columns: int32 (S,), from 0 to K - 1.
        values: int8 (S,) of 1 and 0.
        num_columns: K.
    """

    def __init__(
        self, starts: NDArray[np.int64], columns: NDArray[np.int32], values: NDArray[np.int8], num_columns: int
    ):  # fmt: skip
        self._starts, self._columns, self._values, self._num_columns = starts, columns, values, num_columns

    @property
    def shape(self) -> tuple[int, int]:
        """(N, K)."""
        return len(self._starts) - 1, self._num_columns

    @property
    def num_known(self) -> NDArray[np.int64]:
        """How many labels of each row are known: (N,)."""
        return np.diff(self._starts)

    @property
    def num_present(self) -> NDArray[np.int64]:
        """How many labels of each row are known to be present: (N,)."""
        before = np.concatenate([[0], np.cumsum(self._values, dtype=np.int64)])
        return np.diff(before[self._starts])

    def counts(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """In how many rows each label is known to be present, and absent: (K,) each."""
        present = np.bincount(self._columns[self._values == 1], minlength=self._num_columns)
        return present, np.bincount(self._columns, minlength=self._num_columns) - present

    def entries(self, value: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Rows and columns of all entries of a value, 1 or 0: (S,) each."""
        at = self._values == value
        rows = np.repeat(np.arange(len(self)), self.num_known)
        return rows[at], self._columns[at].astype(np.int64)

    def rows(self, index: Rows) -> NDArray[np.int8]:
        """The values of some rows: int8 (B, K)."""
        chosen = np.asarray(index, dtype=np.int64)
        out = np.full((len(chosen), self._num_columns), -1, dtype=np.int8)
        entries, sizes = self._entries(chosen)
        out[np.repeat(np.arange(len(chosen)), sizes), self._columns[entries]] = self._values[entries]
        return out

    def dense(self) -> NDArray[np.int8]:
        """All values: int8 (N, K), made now."""
        out = np.full(self.shape, -1, dtype=np.int8)
        out[np.repeat(np.arange(len(self)), self.num_known), self._columns] = self._values
        return out

    def take(self, index: Rows) -> KnownTable:
        """Some rows, by number; they may be few enough to be kept dense."""
        chosen = np.asarray(index, dtype=np.int64)
        entries, sizes = self._entries(chosen)
        return _kept(_starts(sizes), self._columns[entries], self._values[entries], self._num_columns)

    def in_columns(self, order: Sequence[int]) -> KnownTable:
        """The same with the columns in another order."""
        place = np.empty(self._num_columns, dtype=np.int32)
        place[np.asarray(order, dtype=np.int64)] = np.arange(self._num_columns, dtype=np.int32)
        rows = np.repeat(np.arange(len(self)), self.num_known)
        columns = place[self._columns]
        sort = np.lexsort((columns, rows))
        return SparseKnown(self._starts, columns[sort], self._values[sort], self._num_columns)

    def with_unknown(self, number: int) -> SparseKnown:
        """The same, and further rows without entries."""
        starts = np.concatenate([self._starts, np.full(number, self._starts[-1])])
        return SparseKnown(starts, self._columns, self._values, self._num_columns)

    def distinct(self) -> NDArray[np.int64]:
        """Numbers of rows, in order, that hold every combination of known labels once: (R,)."""
        sizes = self.num_known
        found = [np.flatnonzero(sizes == 0)[:1]]
        for size in np.unique(sizes[sizes > 0]).tolist():
            rows = np.flatnonzero(sizes == size)
            entries = self._starts[rows][:, None] + np.arange(size)
            codes = 2 * self._columns[entries] + self._values[entries]
            found.append(rows[_first_of_each(codes)])
        return np.sort(np.concatenate(found))

    def replaced(self, rows: Rows, values: NDArray[np.int8]) -> SparseKnown:
        """The same with other values (B, K) in some rows."""
        chosen = np.asarray(rows, dtype=np.int64)
        row = np.repeat(np.arange(len(self)), self.num_known)
        kept = ~np.isin(row, chosen)
        at, new = np.nonzero(values != -1)
        every = np.concatenate([row[kept], chosen[at]])
        columns = np.concatenate([self._columns[kept], new.astype(np.int32)])
        order = np.lexsort((columns, every))
        entries = np.concatenate([self._values[kept], values[at, new]])[order]
        sizes = np.bincount(every, minlength=len(self))
        return SparseKnown(_starts(sizes), columns[order], entries, self._num_columns)

    @property
    def num_bytes(self) -> int:
        """Memory that the entries take."""
        return self._starts.nbytes + self._columns.nbytes + self._values.nbytes

    def _entries(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Numbers of the entries of some rows, one row after the other, and how many each row has."""
        first = self._starts[rows]
        sizes = self._starts[rows + 1] - first
        shift = np.repeat(first - (np.cumsum(sizes) - sizes), sizes)
        return shift + np.arange(len(shift)), sizes


def known_table(
    rows: ArrayLike, columns: ArrayLike, values: ArrayLike, shape: tuple[int, int], labels: Sequence[str]
) -> KnownTable:  # fmt: skip
    """A table of single entries, in any order; kept dense where it is small or mostly known.

    Args:
        rows: (S,) from 0 to N - 1.
        columns: (S,) from 0 to K - 1.
        values: (S,) of 1 and 0; -1, unknown, is as if the entry were not there.
        shape: (N, K).
        labels: K names, for errors.

    Raises:
        ObservationError: sizes that differ, numbers out of range, other values, or two entries of one place that disagree.
    """
    row, column, value = (np.asarray(given) if np.size(given) else np.empty(0, np.int8) for given in (rows, columns, values))
    if not row.shape == column.shape == value.shape or row.ndim != 1:
        raise ObservationError(
            f"entries have {row.shape} rows, {column.shape} columns and {value.shape} values; give one of each for every entry"
        )
    for what, numbers, size in (("row", row, shape[0]), ("column", column, shape[1])):
        if len(numbers) and (numbers.dtype.kind not in "iu" or int(numbers.min()) < 0 or int(numbers.max()) >= size):
            raise ObservationError(f"entries name a {what} out of range; expected whole numbers from 0 to {size - 1}")
    if not np.isin(value, (-1, 0, 1)).all():
        strange = int(np.flatnonzero(~np.isin(value, (-1, 0, 1)))[0])
        raise ObservationError(
            f'observed, row {row[strange]}, label "{labels[int(column[strange])]}": expected 1 (present), 0 (absent) or '
            f"-1 (unknown), not {value[strange]}"
        )
    row, column, value = _in_order(row, column, value, shape[1], labels)
    return _kept(_starts(np.bincount(row, minlength=shape[0])), column.astype(np.int32), value.astype(np.int8), shape[1])


def _in_order(
    row: NDArray[Any], column: NDArray[Any], value: NDArray[Any], width: int, labels: Sequence[str]
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Known entries by row and column, each place once."""
    known = value >= 0
    if not known.all():
        row, column, value = row[known], column[known], value[known]
    place = row.astype(np.int64) * width + column
    step = np.diff(place)
    if (step < 0).any():
        order = np.argsort(place, kind="stable")
        row, column, value, place = row[order], column[order], value[order], place[order]
        step = np.diff(place)
    again = step == 0
    if again.any():
        clash = np.flatnonzero(again & (value[1:] != value[:-1]))
        if len(clash):
            at = int(clash[0])
            raise ObservationError(f'observed, row {row[at]}: label "{labels[int(column[at])]}" is both present and absent')
        once = np.concatenate([[True], ~again])
        row, column, value = row[once], column[once], value[once]
    return row, column, value


def _kept(
    starts: NDArray[np.int64], columns: NDArray[np.int32], values: NDArray[np.int8], num_columns: int
) -> KnownTable:  # fmt: skip
    """Sparse where the whole table is large and the known entries take less memory than it."""
    found = SparseKnown(starts, columns, values, num_columns)
    size = len(found) * num_columns
    return DenseKnown(found.dense()) if size <= SPARSE_FROM or size <= found.num_bytes else found


def _starts(sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(sizes, dtype=np.int64)])


def _first_of_each(codes: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
    """Numbers of the first of each different row of codes (R, L)."""
    if codes.shape[1] == 1:
        return np.unique(codes[:, 0], return_index=True)[1]
    order = np.lexsort(codes.T[::-1])  # stable: equal rows stay in order
    ranked = codes[order]
    new = np.concatenate([[True], (ranked[1:] != ranked[:-1]).any(1)])
    return np.asarray(order[new])
