"""Known labels as training asks for them: of the rows of a batch, as a tensor."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import torch
from torch import Tensor

from ..annotation.asked import with_answers, without_asking
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


class AnsweredRows:
    """Rows of known labels with the answers to questions.

    Args:
        rows: (N, K) of 1, 0 and -1.
        answers: the same of answers alone.
        asked: whether presences that were asked for are told apart, as `annotation.asked` does.
    """

    def __init__(self, rows: LabelRows, answers: KnownTable, asked: bool):
        self.rows, self.answers, self.asked = rows, answers, asked

    @property
    def shape(self) -> torch.Size:
        """(N, K)."""
        return self.rows.shape

    def __getitem__(self, rows: Tensor, /) -> Tensor:
        """(B, K) of some rows."""
        found = with_answers(self.rows[rows], torch.from_numpy(self.answers.rows(rows.numpy())))
        return found if self.asked else without_asking(found)


def label_rows(table: Observed, answers: KnownTable | None = None, asked: bool = False) -> LabelRows:
    """The known labels of a table, in the form that takes less memory.

    Args:
        table: N rows.
        answers: to questions about them.
        asked: see `AnsweredRows`.
    """
    sparse = isinstance(table.known, SparseKnown)
    rows = SparseRows(table.known) if sparse else table.to_tensor()
    if answers is None:
        return rows
    found = AnsweredRows(rows, answers, asked)
    return found if sparse else found[torch.arange(rows.shape[0])]


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
