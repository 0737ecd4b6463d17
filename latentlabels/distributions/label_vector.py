"""`LabelVector`: the distribution of all labels of an image, as a Pyro distribution.

A mixture of C forests over y in {0,1}^K (`..exact`). The CNN gives one forest an image (or M with mixture
weights); conditioning on what is known gives a mixture of forests again, one component for each product of the
annotation's evidence, so that prior and posterior are objects of one kind.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from pyro.distributions import TorchDistribution
from torch import Tensor
from torch.distributions import constraints

from .. import exact
from ..annotation import Annotation, CountBound, Ignorable
from ..space import LabelSpace
from .conditioning import Cardinality, Components, count_bound, log_sum_with, posterior_components
from .precision import at_least_float32, is_mild, within_one
from .refusals import checked_observed, refuse_impossible, refuse_undefined

_AT_ONCE = 1 << 18  # logits of components that are worked on at once where there are many
ENUMERABLE = 1 << 16  # label sets up to which mixtures without a closed form are enumerated


class Given(NamedTuple):
    """What a posterior was made of: p(y | x, o) = prior(y) p(o | y) / exp(log_marginal)."""

    prior: LabelVector
    observed: Tensor
    how: Annotation
    log_marginal: Tensor

    def expand(self, batch: torch.Size) -> Given:
        """The same of a posterior with a larger batch shape."""
        observed = self.observed.expand(*batch, self.observed.shape[-1])
        return Given(self.prior.expand(batch), observed, self.how, self.log_marginal.expand(batch))


class LabelVector(TorchDistribution):
    """p(y) of K labels, event shape (K,), exact: nothing but `sample` draws random numbers.

    Args:
        space: the label space; its `num_logits` is L.
        logits: (..., L), or (..., C, L) for a mixture. Per group in order of declaration: a free label's
            log-odds; one softmax logit for each label of a `OneOf`, and a last one for "none" if it is
            optional. A child group's are those given that its required label is present. -inf: impossible;
            +inf: certain, for a free label alone. Half precision is taken up to float32.
        mixture_logits: (..., C) unnormalised log mixture weights, if it is a mixture.

    Answers are in the precision of the logits, float32 at least, and have gradients of any order. Logits that are NaN give
    NaN, and raise where label sets are asked for (`sample`, `mode`, `condition`).

    Raises:
        ValueError: logits of the wrong size; both sizes are named.
    """

    arg_constraints: dict[str, Any] = {}
    support = constraints.independent(constraints.boolean, 1)
    has_enumerate_support = True
    has_rsample = False
    nonempty = False  # whether the empty set counts less than the logits say, see `NonEmptyLabelVector`
    log_odds_of_empty = 0.0

    def __init__(
        self,
        space: LabelSpace,
        logits: Tensor,
        mixture_logits: Tensor | None = None,
        *,
        validate_args: bool | None = None,
        _cardinality: Cardinality | None = None,
        _given: Given | None = None,
    ):
        if logits.shape[-1:] != (space.num_logits,):
            raise ValueError(f"logits have {tuple(logits.shape)} entries, but the space has {space.num_logits} logits")
        logits = at_least_float32(logits)
        if mixture_logits is not None:
            mixture_logits = at_least_float32(mixture_logits)
        if mixture_logits is None:
            logits, mixture_logits = logits.unsqueeze(-2), logits.new_zeros(1)
        elif logits.dim() < 2 or logits.shape[-2] != mixture_logits.shape[-1]:
            raise ValueError(
                f"mixture_logits are {tuple(mixture_logits.shape)}, so that logits should be "
                f"(..., {mixture_logits.shape[-1]}, {space.num_logits}), not {tuple(logits.shape)}"
            )
        self.space = space
        self.forest = exact.compile_forest(space, logits.device)
        self._mixture: Components | None = Components(logits, mixture_logits, _cardinality)
        self.given = _given
        batch = torch.Size(exact.batch_shape(logits.shape[:-2], mixture_logits.shape[:-1]))
        super().__init__(batch, torch.Size([space.num_labels]), validate_args=validate_args)

    @property
    def logits(self) -> Tensor:
        """(..., C, L) logits of the components."""
        return self._components[0]

    @property
    def mixture_logits(self) -> Tensor:
        """(..., C) unnormalised log mixture weights."""
        return self._components[1]

    @property
    def _components(self) -> Components:
        if self._mixture is None:  # a posterior is worked out when it is first looked at; training needs its constant only
            assert self.given is not None
            prior, observed, how, _ = self.given
            self._mixture = posterior_components(self.forest, prior._components, observed, how)
        return self._mixture

    @property
    def _cardinality(self) -> Cardinality | None:
        return self._components.cardinality

    @property
    def log_weights(self) -> Tensor:
        """(..., C) normalised log mixture weights."""
        return self._components.log_weights

    @property
    def num_components(self) -> int:
        """C."""
        return int(self.logits.shape[-2])

    def expand(self, batch_shape: Any, _instance: Any = None) -> LabelVector:
        """The same distribution with a larger batch shape."""
        batch = torch.Size(batch_shape)
        if batch == self.batch_shape:
            return self
        wide = self._components.changed(lambda part, own: part.expand(*batch, *part.shape[-own:]))
        return self._made_of(wide, self.given and self.given.expand(batch))

    def take(self, rows: Tensor) -> LabelVector:
        """The distributions at some places of the first batch dimension, by number (R,): batch shape (R, ...)."""
        batch = self.batch_shape
        return self._made_of(self._components.changed(lambda part, own: part.expand(*batch, *part.shape[-own:])[rows]))

    def _made_of(self, mixture: Components, given: Given | None = None) -> LabelVector:
        """The distribution over the same space that other components make."""
        logits, mixture_logits, cardinality = mixture
        return LabelVector(self.space, logits, mixture_logits, validate_args=False, _cardinality=cardinality, _given=given)

    def log_prob(self, value: Tensor) -> Tensor:
        """log p(y): (...) for y (..., K) of 0 and 1; -inf where y breaks a group."""
        if self._validate_args:
            self._check_value(value)
        parts = exact.log_prob(self.forest, self.logits, value.unsqueeze(-2))
        return exact.log_sum_exp(self.log_weights + parts)

    def _check_value(self, value: Tensor) -> None:
        if value.shape[-1:] != self.event_shape:
            raise ValueError(f"y has shape {tuple(value.shape)}, but the space has {self.space.num_labels} labels")
        if not bool(((value == 0) | (value == 1)).all()):
            raise ValueError("y holds values other than 0 and 1; unknown labels belong in `observed`, as -1")

    def sample(self, sample_shape: Any = torch.Size()) -> Tensor:
        """Exact draws: sample_shape + (..., K) of 0 and 1. A component first, then its groups."""
        refuse_undefined(self.forest, self._components, "sample")
        shape = torch.Size(sample_shape) + self.batch_shape
        with torch.no_grad():
            weights = self.log_weights.expand(*shape, self.num_components)
            logits = self.logits.expand(*shape, *self.logits.shape[-2:])
            if self.num_components == 1:
                return exact.sample(self.forest, logits[..., 0, :])
            noise = torch.empty_like(weights).exponential_().clamp_(min=torch.finfo(weights.dtype).tiny).log_().neg_()
            component = (weights + noise).argmax(-1)[..., None, None].expand(*shape, 1, logits.shape[-1])
            return exact.sample(self.forest, logits.gather(-2, component)[..., 0, :])

    @property
    def base(self) -> LabelVector:
        """What the logits say; another one where the empty set is weighted."""
        return self

    @property
    def log_mass(self) -> Tensor:
        """Log of what the logits' probabilities sum to with the empty set weighted: (...), 0 where it is not."""
        return self.logits.new_zeros(())

    @property
    def marginals(self) -> Tensor:
        """p(y_k = 1): (..., K)."""
        parts = exact.marginals(self.forest, self.logits)
        if self.num_components == 1:
            return parts.squeeze(-2)
        return within_one((self.log_weights.exp().unsqueeze(-1) * parts).sum(-2))

    @property
    def mean(self) -> Tensor:
        """The marginals."""
        return self.marginals

    def count_probs(self) -> Tensor:
        """P(N = n) for n = 0..n_max, N the number of present labels: (..., n_max + 1), differentiable.

        Its absolute error is near 1e-15 before it is rounded to the precision of the logits.
        """
        counts = self._counts(exact.count_probs)
        return within_one(counts.expand(*self.batch_shape, counts.shape[-1]).to(self.logits.dtype))

    def _counts(self, of_forest: Callable[[exact.Forest, Tensor], Tensor]) -> Tensor:
        """Probabilities of 0..n_max labels in double precision, from those of each forest."""
        tilted = self._cardinality
        if tilted is not None and is_mild(tilted.log_potential):  # one forest instead of one for each component
            counts = of_forest(self.forest, tilted.base.double())
            return counts * tilted.log_potential.double().exp()
        parts = of_forest(self.forest, self.logits.double())
        return (self.log_weights.double().exp().unsqueeze(-1) * parts).sum(-2)

    def entropy(self) -> Tensor:
        """H(y) in nats, (...).

        A closed form for one forest and for posteriors under `Ignorable` and `UniformPositive`; by enumeration
        for other mixtures of spaces with at most 65,536 label sets.

        Raises:
            NotImplementedError: a mixture that is neither.
        """
        if self.num_components == 1:
            return exact.entropy(self.forest, self.logits[..., 0, :])
        return -self._expected_log_prob_of(self)

    def kl(self, other: LabelVector) -> Tensor:
        """KL(p || other) in nats, (...); closed and enumerated where `entropy` is.

        Raises:
            NotImplementedError: a mixture without a closed form, in a space with more than 65,536 label sets.
        """
        base = other.base
        if self.num_components == 1 and base.num_components == 1:
            value = exact.kl(self.forest, self.logits[..., 0, :], base.logits[..., 0, :])
        else:
            value = -self.entropy() - self._expected_log_prob_of(base)
        return self._counting_empty(value, other)

    def cross_entropy(self, other: LabelVector) -> Tensor:
        """-E[log p_other(y)] in nats, (...); its gradient by the other one is that of the KL.

        A closed form where the other one is one forest, whatever this one is, or a posterior of one under `Ignorable` or
        `UniformPositive`; by enumeration elsewhere.

        Raises:
            NotImplementedError: another one that is neither, in a space with more than 65,536 label sets.
        """
        return self._counting_empty(-self._expected_log_prob_of(other.base), other)

    def _counting_empty(self, value: Tensor, other: LabelVector) -> Tensor:
        """-E[log p_other(y)], or what it is part of, from that without the weight that the other one gives the empty set."""
        if not other.nonempty:
            return value
        empty = self.log_prob(torch.zeros(self.space.num_labels, dtype=value.dtype, device=value.device)).exp()
        return value + other.log_mass - torch.where(empty > 0, empty * other.log_odds_of_empty, 0.0)

    def _expected_log_prob_of(self, other: LabelVector) -> Tensor:
        """E_self[log p_other(y)], (...)."""
        weights = self.log_weights.exp()
        one = other.logits[..., 0, :] if other.num_components == 1 else None
        tilted = other._cardinality
        if one is not None or tilted is not None:
            base = one if tilted is None else tilted.base
            assert base is not None
            held = max(1, _AT_ONCE * self.num_components // max(self.logits.numel(), 1))  # components that fit a cache together
            each = [exact.expected_log_prob(self.forest, some, base.unsqueeze(-2)) for some in self.logits.split(held, -2)]
            parts = torch.cat(each, -1)
            value = torch.where(weights == 0, 0.0, weights * parts.masked_fill(weights == 0, 0.0)).sum(-1)
            if tilted is not None:
                counts = self._counts(exact.count_probs)
                value = value + torch.where(counts == 0, 0.0, counts * tilted.log_potential).sum(-1).to(value.dtype)
            return value
        if self.space.num_label_sets > ENUMERABLE:
            raise NotImplementedError(
                f"the entropy of this mixture of {other.num_components} forests has no closed form, and its "
                f"{self.space.num_label_sets} label sets are too many to enumerate; "
                "estimate it by -log_prob(sample((1000,))).mean(0)"
            )
        y = self.enumerate_support()  # (S, ..., K)
        mine = self.log_prob(y)
        theirs = mine if other is self else other.log_prob(y)
        return torch.where(torch.isneginf(mine), 0.0, mine.exp() * theirs.masked_fill(torch.isneginf(mine), 0.0)).sum(0)

    def mode(self) -> Tensor:  # type: ignore[override]
        """The most probable valid y, (..., K) of 0 and 1.

        Max-product for one forest; for posteriors under `UniformPositive` the best set of every size is
        compared; other mixtures by branch and bound, which warns where it gave up before a proof.

        Raises:
            ValueError: logits that are NaN, or that leave a group without an outcome; the rows are named.
        """
        refuse_undefined(self.forest, self._components, "mode")
        with torch.no_grad():
            if self.num_components == 1:
                out = exact.best_label_set(self.forest, self.logits[..., 0, :])
            elif self._cardinality is not None:
                out = exact.best_with_cardinality(self.forest, *self._cardinality)
            else:
                logits = self.logits.expand(*self.batch_shape, *self.logits.shape[-2:])
                out = exact.most_probable_in_mixture(self.forest, logits, self.log_weights)
            return out.expand(*self.batch_shape, self.space.num_labels)

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """All valid label sets: (S, ..., K), or (S, 1, ..., K) without `expand`.

        Raises:
            NotImplementedError: more than 65,536 label sets.
        """
        if self.space.num_label_sets > ENUMERABLE:
            raise NotImplementedError(
                f"{self.space.num_label_sets} label sets are too many to enumerate; use the collapsed ELBO, "
                "or the plate of enumerated labels in latentlabels.program.enumerated"
            )
        sets = torch.tensor(list(self.space.label_sets()), dtype=self.logits.dtype, device=self.logits.device)
        sets = sets.reshape(len(sets), *(1 for _ in self.batch_shape), self.space.num_labels)
        return sets.expand(len(sets), *self.batch_shape, self.space.num_labels) if expand else sets

    # --- what is known ----------------------------------------------------------------------------------

    def log_marginal(self, observed: Tensor, how: Annotation) -> Tensor:
        """log p(o | x) = log sum_y p(y) p(o | y), exact and differentiable: (...).

        Args:
            observed: (..., K) of 1, 0, -1; NaN in a table of floats means unknown.
            how: the annotation; for `PerLabelSearch`, given that the image was found at all.

        Returns:
            Nats; -inf where no valid label set agrees with what is known.

        Raises:
            ObservationError: a table of another width, or other values.
        """
        return self._log_marginal(self._checked(observed), how).to(self.logits.dtype)

    def _log_marginal(self, observed: Tensor, how: Annotation) -> Tensor:
        """`log_marginal` in double precision."""
        evidence = how.evidence(observed, lambda: self._count_bound(observed), self.logits.dtype)
        return log_sum_with(self.forest, self._components, evidence) - self.log_found(observed, how)

    def log_found(self, observed: Tensor, how: Annotation) -> Tensor | float:
        """Log of the probability that the image was found at all: (...).

        Other than 0 under `PerLabelSearch` alone, and there for images with a known positive whose labels are not all known.

        Args:
            observed: (..., K) int8 of 1, 0, -1.
            how: the annotation.
        """
        weights = how.selection_weights(self.space.num_labels, torch.float64, self.logits.device)
        if weights is None:
            return 0.0
        found = exact.log_sum_exp(self._log_marginals() + weights.log())
        by_label = (observed == 1).any(-1) & ~how.complete(observed)
        return torch.where(by_label & ~torch.isneginf(found), found, 0.0)

    def _log_marginals(self) -> Tensor:
        """log p(y_k = 1), (..., K), in double precision."""
        parts = exact.log_marginals(self.forest, self.logits.double())
        if self.num_components == 1:
            return parts.squeeze(-2)
        return exact.log_sum_exp((parts + self.log_weights.unsqueeze(-1)).transpose(-1, -2))

    def condition(self, observed: Tensor, how: Annotation | None = None) -> LabelVector:
        """The posterior p(y | x, o): a `LabelVector` of C * Q components.

        Args:
            observed: (..., K) of 1, 0, -1; NaN in a table of floats means unknown.
            how: the annotation; `Ignorable` if not given: conditioning on what the user knows.

        Raises:
            ObservationError: what is known of some rows is impossible, in the label space or by the logits; the rows are named.
            ValueError: logits are NaN, in rows that are named.
        """
        how, observed = Ignorable() if how is None else how, self._checked(observed)
        value = self.log_marginal(observed, how)
        refuse_impossible(self.forest, self._components, value, observed)
        out = LabelVector.__new__(LabelVector)
        out.space, out.forest = self.space, self.forest
        out._mixture = None
        out.given = Given(self, observed, how, value)
        TorchDistribution.__init__(out, value.shape, self.event_shape, validate_args=self._validate_args)
        return out

    def _checked(self, observed: Tensor) -> Tensor:
        return checked_observed(observed, self.space.num_labels, values=self._validate_args)

    def _count_bound(self, observed: Tensor) -> CountBound:
        return count_bound(self.forest, self.logits, observed)
