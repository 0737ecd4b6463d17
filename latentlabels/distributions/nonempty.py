"""`NonEmptyLabelVector`: the distribution of the labels of an image that has at least one, or most likely so.

An image gets into a collection of one known label per image because it has a label. Independent labels cannot say so: where an
image shows a cat or a dog, nobody knows which, they must give "neither" a quarter of the probability, or say both. Here the
empty set counts r times as much as they would have it:

    p_r(y) = p(y) r^[y = 0] / D,    D = 1 - (1 - r) P0,    P0 = p(y = 0) = prod of p(none) over groups that apply there.

At r = 0 that is p(y | N >= 1), zero-truncated as statistics calls it; at r = 1 it is p(y). Labels can then say "one of the
two", and everything that sums over label sets stays exact: only the weight of one event changes. Given a known
positive it is the posterior of p(y), for any r.

Where all labels are rare, D is near r, and at r = 0 near nothing: 1 - (1 - r) P0 has no correct digit then. So for r below
1/32 all answers are sums of what is small, relative to log D, and as accurate at logits of -100 as at 0.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from .. import exact
from ..annotation import Annotation, Ignorable, UniformPositive
from ..space import LabelSpace
from .label_vector import ENUMERABLE, Given, LabelVector
from .precision import within_one

EMPTY_ODDS = 0.05  # r of fits: a new image may show none of the labels after all
_SMALL = 1 / 32  # r below which D is not taken from 1 - (1 - r) P0, which costs less and loses a factor of 1 / r
_TRIES = 16  # times that an empty draw is repeated, before the slower exact way


def can_be_empty(space: LabelSpace) -> bool:
    """Whether the empty label set is valid: no group that applies to it is exhaustive."""
    return space.can_be_empty


class NonEmptyLabelVector(LabelVector):
    """p_r(y) of one forest, event shape (K,), exact.

    Args:
        space: the label space.
        logits: (..., L), as of `LabelVector`.
        empty_odds: r, in [0, 1]: how much the empty set counts.

    Raises:
        ValueError: logits of the wrong size, or an r outside of [0, 1].
    """

    nonempty = True

    def __init__(self, space: LabelSpace, logits: Tensor, empty_odds: float = 0.0, *, validate_args: bool | None = None):
        if not 0.0 <= empty_odds <= 1.0:
            raise ValueError(f"empty_odds must be in [0, 1], not {empty_odds}")
        self.empty_odds, self.log_odds_of_empty = float(empty_odds), _log(empty_odds)
        super().__init__(space, logits, validate_args=validate_args)

    @property
    def base(self) -> LabelVector:
        """p(y)."""
        return self._made_of(self._components)

    @property
    def log_empty(self) -> Tensor:
        """log P0, (...)."""
        return self._mixed(exact.log_none(self.forest, self.logits))

    @property
    def log_some(self) -> Tensor:
        """log(1 - P0), (...)."""
        return self._mixed(exact.log_some(self.forest, self.logits))

    @property
    def log_mass(self) -> Tensor:
        """log D, (...)."""
        if self.empty_odds >= _SMALL:
            return torch.log1p((self.empty_odds - 1) * self.log_empty.exp())
        if not self.empty_odds:
            return self.log_some
        return exact.log_sum_exp(torch.stack([self.log_empty + self.log_odds_of_empty, self.log_some], -1))

    def _mixed(self, parts: Tensor) -> Tensor:
        return parts.squeeze(-1) if self.num_components == 1 else exact.log_sum_exp(self.log_weights + parts)

    @property
    def _per_mass(self) -> Tensor:
        """1 / D, (...), or a large number where that overflows."""
        log_mass = self.log_mass
        return (-log_mass).clamp(max=-0.9 * math.log(torch.finfo(log_mass.dtype).tiny)).exp()

    def expand(self, batch_shape: Any, _instance: Any = None) -> LabelVector:
        """The same distribution with a larger batch shape."""
        batch = torch.Size(batch_shape)
        if batch == self.batch_shape:
            return self
        wide = super().expand(batch)
        return _weighted(wide, self.empty_odds, wide.given)

    def take(self, rows: Tensor) -> LabelVector:
        """The distributions at some places of the first batch dimension."""
        return _weighted(super().take(rows), self.empty_odds, None)

    def log_prob(self, value: Tensor) -> Tensor:
        """log p_r(y): (...) for y (..., K) of 0 and 1."""
        log_prob = super().log_prob(value) - self.log_mass
        return torch.where((value != 0).any(-1), log_prob, log_prob + self.log_odds_of_empty)

    def sample(self, sample_shape: Any = torch.Size()) -> Tensor:
        """Exact draws: sample_shape + (..., K) of 0 and 1. An empty one stands with probability r, or is drawn again."""
        with torch.no_grad():
            y = super().sample(sample_shape)
            again = self._refused(y, self.empty_odds)
            for _ in range(_TRIES):
                if not bool(again.any()):
                    return y
                new = super().sample(sample_shape)
                y = torch.where(again.unsqueeze(-1), new, y)
                again = again & self._refused(new, self.empty_odds)
            stays = (self.log_odds_of_empty + self.log_empty - self.log_mass).exp()
            return self._fill(y, again & self._refused(y, stays))

    @staticmethod
    def _refused(y: Tensor, stays: Tensor | float) -> Tensor:
        """Which draws are empty and do not stand."""
        return ~(y != 0).any(-1) & (torch.rand(y.shape[:-1], device=y.device) >= stays)

    def _fill(self, y: Tensor, empty: Tensor) -> Tensor:
        """Draws of sets that are not empty in some places: a label as if by a uniform pick, the rest given that.

        The sum over the labels k of p(y) [y_k = 1] / N is p(y) [N >= 1].
        """
        if not bool(empty.any()):
            return y
        logits = self.logits.expand(*y.shape[:-1], *self.logits.shape[-2:])[empty]
        mixture = self.mixture_logits.expand(*y.shape[:-1], self.num_components)[empty]
        q = LabelVector(self.space, logits, mixture, validate_args=False)
        picks = torch.full((self.space.num_labels,) * 2, -1, dtype=torch.int8, device=y.device)
        picks.fill_diagonal_(1)
        values = torch.stack([q.log_marginal(pick.expand(len(logits), -1), UniformPositive()) for pick in picks], -1)
        picked = picks[torch.distributions.Categorical(logits=values).sample()]
        y = y.clone()
        y[empty] = q.condition(picked, UniformPositive()).sample()
        return y

    @property
    def marginals(self) -> Tensor:
        """p_r(y_k = 1): (..., K)."""
        if self.empty_odds >= _SMALL:
            return within_one(super().marginals * self._per_mass.unsqueeze(-1))
        return within_one(self._log_marginals().exp().to(self.logits.dtype))

    def _log_marginals(self) -> Tensor:
        return super()._log_marginals() - _double(self).log_mass.unsqueeze(-1)

    def count_probs(self) -> Tensor:
        """P(N = n) for n = 0..n_max: (..., n_max + 1)."""
        wide = _double(self)
        assert isinstance(wide, NonEmptyLabelVector)
        some = self._counts(exact.count_probs_of_some)[..., 1:] * wide._per_mass.unsqueeze(-1)
        empty = wide._log_empty_of_all.exp().unsqueeze(-1)
        probs = torch.cat([empty.expand(*some.shape[:-1], 1), some], -1)
        return within_one(probs.expand(*self.batch_shape, probs.shape[-1]).to(self.logits.dtype))

    @property
    def _log_empty_of_all(self) -> Tensor:
        """log p_r(y = 0), (...)."""
        return self.log_empty + self.log_odds_of_empty - self.log_mass

    def entropy(self) -> Tensor:
        """H(y) in nats, (...)."""
        return -self._expected(self).clamp(max=0.0).to(self.logits.dtype)

    def kl(self, other: LabelVector) -> Tensor:
        """KL(p || other) in nats, (...), of another one of its kind or of a `LabelVector`."""
        if self.num_components == 1 and other.num_components == 1:
            value = self._expected(self) - self._expected(other)
            excluded = torch.isneginf(_double(other.base).log_prob(self._nothing))
            if bool((excluded & torch.isfinite(self.log_empty)).any()):  # the logits of the other one exclude the empty set
                value = torch.where(excluded, self._kl_by_base(other), value)
        elif self._by_sets(other):
            value = self._kl_by_sets(other.base, other)
        else:
            value = self._kl_by_base(other)
        return value.to(self.logits.dtype)

    def cross_entropy(self, other: LabelVector) -> Tensor:
        """-E[log p_other(y)] in nats, (...)."""
        return -self._expected(other).to(self.logits.dtype)

    @property
    def _nothing(self) -> Tensor:
        return torch.zeros(self.space.num_labels, dtype=torch.double, device=self.logits.device)

    def _by_sets(self, other: LabelVector) -> bool:
        """Whether differences of two sums would lose digits that a sum over label sets keeps."""
        rare = bool((self.log_mass < math.log(1e-3)).any())
        return rare and self.space.num_label_sets <= ENUMERABLE

    def _expected(self, other: LabelVector) -> Tensor:
        """E[log p_other(y)] in double precision, (...).

        For one forest from E[log p(y) - log p(0)] / D, whose terms are as small as D is; elsewhere with the sums of p(y).
        """
        wide, theirs = _double(self), _double(other)
        assert isinstance(wide, NonEmptyLabelVector)
        odds = theirs.log_odds_of_empty if isinstance(theirs, NonEmptyLabelVector) else 0.0
        if self.num_components > 1 or theirs.num_components > 1:
            if self._by_sets(other):
                y = wide.enumerate_support()
                mine = wide.log_prob(y)
                none = torch.isneginf(mine)
                return torch.where(none, 0.0, mine.exp() * theirs.log_prob(y).masked_fill(none, 0.0)).sum(0)
            empty = wide.log_empty.exp()
            at_empty = theirs.base.log_prob(self._nothing)
            all_sets = wide.base._expected_log_prob_of(theirs.base)
            some = all_sets - torch.where(empty == 0, 0.0, empty * at_empty)
            kept = self.empty_odds * empty
            return (some + torch.where(kept == 0, 0.0, kept * (at_empty + odds))) * wide._per_mass - theirs.log_mass
        logits, others = wide.logits[..., 0, :], theirs.logits[..., 0, :]
        log_empty = exact.log_none(self.forest, others)
        never = (torch.isneginf(wide.log_empty) | torch.isneginf(log_empty)).unsqueeze(-1)
        apart = exact.expected_log_odds(
            self.forest,
            logits.masked_fill(never, 0.0),
            others.masked_fill(never, 0.0),
            wide.log_mass.masked_fill(never[..., 0], 0.0),
        )
        value = apart + log_empty.masked_fill(never[..., 0], 0.0)
        if self.empty_odds:
            kept = wide._log_empty_of_all.exp()
            value = value + torch.where(kept == 0, 0.0, kept * odds)
        if bool(never.any()):  # P0 = 0 and D = 1, or the other one's
            value = torch.where(never[..., 0], exact.expected_log_prob(self.forest, logits, others), value)
        return value - theirs.log_mass

    def _kl_by_base(self, other: LabelVector) -> Tensor:
        """KL(p || other) from that of the distributions without their weights of the empty set."""
        wide, theirs = _double(self), _double(other)
        assert isinstance(wide, NonEmptyLabelVector)
        mine = wide.log_empty
        base, odds, mass = theirs, 1.0, torch.zeros_like(mine)
        if isinstance(theirs, NonEmptyLabelVector):
            base, odds, mass = theirs.base, theirs.empty_odds, theirs.log_mass
        ratio = torch.where(torch.isneginf(mine), 0.0, mine - base.log_prob(self._nothing))  # log P0 / P0'
        kept = self.empty_odds * mine.exp()
        value = wide.base.kl(base) - mine.exp() * ratio
        if self.empty_odds:  # what the empty set adds; infinite where the other excludes it
            log_odds = math.log(self.empty_odds / odds) if odds else math.inf
            value = value + torch.where(kept > 0, kept * (ratio + log_odds), 0.0)
        value = value * wide._per_mass - wide.log_mass + mass
        lost = torch.isnan(value)  # infinity less infinity: the logits of the other one exclude the empty set
        if bool(lost.any()):
            value = torch.where(lost, torch.inf if self.empty_odds else wide._kl_by_sets(base, theirs), value)
        return value

    def _kl_by_sets(self, base: LabelVector, other: LabelVector) -> Tensor:
        """KL(p || other) at r = 0 of an `other`, without its weight `base`, under which the set is never empty."""
        certain = torch.zeros(self.batch_shape, dtype=torch.bool, device=self.logits.device)
        if self._components.one_forest()[0] is not None and base._components.one_forest()[0] is not None:
            # a tree is sure to be present there, and need not be here where there is another one
            possible = torch.stack([self.marginals[..., columns].sum(-1) > 0 for columns in self._trees()])
            certain = possible.sum(0) > 1
            if self.space.num_label_sets > ENUMERABLE and bool(certain.all()):
                return torch.where(certain, torch.inf, self.log_mass)
        y = self.enumerate_support()
        mine = self.log_prob(y)
        some = ~torch.isneginf(mine)
        ratio = torch.where(some, mine - other.log_prob(y), 0.0)
        return torch.where(certain, torch.inf, torch.where(some, mine.exp() * ratio, 0.0).sum(0))

    def _trees(self) -> list[list[int]]:
        """The columns of the labels of each tree of the forest."""
        root: dict[str, str] = {}
        columns: dict[str, list[int]] = {}
        for group in self.space.parents_first:
            parent = self.space.parent(group)
            root[group.name] = group.name if parent is None else root[parent.group]
            columns.setdefault(root[group.name], []).extend(self.space.columns(group))
        return list(columns.values())

    def mode(self) -> Tensor:  # type: ignore[override]
        """The most probable valid y, (..., K) of 0 and 1."""
        with torch.no_grad():
            best = super().mode()
            empty = ~(best != 0).any(-1)
            if not bool(empty.any()):
                return best
            logits = self.logits.expand(*best.shape[:-1], *self.logits.shape[-2:])[empty]
            mixture = self.mixture_logits.expand(*best.shape[:-1], self.num_components)[empty]
            q = LabelVector(self.space, logits, mixture, validate_args=False)
            found, value = best[empty], torch.full(logits.shape[:1], -torch.inf, dtype=logits.dtype, device=logits.device)
            for k in range(self.space.num_labels):  # the best set that holds label k
                known = torch.full(found.shape, -1, dtype=torch.int8, device=found.device)
                known[:, k] = 1
                possible = ~torch.isneginf(q.log_marginal(known, Ignorable()))
                rows = possible.nonzero().flatten()
                if not len(rows):
                    continue
                some = LabelVector(self.space, logits[rows], mixture[rows], validate_args=False)
                sets = some.condition(known[rows], Ignorable()).mode().to(found.dtype)
                log_prob = some.log_prob(sets)
                better = log_prob > value[rows]
                found[rows[better]], value[rows[better]] = sets[better], log_prob[better]
            better = value > (self.log_empty + self.log_odds_of_empty).expand(best.shape[:-1])[empty]
            best = best.clone()
            best[empty] = torch.where(better.unsqueeze(-1), found, best[empty])
            return best

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """All valid label sets, without the empty one if r is 0: (S, ..., K), or (S, 1, ..., K) without `expand`."""
        sets = super().enumerate_support(expand)
        return sets if self.empty_odds else sets[(sets != 0).flatten(1).any(-1)]

    def log_marginal(self, observed: Tensor, how: Annotation) -> Tensor:
        """log p(o | x), exact and differentiable: (...); see `LabelVector.log_marginal`."""
        observed = self._checked(observed)
        if self._excludes_empty(observed, how):
            value = self._log_marginal(observed, how)
        elif self.empty_odds < _SMALL:
            value = self._log_marginal_of_some(observed, how)
            if self.empty_odds:
                empty = self.log_empty + self.log_odds_of_empty + self._log_given_nothing(observed, how)
                value = exact.log_sum_exp(torch.stack(torch.broadcast_tensors(value, empty), -1))
        else:
            value = self._log_marginal(observed, how)
            share = self.log_empty + self._log_given_nothing(observed, how) - value
            share = torch.where(torch.isneginf(value), -torch.inf, share)  # of the empty set in the sum
            some = torch.isfinite(share) & (share < 0)
            less = torch.log1p((self.empty_odds - 1) * torch.where(some, share, -1.0).exp())
            value = value + torch.where(some, less, 0.0)
            value = torch.where(share >= 0, value + self.log_odds_of_empty, value)  # it is all there is
        return (value - self.log_mass).to(self.logits.dtype)

    def _log_given_nothing(self, observed: Tensor, how: Annotation) -> Tensor:
        """log p(o | y = 0), relative to the probability of being found: (...)."""
        return how.log_prob(observed, self._nothing.expand(observed.shape)) - self.log_found(observed, how)

    def _log_marginal_of_some(self, observed: Tensor, how: Annotation) -> Tensor:
        """log sum p(y) p(o | y) over the sets that are not empty; nothing is taken out of a sum that it may dominate.

        Each product of the evidence leaves a forest, without its empty set.
        """
        evidence = how.evidence(observed, lambda: self._count_bound(observed), self.logits.dtype).joined()
        log_z, logits = exact.posterior_logits(self.forest, self.logits.double(), evidence)
        some = exact.log_some(self.forest, logits)
        joint = log_z + some + evidence.log_weight.unsqueeze(-2) + self.log_weights.unsqueeze(-1)
        return exact.log_sum_exp(joint.flatten(-2)) - self.log_found(observed, how)

    def condition(self, observed: Tensor, how: Annotation | None = None) -> LabelVector:
        """The posterior p(y | x, o): with a known positive that of `LabelVector`."""
        how, observed = Ignorable() if how is None else how, self._checked(observed)
        out = super().condition(observed, how)
        return out if self._excludes_empty(observed, how) else self.reweighted(out)

    def reweighted(self, posterior: LabelVector) -> NonEmptyLabelVector:
        """A posterior of p(y), made that of p_r(y)."""
        return _weighted(posterior, self.empty_odds, posterior.given)

    @staticmethod
    def _excludes_empty(observed: Tensor, how: Annotation) -> bool:
        """Whether what is known of every image rules out the empty set by itself; an image that was found shows a label."""
        can_be_wrong = how.noise and how.selection_weights(observed.shape[-1], torch.float64, observed.device) is None
        return not can_be_wrong and bool((observed > 0).any(-1).all())


def _weighted(q: LabelVector, empty_odds: float, given: Given | None) -> NonEmptyLabelVector:
    """`q` with the empty set weighted by r."""
    out = NonEmptyLabelVector.__new__(NonEmptyLabelVector)
    out.__dict__.update(q.__dict__)
    out.given, out.empty_odds = given, empty_odds
    out.log_odds_of_empty = _log(empty_odds)
    return out


def _log(empty_odds: float) -> float:
    return math.log(empty_odds) if empty_odds else -math.inf


def _double(q: LabelVector) -> LabelVector:
    wide = q._made_of(q._components.changed(lambda part, _: part.double()))
    return _weighted(wide, q.empty_odds, None) if isinstance(q, NonEmptyLabelVector) else wide
