"""Densities, marginals, samples, entropies and divergences of forests: one pass from the root to the leaves.

All functions take logits of shape (..., L), one forest each, and are closed forms.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .forest import Forest


def log_prob(forest: Forest, logits: Tensor, y: Tensor) -> Tensor:
    """log p(y), -inf where y breaks a group.

    Args:
        forest: of the label space.
        logits: (..., L).
        y: (..., K) of 0 and 1, broadcast against the leading dimensions of `logits`.
    """
    on = forest.spread(y, 0.0) > 0
    on[..., forest.num_labels] = True
    total = None
    for block in forest.blocks:
        present, none = block.outcomes(logits)
        own, above = on[..., block.columns], on[..., block.parents]
        count = own.sum(-1)
        chosen = torch.where(own, present, 0.0).sum(-1)
        part = torch.where(count > 0, chosen, torch.where(above, none, 0.0))
        valid = (count == 0) | ((count == 1) & above)
        part = torch.where(valid, part, -torch.inf).sum(-1)
        total = part if total is None else total + part
    assert total is not None
    return total


def marginals(forest: Forest, logits: Tensor) -> Tensor:
    """p(y_k = 1) of every label: (..., K) for logits (..., L)."""
    return _descend(forest, logits)[..., : forest.num_labels]


def largest_expected_count(forest: Forest, logits: Tensor) -> float:
    """Max over rows of E[N]: one number for logits (..., L)."""
    if len(forest.blocks) == 1 and forest.blocks[0].free:
        return float(torch.sigmoid(logits).sum(-1).max())
    return float(marginals(forest, logits).sum(-1).max())


def _descend(forest: Forest, logits: Tensor) -> Tensor:
    lead = logits.shape[:-1]
    out = torch.zeros(*lead, forest.num_labels + 2, dtype=logits.dtype, device=logits.device)
    out[..., forest.num_labels] = 1.0
    for block in forest.blocks:
        present, _ = block.outcomes(logits)
        applies = out[..., block.parents].unsqueeze(-1)
        out = out.index_add(-1, block.columns.flatten(), (present.exp() * applies).flatten(-2))
    return out


def sample(forest: Forest, logits: Tensor) -> Tensor:
    """One exact draw of y per row: (..., K) of 0 and 1 for logits (..., L)."""
    lead = logits.shape[:-1]
    out = torch.zeros(*lead, forest.num_labels + 2, dtype=logits.dtype, device=logits.device)
    out[..., forest.num_labels] = 1.0
    for block in forest.blocks:
        present, none = block.outcomes(logits)
        scores = torch.cat([present, none.unsqueeze(-1)], -1)
        # the largest of log-probabilities plus Gumbel noise is a draw; -log of an exponential is that noise
        noise = torch.empty_like(scores).exponential_().clamp_(min=torch.finfo(scores.dtype).tiny).log_().neg_()
        drawn = torch.zeros_like(scores).scatter_(-1, (scores + noise).argmax(-1, keepdim=True), 1.0)[..., :-1]
        drawn = drawn * out[..., block.parents].unsqueeze(-1)
        out = out.index_add(-1, block.columns.flatten(), drawn.flatten(-2))
    return out[..., : forest.num_labels]


def expected_log_prob(forest: Forest, logits: Tensor, other: Tensor) -> Tensor:
    """E_y[log p_other(y)] for y of `logits`: both (..., L), broadcast; 0 log 0 = 0.

    Returns:
        (...), minus the cross-entropy; -inf where `other` excludes what `logits` allows.
    """
    applies = _descend(forest, logits)
    total = None
    for block in forest.blocks:
        mine = _with_none(*block.outcomes(logits)).exp()
        theirs = _with_none(*block.outcomes(other))
        inner = torch.where(mine > 0, mine * theirs.masked_fill(mine == 0, 0.0), 0.0).sum(-1)
        above = applies[..., block.parents]
        part = torch.where(above > 0, above * inner.masked_fill(above == 0, 0.0), 0.0).sum(-1)
        total = part if total is None else total + part
    assert total is not None
    return total


def entropy(forest: Forest, logits: Tensor) -> Tensor:
    """H(y) in nats: (...) for logits (..., L)."""
    return -expected_log_prob(forest, logits, logits)


def kl(forest: Forest, logits: Tensor, other: Tensor) -> Tensor:
    """KL(p || p_other) in nats: (...) for logits (..., L)."""
    return expected_log_prob(forest, logits, logits) - expected_log_prob(forest, logits, other)


def _with_none(present: Tensor, none: Tensor) -> Tensor:
    return torch.cat([present, none.unsqueeze(-1)], -1)
