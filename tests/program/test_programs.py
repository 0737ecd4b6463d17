"""Programs of many kinds: each equals `TraceEnum_ELBO` in loss and in the gradients of all parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pyro
import pyro.distributions as dist
import pytest
import torch
from programs import ROWS, SPACE, WEIGHTS, B, K, Pair, World, both, guide_with, more, own_program
from pyro import poutine
from pyro.infer import TraceEnum_ELBO, config_enumerate
from pyro.infer.autoguide import AutoDelta, AutoNormal
from torch import Tensor, nn

from latentlabels import LabelVector
from latentlabels import annotation as ann
from latentlabels.program import (
    AnnotationGiven,
    CollapsedELBO,
    ComponentOf,
    LabelGuide,
    LabelModel,
    LabelsOfComponent,
    TiedLabelVector,
)

RIGHT: dict[str, tuple[Callable[[World], Pair], dict[str, Any]]] = {}


def right(*, nesting: int = 1, particles: int = 1, **world: Any) -> Callable[..., Any]:
    def add(make: Callable[[World], Pair]) -> Callable[[World], Pair]:
        name = make.__name__
        if name in RIGHT:
            raise ValueError(f"two programs of the name {name}")
        RIGHT[name] = (make, {"world": world, "nesting": nesting, "particles": particles})
        return make

    return add


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


@right()
def own_program_with_other_names(w: World) -> Pair:
    return own_program(w)


@right(nesting=2)
def plate_in_another_dimension(w: World) -> Pair:
    return own_program(w, dim=-2)


@right()
def features_under_another_name(w: World) -> Pair:
    _, guide = own_program(w)

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
    _, guide = mixture_by_hand(w)

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


class Sampled(nn.Module):
    """A Bayesian encoder: its bias is a site of both programs."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 6)

    def forward(self, images: Tensor) -> Tensor:
        out: Tensor = self.linear(images) + pyro.sample("bias", dist.Normal(torch.zeros(6), 1.0).to_event(1))
        return out


@right()
def weights_that_are_sampled(w: World) -> Pair:
    """No pass of such an encoder is shared."""
    w.amortizer.encoder = Sampled()
    return w.model(decoder=False), w.guide()


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


# --- the tests ---


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


@pytest.mark.filterwarnings("ignore:Found non-auxiliary vars in guide")  # of Pyro, of what is observed in the model alone
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
        torch.testing.assert_close(gradient, their_gradients[key], rtol=1e-6, atol=1e-7)
    if name != "masked_altogether":
        assert max(float(gradient.abs().max()) for gradient in our_gradients.values()) > 1e-3


@pytest.mark.parametrize("components", [1, 2])
@pytest.mark.parametrize(
    "how",
    [
        ann.UniformPositive(noise=0.1),
        ann.WeightedPositive(torch.arange(1.0, K + 1)),
        ann.Scar(torch.full((K,), 0.4)),
        ann.Ignorable(),
        ann.PerLabelSearch(),
        ann.PerLabelSearch(noise=0.1),
    ],
    ids=repr,
)
def test_in_single_precision_too(how: ann.Annotation, components: int) -> None:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    try:
        world = World(components, how)
        pair = world.model(), world.guide()
        ours = CollapsedELBO().loss(*pair, *world.args)
        theirs = TraceEnum_ELBO(max_plate_nesting=1).loss(*pair, *world.args)
    finally:
        torch.set_default_dtype(before)
    assert ours == pytest.approx(theirs, rel=1e-5)
