"""One table of programs, right and wrong: each equals `TraceEnum_ELBO` in loss and all gradients, or raises as it says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro import poutine
from pyro.infer import TraceEnum_ELBO, config_enumerate
from pyro.infer.autoguide import AutoDelta, AutoNormal
from pyro.nn import PyroSample
from torch import Tensor, nn

from latentlabels import LabelVector
from latentlabels import annotation as ann
from latentlabels.program import (
    Amortizer,
    AnnotationGiven,
    CollapsedELBO,
    ComponentOf,
    FeatureDecoder,
    LabelGuide,
    LabelModel,
    LabelPrior,
    LabelsOfComponent,
    TiedLabelVector,
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


RIGHT: dict[str, tuple[Callable[[World], Pair], dict[str, Any]]] = {}
WRONG: dict[str, tuple[Callable[[World], Pair], str, dict[str, Any]]] = {}


def right(*, nesting: int = 1, particles: int = 1, **world: Any) -> Callable[..., Any]:
    def add(make: Callable[[World], Pair]) -> Callable[[World], Pair]:
        name = make.__name__
        if name in RIGHT:
            raise ValueError(f"two programs of the name {name}")
        RIGHT[name] = (make, {"world": world, "nesting": nesting, "particles": particles})
        return make

    return add


def wrong(message: str, **world: Any) -> Callable[..., Any]:
    def add(make: Callable[[World], Pair]) -> Callable[[World], Pair]:
        name = make.__name__
        if name in WRONG:
            raise ValueError(f"two programs of the name {name}")
        WRONG[name] = (make, message, world)
        return make

    return add


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


# --- the package's own program, wrapped -----------------------------------------------------------------------


@right()
def plain(w: World) -> Pair:
    return w.model(), w.guide()


@right()
def without_decoder(w: World) -> Pair:
    return w.model(decoder=False), w.guide()


@right(mixture=3)
def mixture(w: World) -> Pair:
    return w.model(), w.guide()


@right(mixture=3)
def mixture_of_the_prior(w: World) -> Pair:
    return w.model(beta=1.0), w.guide()


@right(mixture=3)
def mixture_conditional(w: World) -> Pair:
    return w.model(beta=0.0), w.guide()


@right()
def behind_a_lambda(w: World) -> Pair:
    model, guide = w.model(), w.guide()
    return lambda *a: model(*a), lambda x, o: guide(x, observed=o)


@right()
def configured_to_enumerate(w: World) -> Pair:
    return config_enumerate(w.model()), config_enumerate(w.guide())


@right()
def subclassed_with_other_images(w: World) -> Pair:
    class Model(LabelModel):
        def forward(self, images: Tensor, observed: Tensor) -> Tensor:
            return super().forward(images * 2.0, observed)

    class Guide(LabelGuide):
        def forward(self, images: Tensor, observed: Tensor) -> Tensor:
            return super().forward(images - 1.0, observed)

    return w.model(kind=Model), w.guide(kind=Guide)


@right()
def with_sites_hidden_by_a_prefix(w: World) -> Pair:
    """As in a larger program of which this is a part: the names of its sites have a prefix."""

    class Prefix(poutine.messenger.Messenger):
        def _process_message(self, msg: Any) -> None:
            if msg["type"] == "sample":
                msg["name"] = "part/" + msg["name"]

    def named(program: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any) -> Any:
            with Prefix():
                return program(*args)

        return run

    return named(w.model()), named(w.guide())


# --- scales and masks -------------------------------------------------------------------------------------------


@right()
def both_scaled(w: World) -> Pair:
    return both(poutine.scale, (w.model(), w.guide()), scale=0.1)


@right()
def scaled_in_forward(w: World) -> Pair:
    class Model(LabelModel):
        @poutine.scale(scale=0.1)
        def forward(self, images: Tensor, observed: Tensor) -> Tensor:
            return super().forward(images, observed)

    class Guide(LabelGuide):
        @poutine.scale(scale=0.1)
        def forward(self, images: Tensor, observed: Tensor) -> Tensor:
            return super().forward(images, observed)

    return w.model(kind=Model), w.guide(kind=Guide)


@right()
def guide_alone_scaled(w: World) -> Pair:
    return w.model(), poutine.scale(w.guide(), scale=0.5)


@right(mixture=2)
def guide_alone_scaled_mixture(w: World) -> Pair:
    return w.model(), poutine.scale(w.guide(), scale=0.5)


@right()
def model_alone_scaled(w: World) -> Pair:
    return poutine.scale(w.model(), scale=0.5), w.guide()


@right(mixture=2)
def model_alone_scaled_mixture(w: World) -> Pair:
    return poutine.scale(w.model(), scale=0.5), w.guide()


@right()
def scaled_by_row(w: World) -> Pair:
    return both(poutine.scale, (w.model(), w.guide()), scale=WEIGHTS)


@right(mixture=2)
def scaled_by_row_mixture(w: World) -> Pair:
    return both(poutine.scale, (w.model(), w.guide()), scale=WEIGHTS)


@right()
def scaled_differently_by_row(w: World) -> Pair:
    return poutine.scale(w.model(), scale=WEIGHTS), poutine.scale(w.guide(), scale=WEIGHTS.flip(0))


@right()
def scaled_by_a_parameter(w: World) -> Pair:
    def scaled(program: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any) -> Any:
            with poutine.scale(scale=pyro.param("how much", torch.tensor(0.7))):
                return program(*args)

        return run

    return scaled(w.model()), scaled(w.guide())


@right()
def scaled_twice(w: World) -> Pair:
    pair = both(poutine.scale, (w.model(), w.guide()), scale=0.5)
    return both(poutine.scale, pair, scale=0.3)


@right(how=ann.WeightedPositive(torch.linspace(0.5, 2, K)))
def guide_alone_scaled_weighted(w: World) -> Pair:
    return w.model(), poutine.scale(w.guide(), scale=0.5)


@right(how=ann.Scar(0.4, noise=0.1))
def guide_alone_scaled_scar(w: World) -> Pair:
    return w.model(), poutine.scale(w.guide(), scale=0.5)


@right(nonempty=True)
def guide_alone_scaled_nonempty(w: World) -> Pair:
    return w.model(beta=0.0), poutine.scale(w.guide(), scale=0.5)


@right()
def both_masked(w: World) -> Pair:
    return both(poutine.mask, (w.model(), w.guide()), mask=ROWS)


@right(mixture=2)
def both_masked_mixture(w: World) -> Pair:
    return both(poutine.mask, (w.model(), w.guide()), mask=ROWS)


@right()
def model_alone_masked(w: World) -> Pair:
    return poutine.mask(w.model(), mask=ROWS), w.guide()


@right()
def guide_alone_masked(w: World) -> Pair:
    return w.model(), poutine.mask(w.guide(), mask=ROWS)


@right()
def masked_altogether(w: World) -> Pair:
    return both(poutine.mask, (w.model(), w.guide()), mask=False)


@right()
def masked_and_scaled(w: World) -> Pair:
    return both(poutine.scale, both(poutine.mask, (w.model(), w.guide()), mask=ROWS), scale=WEIGHTS)


@right()
def annotation_masked(w: World) -> Pair:
    """The annotation of some rows does not count, though the guide knows it."""

    def model(images: Tensor, observed: Tensor) -> None:
        q = w.amortizer(images)
        with pyro.plate("images", len(observed)):
            y = pyro.sample("labels", q, infer={"enumerate": "parallel"})
            pyro.sample("observed", AnnotationGiven(w.how, y).mask(ROWS), obs=observed)

    return model, w.guide()


# --- programs of a user's own -------------------------------------------------------------------------------------


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


@right()
def own_program_with_other_names(w: World) -> Pair:
    return own_program(w)


@right(nesting=2)
def plate_in_another_dimension(w: World) -> Pair:
    return own_program(w, dim=-2)


@right()
def features_under_another_name(w: World) -> Pair:
    model, guide = own_program(w)

    def extended(images: Tensor, observed: Tensor) -> None:
        q = w.amortizer(images)
        with pyro.plate("photos", len(images)):
            y = pyro.sample("what it shows", w.prior().expand(q.batch_shape), infer={"enumerate": "parallel"})
            pyro.sample("somebody's answer", AnnotationGiven(w.how, y), obs=observed)
            pyro.sample("embedding", w.decoder(y), obs=w.amortizer.features(images).detach())

    return extended, guide


@right()
def label_prior_not_expanded(w: World) -> Pair:
    """The plate gives the prior its batch shape."""

    def model(images: Tensor, observed: Tensor) -> None:
        with pyro.plate("photos", len(images)):
            y = pyro.sample("what it shows", w.prior(), infer={"enumerate": "parallel"})
            pyro.sample("somebody's answer", AnnotationGiven(w.how, y), obs=observed)

    return model, own_program(w)[1]


@right()
def tied_by_hand(w: World) -> Pair:
    def model(images: Tensor, observed: Tensor) -> None:
        q = w.amortizer(images)
        with pyro.plate("photos", len(images)):
            site = TiedLabelVector(w.prior().expand(q.batch_shape), q, 0.25)
            y = pyro.sample("what it shows", site, infer={"enumerate": "parallel"})
            pyro.sample("somebody's answer", AnnotationGiven(w.how, y), obs=observed)

    return model, own_program(w)[1]


@right(mixture=3)
def mixture_without_a_component_site(w: World) -> Pair:
    """The labels' own mixture: it cancels."""

    def model(images: Tensor, observed: Tensor) -> None:
        with pyro.plate("photos", len(images)):
            y = pyro.sample("labels", w.amortizer(images), infer={"enumerate": "parallel"})
            pyro.sample("observed", AnnotationGiven(w.how, y), obs=observed)

    def guide(images: Tensor, observed: Tensor) -> None:
        with pyro.plate("photos", len(images)):
            pyro.sample("labels", w.amortizer(images).condition(observed, w.how), infer={"enumerate": "parallel"})

    return model, guide


@right(mixture=3)
def mixture_prior_without_a_component_site(w: World) -> Pair:
    """No closed form, and few label sets: they are enumerated."""

    def model(images: Tensor, observed: Tensor) -> None:
        with pyro.plate("photos", len(images)):
            y = pyro.sample("labels", w.prior(), infer={"enumerate": "parallel"})
            pyro.sample("observed", AnnotationGiven(w.how, y), obs=observed)
            pyro.sample("features", w.decoder(y), obs=w.amortizer.features(images).detach())

    return model, mixture_without_a_component_site(w)[1]


@right(mixture=2)
def mixture_by_hand(w: World) -> Pair:
    def model(images: Tensor, observed: Tensor) -> None:
        prior = w.prior()
        with pyro.plate("photos", len(images)):
            z = pyro.sample("kind", dist.Categorical(logits=prior.mixture_logits), infer={"enumerate": "parallel"})
            y = pyro.sample("shows", LabelsOfComponent(prior, z, 2), infer={"enumerate": "parallel"})
            pyro.sample("answer", AnnotationGiven(w.how, y), obs=observed)

    def guide(images: Tensor, observed: Tensor) -> None:
        q = w.amortizer(images).condition(observed, w.how)
        with pyro.plate("photos", len(images)):
            z = pyro.sample("kind", ComponentOf(q, 2), infer={"enumerate": "parallel"})
            pyro.sample("shows", LabelsOfComponent(q, z, 2), infer={"enumerate": "parallel"})

    return model, guide


@right(mixture=2)
def mixture_whose_sites_count_differently(w: World) -> Pair:
    def guide(images: Tensor, observed: Tensor) -> None:
        q = w.amortizer(images).condition(observed, w.how)
        with pyro.plate("photos", len(images)):
            with poutine.scale(scale=0.3):
                z = pyro.sample("kind", ComponentOf(q, 2), infer={"enumerate": "parallel"})
            pyro.sample("shows", LabelsOfComponent(q, z, 2), infer={"enumerate": "parallel"})

    return mixture_by_hand(w)[0], guide


@right(mixture=2)
def labels_that_ignore_their_component(w: World) -> Pair:
    model, guide = mixture_by_hand(w)

    def other(images: Tensor, observed: Tensor) -> None:
        with pyro.plate("photos", len(images)):
            pyro.sample("kind", dist.Categorical(logits=torch.tensor([0.1, 0.4])), infer={"enumerate": "parallel"})
            one = LabelVector(SPACE, w.prior().logits[0])
            y = pyro.sample("shows", one, infer={"enumerate": "parallel"})
            pyro.sample("answer", AnnotationGiven(w.how, y), obs=observed)

    return other, guide


@right()
def two_annotators_one_after_the_other(w: World) -> Pair:
    """The guide is conditioned twice; the model has both sites."""
    second = ann.Ignorable()
    answers = torch.full((B, K), -1, dtype=torch.int8)
    answers[:, K - 1] = torch.tensor([1, 0, 1, -1, 0]).to(torch.int8)
    answers = torch.where(w.observed == 1, w.observed, answers)

    def model(images: Tensor, observed: Tensor) -> None:
        with pyro.plate("images", len(images)):
            y = pyro.sample("labels", w.amortizer(images), infer={"enumerate": "parallel"})
            pyro.sample("observed", AnnotationGiven(w.how, y), obs=observed)
            pyro.sample("asked", AnnotationGiven(second, y), obs=answers)

    def guide(images: Tensor, observed: Tensor) -> None:
        q = w.amortizer(images).condition(observed, w.how).condition(answers, second)
        with pyro.plate("images", len(images)):
            pyro.sample("labels", q, infer={"enumerate": "parallel"})

    return model, guide


@right()
def two_sets_of_images(w: World) -> Pair:
    """Two label sites in one program, of which the second one is of images without any known label."""
    other = torch.randn(B, 4)
    nothing = torch.full((B, K), -1, dtype=torch.int8)
    one = own_program(w)
    two = own_program(w, plate="others", name="what they show")

    def model(images: Tensor, observed: Tensor) -> None:
        one[0](images, observed)
        with pyro.plate("others", B):
            y = pyro.sample("what they show", w.prior(), infer={"enumerate": "parallel"})
            pyro.sample("nothing", AnnotationGiven(w.how, y), obs=nothing)
            pyro.sample("features", w.decoder(y), obs=w.amortizer.features(other).detach())

    def guide(images: Tensor, observed: Tensor) -> None:
        one[1](images, observed)
        two[1](other, nothing)

    return model, guide


@right()
def plates_one_after_the_other(w: World) -> Pair:
    """A sequential plate: a label site for each image."""

    def model(images: Tensor, observed: Tensor) -> None:
        q = w.amortizer(images)
        for i in pyro.plate("images", 3):
            y = pyro.sample(f"y{i}", LabelVector(SPACE, q.logits[i, 0]), infer={"enumerate": "parallel"})
            pyro.sample(f"o{i}", AnnotationGiven(w.how, y), obs=observed[i])

    def guide(images: Tensor, observed: Tensor) -> None:
        q = w.amortizer(images)
        for i in pyro.plate("images", 3):
            own = LabelVector(SPACE, q.logits[i, 0])
            pyro.sample(f"y{i}", own.condition(observed[i], w.how), infer={"enumerate": "parallel"})

    return model, guide


@right()
def a_plate_with_subsampling(w: World) -> Pair:
    def model(images: Tensor, observed: Tensor) -> None:
        with pyro.plate("images", len(images), subsample_size=3) as rows:
            q = w.amortizer(images[rows])
            y = pyro.sample("labels", q, infer={"enumerate": "parallel"})
            pyro.sample("observed", AnnotationGiven(w.how, y), obs=observed[rows])
            pyro.sample("size", dist.Normal(w.size(images[rows])[:, 0], 1.0), obs=images[rows, 0])

    def guide(images: Tensor, observed: Tensor) -> None:
        with pyro.plate("images", len(images), subsample_size=3) as rows:
            q = w.amortizer(images[rows]).condition(observed[rows], w.how)
            pyro.sample("labels", q, infer={"enumerate": "parallel"})

    return model, guide


@right(nesting=2)
def inside_an_outer_plate(w: World) -> Pair:
    """Everything is there twice."""
    pair = own_program(w)
    return pyro.plate("twice", 2, dim=-2)(pair[0]), pyro.plate("twice", 2, dim=-2)(pair[1])


# --- further sites ----------------------------------------------------------------------------------------------


@right()
def one_more_observed_site(w: World) -> Pair:
    return more(w, lambda y, x: pyro.sample("size", dist.Normal(w.size(x)[:, 0], 1.0), obs=x[:, 1])), w.guide()


@right()
def one_more_observed_site_in_another_plate(w: World) -> Pair:
    model = w.model()

    def extended(images: Tensor, observed: Tensor) -> None:
        model(images, observed)
        with pyro.plate("more", 2, dim=-1):
            pyro.sample("size", dist.Normal(w.size(images[:2])[:, 0], 1.0), obs=images[:2, 1])

    return extended, w.guide()


@right()
def a_site_of_the_package_s_names(w: World) -> Pair:
    """Names say nothing: these are the user's."""

    def named(x: Tensor) -> None:
        for name in ("found", "anchor", "scale"):
            pyro.sample(name, dist.Normal(w.size(x)[:, 0], 1.0), obs=x[:, 1])

    return more(w, lambda y, x: named(x)), w.guide()


@right()
def a_factor(w: World) -> Pair:
    return more(w, lambda y, x: pyro.factor("likes", w.size(x)[:, 0])), w.guide()


@right()
def a_deterministic_function_of_the_labels(w: World) -> Pair:
    return more(w, lambda y, x: pyro.deterministic("count", y.sum(-1), event_dim=0)), w.guide()


@right()
def shapes_and_types_of_the_labels(w: World) -> Pair:
    """A density may depend on those: they are the same for all labels."""

    def add(y: Tensor, x: Tensor) -> None:
        mean = torch.zeros_like(y)[..., 0] + y.shape[-1] + y.new_ones(())
        pyro.sample("size", dist.Normal(mean + w.size(x)[:, 0], 1.0), obs=x[:, 1])
        assert "labels" in f"{y}"

    return more(w, add), w.guide()


@right()
def labels_as_detached(w: World) -> Pair:
    def model(images: Tensor, observed: Tensor) -> None:
        with pyro.plate("images", len(images)):
            y = pyro.sample("labels", w.amortizer(images), infer={"enumerate": "parallel"})
            pyro.sample("observed", AnnotationGiven(w.how, y.detach()), obs=observed)

    return model, w.guide()


@right()
def a_site_that_depends_on_labels_but_is_hidden(w: World) -> Pair:
    def add(y: Tensor, x: Tensor) -> None:
        with poutine.block():
            pyro.sample("tag", dist.Bernoulli(0.1 + 0.8 * y[..., 0]), obs=x[:, 0].gt(0).double())

    return more(w, add), w.guide()


@right()
def a_latent_global_site_under_a_scale(w: World) -> Pair:
    model, guide = w.model(decoder=False), w.guide()

    def bayesian_model(images: Tensor, observed: Tensor) -> None:
        with poutine.scale(scale=0.1):
            tilt = pyro.sample("tilt", dist.Normal(0.0, 1.0))
        pyro.sample("seen", dist.Normal(tilt, 1.0), obs=torch.tensor(0.3))
        model(images, observed)

    def bayesian_guide(images: Tensor, observed: Tensor) -> None:
        mean = pyro.param("mean of tilt", torch.tensor(0.5))
        with poutine.scale(scale=0.1):
            pyro.sample("tilt", dist.Normal(mean, 1.0))
        guide(images, observed)

    return bayesian_model, bayesian_guide


@right(particles=3)
def a_latent_site_that_moves_the_prior(w: World) -> Pair:
    """Three draws of it, and labels in closed form given each."""

    def model(images: Tensor, observed: Tensor) -> None:
        tilt = pyro.sample("tilt", dist.Normal(torch.zeros(SPACE.num_logits), 1.0).to_event(1))
        with pyro.plate("photos", len(images)):
            y = pyro.sample("what it shows", LabelVector(SPACE, tilt), infer={"enumerate": "parallel"})
            pyro.sample("answer", AnnotationGiven(w.how, y), obs=observed)

    def guide(images: Tensor, observed: Tensor) -> None:
        mean = pyro.param("mean of tilt", torch.zeros(SPACE.num_logits))
        pyro.sample("tilt", dist.Normal(mean, 0.5).to_event(1))
        own_program(w)[1](images, observed)

    return model, guide


@right()
def a_latent_site_for_each_image(w: World) -> Pair:
    def add(y: Tensor, x: Tensor) -> None:
        z = pyro.sample("brightness", dist.LogNormal(0.0, 1.0))
        pyro.sample("size", dist.Normal(z * w.size(x)[:, 0], 1.0), obs=x[:, 1])

    return more(w, add), guide_with(w, lambda y, x: pyro.sample("brightness", dist.LogNormal(0.1, 0.5)))


def with_two_parameters(w: World) -> Callable[..., Any]:
    model = w.model()

    def program(images: Tensor, observed: Tensor) -> None:
        slope = pyro.sample("slope", dist.Normal(0.0, 1.0))
        rate = pyro.sample("rate", dist.Gamma(2.0, 2.0))
        pyro.sample("seen", dist.Normal(slope, rate), obs=torch.tensor(0.3))
        model(images, observed)

    return program


def beside(w: World, auto: type) -> Pair:
    model, own = with_two_parameters(w), w.guide()
    rest = auto(poutine.block(model, hide=["labels"]))

    def guide(images: Tensor, observed: Tensor) -> None:
        rest(images, observed)
        own(images, observed)

    return model, guide


@right()
def beside_an_auto_normal(w: World) -> Pair:
    return beside(w, AutoNormal)


@right()
def beside_an_auto_delta(w: World) -> Pair:
    return beside(w, AutoDelta)


@right()
def weights_that_are_sampled(w: World) -> Pair:
    """The encoder is Bayesian: its sites belong to both programs, so that no pass of it is shared."""
    pyro.nn.module.to_pyro_module_(w.amortizer.encoder)
    w.amortizer.encoder.bias = PyroSample(dist.Normal(torch.zeros(6), 1.0).to_event(1))

    class Model(LabelModel):
        pass

    class Guide(LabelGuide):
        def forward(self, images: Tensor, observed: Tensor) -> Tensor:
            mean = pyro.param("mean of bias", torch.zeros(6))
            pyro.sample("amortizer.encoder.bias", dist.Normal(mean, 0.3).to_event(1))
            return super().forward(images, observed)

    return w.model(kind=Model), w.guide(kind=Guide)


# --- conditioned and intervened on ------------------------------------------------------------------------------


@right()
def labels_given_to_the_model(w: World) -> Pair:
    """The guide still has its labels: minus their entropy is what it adds."""
    with torch.no_grad():
        y = w.amortizer(w.images).condition(w.observed, w.how).sample()
    return poutine.condition(w.model(), data={"labels": y}), w.guide()


@right()
def labels_set_by_an_intervention(w: World) -> Pair:
    with torch.no_grad():
        y = w.amortizer(w.images).condition(w.observed, w.how).sample()
    return poutine.do(w.model(), data={"labels": y}), w.guide()


@right(mixture=2)
def component_given_to_the_model(w: World) -> Pair:
    return poutine.condition(w.model(), data={"component": torch.tensor([0, 1, 1, 0, 1])}), w.guide()


@right()
def a_latent_site_given(w: World) -> Pair:
    model, guide = with_two_parameters(w), w.guide()
    return poutine.condition(model, data={"slope": torch.tensor(0.4), "rate": torch.tensor(1.2)}), guide


@right()
def the_annotation_hidden(w: World) -> Pair:
    """The guide knows what the model does not say."""
    return poutine.block(w.model(), hide=["observed"]), w.guide()


@right()
def a_further_site_hidden(w: World) -> Pair:
    model = more(w, lambda y, x: pyro.sample("size", dist.Normal(w.size(x)[:, 0], 1.0), obs=x[:, 1]))
    return poutine.block(model, hide=["size"]), w.guide()


# --- what cannot be integrated ----------------------------------------------------------------------------------


def dependent(w: World, add: Callable[[Tensor, Tensor], Any]) -> Pair:
    return more(w, add), w.guide()


def tag(mean: Tensor, x: Tensor) -> None:
    pyro.sample("tag", dist.Normal(mean, 1.0), obs=x[:, 0])


for which, of in {
    "one_label": lambda y, x: y[..., 0],
    "sum": lambda y, x: y.sum(-1),
    "comparison": lambda y, x: (y > 0.5).double().mean(-1),
    "index": lambda y, x: torch.arange(2.0)[y[..., 0].long()],
    "index_of_rows": lambda y, x: x[y[..., 0].long(), 0],
    "where": lambda y, x: torch.where(y[..., 1] > 0, 1.0, 2.0),
    "copy": lambda y, x: y.detach().clone()[..., 0],
    "new_tensor": lambda y, x: torch.as_tensor(y).data[..., 0],
    "draw": lambda y, x: dist.Bernoulli(0.1 + 0.8 * y[..., 0]).sample(),
    "product": lambda y, x: y @ torch.arange(float(K)),
    "argmax": lambda y, x: y.argmax(-1).double(),
    "stack": lambda y, x: torch.stack([x[:, 1], y[:, 0]]).sum(0),
    "vmap": lambda y, x: torch.vmap(lambda row: row.sum())(y),
    "times_zero": lambda y, x: 0 * y[..., 0],
}.items():
    WRONG[f"depends_by_{which}"] = (
        lambda w, of=of: dependent(w, lambda y, x: tag(of(y, x), x)),
        r"site 'tag' has a density .* depends on the labels of site 'labels'.*TraceEnum_ELBO",
        {},
    )


def after_a_change_in_place(y: Tensor, x: Tensor) -> Tensor:
    mean = torch.zeros(B)
    mean += y[..., 0]
    return mean


for which, of in {
    "if": lambda y, x: torch.ones(B) if y[0, 0] else torch.zeros(B),
    "item": lambda y, x: torch.full((B,), y[0, 0].item()),
    "float": lambda y, x: torch.ones(B) * float(y.sum()),
    "numpy": lambda y, x: torch.from_numpy(y.numpy()[:, 0]),
    "tolist": lambda y, x: torch.tensor([row[0] for row in y.tolist()]),
    "shape": lambda y, x: torch.ones(B) * len(y[:, 0].nonzero()),
    "mask": lambda y, x: torch.ones(B) * len(x[y[:, 0] > 0.5]),
    "equal": lambda y, x: torch.ones(B) * torch.equal(y, torch.zeros(B, K)),
    "int_index": lambda y, x: x[y[0, 0].long()][:1].expand(B),
    "loop": lambda y, x: torch.ones(B) * sum(1 for _ in range(int(y.sum()))),
    "in_place": after_a_change_in_place,
}.items():
    WRONG[f"control_flow_by_{which}"] = (
        lambda w, of=of: dependent(w, lambda y, x: tag(of(y, x), x)),
        r"at test_programs\.py, line \d+, before site 'tag'.*labels of site 'labels'|at test_programs\.py, line \d+, before site 'tag'",
        {},
    )


@wrong(r"changed in place at test_programs\.py, line \d+")
def labels_changed_in_place(w: World) -> Pair:
    def model(images: Tensor, observed: Tensor) -> None:
        with pyro.plate("images", len(images)):
            y = pyro.sample("labels", w.amortizer(images), infer={"enumerate": "parallel"})
            y[..., 0] = 1.0
            pyro.sample("observed", AnnotationGiven(w.how, y), obs=observed)

    return model, w.guide()


@wrong(r"Python value is read from the labels at test_programs\.py, line \d+")
def a_program_that_stops_at_what_labels_say(w: World) -> Pair:
    return dependent(w, lambda y, x: {1.0: 2.0}[y[0, 0].item()]), w.guide()


@wrong(r"site 'tag' has a density \(Bernoulli\).*labels of site 'labels'")
def an_observed_value_that_is_a_label(w: World) -> Pair:
    return dependent(w, lambda y, x: pyro.sample("tag", dist.Bernoulli(torch.full((B,), 0.3)), obs=y[..., 0]))


@wrong(r"site 'factor' has a density \(Unit\)")
def a_factor_of_the_labels(w: World) -> Pair:
    return dependent(w, lambda y, x: pyro.factor("factor", -y.sum(-1)))


@wrong(r"site 'observed' has a density \(AnnotationGiven\)")
def the_annotation_of_other_labels(w: World) -> Pair:
    def model(images: Tensor, observed: Tensor) -> None:
        with pyro.plate("images", len(images)):
            y = pyro.sample("labels", w.amortizer(images), infer={"enumerate": "parallel"})
            pyro.sample("observed", AnnotationGiven(w.how, y.flip(-1)), obs=observed)

    return model, w.guide()


@wrong(r"site 'h' has a density \(FeaturesGiven\)")
def features_of_other_labels(w: World) -> Pair:
    return dependent(w, lambda y, x: pyro.sample("h", w.decoder(1 - y), obs=w.amortizer.features(x).detach()))


@wrong(r"site 'h' has a density \(Independent\)")
def a_decoder_that_is_not_ours(w: World) -> Pair:
    net = nn.Linear(K, 6)
    return dependent(w, lambda y, x: pyro.sample("h", dist.Normal(net(y), 1.0).to_event(1), obs=torch.zeros(B, 6)))


@wrong(r"site 'size' has a scale or mask that depends on the labels")
def a_scale_of_the_labels(w: World) -> Pair:
    def add(y: Tensor, x: Tensor) -> None:
        with poutine.scale(scale=1 + y[..., 0]):
            pyro.sample("size", dist.Normal(torch.zeros(B), 1.0), obs=x[:, 0])

    return dependent(w, add)


@wrong(r"site 'size' has a scale or mask that depends on the labels")
def a_mask_of_the_labels(w: World) -> Pair:
    def add(y: Tensor, x: Tensor) -> None:
        with poutine.mask(mask=y[..., 0] > 0.5):
            pyro.sample("size", dist.Normal(torch.zeros(B), 1.0), obs=x[:, 0])

    return dependent(w, add)


@wrong(r"site 'below' has a distribution that depends on the labels of site 'above'")
def labels_below_labels(w: World) -> Pair:
    def model(images: Tensor, observed: Tensor) -> None:
        q = w.amortizer(images)
        with pyro.plate("images", len(images)):
            above = pyro.sample("above", q, infer={"enumerate": "parallel"})
            pyro.sample("observed", AnnotationGiven(w.how, above), obs=observed)
            pyro.sample("below", LabelVector(SPACE, q.logits[..., 0, :] + above[..., :1]), infer={"enumerate": "parallel"})

    def guide(images: Tensor, observed: Tensor) -> None:
        q = w.amortizer(images)
        with pyro.plate("images", len(images)):
            pyro.sample("above", q.condition(observed, w.how), infer={"enumerate": "parallel"})
            pyro.sample("below", q.condition(observed, w.how), infer={"enumerate": "parallel"})

    return model, guide


@wrong(r"'z' .*depends on the labels of site 'labels'")
def a_latent_site_below_the_labels(w: World) -> Pair:
    below = guide_with(w, lambda y, x: pyro.sample("z", dist.Normal(torch.zeros(B), 1.0)))
    return more(w, lambda y, x: pyro.sample("z", dist.Normal(y[..., 0], 1.0))), below


@wrong(r"'z' .*depends on the labels of site 'labels'")
def a_guide_whose_site_depends_on_labels(w: World) -> Pair:
    below = guide_with(w, lambda y, x: pyro.sample("z", dist.Normal(y[..., 0], 1.0)))
    return more(w, lambda y, x: pyro.sample("z", dist.Normal(torch.zeros(B), 1.0))), below


# --- labels that are wrongly stated -------------------------------------------------------------------------------


@wrong(r"'labels' is no posterior.*q\.condition\(observed, how\)")
def a_guide_that_is_no_posterior(w: World) -> Pair:
    def guide(images: Tensor, observed: Tensor) -> None:
        with pyro.plate("images", len(observed)):
            pyro.sample("labels", w.amortizer(images))

    return w.model(), guide


@wrong(r"'labels' is no posterior.*q\.condition\(observed, how\)")
def a_guide_of_independent_labels(w: World) -> Pair:
    def guide(images: Tensor, observed: Tensor) -> None:
        with pyro.plate("images", len(observed)):
            pyro.sample("labels", dist.Bernoulli(torch.full((B, K), 0.5)).to_event(1))

    return w.model(), guide


@wrong(r"the guide has no sample site 'labels'.*under one name")
def a_guide_without_labels(w: World) -> Pair:
    return w.model(), lambda images, observed: None


@wrong(r"the guide has no sample site 'labels' \(it has: images, what it shows|the model has no sample site 'what it shows'")
def two_names(w: World) -> Pair:
    return w.model(), own_program(w)[1]


@wrong(r"the model has no sample site 'labels'")
def labels_hidden_in_the_model(w: World) -> Pair:
    return poutine.block(w.model(), hide=["labels"]), w.guide()


@wrong(r"depends on the labels of site 'what it shows'")
def a_model_of_independent_labels(w: World) -> Pair:
    def model(images: Tensor, observed: Tensor) -> None:
        with pyro.plate("photos", len(images)):
            pyro.sample("what it shows", dist.Bernoulli(torch.full((B, K), 0.5)).to_event(1))

    return model, own_program(w)[1]


@wrong("one annotation in both")
def two_annotations(w: World) -> Pair:
    return w.model(), LabelGuide(w.amortizer, ann.Scar(0.5))


@wrong("with other known labels.*one annotation in both")
def two_observations(w: World) -> Pair:
    guide = w.guide()
    return w.model(), lambda x, o: guide(x, torch.full_like(o, -1))


@wrong("in plate 'others' and depends on site 'labels', which the guide has in plate 'images'")
def two_plates(w: World) -> Pair:
    def model(images: Tensor, observed: Tensor) -> None:
        q = w.amortizer(images)
        with pyro.plate("images", len(images)):
            y = pyro.sample("labels", q, infer={"enumerate": "parallel"})
        with pyro.plate("others", len(images)):
            pyro.sample("observed", AnnotationGiven(w.how, y), obs=observed)

    return model, w.guide()


@wrong("in no plate and depends on site 'labels'")
def a_site_outside_of_the_plate(w: World) -> Pair:
    def model(images: Tensor, observed: Tensor) -> None:
        with pyro.plate("images", len(images)):
            y = pyro.sample("labels", w.amortizer(images), infer={"enumerate": "parallel"})
        pyro.sample("observed", AnnotationGiven(w.how, y).to_event(1), obs=observed)

    return model, w.guide()


@wrong("invalid log_prob shape")
def no_plate(w: World) -> Pair:
    def model(images: Tensor, observed: Tensor) -> None:
        y = pyro.sample("labels", w.amortizer(images))
        pyro.sample("observed", AnnotationGiven(w.how, y), obs=observed)

    def guide(images: Tensor, observed: Tensor) -> None:
        pyro.sample("labels", w.amortizer(images).condition(observed, w.how))

    return model, guide


@wrong(r"'coin'.*reparametrised")
def a_latent_site_that_is_not_reparametrised(w: World) -> Pair:
    model, guide = w.model(), w.guide()

    def tossing(program: Callable[..., Any]) -> Callable[..., Any]:
        def run(images: Tensor, observed: Tensor) -> Any:
            pyro.sample("coin", dist.Bernoulli(0.5))
            return program(images, observed)

        return run

    return tossing(model), tossing(guide)


@wrong(r"'coin' is latent in the model.*TraceEnum_ELBO")
def a_latent_site_of_the_model_alone(w: World) -> Pair:
    model = w.model()

    @config_enumerate
    def tossing(images: Tensor, observed: Tensor) -> None:
        pyro.sample("coin", dist.Bernoulli(0.5))
        model(images, observed)

    return tossing, w.guide()


@wrong(r"'z' is the component of a mixture", mixture=2)
def a_component_without_labels(w: World) -> Pair:
    def add(program: Callable[..., Any], condition: bool) -> Callable[..., Any]:
        def run(images: Tensor, observed: Tensor) -> None:
            program(images, observed)
            q = w.amortizer(images)
            with pyro.plate("others", len(images), dim=-1):
                pyro.sample("z", ComponentOf(q.condition(observed, w.how) if condition else q, 2))

        return run

    return add(w.model(), False), add(w.guide(), True)


@wrong(r"no site ComponentOf\(posterior, 2\) of the same posterior", mixture=2)
def a_component_of_another_distribution(w: World) -> Pair:
    def guide(images: Tensor, observed: Tensor) -> None:
        q = w.amortizer(images).condition(observed, w.how)
        with pyro.plate("images", len(images)):
            z = pyro.sample("component", ComponentOf(w.amortizer(images), 2))
            pyro.sample("labels", LabelsOfComponent(q, z, 2))

    return w.model(), guide


# --- the tests --------------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    pyro.clear_param_store()
    yield
    pyro.clear_param_store()
    torch.set_default_dtype(before)


def value_and_gradients(elbo: Any, world: World, pair: Pair) -> tuple[float, dict[str, Tensor]]:
    for parameter in world.parameters().values():
        parameter.grad = None
    torch.manual_seed(1)
    loss = elbo.differentiable_loss(*pair, *world.args)
    if loss.requires_grad:
        loss.backward()
    found = world.parameters()
    return loss.item(), {name: torch.zeros_like(p) if p.grad is None else p.grad.clone() for name, p in found.items()}


@pytest.mark.parametrize("local", [False, True], ids=["store", "local"])
@pytest.mark.parametrize("name", RIGHT)
def test_equals_trace_enum(name: str, local: bool) -> None:
    make, settings = RIGHT[name]
    with pyro.settings.context(module_local_params=local):
        world = World(**settings["world"])
        pair = make(world)
        for elbo in (CollapsedELBO(),):  # parameters that a first run makes are there in both
            elbo.loss(*pair, *world.args)
        ours, our_gradients = value_and_gradients(CollapsedELBO(num_particles=settings["particles"]), world, pair)
        oracle = TraceEnum_ELBO(
            max_plate_nesting=settings["nesting"],
            num_particles=settings["particles"],
            strict_enumeration_warning=False,
        )
        theirs, their_gradients = value_and_gradients(oracle, world, pair)
    assert ours == pytest.approx(theirs, rel=1e-7, abs=1e-7)
    assert our_gradients.keys() == their_gradients.keys()
    for key, gradient in our_gradients.items():
        torch.testing.assert_close(
            gradient, their_gradients[key], rtol=1e-6, atol=1e-7, msg=lambda text, key=key: f"{key}: {text}"
        )
    if name != "masked_altogether":
        assert max(float(gradient.abs().max()) for gradient in our_gradients.values()) > 1e-3


@pytest.mark.parametrize("name", WRONG)
def test_raises(name: str) -> None:
    make, message, settings = WRONG[name]
    world = World(**settings)
    pair = make(world)
    with pytest.raises(ValueError, match=message):
        CollapsedELBO().loss(*pair, *world.args)
