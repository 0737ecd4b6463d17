"""The probability of forests that no label is present, and that one is: sums of what is small, where it is."""

from __future__ import annotations

import torch
from torch import Tensor

from .forest import Forest
from .kernels import log_sum_exp


def log_some(forest: Forest, logits: Tensor) -> Tensor:
    """log P(N >= 1) of forests (..., L): (...), the sum over the root groups of "this one is the first that is not none".

    A sum of what is small: 1 less P(N = 0) has no correct digit where that is near 1.
    """
    return _some_and_none(forest, logits)[0]


def log_none(forest: Forest, logits: Tensor) -> Tensor:
    """log P(N = 0) of forests (..., L): (...)."""
    none = [block.outcomes(logits)[1].sum(-1) for block in forest.blocks if block.opens]
    return none[0] if len(none) == 1 else torch.stack(none).sum(0)


def _some_and_none(forest: Forest, logits: Tensor) -> tuple[Tensor, Tensor]:
    """log P(N >= 1) and log P(N = 0), (...) each.

    A group that others hang below by "none" is empty if they are as well, and not empty by a label of its own or theirs.
    """
    waiting: dict[int, list[tuple[Tensor, Tensor]]] = {}  # of the columns below which groups hang: theirs, (..., groups)
    for block in reversed(forest.blocks):
        if not block.opens:
            continue
        present, none = block.outcomes(logits)
        some = present.squeeze(-1) if block.free else log_sum_exp(present)
        for column, row in block.none_events:
            if column in waiting:
                below_some, below_none = _first(waiting.pop(column))
                either = torch.stack([some[..., row], none[..., row] + below_some], -1)
                place = torch.tensor([row], device=some.device)
                some = some.index_copy(-1, place, log_sum_exp(either).unsqueeze(-1))
                none = none.index_add(-1, place, below_none.unsqueeze(-1))
        for parent in set(block.parents.tolist()):
            mine = block.parents == parent
            waiting.setdefault(parent, []).append((some[..., mine], none[..., mine]))
    return _first(waiting[forest.num_labels])


def _first(parts: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """The same of independent groups together, from log P(not empty) and log P(empty) of each, (..., groups) in parts."""
    before = parts[0][1].new_zeros(*parts[0][1].shape[:-1], 1)
    first = []
    for some, none in parts:
        reached = torch.cat([before, none], -1).cumsum(-1)
        first.append(some + reached[..., :-1])
        before = reached[..., -1:]
    return log_sum_exp(torch.cat(first, -1)), before.squeeze(-1)
