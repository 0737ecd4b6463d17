"""p(h | y): image features given the labels, linear-Gaussian, so that images without any label teach too."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import pyro.distributions as dist
import torch
from pyro.nn import PyroModule
from torch import Tensor, nn
from torch.distributions import constraints

from .. import exact
from ..distributions.label_vector import LabelVector
from ..space import LabelSpace


class LinearGaussian(NamedTuple):
    """What h ~ Normal(W y + b, diag(s^2)) is made of: W (D, K), b (D,) and log s (D,)."""

    weight: Tensor
    bias: Tensor
    log_scale: Tensor


class FeatureDecoder(PyroModule):
    """h ~ Normal(W y + b, diag(s^2)), D features.

    Its expectation under any `LabelVector` is a closed form, of the first two moments of y.

    Args:
        space: the label space, K labels.
        num_features: D.

    Shapes: `weight` (D, K), `bias` (D,), `log_scale` (D,).
    """

    same: Tensor
    above: Tensor
    apart: Tensor
    meets: Tensor
    crosses: Tensor

    def __init__(self, space: LabelSpace, num_features: int):
        super().__init__()
        self.space = space
        self.weight = nn.Parameter(torch.zeros(num_features, space.num_labels))
        self.bias = nn.Parameter(torch.zeros(num_features))
        self.log_scale = nn.Parameter(torch.zeros(num_features))
        above, apart, meets, crosses = _relations(space)
        self.register_buffer("above", above, persistent=False)
        self.register_buffer("apart", apart, persistent=False)
        self.register_buffer("meets", meets, persistent=False)
        self.register_buffer("crosses", crosses, persistent=False)

    def forward(self, y: Tensor) -> FeaturesGiven:
        """p(h | y) for y (..., K): event shape (D,)."""
        return FeaturesGiven(self, y, LinearGaussian(self.weight, self.bias, self.log_scale))

    def expected_log_prob(self, features: Tensor, q: LabelVector, values: LinearGaussian | None = None) -> Tensor:
        """E_q[log p(h | y)]: (...) for features (..., D) and q of batch shape (...).

        Args:
            features: h.
            q: the distribution of y.
            values: W, b and log s where a program has given them other values, for example by sampling them.
        """
        values = LinearGaussian(self.weight, self.bias, self.log_scale) if values is None else values
        scale = values.log_scale.exp()
        weight = values.weight / scale.unsqueeze(-1)  # (D, K)
        residual = (features - values.bias) / scale
        gram = weight.T @ weight  # (K, K)
        columns = exact.column_probs(q.forest, q.logits)
        mean = columns[..., : q.forest.num_labels]  # (..., C, K)
        # y'Gy: its own terms, pairs of independent labels, labels below others, children of the same outcomes
        square = mean @ (gram.diagonal() + 2 * (gram * self.above).sum(0))
        square = square + ((mean @ (gram * self.apart)) * mean).sum(-1)
        if self.meets.numel():
            one, other, top = self.meets
            joint = mean[..., one] * _ratio(mean[..., other], columns[..., top])
            square = square + 2 * joint @ gram[one, other]
        if self.crosses.numel():
            one, other, both, one_top, other_top = self.crosses
            joint = _ratio(mean[..., one], columns[..., one_top]) * _ratio(mean[..., other], columns[..., other_top])
            square = square + 2 * (joint * columns[..., both]) @ gram[one, other]
        distance = (residual**2).sum(-1, keepdim=True) - 2 * (mean @ (residual @ weight).unsqueeze(-1)).squeeze(-1) + square
        distance = (q.log_weights.exp() * distance).sum(-1)
        return -0.5 * distance - values.log_scale.sum() - 0.5 * features.shape[-1] * math.log(2 * math.pi)


class FeaturesGiven(dist.TorchDistribution):
    """p(h | y) of a `FeatureDecoder`, event shape (D,).

    Args:
        decoder: which has the closed form.
        y: (..., K).
        values: of W, b and log s.
    """

    arg_constraints: dict[str, Any] = {}
    support = constraints.real_vector
    has_rsample = True

    def __init__(self, decoder: FeatureDecoder, y: Tensor, values: LinearGaussian):
        self.decoder, self.y, self.values = decoder, y, values
        super().__init__(y.shape[:-1], values.bias.shape[-1:], validate_args=False)

    @property
    def normal(self) -> dist.TorchDistribution:
        """The same as a normal distribution."""
        weight, bias, log_scale = self.values
        return dist.Normal(self.y @ weight.T + bias, log_scale.exp()).to_event(1)

    @property
    def mean(self) -> Tensor:
        """W y + b, (..., D)."""
        return self.normal.mean

    @property
    def variance(self) -> Tensor:
        """s^2, (..., D)."""
        return self.normal.variance

    def given(self, y: Tensor) -> FeaturesGiven:
        """The same for other labels."""
        return FeaturesGiven(self.decoder, y, self.values)

    def log_prob(self, value: Tensor) -> Tensor:
        """log p(h | y): (...) for h (..., D)."""
        return self.normal.log_prob(value)

    def rsample(self, sample_shape: Any = torch.Size()) -> Tensor:
        """Draws of h."""
        return self.normal.rsample(sample_shape)

    def expected_log_prob(self, value: Tensor, q: LabelVector) -> Tensor:
        """E[log p(h | y)] over y of q: (...)."""
        return self.decoder.expected_log_prob(value, q, self.values)

    def expand(self, batch_shape: Any, _instance: Any = None) -> FeaturesGiven:
        """The same distribution with a larger batch shape."""
        if torch.Size(batch_shape) == self.batch_shape:
            return self
        return self.given(self.y.expand(*torch.Size(batch_shape), self.y.shape[-1]))


def _ratio(inside: Tensor, whole: Tensor) -> Tensor:
    """inside / whole, 0 where both are 0: there 0 / 0 would make the gradient NaN."""
    return inside / torch.where(whole > 0, whole, 1.0)


def _relations(space: LabelSpace) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """How pairs of labels go together: E[y_j y_k] is p_k, p_j p_k, p_j p_k / p(event) or 0, or what two events share.

    Returns:
        above (K, K): j is required, directly or not, by k. apart (K, K): in different trees, so independent.
        meets (3, P): pairs j, k below the same event, and its column; there they are independent.
        crosses (5, P): pairs j, k below different events of one group, or one itself a label of it; the columns of what the
            two events share, of j's and of k's.
    """
    forest = exact.compile_forest(space)

    def column(event: Outcomes) -> int | None:
        name, outcomes = event
        (only, *more) = outcomes or (None,)
        return space.index(only) if only is not None and not more else forest.event_columns.get((name, outcomes))

    paths = [_path(space, label) for label in space.labels]
    size = len(paths)
    above, apart = torch.zeros(size, size), torch.zeros(size, size)
    meets: list[tuple[int, int, int]] = []
    crosses: list[tuple[int, int, int, int, int]] = []
    for j, one in enumerate(paths):
        for k, other in enumerate(paths):
            if j == k:
                continue
            if one[0][0] != other[0][0]:
                apart[j, k] = 1.0
                continue
            differ = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), None)
            if differ is None:
                above[j, k] = float(len(one) < len(other))
            elif j < k and one[differ][0] != other[differ][0]:
                meets.append((j, k, _known(column(one[differ - 1]))))
            elif j < k and (both := one[differ][1] & other[differ][1]):
                events = (one[differ][0], both), one[differ], other[differ]
                first, second, third = (_known(column(event)) for event in events)
                crosses.append((j, k, first, second, third))
    return (
        above,
        apart,
        torch.tensor(meets, dtype=torch.long).reshape(-1, 3).T,
        torch.tensor(crosses, dtype=torch.long).reshape(-1, 5).T,
    )


Outcomes = tuple[str, frozenset[str | None]]  # of the group of a name


def _path(space: LabelSpace, label: str) -> list[Outcomes]:
    """The groups from the root to a label, and which outcomes of each it needs."""
    group = space.group_of(label)
    path: list[Outcomes] = [(group.name, frozenset[str | None]((label,)))]
    parent = space.parent(group)
    while parent is not None:
        path.append((parent.group, parent.outcomes))
        parent = space.parent(space.named(parent.group))
    return path[::-1]


def _known(column: int | None) -> int:
    assert column is not None  # events that groups hang below, and what two of them share, have columns
    return column
