"""Conditioning a mixture of forests on known labels: sums with evidence, and the components of the posterior."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from .. import exact
from ..annotation import Annotation, CountBound
from ..annotation.asked import ASKED, without_asking


class Cardinality(NamedTuple):
    """p(y) = p_base(y) h(N(y)) / Z: what a posterior under `UniformPositive` is, beside its mixture form."""

    base: Tensor  # (..., L) logits of one forest
    log_potential: Tensor  # (..., n_max + 1) log h(n) - log Z


class Components(NamedTuple):
    """A mixture of forests."""

    logits: Tensor  # (..., C, L)
    mixture_logits: Tensor  # (..., C) unnormalised log weights
    cardinality: Cardinality | None = None  # the same distribution as one forest, where it has this form

    @property
    def log_weights(self) -> Tensor:
        """(..., C) normalised log weights."""
        return torch.log_softmax(self.mixture_logits, -1)

    def changed(self, change: Callable[[Tensor, int], Tensor]) -> Components:
        """The same mixture with each of its tensors changed in its batch dimensions.

        Args:
            change: takes a tensor, and how many of its last dimensions are not batch dimensions.
        """
        tilted = self.cardinality and Cardinality(*(change(part, 1) for part in self.cardinality))
        return Components(change(self.logits, 2), change(self.mixture_logits, 1), tilted)

    def one_forest(self) -> tuple[Tensor | None, Tensor | None]:
        """The logits of the one forest that this is, up to a cardinality potential, and that potential."""
        if self.cardinality is not None:
            return self.cardinality.base, self.cardinality.log_potential
        return (self.logits[..., 0, :], None) if self.logits.shape[-2] == 1 else (None, None)


def log_sum_with(forest: exact.Forest, mixture: Components, evidence: exact.Evidence) -> Tensor:
    """log sum_y p(y) e(y) in double precision, (...).

    Args:
        forest: the compiled label space.
        mixture: p(y).
        evidence: e(y), a mixture of products.
    """
    values = []
    for part in evidence.parts:
        log_z = exact.log_normalizers(forest, mixture.logits, part)
        if log_z.shape[-2] == 1:  # the usual case, with one reduction less
            values.append(exact.log_sum_exp(log_z.squeeze(-2), part.log_weight))
        else:
            joint = log_z + part.log_weight.unsqueeze(-2) + mixture.log_weights.unsqueeze(-1)
            values.append(exact.log_sum_exp(joint.flatten(-2)))
    return values[0] if len(values) == 1 else exact.log_sum_exp(torch.stack(torch.broadcast_tensors(*values), -1))


def count_bound(forest: exact.Forest, logits: Tensor, observed: Tensor) -> CountBound:
    """How many labels images show at most, as far as a quadrature has to know it.

    Args:
        forest: the compiled label space.
        logits: (..., C, L) of the components.
        observed: (..., K) what is known.
    """
    longest, block = forest.max_count, max(forest.max_part_count, forest.max_spine_count)
    if longest <= 16 or not observed.numel() or not logits.numel():  # nine nodes are exact, and cost less than a bound
        return CountBound(float(longest), block, longest)
    with torch.no_grad():
        value = exact.largest_expected_count(forest, logits) + float((observed == ASKED).sum(-1).max())
        if forest.any_bound:  # what is known of a group may make its other labels likelier, up to its whole tree
            value += float(((observed != -1) & forest.bound_columns).sum(-1).max()) * block
    return CountBound(min(value, float(longest)) if math.isfinite(value) else float(longest), block, longest)


def posterior_components(forest: exact.Forest, prior: Components, observed: Tensor, how: Annotation) -> Components:
    """The posterior given what is known: C * Q components for C of the prior and Q products of the evidence.

    Args:
        forest: the compiled label space.
        prior: p(y).
        observed: (..., K) what is known.
        how: the annotation, p(o | y).
    """
    logits, dtype = prior.logits, prior.logits.dtype
    evidence = how.evidence(observed, lambda: count_bound(forest, logits, observed), dtype).joined()
    log_z, own = exact.posterior_logits(forest, logits, evidence)
    joint = log_z + evidence.log_weight.unsqueeze(-2) + prior.log_weights.unsqueeze(-1)
    joint = joint.expand(*log_z.shape).flatten(-2)
    total = exact.log_sum_exp(joint).unsqueeze(-1)
    cardinality = _cardinality(forest, prior, observed, how, total)
    return Components(own.flatten(-3, -2), (joint - total).to(dtype), cardinality)


def _cardinality(
    forest: exact.Forest, prior: Components, observed: Tensor, how: Annotation, total: Tensor
) -> Cardinality | None:
    """The posterior as one forest with a potential of the count, if it has this form; `total` is log p(o | x), (..., 1)."""
    potential = how.log_cardinality(observed, forest.max_count, torch.float64) if not how.noise else None
    base, before = prior.one_forest()
    if potential is None or base is None:
        return None
    own_z, own = exact.posterior_logits(forest, base.unsqueeze(-2), exact.pinned(without_asking(observed), torch.float64))
    potential = potential + own_z[..., 0] - total
    potential = potential if before is None else potential + before
    return Cardinality(own[..., 0, 0, :], potential.to(prior.logits.dtype))
