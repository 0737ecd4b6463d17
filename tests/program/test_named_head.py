"""The head that reads names: zero-shot at its start, its prior in every objective and in the Pyro program."""

from __future__ import annotations

import math

import pyro
import pytest
import torch
from pyro.infer import TraceEnum_ELBO
from torch import Tensor, nn

from latentlabels.annotation import UniformPositive
from latentlabels.fitting import LabelModule
from latentlabels.inputs.batches import Batch
from latentlabels.objectives import NAMES, Known, make
from latentlabels.program import Amortizer, CollapsedELBO, LabelGuide, LabelModel, NamedHead, num_rows
from latentlabels.program.named_head import labels_of_logits, rows_of_names
from latentlabels.space import Free, LabelSpace, OneOf

SPACE = LabelSpace(
    [
        OneOf("vehicle", ["car", "bike"], optional=True),
        OneOf("colour", ["red", "blue"]),
        Free("old"),
        Free("wet", requires="car"),
    ]
)
D = 5


def unit(*shape: int) -> Tensor:
    return nn.functional.normalize(torch.randn(*shape), dim=-1)


def embeddings(space: LabelSpace = SPACE) -> dict[str, Tensor]:
    return {label: unit(D) for label in space.labels}


def test_rows_of_labels_have_their_names_and_the_others_none():
    said = embeddings()
    assert labels_of_logits(SPACE) == ["car", "bike", None, "red", "blue", "old", "wet"]
    assert len(labels_of_logits(SPACE)) == SPACE.num_logits
    for mixture in (1, 3):
        rows = rows_of_names(SPACE, said, D, mixture)
        assert rows.shape == (num_rows(SPACE, mixture), D)
        for part in range(mixture):
            for row, label in enumerate(labels_of_logits(SPACE)):
                expected = torch.zeros(D) if label is None else said[label]
                assert torch.equal(rows[part * SPACE.num_logits + row], expected)
        assert not rows[mixture * SPACE.num_logits :].any()  # logits of the mixture are no labels


def test_at_its_start_it_is_the_zero_shot_classifier():
    """In closed form: b + a (cos - mean cos), for rows without a name b."""
    torch.manual_seed(0)
    said, h = embeddings(), unit(20, D)
    amortizer = Amortizer(SPACE, nn.Identity(), D, head=NamedHead(rows_of_names(SPACE, said, D), scale=7.0))
    start = torch.randn(SPACE.num_logits)
    amortizer.start_at(start)
    head = amortizer.head
    head.see_scale(h, torch.ones(()))
    head.see_average(h)
    found = head(h)
    for row, label in enumerate(labels_of_logits(SPACE)):
        cosine = torch.zeros(20) if label is None else nn.functional.cosine_similarity(h, said[label], dim=-1)
        torch.testing.assert_close(found[:, row], start[row] + 7 * (cosine - cosine.mean()))
        torch.testing.assert_close(found[:, row].mean(), start[row])
    # against open_clip's: softmax over the labels of scale x cosine, but for a bias of each label
    logits = 7 * h @ torch.stack([said["red"], said["blue"]]).T
    colour = found[:, 3:5] - found[:, 3:5].mean(0)
    torch.testing.assert_close(colour, logits - logits.mean(0))


def test_standardised_features_give_the_same():
    torch.manual_seed(0)
    names, h = rows_of_names(SPACE, embeddings(), D), unit(50, D) + 0.3
    h = nn.functional.normalize(h, dim=-1)
    plain, scaled = NamedHead(names, 5.0), NamedHead(names, 5.0)
    mean, scale = h.mean(0), torch.tensor(0.07)
    z = (h - mean) / scale
    plain.see_scale(h, torch.ones(()))
    plain.see_average(h)
    scaled.see_scale(z, scale)
    scaled.see_average(z)
    torch.testing.assert_close(scaled(z), plain(h), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(scaled.cosines(z), h @ names.T - (h @ names.T).mean(0), atol=1e-6, rtol=1e-5)
    assert float(scaled.power) == pytest.approx(float(z.square().sum(-1).mean()))
    assert float(plain.power) == pytest.approx(1, rel=1e-5)
    scaled.start_within(100.0, z)
    assert scaled.scale == pytest.approx(5)  # it is lowered alone
    scaled.start_within(0.5, z)
    every = scaled(z).detach()[:, scaled.read]
    assert float((every - every.mean(0)).square().mean().sqrt()) == pytest.approx(0.5, rel=1e-4)


def test_the_prior_is_that_of_the_residual():
    """Drawn from the prior, w . h has the stated standard deviation, and covaries as the features' cosine says."""
    torch.manual_seed(0)
    head = NamedHead(torch.zeros(4000, D), residual=1.7)
    h = unit(2, D) * 10
    head.see_scale(h, torch.ones(()))
    deviation = head.residual / math.sqrt(float(head.power))
    with torch.no_grad():
        head.weight.normal_(std=deviation)
        drawn = head(h)
    covariance = drawn.cov()
    expected = 1.7**2 * (h @ h.T / 100)
    assert (covariance - expected).abs().max() < 5 * 1.7**2 * math.sqrt(2 / 4000)
    normal = torch.distributions.Normal(0, deviation)
    constant = normal.log_prob(torch.zeros(())) * head.weight.numel()
    torch.testing.assert_close(head.log_prior(), normal.log_prob(head.weight).sum() - constant, rtol=1e-4, atol=1e-2)


# --- in the objectives --------------------------------------------------------------------------------------------------


def program(beta: float = 0.0, mixture: int = 1, num_images: int | None = 40) -> tuple[LabelModel, LabelGuide]:
    from latentlabels.program import LabelPrior

    torch.manual_seed(3)
    head = NamedHead(rows_of_names(SPACE, embeddings(), D, mixture), 4.0, residual=0.5)
    nn.init.normal_(head.weight)
    nn.init.normal_(head.bias)
    amortizer = Amortizer(SPACE, nn.Identity(), D, mixture, head=head).double()
    how = UniformPositive()
    prior = LabelPrior(SPACE, torch.randn(SPACE.num_logits), mixture).double() if beta else None
    return LabelModel(amortizer, how, prior, beta=beta, num_images=num_images), LabelGuide(amortizer, how)


def batch() -> tuple[Tensor, Tensor]:
    torch.manual_seed(4)
    h = unit(6, D).double()
    observed = torch.full((6, SPACE.num_labels), -1, dtype=torch.int8)
    observed[torch.arange(6), torch.tensor([0, 1, 2, 3, 4, 0])] = 1
    return h, observed


@pytest.mark.parametrize(("beta", "mixture"), [(0.0, 1), (0.4, 1), (1.0, 2)])
def test_pyros_own_elbo_of_the_program_has_the_prior_too(beta: float, mixture: int):
    h, observed = batch()
    losses, gradients = [], []
    for elbo in (CollapsedELBO(), TraceEnum_ELBO(max_plate_nesting=1)):
        pyro.clear_param_store()
        model, guide = program(beta, mixture)
        loss = elbo.differentiable_loss(model, guide, h, observed)
        loss.backward()
        losses.append(loss.detach())
        head = model.amortizer.head
        gradients.append(torch.cat([p.grad.flatten() for p in (head.weight, head.bias, head.log_scale)]))
    torch.testing.assert_close(*losses)
    torch.testing.assert_close(*gradients)
    pyro.clear_param_store()
    model, guide = program(beta, mixture)
    prior = float(model.amortizer.head.log_prior().detach())
    model.num_images = 10**12
    without = CollapsedELBO().loss(model, guide, h, observed)
    assert float(losses[0]) - without == pytest.approx(-prior * 6 / 40)
    model.num_images = None  # the batch is all there is
    assert CollapsedELBO().loss(model, guide, h, observed) - without == pytest.approx(-prior)


@pytest.mark.parametrize("name", NAMES)
def test_every_objective_has_the_prior(name: str):
    h, observed = batch()
    h = h.float()
    truth = (observed == 1).to(torch.int8)
    losses = {}
    for num_images in (40, 10**12):
        torch.manual_seed(5)
        objective = make(name, SPACE)
        space = objective.space
        names = rows_of_names(space, dict(zip(SPACE.labels, torch.eye(7)[:6, :D], strict=True)), D)
        head = NamedHead(names, 4.0, residual=0.5)
        nn.init.normal_(head.weight)
        model = LabelModel(Amortizer(space, nn.Identity(), D, head=head), UniformPositive(), num_images=num_images)
        objective.attach(model, LabelGuide(model.amortizer, UniformPositive()))
        objective.start(Known(observed, torch.arange(6), torch.full((6,), 0.3), 1.5, lambda rows: h[rows]))
        module = LabelModule(model, objective, 1e-3, 0.0, torch.zeros(space.num_logits, dtype=torch.bool)).train()
        torch.manual_seed(6)  # of objectives that draw
        losses[num_images] = float(module(Batch(h, observed, truth, torch.arange(6))).detach())
        value = float(module.eval().held_out(Batch(h, observed, truth, torch.arange(6))).value.detach())
        losses[num_images, "held out"] = value
    prior = float(head.log_prior().detach())
    assert losses[40] - losses[10**12] == pytest.approx(-prior / 40, rel=1e-3)
    assert losses[40, "held out"] == losses[10**12, "held out"]  # which is of images, not of weights


def test_weights_with_a_prior_do_not_decay_and_the_scale_learns_as_fast_as_the_bias():
    model, guide = program()
    objective = make("collapsed", SPACE)
    objective.attach(model, guide)
    module = LabelModule(model, objective, 1e-3, 0.7, torch.tensor([True] + [False] * 6))
    found = {id(p): (group["lr"], group["weight_decay"]) for group in module.optimizer().param_groups for p in group["params"]}
    head = model.amortizer.head
    quick = (pytest.approx(1e-2), 0.0)
    assert found == {id(head.weight): (1e-3, 0.0), id(head.bias): quick, id(head.log_scale): quick}
    h, observed = batch()
    module(Batch(h, observed, None, torch.arange(6))).backward()
    module.hold()
    assert not head.weight.grad[0].any() and head.weight.grad[1:].any(-1).all()
    assert head.log_scale.grad != 0
