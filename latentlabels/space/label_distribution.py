"""What a distribution over label sets can be asked: the contract that `LabelSpace.distribution` promises."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from torch import Tensor


class LabelDistribution(Protocol):
    """p(y) over valid label sets y in {0,1}^K, event shape (K,), any batch shape; see `LabelVector`."""

    @property
    def marginals(self) -> Tensor:
        """p(y_k = 1): (..., K)."""

    def log_prob(self, value: Tensor) -> Tensor:
        """log p(y) of y (..., K): (...)."""

    def sample(self, sample_shape: Any = ...) -> Tensor:
        """Exact draws: sample_shape + (..., K)."""

    def mode(self) -> Tensor:
        """The most probable valid y: (..., K)."""

    def entropy(self) -> Tensor:
        """H(y) in nats: (...)."""

    def count_probs(self) -> Tensor:
        """P(N = n) of the number N of present labels: (..., n_max + 1)."""

    def kl(self, other: Any) -> Tensor:
        """KL(p || other) in nats: (...)."""

    def log_marginal(self, observed: Tensor, how: Any) -> Tensor:
        """log p(o), exact and differentiable: (...)."""

    def condition(self, observed: Tensor, how: Any = ...) -> LabelDistribution:
        """The posterior p(y | o) under an annotation."""
