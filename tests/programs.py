"""Programs that the closed-form ELBO is tried on: what they are made of, and the tables of right and wrong ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyro
import torch
from torch import Tensor, nn

from latentlabels import LabelVector
from latentlabels import annotation as ann
from latentlabels.program import (
    Amortizer,
    AnnotationGiven,
    FeatureDecoder,
    LabelGuide,
    LabelModel,
    LabelPrior,
)
from latentlabels.space import Free, LabelSpace, OneOf

SPACE = LabelSpace(
    [
        OneOf("vehicle", ["car", "bike"], optional=True),
        OneOf("doors", ["2-doors", "4-doors"], requires="car"),
        Free("striped"),
        Free("old"),
    ]
)
K = SPACE.num_labels
B = 5
WEIGHTS = torch.tensor([1.0, 0.1, 2.0, 1.0, 0.5])
ROWS = torch.tensor([True, False, True, True, False])

Pair = tuple[Callable[..., Any], Callable[..., Any]]


class World:
    """Networks, and images with one known label each, that programs are made of.

    Attributes:
        modules: whose parameters' gradients are compared; a program may add its own.
    """

    def __init__(self, mixture: int = 1, how: ann.Annotation | None = None, nonempty: bool = False):
        torch.manual_seed(0)
        self.how = ann.UniformPositive() if how is None else how
        self.amortizer = Amortizer(SPACE, nn.Linear(4, 6), 6, mixture, nonempty)
        self.prior = LabelPrior(SPACE, torch.randn(SPACE.num_logits), mixture, learn=True)
        self.decoder = FeatureDecoder(SPACE, 6)
        nn.init.normal_(self.decoder.weight)
        nn.init.normal_(self.decoder.log_scale, std=0.3)
        self.size = nn.Linear(4, 1)
        self.modules = nn.ModuleList([self.amortizer, self.prior, self.decoder, self.size])
        self.images = torch.randn(B, 4)
        with torch.no_grad():
            y = LabelVector(SPACE, torch.randn(B, SPACE.num_logits)).sample()
        self.observed = ann.UniformPositive().sample(y)
        self.observed[0] = -1
        self.observed[1] = torch.where(y[1] > 0, -1, 0).to(torch.int8)

    @property
    def args(self) -> tuple[Any, ...]:
        return self.images, self.observed

    def model(self, beta: float = 0.5, decoder: bool = True, kind: type[LabelModel] = LabelModel, **more: Any) -> LabelModel:
        return kind(self.amortizer, self.how, self.prior, self.decoder if decoder else None, beta, **more)

    def guide(self, kind: type[LabelGuide] = LabelGuide) -> LabelGuide:
        return kind(self.amortizer, self.how)

    def parameters(self) -> dict[str, Tensor]:
        named = dict(self.modules.named_parameters())
        return named | {name: pyro.get_param_store()._params[name] for name in pyro.get_param_store() if "$$$" not in name}


def own_program(w: World, plate: str = "photos", dim: int = -1, name: str = "what it shows", **given: Any) -> Pair:
    def rows(q: LabelVector) -> LabelVector:
        logits = q.logits[..., 0, :].reshape(B, *(1 for _ in range(-dim - 1)), -1)
        return LabelVector(SPACE, logits)

    def model(images: Tensor, observed: Tensor) -> None:
        q = rows(w.amortizer(images))
        with pyro.plate(plate, len(images), dim=dim, **given):
            y = pyro.sample(name, q, infer={"enumerate": "parallel"})
            seen = observed.reshape(*q.batch_shape, K)
            pyro.sample("somebody's answer", AnnotationGiven(w.how, y), obs=seen)

    def guide(images: Tensor, observed: Tensor) -> None:
        q = rows(w.amortizer(images))
        with pyro.plate(plate, len(images), dim=dim, **given):
            pyro.sample(name, q.condition(observed.reshape(*q.batch_shape, K), w.how), infer={"enumerate": "parallel"})

    return model, guide


def both(handler: Callable[..., Any], pair: Pair, **given: Any) -> Pair:
    return handler(pair[0], **given), handler(pair[1], **given)


def more(w: World, add: Callable[..., Any]) -> Callable[..., Any]:
    """What `LabelModel` is at beta = 1, written down, with `add(y, images)` after it in the same plate."""

    def program(images: Tensor, observed: Tensor) -> Tensor:
        with pyro.plate("images", len(observed), dim=-1):
            y = pyro.sample("labels", w.prior(), infer={"enumerate": "parallel"})
            pyro.sample("observed", AnnotationGiven(w.how, y), obs=observed)
            pyro.sample("features", w.decoder(y), obs=w.amortizer.features(images).detach())
            add(y, images)
        return y

    return program


def guide_with(w: World, add: Callable[..., Any]) -> Callable[..., Any]:
    """What `LabelGuide` is, with `add(y, images)` after it in the same plate."""

    def program(images: Tensor, observed: Tensor) -> None:
        q = w.amortizer(images).condition(observed, w.how)
        with pyro.plate("images", len(observed), dim=-1):
            add(pyro.sample("labels", q, infer={"enumerate": "parallel"}), images)

    return program
