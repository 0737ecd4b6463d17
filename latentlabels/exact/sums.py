"""The upward pass: sums over all label sets of a forest times evidence, in O(K) per product.

For one product of the evidence, Z = sum_y p(y) prod_k phi_k(y_k) factorises over the trees of the forest.
Within a tree a child group sends its parent label the sum over its own outcomes. All sums are of
log-probabilities, so that nothing underflows; impossible outcomes are -inf and have zero gradient.

Precision of float32 logits: log Z is summed and returned in double precision. The kernels of flat groups round the factors
of fewer than 512 labels to float32, which costs at most 6e-8 a label, where all are alike and errors add up; more labels, and
trees, are in double precision from the logits on. Measured, one known label, error of log p(o | x): equal labels, as at the
start of a fit, 1e-5 at K = 200 and 2e-5 at 511, 2.5e-7 from 512 to 10,000; random logits, 1e-6 at K = 200 and 5e-7 at
10,000, with mistakes and rates as well, beside the rounding of the result (7e-6 at -217). Gradients: 1e-7.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .evidence import Evidence
from .forest import Block, Forest
from .kernels import LogCategoricalProduct, LogPickProduct, LogTiltedProduct, batch_shape, log_sum_exp
from .moments import log_marginals

_MANY = 512  # labels from which on all factors are worked out in double precision


def log_normalizers(forest: Forest, logits: Tensor, evidence: Evidence) -> Tensor:
    """log Z of every component under every product of the evidence.

    Args:
        forest: of the label space.
        logits: (..., C, L) of C components.
        evidence: of Q products, without `plus`; its leading dimensions broadcast against those of `logits` before C.

    Returns:
        (..., C, Q) in double precision, -inf where the evidence is impossible; differentiable with respect to `logits`.
    """
    assert evidence.plus is None, "the parts of a mixture are summed one by one"
    if evidence.log_found is not None:
        log_z, posterior = posterior_logits(forest, logits.double(), evidence._replace(log_found=None))
        return log_z + log_sum_exp(log_marginals(forest, posterior), evidence.log_found.unsqueeze(-2).unsqueeze(-2))
    if not evidence.uniform:
        return _upward(forest, forest.blocks, logits, evidence)[0]
    if forest.num_labels >= _MANY:
        logits = logits.double()
    total = None
    for block in forest.blocks:
        if block.flat:
            part = _flat(block, logits, evidence)
            total = part if total is None else total + part
    deep = tuple(block for block in forest.blocks if not block.flat)
    if deep:
        part = _upward(forest, deep, logits, evidence, bundled=True)[0]
        total = part if total is None else total + part
    assert total is not None  # a forest has at least one block
    return total


def posterior_logits(forest: Forest, logits: Tensor, evidence: Evidence) -> tuple[Tensor, Tensor]:
    """log Z, and the logits of each component's posterior, which is a forest of the same shape.

    Args:
        forest: of the label space.
        logits: (..., C, L).
        evidence: of Q products, without `plus` and `log_found` (`Evidence.joined`).

    Returns:
        log Z, (..., C, Q) in double precision, and posterior logits (..., C, Q, L). A group whose evidence is impossible
        has the logits of the prior.
    """
    log_z, scores = _upward(forest, forest.blocks, logits, evidence)
    lead, parts = log_z.shape, []
    for block, (present, none) in zip(forest.blocks, scores, strict=True):
        possible = ~torch.isneginf(torch.logaddexp(present.amax(-1), none))
        if block.free:
            before, new = block.pick_logits(logits).unsqueeze(-2), (present[..., 0] - none).to(logits.dtype)
            parts.append(torch.where(possible, new, before).expand(*lead, -1))
            continue
        before = block.pick_logits(logits).unsqueeze(-3)
        new = torch.cat([present, none.unsqueeze(-1)], -1).to(logits.dtype)
        parts.append(torch.where(possible.unsqueeze(-1), new, before).expand(*lead, -1, -1).flatten(-2))
    return log_z, torch.cat(parts, -1)[..., forest.logit_order]


def _upward(
    forest: Forest, blocks: tuple[Block, ...], logits: Tensor, evidence: Evidence, bundled: bool = False
) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
    """One pass from the leaves to the root over `blocks`, in log space and double precision.

    With `bundled`, of uniform evidence, bundles of groups without children go by the sums of independent groups and have no
    scores. Returns the root's log Z (..., C, Q), and for each block the log-scores of its outcomes given that the
    group applies, (..., C, Q, G, S) for the labels and (..., C, Q, G) for none.
    """
    tilt, pins = evidence.tilt.unsqueeze(-3), evidence.pins.unsqueeze(-3)  # a place for the components
    log_weight, given, logits = evidence.log_weight, logits, logits.double()
    batch = batch_shape(logits.shape[:-2], log_weight.shape[:-1], tilt.shape[:-3], pins.shape[:-3])
    lead = (*batch, logits.shape[-2], log_weight.shape[-1])
    below = logits.new_zeros(*lead, forest.num_columns)  # sum of the messages of the groups below a label or event, if it holds
    wide_tilt = forest.spread(tilt, 0.0) if tilt.shape[-1] > 1 else None
    # a label whose absence is impossible: it is pinned present, or something below it is; and an event that has to hold
    needed = forest.spread((pins == 1).to(torch.int32), 0)
    barred = forest.spread((pins == 0).to(torch.int8), 0).bool()
    loose = forest.spread((pins == -1).to(torch.int8), 0).bool()
    scores: list[tuple[Tensor, Tensor]] = []
    for block in reversed(blocks):
        columns = block.columns
        if bundled and block.bundle:
            above = block.parents[:1]
            below = below.index_add(-1, above, _flat(block, given, evidence).expand(lead).unsqueeze(-1))
            known = (needed[..., columns] > 0).flatten(-2).any(-1, keepdim=True)
            needed = needed.index_add(-1, above, known.to(needed.dtype))
            continue
        present, none = block.outcomes(logits.unsqueeze(-2))
        lift = tilt.unsqueeze(-1) if wide_tilt is None else wide_tilt[..., columns]
        zero = lift.new_zeros(())
        below_present, below_none = block.below(below)
        present = present + torch.where(loose[..., columns], lift, zero) + below_present
        blocked = needed[..., columns] > 0
        count = blocked.sum(-1)
        allowed = (count.unsqueeze(-1) - blocked.to(count.dtype) == 0) & ~barred[..., columns] & block.valid
        empty, known = count == 0, count > 0
        if block.events is not None:
            held = needed[..., block.events.columns] > 0
            against = block.by_group((held.unsqueeze(-1) & ~block.events.members).to(needed.dtype).mT).mT
            allowed, empty = allowed & (against[..., :-1] == 0), empty & (against[..., -1] == 0)
            known = known | (block.by_group(held.to(needed.dtype)) > 0)
        present = torch.where(allowed, present, -torch.inf)
        none = torch.where(empty, none + below_none, -torch.inf).expand(present.shape[:-1])
        message = log_sum_exp(torch.cat([present, none.unsqueeze(-1)], -1))
        below = block.to_parents(below, message.expand(*lead, len(block.names)))
        needed = block.to_parents(needed, known.to(needed.dtype))
        scores.append((present, none))
    return below[..., forest.num_labels], scores[::-1]


def _flat(block: Block, logits: Tensor, evidence: Evidence) -> Tensor:
    """The block's share of log Z where its groups are independent and one tilt t serves all labels: (..., C, Q).

    A group's sum is u + v t, u the mass of its outcomes without a tilted label and v of those with one.
    """
    pins = evidence.pins  # (..., 1, K): its singleton stands where the components are
    log_t = evidence.tilt.squeeze(-1).unsqueeze(-2)  # (..., 1, Q)
    lead = batch_shape(logits.shape[:-1], log_t.shape[:-1], pins.shape[:-1])
    if 0 in lead:  # no rows: the kernels look at the least of their values
        return logits.new_zeros(*lead, log_t.shape[-1], dtype=torch.float64) + logits.sum()
    if not block.free:
        rows = logits.expand(*lead, logits.shape[-1]).reshape(-1, logits.shape[-1])
        assert block.index is not None
        if evidence.only is not None and LogPickProduct.serves(rows):
            only = evidence.only.unsqueeze(-1).expand(lead).reshape(-1)
            found: Tensor | None = LogPickProduct.apply(rows, only, _tilts(log_t, lead, logits.dtype), block.index)
            if found is not None:
                return found.reshape(*lead, -1)
        known = pins.expand(*lead, pins.shape[-1]).reshape(-1, pins.shape[-1])
        out: Tensor = LogCategoricalProduct.apply(rows, known, _tilts(log_t, lead, logits.dtype), block.index)
        return out.reshape(*lead, -1)
    own = block.pick_logits(logits)
    if evidence.only is not None and block.column_span == (0, pins.shape[-1]):
        rows = own.expand(*lead, own.shape[-1]).reshape(-1, own.shape[-1])
        only = evidence.only.unsqueeze(-1).expand(lead).reshape(-1)
        alone: Tensor = LogTiltedProduct.apply(rows, _tilts(log_t, lead, logits.dtype), only)
        return alone.reshape(*lead, -1)
    known = pins[..., slice(*block.column_span)] if block.column_span else pins[..., block.columns[:, 0]]
    fixed = _log_prob_known(own, known)
    return fixed.unsqueeze(-1) + log_tilted_product(own.masked_fill(known >= 0, -torch.inf), log_t)


def _tilts(log_t: Tensor, lead: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """t = exp(log_t), (N, Q) for the rows of `lead`, or (1, Q) where all rows share it; no gradient."""
    t = log_t.detach().exp().to(dtype)
    shared = log_t.dim() <= 1 or log_t[..., 0].numel() == 1
    return t.reshape(1, -1) if shared else t.expand(*lead, t.shape[-1]).reshape(-1, t.shape[-1])


def log_tilted_product(odds: Tensor, log_t: Tensor) -> Tensor:
    """sum_g log(1 - r_g + r_g t_q) for r = sigmoid(odds): the log of prod_g E[t_q^(y_g)].

    Args:
        odds: (..., G) log-odds, +-inf allowed.
        log_t: (..., Q) log of the tilts, broadcast against the leading dimensions of `odds`; no gradient.

    Returns:
        (..., Q).
    """
    lead = batch_shape(odds.shape[:-1], log_t.shape[:-1])
    flat = odds.expand(*lead, odds.shape[-1]).reshape(-1, odds.shape[-1])
    out: Tensor = LogTiltedProduct.apply(flat, _tilts(log_t, lead, odds.dtype), None)
    return out.reshape(*lead, -1)


def _log_prob_known(odds: Tensor, known: Tensor) -> Tensor:
    """Sum of log p(y_k) over the pinned free labels: (...) for (..., G), by visiting only those (few, as a rule)."""
    lead = batch_shape(odds.shape[:-1], known.shape[:-1])
    known = known.expand(*lead, known.shape[-1]).reshape(-1, known.shape[-1])
    rows, columns = (known >= 0).nonzero(as_tuple=True)
    sign = known[rows, columns].to(odds.dtype) * 2 - 1
    values = F.logsigmoid(odds.expand(*lead, odds.shape[-1]).reshape(known.shape)[rows, columns] * sign).double()
    return values.new_zeros(len(known)).index_add(0, rows, values).reshape(lead)
