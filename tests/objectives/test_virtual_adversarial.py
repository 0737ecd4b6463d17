"""Virtual adversarial training: the perturbation and its value by hand, and what it must not touch."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from torch import Tensor, nn

from latentlabels.errors import ConfigError
from latentlabels.estimator import LatentLabels
from latentlabels.fitting import LabelModule
from latentlabels.inputs.batches import Batch
from latentlabels.objectives import make
from latentlabels.space import LabelSpace

ONE = LabelSpace.free(["a"])


def coin(p: float, q: float) -> float:
    return p * math.log(p / q) + (1 - p) * math.log((1 - p) / (1 - q))


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


@pytest.mark.parametrize("weight", [1.0, 0.3])
@pytest.mark.parametrize("epsilon", [0.1, 0.4])
def test_of_a_linear_logit_by_hand(weight: float, epsilon: float) -> None:
    """The steepest direction is that of the weights; which way is left to chance."""
    slope = torch.tensor([[0.6], [0.8], [0.0]], dtype=torch.float64)
    inputs = torch.tensor([[1.0, 2.0, 2.0]], dtype=torch.float64)  # of length 3, logit 2.2
    observed = torch.tensor([[1]], dtype=torch.int8)
    objective = make("vat", ONE, epsilon=epsilon, weight=weight)
    value = objective(inputs @ slope, observed, inputs=inputs, predict=lambda x: x @ slope).item()
    plain = -math.log(sigmoid(2.2))
    ways = [weight * coin(sigmoid(2.2), sigmoid(2.2 + sign * 3 * epsilon)) for sign in (1, -1)]
    assert min(abs(value - plain - way) for way in ways) < 1e-9
    assert make("vat", ONE).epsilon == 0.1 and make("vat", ONE).weight == 1.0


def test_parameters_get_the_gradient_of_the_perturbed_value_alone() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3)).double()
    inputs = torch.randn(6, 4, dtype=torch.float64)
    observed = torch.full((6, 3), -1, dtype=torch.int8)
    seen: list[Tensor] = []

    def predict(x: Tensor) -> Tensor:
        seen.append(x.detach())
        return net(x)

    objective = make("vat", LabelSpace.free(["a", "b", "c"]))
    logits = net(inputs)
    loss = objective(logits, observed, inputs=inputs, predict=predict)
    assert all(parameter.grad is None for parameter in net.parameters())
    assert len(seen) == 2
    lengths = [(x - inputs).norm(dim=1) / inputs.norm(dim=1) for x in seen]
    torch.testing.assert_close(lengths[0], torch.full((6,), 0.01, dtype=torch.float64))
    torch.testing.assert_close(lengths[1], torch.full((6,), 0.1, dtype=torch.float64))

    p, q = torch.sigmoid(logits.detach()), torch.sigmoid(net(seen[1]))
    smooth = (p * (p / q).log() + (1 - p) * ((1 - p) / (1 - q)).log()).sum(-1).mean()
    expected = -(1 - torch.sigmoid(net(inputs))).log().sum(-1).mean() + smooth
    assert loss.item() == pytest.approx(expected.item(), abs=1e-12)
    parameters = list(net.parameters())
    for one, other in zip(torch.autograd.grad(loss, parameters), torch.autograd.grad(expected, parameters), strict=True):
        torch.testing.assert_close(one, other)


def test_the_direction_found_is_worse_than_chance() -> None:
    torch.manual_seed(0)
    slope = torch.randn(50, 3, dtype=torch.float64) / 10
    slope[:, 0] *= 3
    inputs = torch.randn(200, 50, dtype=torch.float64)
    observed = torch.full((200, 3), -1, dtype=torch.int8)
    objective = make("vat", LabelSpace.free(["a", "b", "c"]))
    logits = inputs @ slope
    plain = objective.eval()(logits, observed).item()
    found = objective.train()(logits, observed, inputs=inputs, predict=lambda x: x @ slope).item() - plain
    shift = torch.randn_like(inputs)
    shift *= 0.1 * inputs.norm(dim=1, keepdim=True) / shift.norm(dim=1, keepdim=True)
    p, q = torch.sigmoid(logits), torch.sigmoid((inputs + shift) @ slope)
    chance = (p * (p / q).log() + (1 - p) * ((1 - p) / (1 - q)).log()).sum(-1).mean().item()
    assert found > 3 * chance > 0


@pytest.mark.parametrize("what", ["zero inputs", "constant network"])
def test_without_a_direction_nothing_is_perturbed(what: str) -> None:
    slope = torch.full((3, 1), 0.0 if what == "constant network" else 1.0)
    inputs = (torch.zeros if what == "zero inputs" else torch.ones)(2, 3)
    observed = torch.tensor([[1], [-1]], dtype=torch.int8)
    loss = make("vat", ONE)((inputs @ slope).requires_grad_(), observed, inputs=inputs, predict=lambda x: x @ slope)
    assert loss.item() == pytest.approx(make("assume-negative", ONE)(inputs @ slope, observed).item())


def test_evaluation_is_assume_negative_and_training_needs_a_network() -> None:
    observed = torch.tensor([[1]], dtype=torch.int8)
    objective = make("vat", ONE)
    with pytest.raises(ConfigError, match="give inputs and predict"):
        objective(torch.zeros(1, 1), observed)
    with pytest.raises(ConfigError, match="give inputs and predict"):
        objective(torch.zeros(1, 1), observed, inputs=torch.zeros(1, 3))
    assert objective.eval()(torch.zeros(1, 1), observed).item() == pytest.approx(math.log(2))


def test_running_statistics_know_nothing_of_perturbed_images() -> None:
    """A step changes the statistics of batch normalisation as one forward pass does."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (8, 3, 32, 32), generator=generator, dtype=torch.uint8)
    observed = torch.tensor([[1, -1], [-1, 1]] * 4, dtype=torch.int8)
    space = LabelSpace.free(["a", "b"])
    model = LatentLabels(space, encoder="tiny", image_size=32).prepare(images.numpy(), observed.numpy())
    module = LabelModule(model.model, make("vat", space), 1e-3, 0.0, torch.zeros(1).bool())
    once = copy.deepcopy(module)
    module.train()
    once.train()
    values = images.float() / 255
    once.logits(values)
    before = {key: value.clone() for key, value in module.named_buffers() if "running" in key or "num_batches" in key}
    module(Batch(values, observed, None, torch.arange(8))).backward()
    expected = dict(once.named_buffers())
    assert len(before) > 2
    for key, value in before.items():
        after = dict(module.named_buffers())[key]
        assert not torch.equal(after, value)
        torch.testing.assert_close(after, expected[key])


@pytest.mark.parametrize("options", [{"epsilon": 0.0}, {"xi": 0.0}, {"weight": -1.0}])
def test_hyperparameters_out_of_range_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="not"):
        make("vat", ONE, **options)
