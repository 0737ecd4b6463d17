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

    def __init__(self, space: LabelSpace, num_features: int):
        super().__init__()
        self.space = space
        self.weight = nn.Parameter(torch.zeros(num_features, space.num_labels))
        self.bias = nn.Parameter(torch.zeros(num_features))
        self.log_scale = nn.Parameter(torch.zeros(num_features))
        above, apart, meets = _relations(space)
        self.register_buffer("above", above, persistent=False)
        self.register_buffer("apart", apart, persistent=False)
        self.register_buffer("meets", meets, persistent=False)

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
        mean = exact.marginals(q.forest, q.logits)  # (..., C, K)
        # y'Gy: its own terms, pairs of independent labels, labels below others, children of one label
        square = mean @ (gram.diagonal() + 2 * (gram * self.above).sum(0))
        square = square + ((mean @ (gram * self.apart)) * mean).sum(-1)
        if self.meets.numel():
            one, other, top = self.meets
            above = mean[..., top]  # where it is 0 so are both below; 0 / 0 would make the gradient NaN
            joint = mean[..., one] * mean[..., other] / torch.where(above > 0, above, 1.0)
            square = square + 2 * joint @ gram[one, other]
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


def _relations(space: LabelSpace) -> tuple[Tensor, Tensor, Tensor]:
    """How pairs of labels go together: E[y_j y_k] is p_k, p_j p_k, p_j p_k / p_l or 0.

    Returns:
        above (K, K): j is required, directly or not, by k. apart (K, K): in different trees, so independent.
        meets (3, P): pairs j, k below different groups that require the same label l.
    """
    by_name = {group.name: group for group in space.groups}
    paths: list[list[tuple[str, int]]] = []
    for label in space.labels:
        group = space.group_of(label)
        path = [(group.name, space.index(label))]
        while (required := by_name[path[0][0]].requires) is not None:
            path.insert(0, (space.group_of(required).name, space.index(required)))
        paths.append(path)
    size = len(paths)
    above, apart = torch.zeros(size, size), torch.zeros(size, size)
    meets: list[tuple[int, int, int]] = []
    for j, one in enumerate(paths):
        for k, other in enumerate(paths):
            if j == k:
                continue
            if one[0][0] != other[0][0]:
                apart[j, k] = 1.0
                continue
            shared = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), None)
            if shared is None:
                above[j, k] = float(len(one) < len(other))
            elif j < k and one[shared][0] != other[shared][0]:
                meets.append((j, k, one[shared - 1][1]))
    return above, apart, torch.tensor(meets, dtype=torch.long).reshape(-1, 3).T
