"""The Pyro program: the closed-form ELBO against Pyro's own estimators, and right and wrong programs."""

from __future__ import annotations

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro.infer import SVI, Trace_ELBO, TraceEnum_ELBO
from torch import nn

from latentlabels import annotation as ann
from latentlabels.distributions import LabelVector
from latentlabels.program import Amortizer, CollapsedELBO, FeatureDecoder, LabelGuide, LabelModel, LabelPrior
from latentlabels.program.enumerated import enumerated_guide, enumerated_model
from latentlabels.space import Free, LabelSpace, OneOf

SPACE = LabelSpace(
    [
        OneOf("colour", ["red", "green"]),
        OneOf("vehicle", ["car", "bike"], optional=True),
        OneOf("doors", ["2-doors", "4-doors"], requires="car"),
        Free("spoiler", requires="car"),
        Free("striped"),
    ]
)
K = SPACE.num_labels
ANNOTATIONS = [
    ann.Ignorable(),
    ann.UniformPositive(),
    ann.UniformPositive(noise=0.1),
    ann.WeightedPositive(torch.linspace(0.5, 4, K)),
    ann.Scar(0.4),
    ann.PerLabelSearch(torch.linspace(0.5, 2, K), noise=0.1),
]


def program(mixture: int, beta: float, how: ann.Annotation, seed: int = 0) -> tuple[LabelModel, LabelGuide]:
    torch.manual_seed(seed)
    amortizer = Amortizer(SPACE, nn.Linear(4, 6), 6, mixture).double()
    prior = LabelPrior(SPACE, torch.randn(SPACE.num_logits), mixture, learn=True).double()
    decoder = FeatureDecoder(SPACE, 6).double()
    nn.init.normal_(decoder.weight)
    nn.init.normal_(decoder.log_scale, std=0.3)
    return LabelModel(amortizer, how, prior, decoder, beta), LabelGuide(amortizer, how)


def batch(model: LabelModel, size: int = 7) -> tuple[torch.Tensor, torch.Tensor]:
    images = torch.randn(size, 4, dtype=torch.float64)
    with torch.no_grad():
        y = model.amortizer(images).sample()
    observed = ann.UniformPositive().sample(y)
    unknown = torch.full((K,), -1, dtype=torch.int8)
    observed[0] = unknown  # an image of which nothing is known
    observed[1] = torch.where(y[1] > 0, unknown, 0)  # and one of which absences are
    return images, observed


def gradients(elbo, model, guide, images, observed) -> tuple[float, torch.Tensor]:
    model.zero_grad()
    loss = elbo.differentiable_loss(model, guide, images, observed)
    loss.backward()
    grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in model.parameters()]
    return loss.item(), torch.cat([grad.flatten() for grad in grads])


@pytest.mark.parametrize("how", ANNOTATIONS, ids=repr)
@pytest.mark.parametrize("beta", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("mixture", [1, 3])
def test_equals_trace_enum(mixture, beta, how):
    model, guide = program(mixture, beta, how)
    data = batch(model)
    ours, our_gradient = gradients(CollapsedELBO(), model, guide, *data)
    theirs, their_gradient = gradients(TraceEnum_ELBO(max_plate_nesting=1), model, guide, *data)
    tol = 1e-6 if how.kind == "weighted-positive" else 1e-9  # its quadrature is within 1e-10, relative
    assert ours == pytest.approx(theirs, abs=tol)
    torch.testing.assert_close(our_gradient, their_gradient, atol=tol, rtol=tol)
    assert our_gradient.abs().max() > 1e-3


@pytest.mark.parametrize("beta", [0.0, 1.0])
def test_trace_elbo_agrees_on_average(beta):
    model, guide = program(1, beta, ann.UniformPositive())
    data = batch(model)
    exact = CollapsedELBO().loss(model, guide, *data)
    with torch.no_grad(), pytest.warns(UserWarning, match="TraceEnum_ELBO"):
        draws = torch.tensor([Trace_ELBO().loss(model, guide, *data) for _ in range(200)])
    if beta == 0:  # the bound is tight: every single draw gives log Z
        assert draws.std() < 1e-6
    assert abs(draws.mean() - exact) <= 4.5 * draws.std() / 200**0.5 + 1e-6  # false alarm 7e-6


def test_enumerated_plate_is_the_oracle_of_large_spaces():
    torch.manual_seed(0)
    space = LabelSpace.free([f"label-{k}" for k in range(200)])
    logits = (torch.randn(16, 200, dtype=torch.float64) - 3).requires_grad_()
    q = LabelVector(space, logits)
    observed = ann.UniformPositive().sample(q.sample())
    elbo = TraceEnum_ELBO(max_plate_nesting=2)
    theirs = elbo.differentiable_loss(enumerated_model, enumerated_guide, q, observed)
    ours = -q.log_marginal(observed, ann.UniformPositive()).sum()
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=0)
    torch.testing.assert_close(
        *(torch.autograd.grad(loss, logits, retain_graph=True)[0] for loss in (ours, theirs)), rtol=1e-8, atol=1e-10
    )


def test_svi_fits_and_the_state_dict_holds_all_of_it():
    pyro.clear_param_store()
    model, guide = program(1, 0.0, ann.UniformPositive())
    images, observed = batch(model, 64)
    svi = SVI(model, guide, pyro.optim.Adam({"lr": 0.05}), loss=CollapsedELBO())
    losses = [svi.step(images, observed) for _ in range(40)]
    assert losses[-1] < losses[0] - 3
    state, value = model.state_dict(), svi.evaluate_loss(images, observed)
    pyro.clear_param_store()
    other, other_guide = program(1, 0.0, ann.UniformPositive(), seed=1)
    other.load_state_dict(state)
    assert CollapsedELBO().loss(other, other_guide, images, observed) == pytest.approx(value)
    pyro.clear_param_store()


def test_as_a_module_with_local_parameters_the_store_stays_empty():
    pyro.clear_param_store()
    with pyro.settings.context(module_local_params=True):
        model, guide = program(1, 0.0, ann.UniformPositive())
        CollapsedELBO()(model, guide)(*batch(model)).backward()
        assert len(pyro.get_param_store()) == 0


def test_as_a_module_it_takes_a_torch_optimiser():
    with pyro.settings.context(module_local_params=True):
        model, guide = program(1, 0.5, ann.UniformPositive())
        data = batch(model, 32)
        loss = CollapsedELBO()(model, guide)
        first = loss(*data)
        optimiser = torch.optim.Adam(loss.parameters(), lr=0.05)
        for _ in range(20):
            optimiser.zero_grad()
            loss(*data).backward()
            optimiser.step()
        assert loss(*data) < first


def test_the_encoder_runs_once_a_step():
    model, guide = program(1, 0.0, ann.UniformPositive())
    calls = []
    model.amortizer.encoder.register_forward_hook(lambda *_: calls.append(1))
    CollapsedELBO().loss(model, guide, *batch(model))
    assert len(calls) == 2  # one of them by `batch`


def test_other_latent_sites_are_sampled():
    """A user's own prior on a parameter, drawn by a reparametrised guide, enters as in Trace_ELBO."""
    model, guide = program(1, 0.0, ann.UniformPositive())

    def bayesian_model(images, observed):
        pyro.sample("scale", dist.Normal(torch.tensor(0.0).double(), 1.0))
        return model(images, observed)

    def bayesian_guide(images, observed):
        pyro.sample("scale", dist.Normal(torch.tensor(0.5).double(), 1.0))
        return guide(images, observed)

    data = batch(model)
    plain = CollapsedELBO().loss(model, guide, *data)
    draws = torch.tensor([CollapsedELBO().loss(bayesian_model, bayesian_guide, *data) for _ in range(100)])
    assert abs(draws.mean() - plain - 0.125) <= 4.5 * draws.std() / 10  # KL(N(.5, 1), N(0, 1)) = 1/8


def test_an_observed_site_of_a_user_s_own_may_be_named_scale():
    """Names say nothing: it adds its log-density as any other."""
    model, guide = program(1, 0.0, ann.UniformPositive())

    def other(images, observed):
        pyro.sample("scale", dist.Normal(torch.tensor(0.0).double(), 1.0), obs=torch.tensor(0.3).double())
        return model(images, observed)

    data = batch(model)
    more = -dist.Normal(0.0, 1.0).log_prob(torch.tensor(0.3)).item()
    assert CollapsedELBO().loss(other, guide, *data) == pytest.approx(CollapsedELBO().loss(model, guide, *data) + more)


class TestWrongPrograms:
    """Each wrong program, and the message that says what is wrong with it."""

    def test_a_guide_that_is_no_posterior(self):
        model, _ = program(1, 0.0, ann.UniformPositive())

        def guide(images, observed):
            with pyro.plate("images", len(observed)):
                pyro.sample("labels", model.amortizer(images))

        with pytest.raises(ValueError, match=r"q\.condition\(observed, how\)"):
            CollapsedELBO().loss(model, guide, *batch(model))

    def test_a_guide_without_labels(self):
        model, _ = program(1, 0.0, ann.UniformPositive())
        with pytest.raises(ValueError, match="no sample site 'labels'"):
            CollapsedELBO().loss(model, lambda images, observed: None, *batch(model))

    def test_two_annotations(self):
        model, guide = program(1, 0.0, ann.UniformPositive())
        guide.annotation = ann.Scar(0.5)
        with pytest.raises(ValueError, match="one annotation in both"):
            CollapsedELBO().loss(model, guide, *batch(model))

    def test_an_extra_latent_site_that_cannot_be_reparametrised(self):
        model, guide = program(1, 0.0, ann.UniformPositive())

        def discrete_model(images, observed):
            pyro.sample("coin", dist.Bernoulli(0.5))
            return model(images, observed)

        def discrete_guide(images, observed):
            pyro.sample("coin", dist.Bernoulli(0.5))
            return guide(images, observed)

        with pytest.raises(ValueError, match="'coin'.*reparametrised"):
            CollapsedELBO().loss(discrete_model, discrete_guide, *batch(model))

    def test_beta_without_a_prior(self):
        model, _ = program(1, 0.0, ann.UniformPositive())
        with pytest.raises(ValueError, match="label prior"):
            LabelModel(model.amortizer, ann.UniformPositive(), beta=0.5)


class TestPyroTraps:
    """Behaviour of Pyro 1.9 that the package is built around; a change there should be noticed."""

    def test_predictive_gives_the_prior_of_an_enumerated_latent_so_it_is_not_used(self):
        """The reason why `Posterior` computes: Predictive ignores the observation of a model-side latent."""
        from pyro.infer import Predictive

        def model(o):
            y = pyro.sample("y", dist.Bernoulli(0.5), infer={"enumerate": "parallel"})
            pyro.sample("o", dist.Bernoulli(0.1 + 0.8 * y), obs=o)

        torch.manual_seed(0)
        draws = Predictive(model, num_samples=2000, return_sites=["y"])(torch.tensor(0.0))["y"]
        assert abs(draws.mean() - 0.5) < 0.06  # the posterior is 0.1

        space = LabelSpace.free(["y"])
        q = LabelVector(space, torch.zeros(1, 1))
        scar = ann.Scar(8 / 9)  # silence has probability 1/9 where y is present
        assert q.condition(torch.tensor([[-1]]), scar).marginals.item() == pytest.approx(0.1)

    def test_labels_are_one_site_so_that_two_hundred_fit(self):
        """More than 63 enumerated sites exceed torch's dimensions; all labels are one site of event size K."""
        space = LabelSpace.free([f"label-{k}" for k in range(200)])
        amortizer = Amortizer(space, nn.Identity(), 3)
        model, guide = LabelModel(amortizer, ann.UniformPositive()), LabelGuide(amortizer, ann.UniformPositive())
        observed = torch.full((2, 200), -1, dtype=torch.int8)
        observed[:, 0] = 1
        assert CollapsedELBO().loss(model, guide, torch.randn(2, 3), observed) > 0

    def test_unknown_is_minus_one_and_never_nan(self):
        """NaN under a mask gives NaN gradients; nothing in a program sees one."""
        model, guide = program(1, 0.3, ann.UniformPositive())
        images, observed = batch(model)
        observed[:] = -1
        loss, gradient = gradients(CollapsedELBO(), model, guide, images, observed)
        assert observed.dtype == torch.int8
        assert torch.isfinite(gradient).all()
        assert torch.isfinite(torch.tensor(loss))

    def test_trace_mean_field_refuses_the_guide(self):
        from pyro.infer import TraceMeanField_ELBO

        model, guide = program(1, 0.0, ann.UniformPositive())
        with pytest.raises((NotImplementedError, ValueError)), pytest.warns(UserWarning):
            TraceMeanField_ELBO().differentiable_loss(model, guide, *batch(model))
            raise NotImplementedError("it warned and fell back to sampling")

    def test_obs_mask_drops_enumeration(self):
        """Why known and unknown labels are one site with an annotation, not `obs_mask`."""

        def model(o, known):
            with pyro.plate("labels", 3):
                pyro.sample("y", dist.Bernoulli(0.5), obs=o, obs_mask=known, infer={"enumerate": "parallel"})

        o, known = torch.tensor([1.0, 0.0, 0.0]), torch.tensor([True, False, False])
        trace = pyro.poutine.trace(pyro.poutine.enum(model, first_available_dim=-2)).get_trace(o, known)
        assert trace.nodes["y_unobserved"]["value"].dim() == 1  # enumerated it would have a second dimension

    def test_the_state_is_in_the_state_dict(self):
        model, guide = program(2, 0.3, ann.UniformPositive())
        names = set(model.state_dict())
        assert {"amortizer.head.weight", "prior.logits", "decoder.weight"} <= names
        assert {name for name, _ in guide.named_parameters()} <= {name for name, _ in model.named_parameters()}
