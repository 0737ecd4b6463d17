"""One known positive, picked from the present labels in proportion to weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..errors import ObservationError
from ..exact.evidence import Evidence
from ..exact.quadrature import reciprocal_rule, tolerance
from .base import Annotation, CountBound, numbers_of, pick_one, sized
from .learned import LEARN


class Weighted(Annotation):
    """What annotations with a weight per label share.

    Args:
        weights: K positive numbers, whose ratios alone matter, or "learn".
        noise: e, the probability in [0, 1) that the known positives of an image are a mistake, or "learn".

    Raises:
        ConfigError: numbers out of range.
    """

    one_positive = True

    def __init__(self, weights: Sequence[float] | Tensor | str | None = None, *, noise: float | str = 0.0):
        super().__init__(noise=noise)
        unknown = weights is None or self._is_learned("weights", weights)
        self.weights = None if unknown else numbers_of(cast(Tensor, weights), "weights", low=0.0, low_open=True)

    def _weights(self, num_labels: int, dtype: torch.dtype, device: torch.device) -> Tensor:
        self._needs("weights")
        if self.weights is None:
            return torch.ones(num_labels, dtype=dtype, device=device)
        weights: Tensor = sized(self.weights, num_labels, "weights")
        return (weights / weights.max()).to(dtype=dtype, device=device)  # their scale is free, and could underflow

    def draw(self, y: Tensor, generator: torch.Generator | None) -> Tensor:
        """One present label, in proportion to the weights."""
        return pick_one(y, self._weights(y.shape[-1], torch.get_default_dtype(), y.device), generator)

    def check(self, observed: Tensor) -> None:
        many = (observed == 1).sum(-1) > 1
        if bool(many.any()):
            rows = many.reshape(-1).nonzero().flatten().tolist()
            raise ObservationError(
                f'the annotation "{self.kind}" describes one known positive per image, but {len(rows)} images have '
                f'more (rows {", ".join(map(str, rows[:5]))}); use "uniform-positive" or "scar" for those, or one row for each'
            )

    def to_config(self) -> dict[str, Any]:
        """The `annotation` section of a config that gives this annotation."""
        learned = {"weights": LEARN} if "weights" in self.learns else {}
        given = learned if self.weights is None else {"weights": self.weights.tolist()}
        return super().to_config() | given

    def readiness(self, num_labels: int) -> NDArray[np.float64]:
        """The weights."""
        self._needs("weights")
        return super().readiness(num_labels) if self.weights is None else sized(self.weights, num_labels, "weights").numpy()


class WeightedPositive(Weighted):
    """The one known positive is a present label, picked with probability w_k / sum_j w_j y_j (salience).

    Args:
        weights: w, K positive numbers in the order of the labels, or "learn". Their ratios alone matter.
        noise: e, the probability in [0, 1) that the known positives of an image are a mistake, or "learn".

    Raises:
        ConfigError: numbers out of range.
    """

    kind = "weighted-positive"
    meaning = "one present label of each image is known, picked by the labels' weights"
    picks_present = True

    def __init__(self, weights: Sequence[float] | Tensor | str, *, noise: float | str = 0.0):
        super().__init__(weights, noise=noise)

    def log_pick(self, observed: Tensor, y: Tensor) -> Tensor:
        weights = self._weights(observed.shape[-1], torch.float64, y.device)
        known = observed == 1
        chosen, total = (known * weights).sum(-1), (((y > 0.5) | known) * weights).sum(-1)
        picked = known.any(-1)
        return torch.where(picked, chosen, 1.0).log() - torch.where(picked, total, 1.0).log()

    def products(self, observed: Tensor, bound: Callable[[], CountBound], dtype: torch.dtype) -> Evidence:
        rule = self._rule(observed.shape[-1], dtype, observed.device)
        found = _products(observed, rule)
        every = bool((observed == 1).any(-1).all())
        return found._replace(tilt=rule.tilt) if every else found  # one tilt for all images costs less

    def products_of_any(self, num_labels: int, most: int) -> Callable[[Tensor], Evidence]:
        return partial(_products, rule=self._rule(num_labels, torch.float32, torch.device("cpu")))

    def _rule(self, num_labels: int, dtype: torch.dtype, device: torch.device) -> _Rule:
        weights = self._weights(num_labels, torch.float64, device)
        smallest, total = float(weights.min()), float(weights.sum())
        u, share = reciprocal_rule(1.0, max(total / smallest, 1.0 + 1e-9), tolerance(dtype))
        relative = weights / smallest
        nodes = torch.tensor(u, dtype=torch.float64, device=device)
        nothing = torch.where(torch.arange(len(nodes), device=device) == 0, 0.0, -torch.inf).double()
        log_share = torch.tensor(share, dtype=torch.float64, device=device).log()
        return _Rule(relative, nodes, log_share, nothing, -nodes.unsqueeze(-1) * relative)


class _Rule(NamedTuple):
    """The quadrature of 1 / sum_j w_j y_j.

    Attributes:
        relative: (K,) weights in units of the smallest.
        nodes: (Q,) u.
        log_share: (Q,) weights of the nodes.
        nothing: (Q,) the same where nothing was picked.
        tilt: (Q, K) -u w.
    """

    relative: Tensor
    nodes: Tensor
    log_share: Tensor
    nothing: Tensor
    tilt: Tensor


def _products(observed: Tensor, rule: _Rule) -> Evidence:
    """w_k int exp(-S u) du, with the known label's own share of S outside the product over the others."""
    known = observed == 1
    picked = known.any(-1, keepdim=True)  # (..., 1)
    own = (known.double() * rule.relative).sum(-1, keepdim=True).clamp(min=1e-300)
    log_weight = torch.where(picked, rule.log_share + own.log() - own * rule.nodes, rule.nothing)
    return Evidence(log_weight, torch.where(picked.unsqueeze(-1), rule.tilt, 0.0), observed.unsqueeze(-2))
