"""Expectations under a posterior of what depends on its labels: closed forms where there are, all label sets where few.

Each takes a posterior q of batch shape (...) and returns (...), differentiable in q and in what is expected.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from .. import exact
from ..annotation import Annotation
from ..distributions.label_vector import LabelVector


class NoClosedForm(Exception):  # noqa: N818
    """There are too many label sets to sum over, and no other way."""


def expected_log_prob(q: LabelVector, target: LabelVector) -> Tensor:
    """E[log p(y)] of a target distribution p."""
    if target.num_components > 1 or q.nonempty:
        return over_label_sets(q, target.log_prob)
    parts = exact.expected_log_prob(q.forest, q.logits, target.logits)
    value = _weighted(q.log_weights, parts)
    if not target.nonempty:
        return value
    value = value - target.log_mass
    empty = q.log_prob(q.logits.new_zeros(q.event_shape)).exp()
    if target.log_odds_of_empty == -torch.inf:  # a product with it would have the gradient NaN where there is no empty set
        return value.masked_fill(empty > 0, -torch.inf)
    return value + empty * target.log_odds_of_empty


def expected_log_prob_of_component(q: LabelVector, target: LabelVector, mixture: int) -> Tensor:
    """E[log p_z(y)] of a mixture p of M forests, z the component of which y is: the components of q are M times as many.

    Raises:
        NoClosedForm: a target that has several forests for a component.
    """
    if target.num_components != mixture:
        raise NoClosedForm
    logits = q.logits.unflatten(-2, (mixture, -1))  # (..., M, Q, L)
    parts = exact.expected_log_prob(q.forest, logits, target.logits.unsqueeze(-2))
    return _weighted(q.log_weights, parts.flatten(-2))


def expected_annotation(q: LabelVector, how: Annotation, observed: Tensor) -> Tensor:
    """E[log p(o | y)], -inf where y that contradicts o has some probability."""
    potential = None if how.noise else how.log_cardinality(observed, q.forest.max_count, q.logits.dtype)
    if potential is None:
        return over_label_sets(q, lambda y: how.log_prob(observed, y))
    counts = q.count_probs()
    some = counts > 0
    return torch.where(some, counts * potential.masked_fill(~some, 0.0), 0.0).sum(-1)


def over_label_sets(q: LabelVector, value: Callable[[Tensor], Tensor]) -> Tensor:
    """E[value(y)] by enumeration; value takes (S, ..., K).

    Raises:
        NoClosedForm: a label space too large for it.
    """
    try:
        y = q.enumerate_support()
    except NotImplementedError:
        raise NoClosedForm from None
    probs = q.log_prob(y).exp()
    some = probs > 0
    return torch.where(some, probs * value(y).masked_fill(~some, 0.0), 0.0).sum(0)


def _weighted(log_weights: Tensor, parts: Tensor) -> Tensor:
    weights = log_weights.exp()
    return torch.where(weights > 0, weights * parts.masked_fill(weights == 0, 0.0), 0.0).sum(-1)
