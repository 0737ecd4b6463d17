"""The model and the guide: wrong parts are told as lessons, and SVI trains all that there is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pyro
import pyro.distributions as dist
import pytest
import torch
from programs import SPACE, K, World
from pyro.infer import SVI, TraceEnum_ELBO
from torch import nn

import latentlabels as ll
from latentlabels import annotation as ann
from latentlabels.program import AnnotationGiven


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    pyro.clear_param_store()
    yield
    pyro.clear_param_store()
    torch.set_default_dtype(torch.float32)


def other_prior() -> ll.LabelPrior:
    return ll.LabelPrior(ll.LabelSpace.free("abcd"), torch.zeros(4))


def loss(w: World, images: Any = None, observed: Any = None) -> float:
    given = w.images if images is None else images, w.observed if observed is None else observed
    return ll.CollapsedELBO().loss(w.model(), w.guide(), *given)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda w: ll.LabelModel(nn.Linear(2, 3), w.how), r"takes an Amortizer first, not a Linear: LabelModel\(Amortizer"),
        (lambda w: ll.LabelGuide(w.how, w.amortizer), r"takes an Amortizer first, not a UniformPositive"),
        (lambda w: ll.LabelModel(w.amortizer, "scar"), r"an annotation second, such as .*UniformPositive\(\), not 'scar'"),
        (lambda w: ll.LabelGuide(w.amortizer, ann.Ignorable), r"an annotation second, .* not Ignorable"),
        (lambda w: AnnotationGiven(w.observed, w.how), r"takes an annotation first, not a Tensor"),
        (lambda w: ll.LabelModel(w.amortizer, w.how, beta=0.5), "give prior=LabelPrior"),
        (lambda w: ll.LabelModel(w.amortizer, w.how, beta=1.5), r"beta is in \[0, 1\], not 1\.5"),
        (lambda w: ll.LabelModel(w.amortizer, w.how, other_prior(), beta=0.5), "the prior is of a label space with 4 labels"),
        (
            lambda w: ll.LabelModel(w.amortizer, w.how, w.prior, ll.FeatureDecoder(ll.LabelSpace.free("abc"), 6), 0.5),
            "the decoder is of a label space with 3 labels",
        ),
        (lambda w: ll.Amortizer(SPACE, nn.Identity(), 3, mixture=0), "at least 1, not 0"),
        (lambda w: w.amortizer.start_at(torch.zeros(2)), r"shape \(2,\), but the space has 7 logits"),
        (lambda w: loss(w, observed=w.observed.numpy()), r"not a tensor \(B, K\).*Observed\.to_tensor\(\)"),
        (lambda w: loss(w, observed=w.observed[:3]), r"images give \(5,\) label vectors and observed has shape \(3, 6\)"),
        (lambda w: loss(w, observed=w.observed * 2), "values other than 1"),
    ],
)
def test_wrong_parts(make: Callable[[World], Any], message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        make(World())


def test_a_prior_of_another_mixture() -> None:
    w = World(mixture=2)
    prior = ll.LabelPrior(SPACE, torch.zeros(SPACE.num_logits))
    with pytest.raises(ValueError, match=r"has 1 component and the amortizer 2; give LabelPrior\(space, logits, mixture=2\)"):
        ll.LabelModel(w.amortizer, w.how, prior, beta=0.5)


def test_an_encoder_of_another_width() -> None:
    w = World()
    w.amortizer.encoder = nn.Linear(4, 5)
    with pytest.raises(ValueError, match=r"features of shape \(5, 5\), and the head takes \(B, 6\).*num_features=5"):
        loss(w)


def test_labels_of_another_space_in_a_program_of_one_s_own() -> None:
    w = World()
    other = ll.LabelSpace.free([f"label-{k}" for k in range(K)])

    def model(images: torch.Tensor, observed: torch.Tensor) -> None:
        with pyro.plate("images", len(images)):
            y = pyro.sample("labels", ll.LabelVector(other, torch.zeros(5, K)), infer={"enumerate": "parallel"})
            pyro.sample("observed", AnnotationGiven(w.how, y), obs=observed)

    with pytest.raises(ValueError, match="another one than that of 'labels' in the guide"):
        ll.CollapsedELBO().loss(model, w.guide(), *w.args)


@pytest.mark.parametrize("mixture", [1, 2])
def test_svi_goes_the_same_way_with_both(mixture: int) -> None:
    """Fifty steps with each: the same losses, and the same parameters at the end, all of which have moved."""
    ends, losses = [], []
    for elbo in (ll.CollapsedELBO(), TraceEnum_ELBO(max_plate_nesting=1)):
        pyro.clear_param_store()
        w = World(mixture)
        start = {name: p.detach().clone() for name, p in w.modules.named_parameters()}
        svi = SVI(w.model(), w.guide(), pyro.optim.Adam({"lr": 0.02}), loss=elbo)
        losses.append([svi.step(*w.args) for _ in range(50)])
        ends.append(dict(w.modules.named_parameters()))
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)
    assert losses[0][-1] < losses[0][0] - 3
    for name, end in ends[0].items():
        torch.testing.assert_close(end, ends[1][name], rtol=1e-5, atol=1e-6)
        one_component = name == "1.mixture_logits" and mixture == 1
        assert one_component or name.startswith("3.") or not torch.equal(end, start[name]), name


def test_a_user_s_model_learns_what_made_the_data() -> None:
    """Rates of the labels from one known label each, in a program of a user's own, with both estimators."""
    space = ll.LabelSpace([ll.OneOf("colour", ["red", "green"]), ll.Free("striped"), ll.Free("old")])
    torch.manual_seed(0)
    true = ll.LabelVector(space, torch.tensor([0.8, 0.0, 0.5, -1.0]))
    how = ann.UniformPositive()
    observed = how.sample(true.sample((1500,)))

    def model(observed: torch.Tensor) -> None:
        logits = pyro.param("logits", torch.zeros(4))
        pyro.sample("size", dist.Normal(pyro.param("mean", torch.tensor(0.0)), 1.0), obs=torch.tensor(2.0))
        with pyro.plate("rows", len(observed)):
            y = pyro.sample("shows", ll.LabelVector(space, logits), infer={"enumerate": "parallel"})
            pyro.sample("tells", AnnotationGiven(how, y), obs=observed)

    def guide(observed: torch.Tensor) -> None:
        q = ll.LabelVector(space, pyro.param("logits", torch.zeros(4))).expand((len(observed),))
        with pyro.plate("rows", len(observed)):
            pyro.sample("shows", q.condition(observed, how), infer={"enumerate": "parallel"})

    found = []
    for elbo in (ll.CollapsedELBO(), TraceEnum_ELBO(max_plate_nesting=1)):
        pyro.clear_param_store()
        svi = SVI(model, guide, pyro.optim.Adam({"lr": 0.1}), loss=elbo)
        for _ in range(60):
            svi.step(observed)
        found.append(ll.LabelVector(space, pyro.param("logits").detach()).marginals)
        assert pyro.param("mean").item() == pytest.approx(2.0, abs=0.3)
    torch.testing.assert_close(found[0], found[1], atol=1e-4, rtol=1e-4)
    # exactly one colour is there, which fixes the scale of the rest
    torch.testing.assert_close(found[0], true.marginals, atol=0.1, rtol=0)  # about 4 standard errors


def test_a_scale_that_is_learned() -> None:
    """Against finite differences: TraceEnum_ELBO has NaN here, of 0 times the density of impossible label sets."""
    w = World()
    amount = torch.tensor(0.7, requires_grad=True)

    def value(scale: torch.Tensor) -> torch.Tensor:
        pair = (pyro.poutine.scale(program, scale=scale) for program in (w.model(), w.guide()))
        return ll.CollapsedELBO().differentiable_loss(*pair, *w.args)

    (slope,) = torch.autograd.grad(value(amount), amount)
    with torch.no_grad():
        rise = value(torch.tensor(0.7 + 1e-5)) - value(torch.tensor(0.7 - 1e-5))
    assert slope.item() == pytest.approx(rise.item() / 2e-5, rel=1e-6)


def test_a_large_space_with_different_scales_has_no_closed_form() -> None:
    space = ll.LabelSpace.free(f"label-{k}" for k in range(60))
    amortizer = ll.Amortizer(space, nn.Identity(), 4)
    observed = torch.full((3, 60), -1, dtype=torch.int8)
    images = torch.randn(3, 4)
    pair = ll.LabelModel(amortizer, ann.Scar(0.5)), pyro.poutine.scale(ll.LabelGuide(amortizer, ann.Scar(0.5)), scale=0.5)
    with pytest.raises(ValueError, match=r"log p\(o \| y\).*too many to enumerate; give model and guide the same scale"):
        ll.CollapsedELBO().loss(*pair, images, observed)
