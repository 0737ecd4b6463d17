"""Densities, marginals, samples, entropies and divergences of forests: one pass from the root to the leaves.

All functions take logits of shape (..., L), one forest each, and are closed forms.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .forest import Forest
from .kernels import log_sum_exp


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
        if block.events is not None:
            outcomes = torch.cat([own, (above & (count == 0)).unsqueeze(-1)], -1)[..., block.events.groups, :]
            on = on.index_copy(-1, block.events.columns, (outcomes & block.events.members).any(-1))
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
    return _log_descend(forest, logits)[..., : forest.num_labels]


def _log_descend(forest: Forest, logits: Tensor) -> Tensor:
    """The logarithms of `_descend`, which may be too small for a float."""
    out = forest.start(logits, -torch.inf, 0.0)
    for block in forest.blocks:
        present, none = block.outcomes(logits)
        above = out[..., block.parents]
        value = present + above.unsqueeze(-1)
        real = block.valid.flatten().nonzero().squeeze(-1)
        out = out.index_copy(-1, block.columns.flatten()[real], value.flatten(-2)[..., real])
        if block.events is not None:
            outcomes = torch.cat([value, (none + above).unsqueeze(-1)], -1)[..., block.events.groups, :]
            event = log_sum_exp(outcomes.masked_fill(~block.events.members, -torch.inf))
            out = out.index_copy(-1, block.events.columns, event)
    return out


def undefined(forest: Forest, logits: Tensor) -> Tensor:
    """Which forests have a group without a distribution: (...) for logits (..., L).

    A logit is NaN, or labels of a group all are -inf, or one is +inf.
    """
    out = torch.zeros(logits.shape[:-1], dtype=torch.bool, device=logits.device)
    for block in forest.blocks:
        out |= torch.isnan(block.outcomes(logits)[1] if not block.free else block.pick_logits(logits)).any(-1)
    return out


def largest_expected_count(forest: Forest, logits: Tensor) -> float:
    """Max over rows of E[N], given any outcomes of the groups below whose "none" others hang: one number for logits (..., L).

    An upper bound where there are such groups, as their own labels are counted in full.
    """
    if len(forest.blocks) == 1 and forest.blocks[0].free:
        return float(torch.sigmoid(logits).sum(-1).max())
    if not forest.max_spine_count:
        return float(marginals(forest, logits).sum(-1).max())
    counts = _descend(forest, logits, all_open=True)[..., : forest.num_labels].sum(-1)
    return float(counts.max()) + forest.max_spine_count


def column_probs(forest: Forest, logits: Tensor) -> Tensor:
    """The probabilities of labels, and in the columns that `Forest.event_columns` names of events: (..., columns)."""
    return _descend(forest, logits)


def _descend(forest: Forest, logits: Tensor, all_open: bool = False) -> Tensor:
    """The probabilities of all columns; with `all_open` as if all groups applied that do where no label is present."""
    out = forest.start(logits, 0.0, 1.0)
    for block in forest.blocks:
        present, none = block.outcomes(logits)
        applies = torch.ones_like(out[..., block.parents]) if all_open and block.opens else out[..., block.parents]
        inside = present.exp() * applies.unsqueeze(-1)
        out = out.index_add(-1, block.columns.flatten(), inside.flatten(-2))
        if block.events is not None:
            out = block.mark(out, _with_none(inside, none.exp() * applies))
    return out


def sample(forest: Forest, logits: Tensor) -> Tensor:
    """One exact draw of y per row: (..., K) of 0 and 1 for logits (..., L)."""
    out = forest.start(logits, 0.0, 1.0)
    for block in forest.blocks:
        scores = _with_none(*block.outcomes(logits))
        # the largest of log-probabilities plus Gumbel noise is a draw; -log of an exponential is that noise
        noise = torch.empty_like(scores).exponential_().clamp_(min=torch.finfo(scores.dtype).tiny).log_().neg_()
        drawn = torch.zeros_like(scores).scatter_(-1, (scores + noise).argmax(-1, keepdim=True), 1.0)
        drawn = drawn * out[..., block.parents].unsqueeze(-1)
        out = block.mark(out.index_add(-1, block.columns.flatten(), drawn[..., :-1].flatten(-2)), drawn)
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
        part = _product(applies[..., block.parents], _product(mine, theirs).sum(-1)).sum(-1)
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
    each = _log_descend(forest, logits) - log_mass.unsqueeze(-1)  # of roots and what hangs below "none" it is not used
    off = forest.start(each, 0.0, 0.0)  # that what applies to the empty set does not apply, relative to the mass
    total = None
    for block in forest.blocks:
        none = block.outcomes(logits)[1]
        theirs, theirs_none = block.outcomes(other)
        # of the labels of a group that applies to the empty set, and of all outcomes of another one
        mine = each[..., block.columns].masked_fill(~block.valid, -torch.inf).exp()
        value = theirs - theirs_none.unsqueeze(-1) if block.opens else theirs
        part = _product(mine, value).sum(-1)
        if block.opens:
            barred = off[..., block.parents]
            part = part - _product(barred, theirs_none)
            if block.events is not None:
                others = torch.where(block.events.members[:, :-1], 0.0, mine[..., block.events.groups, :]).sum(-1)
                off = off.index_copy(-1, block.events.columns, barred[..., block.events.groups] + others)
        else:
            part = part + _product((each[..., block.parents] + none).exp(), theirs_none)
        total = part.sum(-1) if total is None else total + part.sum(-1)
    assert total is not None
    return total


def _product(weight: Tensor, value: Tensor) -> Tensor:
    """weight * value, 0 where the weight is; NaN stays NaN."""
    return torch.where(weight == 0, 0.0, weight * value.masked_fill(weight == 0, 0.0))


def entropy(forest: Forest, logits: Tensor) -> Tensor:
    """H(y) in nats: (...) for logits (..., L)."""
    return -expected_log_prob(forest, logits, logits)


def kl(forest: Forest, logits: Tensor, other: Tensor) -> Tensor:
    """KL(p || p_other) in nats: (...) for logits (..., L)."""
    return expected_log_prob(forest, logits, logits) - expected_log_prob(forest, logits, other)


def _with_none(present: Tensor, none: Tensor) -> Tensor:
    return torch.cat([present, none.unsqueeze(-1)], -1)
