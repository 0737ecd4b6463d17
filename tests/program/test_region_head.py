"""Regions: the place that shows a label is latent, and summed over exactly."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from latentlabels.annotation import Ignorable, UniformPositive
from latentlabels.fitting import LabelModule
from latentlabels.inputs.batches import Batch
from latentlabels.objectives import NAMES, Known, make
from latentlabels.program import Amortizer, LabelGuide, LabelModel, RegionHead
from latentlabels.space import Free, LabelSpace, OneOf

D, MAPS = 5, (3, 2, 4)
SIZE = D + math.prod(MAPS)
SPACE = LabelSpace([OneOf("colour", ["red", "blue"]), OneOf("vehicle", ["car", "bike"], optional=True), Free("striped")])


def head(rows: int = 4, residual: float = 0.3, temperature: float = 5.0) -> RegionHead:
    torch.manual_seed(0)
    return RegionHead(D, MAPS, rows, residual, temperature).double()


def features(number: int = 6) -> torch.Tensor:
    return torch.randn(number, SIZE, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def place_scores(one: RegionHead, row: torch.Tensor, logit: int) -> list[float]:
    """v . h_p of each place of one image, by hand."""
    channels, high, wide = MAPS
    maps, v = row[D:].reshape(channels, high * wide).tolist(), one.weight[logit, D:].tolist()
    return [sum(v[c] * maps[c][place] for c in range(channels)) for place in range(high * wide)]


@torch.no_grad()
def test_logit_and_attention_are_sums_over_places():
    one, inputs = head(), features()
    logits, attention = one(inputs), one.attention(inputs)
    assert logits.shape == (6, 4) and attention.shape == (6, 4, 2, 4)
    for image, row in enumerate(inputs):
        for logit in range(4):
            scores = place_scores(one, row, logit)
            joint = [math.exp(5.0 * score) / len(scores) for score in scores]  # p(z) = 1/8, evidence exp(T s_z)
            posterior = [each / sum(joint) for each in joint]
            expected = float(one.bias[logit] + row[:D] @ one.weight[logit, :D]) + sum(scores) / len(scores)
            expected += 0.3 * sum(p * score for p, score in zip(posterior, scores, strict=True))
            assert float(logits[image, logit]) == pytest.approx(expected, abs=1e-10)
            assert attention[image, logit].flatten().tolist() == pytest.approx(posterior, rel=1e-9)


def test_the_posterior_mean_of_the_score_is_the_derivative_of_log_sum_exp_by_the_temperature():
    one, inputs = head(residual=1.0), features()
    t = torch.tensor(5.0, dtype=torch.float64, requires_grad=True)
    scores = one.scores(inputs).flatten(2).detach()
    (slope,) = torch.autograd.grad((t * scores).logsumexp(-1).sum(), t)
    assert float((one.attention(inputs).flatten(2) * scores).sum().detach()) == pytest.approx(float(slope), rel=1e-9)


@pytest.mark.parametrize("temperature, pooled", [(1e-9, "mean"), (1e4, "amax")])
def test_it_lies_between_the_mean_and_the_maximum(temperature: float, pooled: str):
    one, inputs = head(residual=2.0, temperature=temperature), features()
    scores = one.scores(inputs)
    whole = inputs[:, :D] @ one.weight[:, :D].T + one.bias + scores.mean((-2, -1))
    torch.testing.assert_close(one(inputs), whole + 2.0 * getattr(scores, pooled)((-2, -1)), rtol=0, atol=1e-4)


def test_without_residual_it_is_linear():
    one, inputs = head(residual=0.0), features()
    maps = inputs[:, D:].unflatten(1, MAPS).mean((-2, -1))
    torch.testing.assert_close(one(inputs), torch.cat([inputs[:, :D], maps], 1) @ one.weight.T + one.bias)


def test_gradients_are_those_of_finite_differences():
    one, inputs = head(rows=2), features(2).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda given, weight, bias: torch.func.functional_call(one, {"weight": weight, "bias": bias}, (given,)),
        (inputs, one.weight, one.bias),
    )


def test_some_rows_are_those_of_all():
    one, inputs = head(), features()
    torch.testing.assert_close(one.attention(inputs, torch.tensor([2, 0])), one.attention(inputs)[:, [2, 0]])


@pytest.mark.parametrize("scale", [0.0, 1e6])
def test_attention_is_finite_at_extreme_scores(scale: float):
    one, inputs = head(), features() * scale
    attention = one.attention(inputs)
    assert bool(torch.isfinite(one(inputs)).all())
    torch.testing.assert_close(attention.sum((-2, -1)), torch.ones(6, 4, dtype=torch.float64))
    if scale == 0:
        torch.testing.assert_close(attention, torch.full_like(attention, 1 / 8))


@pytest.mark.parametrize("nonempty", [False, True])
def test_it_starts_at_the_same_for_every_image_and_every_place(nonempty: bool):
    space = LabelSpace.free("abcd")
    amortizer = Amortizer(space, nn.Identity(), SIZE, 1, nonempty, head=head())
    logits = torch.randn(4, dtype=torch.float64)
    amortizer.start_at(logits)
    torch.testing.assert_close(amortizer(features()).logits.view(6, 4), logits.expand(6, 4))
    assert amortizer.head.attention(features()).unique().tolist() == [1 / 8]


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((5, (0, 2, 2), 4), "sizes above 0"),
        ((-1, (3, 2, 2), 4), "sizes above 0"),
        ((5, (3, 2, 2), 0), "sizes above 0"),
        ((5, (3, 2, 2), 4, -0.1), "residual is at least 0"),
        ((5, (3, 2, 2), 4, 0.3, 0.0), "temperature above 0"),
    ],
)
def test_impossible_sizes_are_refused(arguments: tuple, message: str):
    with pytest.raises(ValueError, match=message):
        RegionHead(*arguments)


def _module(objective: str) -> tuple[LabelModule, torch.Tensor, torch.Tensor, torch.Tensor]:
    """A head on 60 images whose labels are each shown by one place alone, with one known label each."""
    torch.manual_seed(3)
    made = make(objective, SPACE)
    rows = made.space.num_logits
    amortizer = Amortizer(made.space, nn.Identity(), SIZE, head=RegionHead(D, MAPS, rows))
    amortizer.start_at(torch.zeros(rows))
    model = LabelModel(amortizer, UniformPositive())
    made.attach(model, LabelGuide(amortizer, UniformPositive()))
    truth = made.declared.distribution(torch.zeros(60, SPACE.num_logits)).sample().to(torch.int8)
    observed = torch.full_like(truth, -1)
    picked = torch.multinomial(truth.float(), 1)
    observed.scatter_(1, picked, 1)
    maps = 0.1 * torch.randn(60, *MAPS)
    for image, row in enumerate(truth.tolist()):
        for label, present in enumerate(row):
            if present:
                place = int(torch.randint(8, ()))
                maps[image, label % 3, place // 4, place % 4] += 2.0 if label < 3 else -2.0
    inputs = torch.cat([torch.randn(60, D), maps.flatten(1)], 1)
    known = Known(observed, torch.arange(60), torch.full((5,), 0.4), 2.0, lambda index: inputs[index])
    made.start(known)
    module = LabelModule(model, made, 1e-2, 0.0, torch.zeros(rows, dtype=torch.bool))
    return module, inputs, observed, truth


@pytest.mark.parametrize("objective", NAMES)
def test_every_objective_trains_it(objective: str):
    module, inputs, observed, truth = _module(objective)
    batch = Batch(inputs, observed, truth, torch.arange(60))
    optimizer = module.optimizer()
    start = module.amortizer.head.weight.detach().clone()
    losses = []
    module.objective.on_epoch(0)
    for _ in range(30):
        optimizer.zero_grad()
        loss = module(batch)
        loss.backward()
        module.hold()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert all(math.isfinite(loss) for loss in losses)
    assert sum(losses[-5:]) < sum(losses[:5])
    moved = (module.amortizer.head.weight.detach() - start).abs()
    assert float(moved[:, :D].max()) > 0 and float(moved[:, D:].max()) > 0, "both parts learn"


def test_the_program_conditions_as_with_any_head():
    """p(y | x) of the head, conditioned, is brute force over the label sets."""
    one = Amortizer(SPACE, nn.Identity(), SIZE, head=head(rows=SPACE.num_logits)).double()
    q = one(features(3))
    observed = torch.tensor([[-1, -1, -1, 1, -1]] * 3, dtype=torch.int8)
    sets = torch.tensor(list(SPACE.label_sets()), dtype=torch.float64)
    weights = torch.stack([q.log_prob(y.expand(3, -1)).exp() * float(y[3] == 1) for y in sets], 1)
    expected = (weights / weights.sum(1, keepdim=True)) @ sets
    torch.testing.assert_close(q.condition(observed, Ignorable()).marginals, expected)
