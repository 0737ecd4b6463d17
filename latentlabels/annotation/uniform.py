"""Known positives that are any of the present labels."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ..exact.counting import log_binomials, log_factorials
from ..exact.evidence import Evidence, only_label
from ..exact.quadrature import any_subset_rule, subset_rule
from .base import Annotation, CountBound, pick_one


class UniformPositive(Annotation):
    """The m known positives are a uniform subset of the N present labels: p(o|y) = 1/C(N, m).

    With m = 1: each image has one known label, any of its own. Images without a known positive say nothing.

    Args:
        noise: e, the probability in [0, 1) that the known positives of an image are a mistake, or "learn".

    Raises:
        ConfigError: numbers out of range.
    """

    kind = "uniform-positive"
    meaning = "the known labels of an image are a uniform pick from those it shows; a missing label says nothing"
    picks_present = True

    def draw(self, y: Tensor, generator: torch.Generator | None) -> Tensor:
        """One present label, any of them (m = 1)."""
        return pick_one(y, None, generator)

    def log_pick(self, observed: Tensor, y: Tensor) -> Tensor:
        known, count = (observed == 1).sum(-1), (y > 0.5).sum(-1)
        spare = (count - known).clamp(min=0)
        logs = log_factorials(observed.shape[-1], observed.device)
        return logs[known] + logs[spare] - logs[spare + known]

    def products(self, observed: Tensor, bound: Callable[[], CountBound], dtype: torch.dtype) -> Evidence:
        only = only_label(observed)
        log_t, log_weight = subset_rule((observed == 1).sum(-1) if only is None else 1, *bound(), dtype, observed.device)
        return Evidence(log_weight, log_t.unsqueeze(-1), observed.unsqueeze(-2), only)

    def products_of_any(self, num_labels: int, most: int) -> Callable[[Tensor], Evidence]:
        rule = any_subset_rule(most)

        def products(observed: Tensor) -> Evidence:
            known = (observed == 1).sum(-1)
            return Evidence(rule.log_weights(known), rule.log_t.unsqueeze(-1), observed.unsqueeze(-2))

        return products

    def log_cardinality(self, observed: Tensor, most: int, dtype: torch.dtype) -> Tensor | None:
        """-log C(n, m), 0 where n < m, which the pins exclude."""
        binomials = log_binomials(most, (observed == 1).sum(-1), dtype)
        return torch.where(torch.isneginf(binomials), 0.0, -binomials)
