"""The Pyro program: `LabelModel` and `LabelGuide`, PyroModules of one signature, ``(images, observed)``.

Generative process, for each image x with known labels o:

    y ~ p(y)               site "labels", a `LabelVector`          (M > 1: site "component" before it)
    o ~ annotation(y)      site "observed"
    h ~ p(h | y)           site "features", h the encoder's features (with a decoder)

    guide: q(y | x, o) proportional to q_phi(y | x) p(o | y),  q_phi = LabelVector(logits of the CNN)

`beta` says how much of p(y) p(h | y) there is: at 0 the model is the conditional p(y | x) = q_phi itself, at 1
the generative one; between them the density of y is p(y)^beta q_phi(y | x)^(1 - beta), and that of h is p(h | y)^beta.
Kingma et al., NeurIPS 2014, is the case of one categorical label without an annotation model.

| symbol | code | shape |
|---|---|---|
| x | ``images`` | (B, ...) |
| o | ``observed`` | (B, K) int8 of 1, 0, -1 |
| y | site ``labels`` | (B, K) |
| h | ``amortizer.features(images)`` | (B, D) |
| phi | ``amortizer`` | |

Limits: given the image and M = 1, root groups are independent; h is taken as data (no gradient flows from
p(h | y) into the encoder, which could make h trivially predictable).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyro
import pyro.distributions as dist
import torch
from pyro.distributions import TorchDistribution
from pyro.nn import PyroModule
from pyro.ops.indexing import Vindex
from torch import Tensor, nn
from torch.distributions import constraints

from ..annotation import Annotation
from ..distributions.label_vector import LabelVector
from ..distributions.nonempty import EMPTY_ODDS, NonEmptyLabelVector
from ..space import LabelSpace
from .decoder import FeatureDecoder
from .prior import LabelPrior


class Amortizer(nn.Module):
    """q_phi(y | x): encoder, linear head, `LabelVector`.

    Args:
        space: the label space.
        encoder: images (B, ...) to features (B, num_features).
        num_features: D.
        mixture: M.
        nonempty: the empty set counts little (`NonEmptyLabelVector`); with M = 1.

    The head gives M * L logits, then M mixture logits if M > 1.
    """

    def __init__(self, space: LabelSpace, encoder: nn.Module, num_features: int, mixture: int = 1, nonempty: bool = False):
        super().__init__()
        if nonempty and mixture > 1:
            raise ValueError(f"label sets that are not empty are written for one forest, not for a mixture of {mixture}")
        self.space, self.mixture, self.nonempty = space, mixture, nonempty
        self.encoder = encoder
        self.head = nn.Linear(num_features, mixture * space.num_logits + (mixture if mixture > 1 else 0))
        self._memo: dict[int, Tensor] | None = None
        self._labels: dict[int, LabelVector] = {}

    @torch.no_grad()
    def start_at(self, logits: Tensor) -> None:
        """Make q_phi(y | x) the same for every image: that of logits (L,), for example those of `anchor.derive_prior`."""
        size = self.mixture * len(logits)
        self.head.weight.zero_()
        self.head.bias.zero_()
        self.head.bias[:size] = logits.repeat(self.mixture)
        if self.mixture > 1:  # equal components would stay equal
            self.head.weight.normal_(std=0.01)

    def features(self, images: Tensor) -> Tensor:
        """h, (B, D)."""
        if self._memo is None:
            return self.encoder(images)
        if id(images) not in self._memo:
            self._memo[id(images)] = self.encoder(images)
        return self._memo[id(images)]

    def forward(self, images: Tensor) -> LabelVector:
        """q_phi(y | x) for images (B, ...)."""
        if id(images) in self._labels:
            return self._labels[id(images)]
        out = self.labels(self.features(images))
        if self._memo is not None:
            self._labels[id(images)] = out
        return out

    def labels(self, features: Tensor) -> LabelVector:
        """q_phi for features (B, D)."""
        return self.vector(self.head(features))

    def vector(self, flat: Tensor) -> LabelVector:
        """The distribution of what the head gives, (B, M * L), and M mixture logits if M > 1."""
        if self.mixture == 1:
            if self.nonempty:
                return NonEmptyLabelVector(self.space, flat, EMPTY_ODDS, validate_args=False)
            return LabelVector(self.space, flat, validate_args=False)
        logits = flat[..., : -self.mixture].unflatten(-1, (self.mixture, self.space.num_logits))
        return LabelVector(self.space, logits, flat[..., -self.mixture :], validate_args=False)

    @contextmanager
    def once(self) -> Iterator[None]:
        """Within this context the encoder runs once per batch, though model and guide both ask for it."""
        self._memo, self._labels = {}, {}
        try:
            yield
        finally:
            self._memo, self._labels = None, {}


class AnnotationGiven(TorchDistribution):
    """p(o | y) as a Pyro distribution over o in {1, 0, -1}^K, event shape (K,).

    Args:
        how: the annotation.
        y: (..., K).
    """

    arg_constraints: dict[str, Any] = {}
    support = constraints.independent(constraints.integer_interval(-1, 1), 1)

    def __init__(self, how: Annotation, y: Tensor):
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
        return AnnotationGiven(self.how, self.y.expand(*torch.Size(batch_shape), self.y.shape[-1]))


class TiedLabelVector(TorchDistribution):
    """The density p(y)^beta q(y)^(1 - beta), not normalised: what ties q_phi to the label prior for 0 < beta < 1."""

    arg_constraints: dict[str, Any] = {}
    support = LabelVector.support
    has_enumerate_support = True

    def __init__(self, prior: LabelVector, own: LabelVector, beta: float):
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
        return TiedLabelVector(self.prior.expand(batch_shape), self.own.expand(batch_shape), self.beta)


class ComponentOf(dist.Categorical):
    """The mixture component of a distribution, which the closed-form ELBO reads from `joint`.

    Args:
        joint: of the component and the labels.
        log_weights: (..., M), taken as they are: for 0 < beta < 1 they are a geometric mean that sums to less than 1.
    """

    def __init__(self, joint: LabelVector | TiedLabelVector, log_weights: Tensor):
        self.joint = joint
        super().__init__(logits=log_weights, validate_args=False)
        self.logits = log_weights

    def expand(self, batch_shape: Any, _instance: Any = None) -> ComponentOf:
        """The same with a larger batch shape."""
        return ComponentOf(self.joint, self.logits.expand(*torch.Size(batch_shape), -1))


class LabelModel(PyroModule):
    """The model; see the module.

    Args:
        amortizer: q_phi, shared with the guide.
        annotation: p(o | y).
        prior: p(y); needed for beta > 0. Any module that returns a `LabelVector` of empty batch shape serves.
        decoder: p(h | y), or None for a model without features.
        beta: in [0, 1].
        scale_prior: weight of log D where q_phi is a `NonEmptyLabelVector`: part of site "anchor". The likelihood of one
            known label hardly fixes the scale of the odds then (one of the two, or both?); this holds it up. At 1, fitting
            is as if the empty set were not weighted.
        expected_labels: how many labels an image has on average, where that is stated: part of site "anchor", which holds
            the mean over a batch near it. None to let the likelihood move it.
    """

    count_weight = 3.0  # on the squared logarithm of the ratio; measured: benchmarks/README.md, "expected labels"

    def __init__(
        self,
        amortizer: Amortizer,
        annotation: Annotation,
        prior: LabelPrior | None = None,
        decoder: FeatureDecoder | None = None,
        beta: float = 0.0,
        scale_prior: float = 0.0,
        expected_labels: float | None = None,
    ):
        super().__init__()
        if not 0.0 <= beta <= 1.0:
            raise ValueError(f"beta is in [0, 1], not {beta}")
        if beta > 0 and prior is None:
            raise ValueError("beta > 0 ties the labels to a label prior; give prior=LabelPrior(space, logits)")
        if beta > 0 and amortizer.nonempty:
            raise ValueError("label sets that are not empty have no label prior yet; give beta=0")
        self.amortizer, self.annotation, self.beta = amortizer, annotation, beta
        self.scale_prior = scale_prior if amortizer.nonempty else 0.0
        self.expected_labels = expected_labels
        self.prior, self.decoder = prior, decoder if beta > 0 else None

    def log_factors(self, own: LabelVector) -> Tensor | float:
        """What site "anchor" adds to the log-likelihood of each image: (B,), or 0 where there is neither."""
        value: Tensor | float = self.scale_prior * own.log_mass if self.scale_prior else 0.0
        if self.expected_labels is not None:
            value = value - self.count_weight * (own.marginals.sum(-1).mean() / self.expected_labels).log().pow(2)
        return value

    def forward(self, images: Tensor, observed: Tensor) -> Tensor:
        """Run the program for images (B, ...) and observed (B, K); returns y (B, K)."""
        pyro.module("amortizer", self.amortizer)
        own = self.amortizer(images)
        with pyro.plate("images", len(observed), dim=-1):
            component = self._component(own)
            y = pyro.sample("labels", self._labels(own, component), infer={"enumerate": "parallel"})
            found = own._log_found(observed, self.annotation)
            if isinstance(found, Tensor):
                pyro.factor("found", -found)
            factors = self.log_factors(own)
            if isinstance(factors, Tensor):
                pyro.factor("anchor", factors)
            pyro.sample("observed", AnnotationGiven(self.annotation, y), obs=observed)
            if self.decoder is not None:
                with pyro.poutine.scale(scale=self.beta):
                    pyro.sample("features", self.decoder(y), obs=self.amortizer.features(images).detach())
        return y

    def _component(self, own: LabelVector) -> Tensor | None:
        if self.amortizer.mixture == 1:
            return None
        joint: LabelVector | TiedLabelVector = own
        weights = own.log_weights
        if self.prior is not None and self.beta > 0:
            prior = self.prior()
            weights = self.beta * prior.log_weights + (1 - self.beta) * weights
            joint = prior if self.beta == 1 else TiedLabelVector(prior, own, self.beta)
        site = ComponentOf(joint, weights.expand(*own.batch_shape, -1))
        return pyro.sample("component", site, infer={"enumerate": "parallel"})

    def _labels(self, own: LabelVector, component: Tensor | None) -> TorchDistribution:
        mine = own if component is None else _at(own, component)
        if self.beta == 0 or self.prior is None:
            return mine
        prior = self.prior()
        tied = prior if component is None else _at(prior, component)
        if self.beta == 1:
            return tied.expand(mine.batch_shape)
        return TiedLabelVector(tied, mine, self.beta)


class LabelGuide(PyroModule):
    """The guide q(y | x, o), amortised: q_phi conditioned, exactly, on what is known.

    Args:
        amortizer: q_phi, shared with the model.
        annotation: p(o | y), that of the model.
    """

    def __init__(self, amortizer: Amortizer, annotation: Annotation):
        super().__init__()
        self.amortizer, self.annotation = amortizer, annotation

    def forward(self, images: Tensor, observed: Tensor) -> Tensor:
        """Run the program for images (B, ...) and observed (B, K); returns y (B, K)."""
        pyro.module("amortizer", self.amortizer)
        posterior = self.amortizer(images).condition(observed, self.annotation)
        with pyro.plate("images", len(observed), dim=-1):
            if self.amortizer.mixture > 1:
                size = self.amortizer.mixture
                weights = posterior.log_weights.unflatten(-1, (size, -1))  # (B, M, Q)
                logits = posterior.logits.unflatten(-2, (size, -1))  # (B, M, Q, L)
                site = ComponentOf(posterior, weights.logsumexp(-1))
                z = pyro.sample("component", site, infer={"enumerate": "parallel"})
                posterior = LabelVector(
                    posterior.space,
                    Vindex(logits)[..., z, :, :],
                    Vindex(weights)[..., z, :],
                    validate_args=False,
                )
            return pyro.sample("labels", posterior, infer={"enumerate": "parallel"})


def _at(q: LabelVector, component: Tensor) -> LabelVector:
    return LabelVector(q.space, Vindex(q.logits)[..., component, :], validate_args=False)
