"""Known labels as training asks for them: of the rows of a batch, as a tensor."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import torch
from torch import Tensor

from ..observed import Observed
from ..observed.known_table import BLOCK, KnownTable
from ..observed.sparse import SparseKnown


class LabelRows(Protocol):
    """(N, K) int8 of 1, 0 and -1, read by rows. A tensor is one."""

    @property
    def shape(self) -> torch.Size:
        """(N, K)."""

    def __getitem__(self, rows: Tensor, /) -> Tensor:
        """(B, K) of some rows."""


class SparseRows:
    """Rows of a table that is kept sparse.

    Args:
        known: the table.
    """

    def __init__(self, known: KnownTable):
        self.known = known

    @property
    def shape(self) -> torch.Size:
        """(N, K)."""
        return torch.Size(self.known.shape)

    def __getitem__(self, rows: Tensor, /) -> Tensor:
        """(B, K) of some rows."""
        return torch.from_numpy(self.known.rows(rows.numpy()))


def label_rows(table: Observed) -> LabelRows:
    """The known labels of a table, in the form that takes less memory."""
    return SparseRows(table.known) if isinstance(table.known, SparseKnown) else table.to_tensor()


def blocks_of(known: LabelRows, rows: Tensor) -> Iterator[Tensor]:
    """Some rows, so many of them at once that they fit into memory: (B, K) each."""
    for part in rows.split(max(BLOCK // max(known.shape[1], 1), 1)):
        yield known[part]


def counted(known: LabelRows, rows: Tensor, value: int) -> Tensor:
    """In how many of these rows each label has a value: int64 (K,)."""
    total = torch.zeros(known.shape[1], dtype=torch.int64)
    for block in blocks_of(known, rows):
        total += (block == value).sum(0)
    return total
