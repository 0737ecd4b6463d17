"""The upward pass: sums over all label sets of a forest times evidence, in O(K) per product.

For one product of the evidence, Z = sum_y p(y) prod_k phi_k(y_k) factorises over the trees of the forest.
Within a tree a child group sends its parent label the sum over its own outcomes. All sums are of
log-probabilities, so that nothing underflows; impossible outcomes are -inf and have zero gradient.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from .evidence import Evidence
from .forest import Block, Forest


def log_normalizers(forest: Forest, logits: Tensor, evidence: Evidence) -> Tensor:
    """log Z of every component under every product of the evidence.

    Args:
        forest: of the label space.
        logits: (..., C, L) of C components.
        evidence: of Q products; its leading dimensions broadcast against those of `logits` before C.

    Returns:
        (..., C, Q), -inf where the evidence is impossible; differentiable with respect to `logits`.
    """
    if not evidence.uniform:
        return _upward(forest, forest.blocks, logits, evidence)[0]
    total = None
    for block in forest.blocks:
        if block.flat:
            part = _flat(block, logits, evidence)
            total = part if total is None else total + part
    deep = tuple(block for block in forest.blocks if not block.flat)
    if deep:
        part = _upward(forest, deep, logits, evidence)[0]
        total = part if total is None else total + part
    assert total is not None  # a forest has at least one block
    return total


def posterior_logits(forest: Forest, logits: Tensor, evidence: Evidence) -> tuple[Tensor, Tensor]:
    """log Z, and the logits of each component's posterior, which is a forest of the same shape.

    Args:
        forest: of the label space.
        logits: (..., C, L).
        evidence: of Q products.

    Returns:
        log Z, (..., C, Q), and posterior logits (..., C, Q, L). Where the evidence is impossible the
        logits are those of the prior.
    """
    log_z, scores = _upward(forest, forest.blocks, logits, evidence)
    lead = log_z.shape
    out = logits.unsqueeze(-2).expand(*lead, forest.num_logits).clone()
    for block, (present, none) in zip(forest.blocks, scores, strict=True):
        possible = ~torch.isneginf(torch.logaddexp(present.amax(-1), none))
        if block.free:
            index = block.logits[:, 0]
            new = present[..., 0] - none
            out[..., index] = torch.where(possible, new, out[..., index]).expand(*lead, len(index))
            continue
        new = torch.cat([present, none.unsqueeze(-1)], -1)
        keep = block.logits < forest.num_logits
        index = block.logits[keep]
        new = torch.where(possible.unsqueeze(-1), new, block.pick_logits(logits).unsqueeze(-3))
        out[..., index] = new[..., keep].expand(*lead, len(index))
    return log_z, out


def _upward(
    forest: Forest, blocks: tuple[Block, ...], logits: Tensor, evidence: Evidence
) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
    """One pass from the leaves to the root over `blocks`, in log space.

    Returns the root's log Z (..., C, Q), and for each block the log-scores of its outcomes given that the
    group applies, (..., C, Q, G, S) for the labels and (..., C, Q, G) for none.
    """
    tilt, pins = evidence.tilt.unsqueeze(-3), evidence.pins.unsqueeze(-3)  # a place for the components
    log_weight = evidence.log_weight
    batch = torch.broadcast_shapes(logits.shape[:-2], log_weight.shape[:-1], tilt.shape[:-3], pins.shape[:-3])
    lead = (*batch, logits.shape[-2], log_weight.shape[-1])
    size = forest.num_labels + 2
    below = logits.new_zeros(*lead, size)  # sum of the messages of a label's children, if it is present
    wide_tilt = forest.spread(tilt, 0.0) if tilt.shape[-1] > 1 else None
    # a label whose absence is impossible: it is pinned present, or something below it is
    needed = forest.spread((pins == 1).to(torch.int32), 0)
    barred = forest.spread((pins == 0).to(torch.int8), 0).bool()
    loose = forest.spread((pins == -1).to(torch.int8), 0).bool()
    scores: list[tuple[Tensor, Tensor]] = []
    for block in reversed(blocks):
        present, none = block.outcomes(logits.unsqueeze(-2))
        columns = block.columns
        lift = tilt.unsqueeze(-1) if wide_tilt is None else wide_tilt[..., columns]
        zero = lift.new_zeros(())
        present = present + torch.where(loose[..., columns], lift, zero) + below[..., columns]
        blocked = needed[..., columns] > 0
        count = blocked.sum(-1)
        allowed = (count.unsqueeze(-1) - blocked.to(count.dtype) == 0) & ~barred[..., columns] & block.valid
        present = torch.where(allowed, present, -torch.inf)
        none = torch.where(count == 0, none, -torch.inf).expand(present.shape[:-1])
        message = _logsumexp(torch.cat([present, none.unsqueeze(-1)], -1))
        below = below.index_add(-1, block.parents, message.expand(*lead, len(block.names)))
        needed = needed.index_add(-1, block.parents, (count > 0).to(needed.dtype))
        scores.append((present, none))
    return below[..., forest.num_labels], scores[::-1]


def _logsumexp(values: Tensor) -> Tensor:
    """logsumexp over the last dimension whose gradient is zero, not NaN, where all values are -inf."""
    floor = torch.finfo(values.dtype).min / 4
    total = torch.logsumexp(values.clamp(min=floor), -1)
    return torch.where(total > floor / 2, total, -torch.inf)


def _flat(block: Block, logits: Tensor, evidence: Evidence) -> Tensor:
    """The block's share of log Z where its groups are independent and one tilt t serves all labels: (..., C, Q).

    A group's sum is u + v t, u the mass of its outcomes without a tilted label and v of those with one:
    a Bernoulli with log-odds log v - log u, scaled by u + v. Free labels that are not pinned are that already.
    """
    pins = evidence.pins  # (..., 1, K): its singleton stands where the components are
    own = block.pick_logits(logits)
    if block.free:
        known = pins[..., slice(*block.column_span)] if block.column_span else pins[..., block.columns[:, 0]]
        fixed = _log_prob_known(own, known)
        odds = own.masked_fill(known >= 0, -torch.inf)
    else:
        log_probs = torch.log_softmax(own, -1)
        known = F.pad(pins, (0, 2), value=-1)[..., block.columns]
        needed = known == 1
        count = needed.sum(-1, keepdim=True)
        # an outcome is impossible where another label of the group is pinned present, or itself pinned absent
        present = log_probs[..., :-1].masked_fill((known == 0) | (count - needed.to(count.dtype) > 0), -torch.inf)
        none = log_probs[..., -1:].masked_fill(count > 0, -torch.inf)
        tilted = _logsumexp(present.masked_fill(needed, -torch.inf))
        plain = _logsumexp(torch.cat([present.masked_fill(~needed, -torch.inf), none], -1))
        both = torch.stack([tilted, plain], -1)
        scale = _logsumexp(both)
        fixed = scale.sum(-1)
        # +-inf where one of the two is impossible; their difference would be NaN in the backward pass
        finite = ~torch.isneginf(both).any(-1)
        safe = torch.where(finite.unsqueeze(-1), both, 0.0)
        odds = torch.where(finite, safe[..., 0] - safe[..., 1], torch.where(torch.isneginf(tilted), -torch.inf, torch.inf))
    log_t = evidence.tilt.squeeze(-1).unsqueeze(-2)  # (..., 1, Q)
    return fixed.unsqueeze(-1) + log_tilted_product(odds, log_t)


def log_tilted_product(odds: Tensor, log_t: Tensor) -> Tensor:
    """sum_g log(1 - r_g + r_g t_q) for r = sigmoid(odds): the log of prod_g E[t_q^(y_g)].

    Args:
        odds: (..., G) log-odds, +-inf allowed.
        log_t: (..., Q) log of the tilts, broadcast against the leading dimensions of `odds`; no gradient.

    Returns:
        (..., Q).
    """
    lead = torch.broadcast_shapes(odds.shape[:-1], log_t.shape[:-1])
    t = log_t.detach().exp().expand(*lead, log_t.shape[-1]) if log_t.dim() > 1 and log_t[..., 0].numel() > 1 else (
        log_t.detach().exp().reshape(-1)
    )
    flat = odds.expand(*lead, odds.shape[-1]).reshape(-1, odds.shape[-1])
    out = _LogTiltedProduct.apply(flat, t.reshape(-1, t.shape[-1]))
    return out.reshape(*lead, -1)


def _log_prob_known(odds: Tensor, known: Tensor) -> Tensor:
    """Sum of log p(y_k) over the pinned free labels: (...) for (..., G), by visiting only those (few, as a rule)."""
    lead = torch.broadcast_shapes(odds.shape[:-1], known.shape[:-1])
    known = known.expand(*lead, known.shape[-1]).reshape(-1, known.shape[-1])
    rows, columns = (known >= 0).nonzero(as_tuple=True)
    sign = known[rows, columns].to(odds.dtype) * 2 - 1
    values = F.logsigmoid(odds.expand(*lead, odds.shape[-1]).reshape(known.shape)[rows, columns] * sign)
    return odds.new_zeros(len(known)).index_add(0, rows, values).reshape(lead)


class _LogTiltedProduct(torch.autograd.Function):
    """The fused kernel: no (N, Q, G) tensor is kept for the backward pass, and blocks of labels stay in cache.

    The logarithm is dear: where the tilts are large enough not to underflow, it is taken of products of four.
    """

    elements = 1 << 18  # of a block: a megabyte in float32, about a core's second-level cache

    @staticmethod
    def _step(odds: Tensor, t: Tensor) -> int:
        return max(4, _LogTiltedProduct.elements // max(1, odds.shape[0] * t.shape[-1]) // 4 * 4)

    @staticmethod
    def forward(ctx: Any, odds: Tensor, t: Tensor) -> Tensor:
        width = odds.shape[-1]
        padded = F.pad(odds, (0, -width % 4), value=-torch.inf) if width % 4 else odds  # factors of 1
        present, absent = torch.sigmoid(padded), torch.sigmoid(-padded)
        ctx.save_for_backward(present, absent, t)
        ctx.width = width
        step, t3 = _LogTiltedProduct._step(odds, t), t.unsqueeze(-1)
        out = odds.new_zeros(odds.shape[0], t.shape[-1])
        fours = bool(t.numel() and t.min() ** 4 > torch.finfo(odds.dtype).tiny * 1e4)
        for on, off in zip(present.split(step, -1), absent.split(step, -1), strict=True):
            factor = torch.addcmul(off.unsqueeze(-2), on.unsqueeze(-2), t3)
            if fours:
                quarter = factor.shape[-1] // 4
                pair = factor[..., : 2 * quarter] * factor[..., 2 * quarter :]
                factor = pair[..., :quarter].mul_(pair[..., quarter:])
            out += factor.log_().sum(-1)
        return out

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:  # type: ignore[override]
        present, absent, t = ctx.saved_tensors
        step, t3 = _LogTiltedProduct._step(present, t), t.unsqueeze(-1)
        slope = (grad * (t - 1)).unsqueeze(-2)  # (N, 1, Q)
        tiny = torch.finfo(grad.dtype).tiny
        out = present * absent
        for on, off, own in zip(*(x.split(step, -1) for x in (present, absent, out)), strict=True):
            factor = torch.addcmul(off.unsqueeze(-2), on.unsqueeze(-2), t3)
            own.mul_(torch.bmm(slope, factor.clamp_(min=tiny).reciprocal_()).squeeze(-2))
        return out[:, : ctx.width], None
