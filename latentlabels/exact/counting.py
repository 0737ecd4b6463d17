"""The distribution of the number of present labels: a generating function, evaluated on the unit circle.

The root groups of a forest are independent, so that E[z^N] is a product over them. Each is kept as two numbers, the
probability of none and the excess E[z^n] - P(n = 0): products of such pairs subtract nothing, so that probabilities given
N >= 1 are as accurate where P(N >= 1) is 1e-40 as where it is 1. Up to 63 labels are multiplied at 64 roots of unity, and
their polynomials then at as many roots as there may be labels present.

Symbols: N rows, Z points, R root groups, P packs of them.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .emptiness import log_some
from .evidence import Evidence
from .forest import Block, Forest
from .sums import log_normalizers

_ELEMENTS = 1 << 22  # complex numbers held at once
_PACK = 64  # roots of unity of the first products
_NEVER = 42.0  # minus the log of a probability that counts as none
_FEW = 40  # labels at once, up to which looking for a bound costs more than it saves
_RATIOS = (1.5, 2.0, 3.0, 5.0, 9.0, 20.0, 60.0)  # the best of them is near the best of all


def count_probs(forest: Forest, logits: Tensor) -> Tensor:
    """P(N = n) for n = 0..n_max, N the number of present labels, a generalised Poisson-binomial.

    E[z^N] at roots of unity, then an inverse Fourier transform, in double precision: the absolute error is near 1e-15,
    whatever the precision of `logits`. As many roots as there may be labels present: numbers whose probability is below
    1e-18 are given 0, so that thousands of rare labels cost little more than a few.

    Args:
        forest: of the label space.
        logits: (..., L).

    Returns:
        (..., n_max + 1) of the precision of `logits`; differentiable any number of times. The backward pass works the
        sums out again, a part of the rows at a time.
    """
    return _counts(forest, logits, truncated=False).to(logits.dtype)


def count_probs_of_some(forest: Forest, logits: Tensor) -> Tensor:
    """P(N = n) for n = 1..n_max, and 0 for n = 0, in double precision: the error is 1e-15 of P(N >= 1), however small."""
    log_mass = log_some(forest, logits.double())
    never = torch.isneginf(log_mass)
    possible = torch.where(never.unsqueeze(-1), 0.0, logits.double())  # such rows have no conditional probabilities
    return _counts(forest, possible, truncated=True) * log_mass.exp().unsqueeze(-1)


@lru_cache(maxsize=256)
def _root_blocks(forest: Forest) -> tuple[Block, ...]:
    """The blocks of groups that are roots."""
    return tuple(block for block in forest.blocks if int(block.parents[0]) == forest.num_labels)


def _counts(forest: Forest, logits: Tensor, truncated: bool) -> Tensor:
    lead, flat = logits.shape[:-1], logits.double().reshape(-1, logits.shape[-1])
    if not len(flat):
        return flat.new_zeros(*lead, forest.max_count + 1) + flat.sum()
    out: Tensor = _Counts.apply(flat, forest, truncated)  # given N >= 1 if `truncated`
    return out.reshape(*lead, forest.max_count + 1)


class _Counts(torch.autograd.Function):
    """`_by_fourier` of parts of the rows, worked out again for the gradient, so that memory stays bounded."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, forest: Forest, truncated: bool) -> Tensor:
        ctx.save_for_backward(logits)
        ctx.forest, ctx.truncated = forest, truncated
        ctx.parts = _parts(forest, logits, truncated)
        out = logits.new_zeros(len(logits), forest.max_count + 1)
        for rows, size in ctx.parts:
            found = _by_fourier(forest, logits[rows], size, truncated)
            out[rows, : found.shape[-1]] = found
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:  # type: ignore[override]
        (logits,) = ctx.saved_tensors
        again = torch.is_grad_enabled()  # a gradient of this gradient is wanted
        slopes = []
        for rows, size in ctx.parts:
            with torch.enable_grad():
                own = logits[rows] if again else logits[rows].detach().requires_grad_()
                found = _by_fourier(ctx.forest, own, size, ctx.truncated)
                slopes += torch.autograd.grad(found, own, grad[rows, : found.shape[-1]], create_graph=again)
        return torch.cat(slopes), None, None


def _parts(forest: Forest, logits: Tensor, truncated: bool) -> list[tuple[slice, int]]:
    """Rows that are worked out together, and how many numbers of labels have to be told apart."""
    most = _most(forest, logits, log_some(forest, logits) if truncated else 0.0)
    packing = _packing(forest)
    size = int(most.max()) + 1
    groups = sum(len(block.names) for block in packing.deep)
    held = (packing.flat + groups) * min(size, _PACK) + size * (len(packing.members) + groups * bool(packing.large))
    rows = max(1, _ELEMENTS // held)
    return [(slice(start, start + rows), int(most[start : start + rows].max()) + 1) for start in range(0, len(logits), rows)]


def _most(forest: Forest, logits: Tensor, log_mass: Tensor | float = 0.0) -> Tensor:
    """For each row a number of labels exceeded with a probability below e^-42, about 6e-19: nothing, at double precision.

    Chernoff's bound, P(N >= n) <= E[z^N] / z^n for every z > 1, with the expectation exact; `log_mass` is that of an event
    without which nothing is counted.
    """
    whole = torch.full((len(logits),), forest.max_count, device=logits.device)
    if forest.max_count <= _FEW:
        return whole
    with torch.no_grad():
        log_z = torch.tensor(_RATIOS, dtype=torch.float64, device=logits.device).log()
        pins = torch.full((1, forest.num_labels), -1, dtype=torch.int8, device=logits.device)
        value = log_normalizers(
            forest, logits.unsqueeze(-2), Evidence(torch.zeros_like(log_z), log_z.unsqueeze(-1), pins)
        ).squeeze(-2)
        less = log_mass.unsqueeze(-1) if isinstance(log_mass, Tensor) else log_mass
        bound = ((value - less + _NEVER) / log_z).nan_to_num(nan=torch.inf).amin(-1)
        return torch.minimum(bound.ceil().clamp(0, forest.max_count).long(), whole)


class _Packing(NamedTuple):
    """How the R root groups, those without children first, are multiplied.

    Attributes:
        roots: their blocks.
        deep: the blocks of trees that are more than one group.
        members: (P, W) root groups of each pack, which hold fewer than 64 labels at once; R where padded.
        large: root groups that hold more by themselves.
        flat: how many root groups have no children.
        total: R.
    """

    roots: tuple[Block, ...]
    deep: tuple[Block, ...]
    members: Tensor
    large: list[int]
    flat: int
    total: int


@lru_cache(maxsize=256)
def _packing(forest: Forest) -> _Packing:
    roots = sorted(_root_blocks(forest), key=lambda block: not block.flat)
    sizes = [size for block in roots for size in block.sizes]
    packs: list[list[int]] = []
    room = 0
    for root, size in enumerate(sizes):
        if size < _PACK:
            if size > room:
                packs.append([])
                room = _PACK - 1
            packs[-1].append(root)
            room -= size
    width = max((len(pack) for pack in packs), default=0)
    members = [pack + [len(sizes)] * (width - len(pack)) for pack in packs]
    return _Packing(
        roots=tuple(roots),
        deep=tuple(block for block in forest.blocks if not block.flat),
        members=torch.tensor(members, dtype=torch.long, device=forest.bound_columns.device).reshape(len(packs), width),
        large=[root for root, size in enumerate(sizes) if size >= _PACK],
        flat=sum(len(block.names) for block in roots if block.flat),
        total=len(sizes),
    )


def _by_fourier(forest: Forest, logits: Tensor, size: int, truncated: bool = False) -> Tensor:
    """P(N = n) of n = 0..size - 1, which hold all probability, given N >= 1 if `truncated`: (N, size)."""
    log_mass = log_some(forest, logits).detach() if truncated else None
    scale = None if log_mass is None else log_mass.exp()[:, None, None]
    packing = _packing(forest)
    points = size if size <= _PACK else _smooth(size)
    none, excess = _at_roots(forest, packing, logits, log_mass, min(points, _PACK))
    if size > _PACK:
        members, large, pairs = packing.members, packing.large, []
        if len(members):
            packs = _multiply(F.pad(none, (0, 1), value=1.0)[..., members], F.pad(excess, (0, 1))[..., members], scale)
            pairs = [(packs[0], torch.fft.rfft(torch.fft.irfft(packs[1], n=_PACK, dim=1), n=points, dim=1))]
        if large:
            trees = _at_roots(forest, packing._replace(flat=0), logits, log_mass, points)[1]
            pairs.append((none[..., large], trees[..., [root - packing.flat for root in large]]))
        none, excess = (torch.cat(parts, -1) for parts in zip(*pairs, strict=True))
    none, excess = _multiply(none, excess, scale)
    raw = torch.fft.irfft(excess, n=points, dim=-1)[:, 1:size]
    some = raw + (raw.clamp(min=0.0) - raw).detach()
    if truncated:
        return F.pad(some / some.sum(-1, keepdim=True), (1, 0))
    probs = torch.cat([none, some], -1)
    return probs / probs.sum(-1, keepdim=True).detach()


def _smooth(size: int) -> int:
    """The next number of points that a Fourier transform is fast for."""
    power = 1 << (size - 1).bit_length()
    return min(points for points in (power, power * 5 // 8, power * 3 // 4) if points >= size)


def _at_roots(forest: Forest, packing: _Packing, logits: Tensor, log_mass: Tensor | None, points: int) -> tuple[Tensor, Tensor]:
    """P(n = 0), (N, 1, R), and E[z^n] - P(n = 0), (N, Z, R), of the number of labels below each root group.

    z are the roots of unity of `points` that are no conjugates of others. With `log_mass` the excess is divided by that
    mass. Where `packing.flat` is 0, root groups without children are left out.
    """
    angle = -2 * math.pi / points * torch.arange(points // 2 + 1, dtype=logits.dtype, device=logits.device)
    z = torch.polar(torch.ones_like(angle), angle).unsqueeze(-1)  # (Z, 1)
    scale = None if log_mass is None else log_mass.exp()[:, None, None]
    below = _Below({}, {})
    nones, excesses = {}, {}
    blocks = [block for block in packing.roots if block.flat] if packing.flat else []
    for block in (*reversed(packing.deep), *blocks):
        present, log_none = block.outcomes(logits)
        none = log_none.exp().unsqueeze(1)
        if block.opens and log_mass is not None:
            present = present - log_mass[:, None, None]
        own = z * _present(block, present.exp(), below, scale)
        if block.opens:
            none, own = _with_what_is_below_none(block, none, own.expand(-1, len(z), -1), below, scale)
            if int(block.parents[0]) == forest.num_labels:
                nones[block], excesses[block] = none, own
                continue
            for parent in set(block.parents.tolist()):
                mine = block.parents == parent
                below.open.setdefault(parent, []).append((none[..., mine], own[..., mine]))
            continue
        own = own + none * _of_none(block, below)
        for parent in set(block.parents.tolist()):
            product = _product(own[..., block.parents == parent])
            below.total[parent] = below.total[parent] * product if parent in below.total else product
    order = [block for block in packing.roots if block in nones]
    return torch.cat([nones[block] for block in order], -1), torch.cat([excesses[block] for block in order], -1)


class _Below(NamedTuple):
    """What hangs below labels and events, by their column.

    Attributes:
        total: E[z^n] below a column that holds, (N, Z), of groups that do not apply to the empty set.
        open: of those that do, P(n = 0) and E[z^n] - P(n = 0), in parts (N, 1, groups) and (N, Z, groups).
    """

    total: dict[int, Tensor]
    open: dict[int, list[tuple[Tensor, Tensor]]]

    def pair(self, column: int, scale: Tensor | None) -> tuple[Tensor, Tensor] | None:
        """P(n = 0), (N, 1), and the excess, (N, Z), of all below a column together; None where nothing open is."""
        if column not in self.open:
            return None
        nones, excesses = zip(*self.open[column], strict=True)
        if len(nones) > 1 or nones[0].shape[-1] > 1:
            none, excess = _multiply(torch.cat(nones, -1), torch.cat(excesses, -1), scale)
            self.open[column] = [(none.unsqueeze(-1), excess.unsqueeze(-1))]
        (one,) = self.open[column]
        return one[0].squeeze(-1), one[1].squeeze(-1)

    def whole(self, column: int, scale: Tensor | None) -> Tensor | None:
        """E[z^n] of all below a column, (N, Z); None where nothing is."""
        pair = self.pair(column, scale)
        if pair is None:
            return self.total.get(column)
        none, excess = pair
        apart = none + (excess if scale is None else excess * scale.squeeze(-1))
        return apart * self.total[column] if column in self.total else apart


def _with_what_is_below_none(
    block: Block, none: Tensor, own: Tensor, below: _Below, scale: Tensor | None
) -> tuple[Tensor, Tensor]:
    """P(n = 0), (N, 1, G), and the excess, (N, Z, G), of groups with the trees below their "none"."""
    for column, row in block.none_events:
        pair = below.pair(column, scale)
        if pair is None:
            continue
        place = torch.tensor([row], device=none.device)
        further = none[..., row] * pair[1]
        own = own.to(further.dtype).index_add(-1, place, further.unsqueeze(-1))
        none = none.index_copy(-1, place, (none[..., row] * pair[0]).unsqueeze(-1))
    return none, own


def _of_none(block: Block, below: _Below) -> Tensor | float:
    """E[z^n] below "none" of groups that do not apply to the empty set, (N, Z, G) or 1."""
    events = [(column, row) for column, row in block.none_events if column in below.total]
    if not events:
        return 1.0
    some = below.total[events[0][0]]
    out = some.new_ones(*some.shape, len(block.names))
    for column, row in events:
        place = torch.tensor([row], device=out.device)
        out = out.index_copy(-1, place, out[..., place] * below.total[column].unsqueeze(-1))
    return out


def _present(block: Block, present: Tensor, below: _Below, scale: Tensor | None) -> Tensor:
    """Sum over a group's labels of their probability (N, G, S) times what is below them: (N, 1 or Z, G)."""
    deep: dict[tuple[int, int], Tensor] = {}
    for group, place, column in () if block.flat else block.columns_below:
        further = below.whole(column, scale) if place < present.shape[-1] else None
        if further is not None:
            deep[group, place] = deep[group, place] * further if (group, place) in deep else further
    if not deep:
        return present.sum(-1).unsqueeze(1)
    groups, labels = [group for group, _ in deep], [place for _, place in deep]
    bare = torch.ones(block.columns.shape, dtype=present.dtype, device=present.device)
    bare[groups, labels] = 0.0
    deeper = present[:, groups, labels].unsqueeze(1) * torch.stack(list(deep.values()), -1)
    total = (present * bare).sum(-1).unsqueeze(1).to(deeper.dtype).expand(*deeper.shape[:2], -1)
    return total.index_add(-1, torch.tensor(groups, device=present.device), deeper)


def _product(factors: Tensor) -> Tensor:
    """The product over the last dimension by pairs: nothing is divided for its gradient."""
    while factors.shape[-1] > 1:
        half = factors.shape[-1] // 2
        pairs = factors[..., :half] * factors[..., half : 2 * half]
        factors = torch.cat([pairs, factors[..., 2 * half :]], -1)
    return factors.squeeze(-1)


def _multiply(none: Tensor, excess: Tensor, scale: Tensor | None) -> tuple[Tensor, Tensor]:
    """The pair of a product of pairs over the last dimension, by pairs; excesses are in units of `scale`."""
    while none.shape[-1] > 1:
        half = none.shape[-1] // 2
        first, second = excess[..., :half], excess[..., half : 2 * half]
        none_first, none_second = none[..., :half], none[..., half : 2 * half]
        both = first * second
        if scale is not None:
            both = both * (scale if both.dim() == 3 else scale.unsqueeze(-1))
        pairs = first * none_second + second * none_first + both
        none = torch.cat([none_first * none_second, none[..., 2 * half :]], -1)
        excess = torch.cat([pairs, excess[..., 2 * half :]], -1)
    return none.squeeze(-1), excess.squeeze(-1)


@lru_cache(maxsize=64)
def log_factorials(most: int, device: torch.device) -> Tensor:
    """Log n! for n = 0..most, in double precision: (most + 1,)."""
    return torch.lgamma(torch.arange(1, most + 2, dtype=torch.float64, device=device))


def log_binomials(most: int, known: Tensor, dtype: torch.dtype) -> Tensor:
    """Log C(n, m) for n = 0..most, -inf where n < m.

    Args:
        most: the largest n.
        known: (...) m.
        dtype: of the result.

    Returns:
        (..., most + 1).
    """
    n = torch.arange(most + 1, dtype=torch.float64, device=known.device)
    m = known.unsqueeze(-1).double()
    value = torch.lgamma(n + 1) - torch.lgamma(m + 1) - torch.lgamma((n - m).clamp(min=0) + 1)
    return torch.where(n >= m, value, -torch.inf).to(dtype)
