"""Programs that the closed-form ELBO cannot integrate, and what it says of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pyro
import pyro.distributions as dist
import pytest
import torch
from programs import SPACE, B, K, Pair, World, guide_with, more, own_program
from pyro import poutine
from pyro.infer import config_enumerate
from torch import Tensor, nn

from latentlabels import LabelVector
from latentlabels import annotation as ann
from latentlabels.program import (
    AnnotationGiven,
    CollapsedELBO,
    ComponentOf,
    LabelGuide,
    LabelsOfComponent,
)

WRONG: dict[str, tuple[Callable[[World], Pair], str, dict[str, Any]]] = {}


def wrong(message: str, **world: Any) -> Callable[..., Any]:
    def add(make: Callable[[World], Pair]) -> Callable[[World], Pair]:
        name = make.__name__
        if name in WRONG:
            raise ValueError(f"two programs of the name {name}")
        WRONG[name] = (make, message, world)
        return make

    return add


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
        r"at test_refused_programs\.py, line \d+, before site 'tag': .* different labels of site 'labels'",
        {},
    )


@wrong(r"changed in place at test_refused_programs\.py, line \d+")
def labels_changed_in_place(w: World) -> Pair:
    def model(images: Tensor, observed: Tensor) -> None:
        with pyro.plate("images", len(images)):
            y = pyro.sample("labels", w.amortizer(images), infer={"enumerate": "parallel"})
            y[..., 0] = 1.0
            pyro.sample("observed", AnnotationGiven(w.how, y), obs=observed)

    return model, w.guide()


@wrong(r"Python value is read from the labels at test_refused_programs\.py, line \d+")
def a_program_that_stops_at_what_labels_say(w: World) -> Pair:
    return dependent(w, lambda y, x: {1.0: 2.0}[y[0, 0].item()])


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


# --- the tests ---


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    pyro.clear_param_store()
    yield
    pyro.clear_param_store()
    torch.set_default_dtype(before)


@pytest.mark.parametrize("name", WRONG)
def test_raises(name: str) -> None:
    make, message, settings = WRONG[name]
    world = World(**settings)
    pair = make(world)
    with pytest.raises(ValueError, match=message):
        CollapsedELBO().loss(*pair, *world.args)
