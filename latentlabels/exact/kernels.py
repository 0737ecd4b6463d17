"""The two sums that training spends its time in, with their gradients written out.

Roots without children are independent given the image, so that E[prod_k t^(y_k)] is a product over groups.
Written as autograd operations either product keeps a dozen tensors of its outcomes for the backward pass;
written out it keeps the outcomes' masses alone. Where a gradient of the gradient is wanted (`create_graph`), the slopes are
worked out again by operations that autograd follows, so that derivatives of any order are right. Sums over labels are
accumulated in double precision and returned in it, whatever the precision of the logits.

Symbols: N rows, Q tilts, G groups, S labels of the largest of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor


class OutcomeIndex(NamedTuple):
    """Where the outcomes of G `OneOf` groups are; S labels in the largest, "none" after them.

    Attributes:
        places: ((S + 1) * G,) logits; the group's first where padded, as another group's may be +inf.
        columns: (S * G,) labels, 0 where padded.
        padding: (S + 1, G, 1) -inf where padded, else 0.
        valid: (S, G, 1) False where padded.
        home: (L,) which of `places` each logit is, the number of places for logits of other groups.
        whole: whether there are no other groups.
        members: (2 G, L) 1 where a logit is of a group, and below that where it is a group's "none".
        group: (K,) of each label, 0 for labels of other groups.
        place: (K,) logit of each label, 0 for labels of other groups.
        inside: (K,) whether a label is of these groups.
    """

    places: Tensor
    columns: Tensor
    padding: Tensor
    valid: Tensor
    home: Tensor
    whole: bool
    members: Tensor
    group: Tensor
    place: Tensor
    inside: Tensor


def batch_shape(*shapes: torch.Size) -> tuple[int, ...]:
    """The broadcast of shapes; that of torch takes a tenth of a millisecond, and keeps the unknown sizes of an export."""
    return tuple(torch.broadcast_shapes(*shapes)) if torch.compiler.is_compiling() else np.broadcast_shapes(*shapes)


class LogTiltedProduct(torch.autograd.Function):
    """The fused kernel: no (N, Q, G) tensor is kept for the backward pass, and blocks of labels stay in cache.

    The logarithm is dear: it is taken of products of four, or in double precision of sixteen, where the tilts are large
    enough for these not to underflow.
    Called with log-odds (N, G), t (N or 1, Q), and the one pinned, present label of each row (N,), or None: it has
    its own probability for a factor.
    """

    bytes = 1 << 20  # of a block: about a core's second-level cache

    @staticmethod
    def _step(odds: Tensor, t: Tensor, run: int = 4) -> int:
        held = LogTiltedProduct.bytes // (odds.element_size() * max(1, odds.shape[0] * t.shape[-1]))
        return max(run, held // run * run)

    @staticmethod
    def _halvings(t: Tensor) -> int:
        """How often a block of factors may be multiplied by its other half before its logarithm is taken."""
        most = 4 if t.dtype == torch.float64 else 2
        least = float(t.min()) if t.numel() else 0.0
        enough = (halvings for halvings in (most, 2) if least ** (1 << halvings) > torch.finfo(t.dtype).tiny * 1e4)
        return next(enough, 0)

    @staticmethod
    def forward(ctx: Any, odds: Tensor, t: Tensor, only: Tensor | None) -> Tensor:
        halvings = LogTiltedProduct._halvings(t)
        run = 1 << halvings
        spare = -odds.shape[-1] % run
        padded = F.pad(odds, (0, spare), value=-torch.inf) if spare else odds  # factors of 1
        present, absent = torch.sigmoid(padded), torch.sigmoid(-padded)
        place = missing = picked = None
        if only is not None:
            place = only.unsqueeze(-1)
            picked, missing = F.logsigmoid(odds.gather(-1, place)), absent.gather(-1, place)
            present.scatter_(-1, place, 0.0)
            absent.scatter_(-1, place, 1.0)
        ctx.save_for_backward(odds, present, absent, t, place, missing)
        step, t3 = LogTiltedProduct._step(odds, t, run), t.unsqueeze(-1)
        out = odds.new_zeros(odds.shape[0], t.shape[-1], dtype=torch.float64)
        for on, off in zip(present.split(step, -1), absent.split(step, -1), strict=True):
            factor = torch.addcmul(off.unsqueeze(-2), on.unsqueeze(-2), t3)
            for halving in range(halvings):
                half = factor.shape[-1] // 2
                first, second = factor[..., :half], factor[..., half:]
                factor = first.mul_(second) if halving else first * second
            out += factor.log_().sum(-1, dtype=torch.float64)
        return out if picked is None else out.add_(picked)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:  # type: ignore[override]
        odds, present, absent, t, place, missing = ctx.saved_tensors
        grad = grad.to(odds.dtype)
        if torch.is_grad_enabled():
            return LogTiltedProduct._slope(odds, t, place, grad), None, None
        step, t3 = LogTiltedProduct._step(present, t), t.unsqueeze(-1)
        slope = (grad * (t - 1)).unsqueeze(-2)  # (N, 1, Q)
        tiny, as_matrix = torch.finfo(grad.dtype).tiny, full_precision(grad)
        out = present * absent
        for on, off, own in zip(*(x.split(step, -1) for x in (present, absent, out)), strict=True):
            inverse = torch.addcmul(off.unsqueeze(-2), on.unsqueeze(-2), t3).clamp_(min=tiny).reciprocal_()
            own.mul_(torch.bmm(slope, inverse).squeeze(-2) if as_matrix else (slope.mT * inverse).sum(-2))
        if place is not None:
            out.scatter_(-1, place, missing * grad.sum(-1, keepdim=True))
        return out[:, : odds.shape[-1]], None, None

    @staticmethod
    def _slope(odds: Tensor, t: Tensor, place: Tensor | None, grad: Tensor) -> Tensor:
        """What `backward` gives, by operations that have gradients themselves."""
        present, absent = torch.sigmoid(odds), torch.sigmoid(-odds)
        missing = absent
        if place is not None:
            present, absent = present.scatter(-1, place, 0.0), absent.scatter(-1, place, 1.0)
        factor = (absent.unsqueeze(-2) + present.unsqueeze(-2) * t.unsqueeze(-1)).clamp(min=torch.finfo(odds.dtype).tiny)
        out = present * absent * ((grad * (t - 1)).unsqueeze(-1) / factor).sum(-2)
        if place is not None:
            out = out.scatter(-1, place, missing.gather(-1, place) * grad.sum(-1, keepdim=True))
        return out


def full_precision(values: Tensor) -> bool:
    """Whether products of matrices are worked out in the precision of their values."""
    return torch.get_float32_matmul_precision() == "highest" and not torch.is_autocast_enabled(values.device.type)


class LogCategoricalProduct(torch.autograd.Function):
    """sum_g log(u_g + v_g t_q) over `OneOf` groups, u_g + v_g the probability of the outcomes that the pins allow: (N, Q).

    Called with logits (N, L), pins (N, K) int8, t (N or 1, Q) and the block's `OutcomeIndex`. -inf where the pins
    are impossible. Rows stand last inside, so that sums over a group's few outcomes run along whole vectors.
    """

    floor = 1e-18  # below it masses are taken relative to the largest allowed one, lest they underflow

    @staticmethod
    def forward(ctx: Any, logits: Tensor, pins: Tensor, t: Tensor, index: OutcomeIndex) -> Tensor:
        *terms, factor, shift = LogCategoricalProduct._terms(logits, pins, t, index)
        ctx.save_for_backward(logits, pins, t, *terms, factor)
        ctx.index = index
        out = factor.log().sum(1, dtype=torch.float64).t().contiguous()
        return out if shift is None else out + shift.unsqueeze(-1)

    @staticmethod
    def _terms(
        logits: Tensor, pins: Tensor, t: Tensor, index: OutcomeIndex
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor | None]:
        """Probabilities (S + 1, G, N), those that the pins allow, which groups are settled, factors (Q, G, N), log units."""
        shape = (*index.padding.shape[:2], len(logits))
        own = logits.t().contiguous().index_select(0, index.places).view(shape) + index.padding
        prior = torch.softmax(own, 0)  # (S + 1, G, N)
        known = pins.t().contiguous().index_select(0, index.columns).view(shape[0] - 1, *shape[1:])
        pinned = (known == 1).logical_and_(index.valid)
        count = pinned.sum(0)
        settled = count > 0  # (G, N)
        # two pinned labels exclude each other, and leave nothing
        barred = torch.cat([torch.where(settled, ~pinned | (count > 1), known == 0), settled.unsqueeze(0)])
        mass = prior.masked_fill(barred, 0.0)
        some, none = mass[:-1].sum(0), mass[-1]
        shift: Tensor | None = None
        if bool((some + none).detach().min() < LogCategoricalProduct.floor):
            masked = own.masked_fill(barred, -torch.inf)
            top = masked.detach().amax(0).clamp(min=torch.finfo(own.dtype).min)
            mass = (masked - top).exp()
            some, none = mass[:-1].sum(0), mass[-1]
            shift = (top - torch.logsumexp(own, 0)).sum(0, dtype=torch.float64)
        # a pinned label is not tilted
        factor = torch.addcmul(torch.where(settled, some, none), some.masked_fill(settled, 0.0), t.t().unsqueeze(-2))
        return prior, mass, settled, factor, shift

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        logits, pins, t, *terms = ctx.saved_tensors
        if torch.is_grad_enabled():
            terms = LogCategoricalProduct._terms(logits, pins, t, ctx.index)[:-1]
        return LogCategoricalProduct._slope(terms, t, grad.to(logits.dtype), ctx.index), None, None, None

    @staticmethod
    def _slope(terms: Sequence[Tensor], t: Tensor, grad: Tensor, index: OutcomeIndex) -> Tensor:
        prior, mass, settled, factor = terms
        slope = grad.t().unsqueeze(-2)  # (Q, 1, N)
        ratio = slope / factor.clamp(min=torch.finfo(grad.dtype).tiny)
        plain = ratio.sum(0)
        tilted = torch.where(settled, plain, (ratio * t.t().unsqueeze(-2)).sum(0))
        out = prior * -slope.sum(0)
        if torch.is_grad_enabled():
            out = torch.cat([out[:-1] + mass[:-1] * tilted, out[-1:] + mass[-1:] * plain])
        else:
            out[:-1].addcmul_(mass[:-1], tilted)
            out[-1].addcmul_(mass[-1], plain)
        flat = out.flatten(0, 1)
        if not index.whole:
            flat = F.pad(flat, (0, 0, 0, 1))
        return flat.index_select(0, index.home).t()


class LogPickProduct(torch.autograd.Function):
    """`LogCategoricalProduct` where one label of each row is pinned, present: what most training is.

    All groups are then as if nothing were pinned, but for the pinned label's own, which has its probability. With
    nothing to bar, a group's sums are products with the 0/1 matrix of its members.

    Called with logits (N, L), labels (N,), t (N or 1, Q) and the block's `OutcomeIndex`; gives (N, Q), or None
    where a group's mass underflows beside the largest logit of its row.
    """

    @staticmethod
    def serves(logits: Tensor) -> bool:
        """On a CPU in full precision; elsewhere products of matrices may be rounded to fewer digits."""
        return logits.device.type == "cpu" and logits.dtype in (torch.float32, torch.float64) and full_precision(logits)

    @staticmethod
    def forward(ctx: Any, logits: Tensor, labels: Tensor, t: Tensor, index: OutcomeIndex) -> Tensor | None:
        members = index.members if logits.dtype == torch.float32 else index.members.to(logits.dtype)  # (2 G, L)
        groups = len(members) // 2
        flat = logits.t()
        mass = (flat - flat.amax(0)).exp()  # (L, N)
        total, none = (members @ mass).split(groups)  # (G, N) each
        own = index.group.index_select(0, labels).unsqueeze(0)  # (1, N)
        place = index.place.index_select(0, labels).unsqueeze(0)
        picked = mass.gather(0, place)
        if not min(float(total.min()), float(picked.min())) >= 1e-30:  # or NaN: a certain free label's logit is +inf
            return None
        absent = none / total
        picked.div_(total.gather(0, own))
        some = 1 - absent
        inside: Tensor | None = None
        if not index.whole:  # the pinned label may be in another block
            inside = index.inside.index_select(0, labels).unsqueeze(0)
            picked = torch.where(inside, picked, 1.0)
            some.scatter_(0, own, torch.where(inside, 0.0, some.gather(0, own)))
        else:
            some.scatter_(0, own, 0.0)
        less = t.t().unsqueeze(-2) - 1  # (Q, 1, N)
        factor = torch.addcmul(some.new_ones(()), some, less)  # (Q, G, N)
        ctx.save_for_backward(logits, labels, t, mass, total, absent, own, place, less, factor, members, inside)
        ctx.index = index
        return (factor.log().sum(1, dtype=torch.float64) + picked.log()).t().contiguous()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        logits, labels, t, mass, total, absent, own, place, less, factor, members, inside = ctx.saved_tensors
        grad = grad.to(logits.dtype)
        if torch.is_grad_enabled():
            pins = torch.full((len(labels), len(ctx.index.group)), -1, dtype=torch.int8, device=labels.device)
            pins.scatter_(-1, labels.unsqueeze(-1), 1)
            terms = LogCategoricalProduct._terms(logits, pins, t, ctx.index)[:-1]
            return LogCategoricalProduct._slope(terms, t, grad, ctx.index), None, None, None
        groups = len(total)
        slope = grad.t().unsqueeze(-2)  # (Q, 1, N)
        pull = (slope * less / factor).sum(0).mul_(absent)  # of "none", in each group but the pinned label's
        push = slope.sum(0)
        if inside is None:
            pull.scatter_(0, own, 0.0)
            both = pull.scatter(0, own, -push)
        else:
            push = torch.where(inside, push, 0.0)
            kept = torch.where(inside, 0.0, pull.gather(0, own))
            pull.scatter_(0, own, kept)
            both = pull.scatter(0, own, kept - push)
        out = mass * (members[:groups].t() @ both.div_(total))
        out.sub_(members[groups:].t() @ pull)
        out.scatter_add_(0, place, push)
        return out.t(), None, None, None


class LogSumExp(torch.autograd.Function):
    """logsumexp over the last dimension whose gradient is zero, not NaN, where all values are -inf."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, log_weight: Tensor | None) -> Tensor:
        out = torch.logsumexp(values if log_weight is None else values + log_weight, -1)
        ctx.save_for_backward(values, log_weight, out)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:  # type: ignore[override]
        values, log_weight, out = ctx.saved_tensors
        if log_weight is not None:
            values = values + log_weight
        share = (values - out.clamp(min=torch.finfo(out.dtype).min).unsqueeze(-1)).exp()
        return share * grad.unsqueeze(-1), None


def log_sum_exp(values: Tensor, log_weight: Tensor | None = None) -> Tensor:
    """logsumexp over the last dimension of values (..., n) plus log-weights, which broadcast to them: (...)."""
    if log_weight is not None and (log_weight.requires_grad or log_weight.dim() > values.dim()):
        values, log_weight = values + log_weight, None  # the kernel's weights are constants
    if not torch.is_grad_enabled():
        return torch.logsumexp(values if log_weight is None else values + log_weight, -1)
    out: Tensor = LogSumExp.apply(values, log_weight)
    return out
