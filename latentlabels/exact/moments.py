"""Densities, marginals, samples, entropies and divergences of forests: one pass from the root to the leaves.

All functions take logits of shape (..., L), one forest each, and are closed forms.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
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


def log_marginals(forest: Forest, logits: Tensor) -> Tensor:
    """log p(y_k = 1) of every label, (..., K) for logits (..., L): for probabilities that are too small for a float."""
    out = logits.new_full((*logits.shape[:-1], forest.num_labels + 2), -torch.inf)
    out[..., forest.num_labels] = 0.0
    for block in forest.blocks:
        present, _ = block.outcomes(logits)
        value = present + out[..., block.parents].unsqueeze(-1)
        real = block.valid.flatten().nonzero().squeeze(-1)
        out = out.index_copy(-1, block.columns.flatten()[real], value.flatten(-2)[..., real])
    return out[..., : forest.num_labels]


def undefined(forest: Forest, logits: Tensor) -> Tensor:
    """Which forests have a group without a distribution: (...) for logits (..., L).

    A logit is NaN, or labels of a group all are -inf, or one is +inf.
    """
    out = torch.zeros(logits.shape[:-1], dtype=torch.bool, device=logits.device)
    for block in forest.blocks:
        out |= torch.isnan(block.outcomes(logits)[1] if not block.free else block.pick_logits(logits)).any(-1)
    return out


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
        inner = torch.where(mine == 0, 0.0, mine * theirs.masked_fill(mine == 0, 0.0)).sum(-1)  # NaN stays NaN
        above = applies[..., block.parents]
        part = torch.where(above == 0, 0.0, above * inner.masked_fill(above == 0, 0.0)).sum(-1)
        total = part if total is None else total + part
    assert total is not None
    return total


def expected_log_odds(forest: Forest, logits: Tensor, other: Tensor, log_mass: Tensor) -> Tensor:
    """E_y[log p_other(y) - log p_other(0)] / exp(log_mass) for y of `logits`, 0 being the empty set.

    Each term has the probability of a present label for a factor: nothing is lost where that is tiny, and log_mass, that of
    an event without which no label is present, is as small.

    Args:
        forest: of the label space.
        logits: (..., L).
        other: (..., L), broadcast.
        log_mass: (...).

    Returns:
        (...); not finite where `other` excludes the empty set or what `logits` allows.
    """
    above_each = F.pad(log_marginals(forest, logits) - log_mass.unsqueeze(-1), (0, 2))
    total = None
    for block in forest.blocks:
        none = block.outcomes(logits)[1]
        theirs, theirs_none = block.outcomes(other)
        root = int(block.parents[0]) == forest.num_labels
        # of the labels of a root, and of all outcomes of a group that applies below one
        mine = above_each[..., block.columns].masked_fill(~block.valid, -torch.inf).exp()
        value = theirs - theirs_none.unsqueeze(-1) if root else theirs
        part = torch.where(mine == 0, 0.0, mine * value.masked_fill(mine == 0, 0.0)).sum(-1)
        if not root:
            mine = (above_each[..., block.parents] + none).exp()
            part = part + torch.where(mine == 0, 0.0, mine * theirs_none.masked_fill(mine == 0, 0.0))
        total = part.sum(-1) if total is None else total + part.sum(-1)
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
