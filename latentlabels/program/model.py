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

from typing import Any

import pyro
import torch
from pyro.distributions import TorchDistribution
from pyro.nn import PyroModule
from torch import Tensor

from ..annotation import Annotation
from ..annotation.asked import ASKED
from ..distributions.label_vector import LabelVector
from .amortizer import Amortizer
from .decoder import FeatureDecoder
from .head import Head
from .prior import LabelPrior
from .sites import AnnotationGiven, Component, ComponentOf, LabelsOfComponent, TiedLabelVector


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
        num_images: N, of the whole data set. A head with a prior of its own has it at site "shrinkage", of which a batch of B
            images has the share B/N. None: the batch is the data set.
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
        num_images: int | None = None,
    ):
        super().__init__()
        _check_parts("LabelModel", amortizer, annotation)
        if not 0.0 <= beta <= 1.0:
            raise ValueError(f"beta is in [0, 1], not {beta}")
        if beta > 0 and prior is None:
            raise ValueError("beta > 0 ties the labels to a label prior; give prior=LabelPrior(space, logits)")
        if beta > 0 and amortizer.nonempty:
            raise ValueError("label sets that are not empty have no label prior yet; give beta=0")
        _check_spaces(amortizer, prior, decoder)
        self.amortizer, self.annotation, self.beta = amortizer, annotation, beta
        self.scale_prior = scale_prior if amortizer.nonempty else 0.0
        self.expected_labels, self.num_images = expected_labels, num_images
        self.prior, self.decoder = prior, decoder if beta > 0 else None

    def log_factors(self, own: LabelVector) -> Tensor | float:
        """What site "anchor" adds to the log-likelihood of each image: (B,), or 0 where there is neither."""
        value: Tensor | float = self.scale_prior * own.log_mass if self.scale_prior else 0.0
        if self.expected_labels is not None:
            value = value - self.count_weight * (own.marginals.sum(-1).mean() / self.expected_labels).log().pow(2)
        return value

    def log_shrinkage(self, num: int) -> Tensor | None:
        """What the prior of the head's weights adds for a batch of B images, a scalar; None for a head without one."""
        head = self.amortizer.head
        prior = head.log_prior() if isinstance(head, Head) else None
        return prior if prior is None or self.num_images is None else prior * (num / self.num_images)

    def forward(self, images: Tensor, observed: Tensor) -> Tensor:
        """Run the program for images (B, ...) and observed (B, K); returns y (B, K)."""
        amortizer = self.amortizer  # looked up once: each time, Pyro registers its parameters
        own = amortizer(images)
        _check_rows(own, observed)
        shrinkage = self.log_shrinkage(len(observed))
        if shrinkage is not None:
            pyro.factor("shrinkage", shrinkage)
        with pyro.plate("images", len(observed), dim=-1):
            y = pyro.sample("labels", self._labels(own), infer={"enumerate": "parallel"})
            found = own.log_found(observed, self.annotation)
            if isinstance(found, Tensor):
                # in the type of the other sites: TraceEnum_ELBO sums no two of different types
                pyro.factor("found", -found.to(torch.promote_types(own.logits.dtype, torch.float32)))
            factors = self.log_factors(own)
            if isinstance(factors, Tensor):
                pyro.factor("anchor", factors)
            pyro.sample("observed", AnnotationGiven(self.annotation, y), obs=observed)
            if self.decoder is not None:
                with pyro.poutine.scale(scale=self.beta):
                    pyro.sample("features", self.decoder(y), obs=amortizer.features(images).detach())
        return y

    def _labels(self, own: LabelVector) -> TorchDistribution:
        """The distribution of site "labels", after site "component" if there is one."""
        prior = self.prior() if self.prior is not None and self.beta > 0 else None
        mixture = own.num_components
        mine: LabelVector | LabelsOfComponent = own
        tied: LabelVector | LabelsOfComponent | None = prior
        if mixture > 1:
            z = pyro.sample("component", self._component(own, prior), infer={"enumerate": "parallel"})
            mine = LabelsOfComponent(own, z, mixture)
            tied = None if prior is None else LabelsOfComponent(prior, z, mixture)
        if tied is None:
            return mine
        return tied.expand(mine.batch_shape) if self.beta == 1 else TiedLabelVector(tied, mine, self.beta)

    def _component(self, own: LabelVector, prior: LabelVector | None) -> TorchDistribution:
        if prior is None:
            return ComponentOf(own, own.num_components)
        if self.beta == 1:
            return ComponentOf(prior, own.num_components).expand(own.batch_shape)
        return Component(self.beta * prior.log_weights + (1 - self.beta) * own.log_weights)


class LabelGuide(PyroModule):
    """The guide q(y | x, o), amortised: q_phi conditioned, exactly, on what is known.

    Args:
        amortizer: q_phi, shared with the model.
        annotation: p(o | y), that of the model.
    """

    def __init__(self, amortizer: Amortizer, annotation: Annotation):
        super().__init__()
        _check_parts("LabelGuide", amortizer, annotation)
        self.amortizer, self.annotation = amortizer, annotation

    def forward(self, images: Tensor, observed: Tensor) -> Tensor:
        """Run the program for images (B, ...) and observed (B, K); returns y (B, K)."""
        own = self.amortizer(images)
        _check_rows(own, observed)
        posterior, mixture = own.condition(observed, self.annotation), own.num_components
        with pyro.plate("images", len(observed), dim=-1):
            labels: LabelVector | LabelsOfComponent = posterior
            if mixture > 1:
                z = pyro.sample("component", ComponentOf(posterior, mixture), infer={"enumerate": "parallel"})
                labels = LabelsOfComponent(posterior, z, mixture)
            return pyro.sample("labels", labels, infer={"enumerate": "parallel"})


def _check_parts(kind: str, amortizer: Any, annotation: Any) -> None:
    if not isinstance(amortizer, Amortizer):
        raise TypeError(
            f"{kind} takes an Amortizer first, not a {type(amortizer).__name__}: "
            f"{kind}(Amortizer(space, encoder, num_features), annotation)"
        )
    if not isinstance(annotation, Annotation):
        given = annotation.__name__ if isinstance(annotation, type) else repr(annotation)
        raise TypeError(f"{kind} takes an annotation second, such as latentlabels.annotation.UniformPositive(), not {given}")


def _check_spaces(amortizer: Amortizer, prior: Any, decoder: Any) -> None:
    for what, part in (("prior", prior), ("decoder", decoder)):
        space = getattr(part, "space", amortizer.space)
        if space != amortizer.space:
            raise ValueError(
                f"the {what} is of a label space with {space.num_labels} labels ({', '.join(space.labels[:3])}, ...), "
                f"another one than the amortizer's {amortizer.space.num_labels}; make both with the same LabelSpace"
            )
    mixture = prior.mixture_logits.shape[-1] if isinstance(prior, LabelPrior) else 1
    if amortizer.mixture > 1 and isinstance(prior, LabelPrior) and mixture != amortizer.mixture:
        raise ValueError(
            f"the prior has {mixture} component{'s'[: mixture - 1]} and the amortizer {amortizer.mixture}; "
            f"give LabelPrior(space, logits, mixture={amortizer.mixture})"
        )


def _check_rows(own: LabelVector, observed: Tensor) -> None:
    if not isinstance(observed, Tensor):
        raise TypeError(
            f"observed is a {type(observed).__name__}, not a tensor (B, K) of 1, 0 and -1; use Observed.to_tensor()"
        )
    if own.batch_shape != observed.shape[:-1]:
        raise ValueError(
            f"images give {tuple(own.batch_shape)} label vectors and observed has shape {tuple(observed.shape)}; "
            f"give observed of shape {(*own.batch_shape, own.space.num_labels)}, one row for each image"
        )
    if bool(((observed < -1) | (observed > 1) & (observed != ASKED)).any()):
        raise ValueError("observed holds values other than 1 (known present), 0 (known absent) and -1 (unknown)")
