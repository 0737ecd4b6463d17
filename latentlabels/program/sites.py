"""The distributions of the sites of a program beside the label vector itself; `CollapsedELBO` knows a site by them."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import pyro.distributions as dist
import torch
from pyro.distributions import TorchDistribution
from pyro.ops.indexing import Vindex
from torch import Tensor
from torch.distributions import constraints

from ..annotation import Annotation
from ..distributions.label_vector import LabelVector


class AnnotationGiven(TorchDistribution):
    """p(o | y) as a Pyro distribution over o in {1, 0, -1}^K, event shape (K,).

    Args:
        how: the annotation.
        y: (..., K).
    """

    arg_constraints: dict[str, Any] = {}
    support = constraints.independent(constraints.integer_interval(-1, 1), 1)

    def __init__(self, how: Annotation, y: Tensor):
        if not isinstance(how, Annotation):
            raise TypeError(
                f"AnnotationGiven takes an annotation first, not a {type(how).__name__}: "
                "AnnotationGiven(latentlabels.annotation.UniformPositive(), y)"
            )
        self.how, self.y = how, y
        super().__init__(y.shape[:-1], y.shape[-1:], validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        """log p(o | y) for o (..., K)."""
        return self.how.log_prob(value, self.y)

    def sample(self, sample_shape: Any = torch.Size()) -> Tensor:
        """Draws of o."""
        return self.how.sample(self.y.expand(*torch.Size(sample_shape), *self.y.shape))

    def expand(self, batch_shape: Any, _instance: Any = None) -> AnnotationGiven:
        """The same distribution with a larger batch shape."""
        if torch.Size(batch_shape) == self.batch_shape:
            return self
        return AnnotationGiven(self.how, self.y.expand(*torch.Size(batch_shape), self.y.shape[-1]))


class Component(dist.Categorical):
    """A mixture component z.

    Args:
        log_weights: (..., M), taken as they are: for 0 < beta < 1 they are a geometric mean that sums to less than 1.
    """

    def __init__(self, log_weights: Tensor):
        super().__init__(logits=log_weights, validate_args=False)
        self.logits = log_weights

    def expand(self, batch_shape: Any, _instance: Any = None) -> Component:
        """The same with a larger batch shape."""
        return Component(self.logits.expand(*torch.Size(batch_shape), -1))


class ComponentOf(Component):
    """p(z): the component of a mixture, of which `LabelsOfComponent` has the labels.

    Args:
        joint: a mixture of M * Q forests, or a posterior of one: component z has Q of them.
        mixture: M.
    """

    def __init__(self, joint: LabelVector, mixture: int):
        self.joint = joint
        super().__init__(joint.log_weights.unflatten(-1, (mixture, -1)).logsumexp(-1))

    def expand(self, batch_shape: Any, _instance: Any = None) -> Component:
        """The same with a larger batch shape."""
        return self if torch.Size(batch_shape) == self.batch_shape else super().expand(batch_shape)


class LabelsOfComponent(TorchDistribution):
    """p(y | z): the labels of one component of a mixture, event shape (K,).

    Args:
        joint: a mixture of M * Q forests, or a posterior of one: component z has Q of them.
        component: z, (...) of 0 to M - 1.
        mixture: M.
    """

    arg_constraints: dict[str, Any] = {}
    support = LabelVector.support
    has_enumerate_support = True

    def __init__(self, joint: LabelVector, component: Tensor, mixture: int):
        self.joint, self.component, self.mixture = joint, component, mixture
        batch = torch.broadcast_shapes(joint.batch_shape, component.shape)
        super().__init__(batch, joint.event_shape, validate_args=False)

    @cached_property
    def vector(self) -> LabelVector:
        """The same as a `LabelVector`."""
        logits = self.joint.logits.unflatten(-2, (self.mixture, -1))  # (..., M, Q, L)
        weights = self.joint.log_weights.unflatten(-1, (self.mixture, -1))
        return LabelVector(
            self.joint.space,
            Vindex(logits)[..., self.component, :, :],
            Vindex(weights)[..., self.component, :],
            validate_args=False,
        )

    def log_prob(self, value: Tensor) -> Tensor:
        """log p(y | z): (...) for y (..., K) of 0 and 1."""
        return self.vector.log_prob(value)

    def sample(self, sample_shape: Any = torch.Size()) -> Tensor:
        """Exact draws."""
        return self.vector.expand(self.batch_shape).sample(sample_shape)

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """All valid label sets."""
        return self.vector.enumerate_support(expand)

    def expand(self, batch_shape: Any, _instance: Any = None) -> LabelsOfComponent:
        """The same distribution with a larger batch shape."""
        if torch.Size(batch_shape) == self.batch_shape:
            return self
        return LabelsOfComponent(self.joint, self.component.expand(torch.Size(batch_shape)), self.mixture)


class TiedLabelVector(TorchDistribution):
    """The density p(y)^beta q(y)^(1 - beta), not normalised: what ties q_phi to the label prior for 0 < beta < 1."""

    arg_constraints: dict[str, Any] = {}
    support = LabelVector.support
    has_enumerate_support = True

    def __init__(self, prior: LabelVector | LabelsOfComponent, own: LabelVector | LabelsOfComponent, beta: float):
        self.prior, self.own, self.beta = prior, own, beta
        super().__init__(own.batch_shape, own.event_shape, validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        """Beta log p(y) + (1 - beta) log q(y)."""
        return self.beta * self.prior.log_prob(value) + (1 - self.beta) * self.own.log_prob(value)

    def sample(self, sample_shape: Any = torch.Size()) -> Tensor:
        """Draws from q, at which the density is only evaluated."""
        return self.own.sample(sample_shape)

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """All valid label sets."""
        return self.own.enumerate_support(expand)

    def expand(self, batch_shape: Any, _instance: Any = None) -> TiedLabelVector:
        """The same density with a larger batch shape."""
        if torch.Size(batch_shape) == self.batch_shape:
            return self
        return TiedLabelVector(self.prior.expand(batch_shape), self.own.expand(batch_shape), self.beta)
