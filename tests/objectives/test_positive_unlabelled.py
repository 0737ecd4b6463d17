"""PU-MLC: both parts by loops over images and labels, what does not change it, what is held fixed."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from latentlabels.errors import ConfigError
from latentlabels.objectives import make
from latentlabels.space import LabelSpace

SPACE = LabelSpace.free(["a", "b", "c"])
OBSERVED = torch.tensor([[1, -1, -1], [-1, 1, -1], [1, 0, -1], [-1, -1, -1]], dtype=torch.int8)
LOGITS = [[0.4, -1.2, 0.3], [2.0, 0.5, -0.2], [-0.7, 1.1, 0.9], [-1.5, -0.4, -2.0]]
SLOPE = torch.tensor([[0.5, -0.3, 0.2], [0.1, 0.7, -0.6]], dtype=torch.float64)
INPUTS = torch.tensor([[1.0, 2.0], [0.5, -1.0], [-0.3, 0.8], [2.0, 0.1]], dtype=torch.float64)


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def by_hand(logits: list[list[float]], alpha: float, gamma: float, coldest: float = 0.1) -> float:
    """Label by label, image by image."""
    total = 0.0
    for k in range(3):
        column = [row[k] for row in logits]
        mean = sum(column) / 4
        spread = math.sqrt(sum((x - mean) ** 2 for x in column) / 4)
        temperature = min(max(alpha * spread, coldest), 1.0)
        p = [sigmoid(x / temperature) for x in column]
        average = sum(p) / 4
        known = [p[i] for i in range(4) if OBSERVED[i, k] == 1]
        total += average**gamma * math.log(average)
        total -= sum(math.log(x) for x in known) / len(known) if known else 0.0
    return total


@pytest.mark.parametrize(("alpha", "gamma"), [(1.0, 0.55), (2.0, 0.85), (0.1, 0.0), (0.5, 1.0)])
def test_the_variational_part_by_hand(alpha: float, gamma: float) -> None:
    objective = make("pu-mlc", SPACE, alpha=alpha, gamma=gamma).eval()
    found = objective(torch.tensor(LOGITS, dtype=torch.float64), OBSERVED).item()
    assert found == pytest.approx(by_hand(LOGITS, alpha, gamma), abs=1e-12)


def test_logits_that_are_all_the_same_have_the_lowest_temperature() -> None:
    same = [[-0.3, 0.2, -0.1]] * 4
    found = make("pu-mlc", SPACE, coldest=0.2).eval()(torch.tensor(same, dtype=torch.float64), OBSERVED).item()
    assert found == pytest.approx(by_hand(same, 1.0, 0.55, 0.2), abs=1e-12)


def test_no_class_prior_enters() -> None:
    """Far from 1 all probabilities of a label times a number leave the loss as it is, if the unlabelled weigh 1."""
    objective = make("pu-mlc", SPACE, gamma=0.0, alpha=1e9).eval()  # a temperature of 1
    low, known = torch.tensor(LOGITS, dtype=torch.float64) - 30, OBSERVED.clone()
    known[3, 2] = 1  # each label has a known positive
    assert objective(low - 5, known).item() == pytest.approx(objective(low, known).item(), abs=1e-9)
    assert objective(low + 29, known).item() != pytest.approx(objective(low, known).item(), abs=1e-2)


def test_a_label_without_a_known_positive_in_the_batch_is_lowered() -> None:
    logits = torch.tensor(LOGITS, dtype=torch.float64).requires_grad_()
    make("pu-mlc", SPACE).eval()(logits, OBSERVED).backward()
    assert logits.grad is not None and (logits.grad[:, 2] > 0).all()


def test_the_order_of_images_does_not_matter() -> None:
    objective, order = make("pu-mlc", SPACE).eval(), torch.tensor([2, 0, 3, 1])
    logits = torch.tensor(LOGITS, dtype=torch.float64)
    assert objective(logits[order], OBSERVED[order]).item() == pytest.approx(objective(logits, OBSERVED).item(), abs=1e-12)


def mixed(logits: list[list[float]], first: list[int], share: float) -> float:
    """The consistency of a stated pairing, by loops."""
    total = 0.0
    for place, i in enumerate(first):
        j = 2 + place
        inputs = [share * float(INPUTS[i, d]) + (1 - share) * float(INPUTS[j, d]) for d in range(2)]
        for k in range(3):
            ends = [1.0 if OBSERVED[at, k] == 1 else sigmoid(logits[at][k]) for at in (i, j)]
            target = share * ends[0] + (1 - share) * ends[1]
            predicted = sum(inputs[d] * float(SLOPE[d, k]) for d in range(2))
            total += (math.log(target) - math.log(sigmoid(predicted))) ** 2
    return total / 2


def with_mixup(objective, logits: Tensor) -> Tensor:
    torch.manual_seed(3)
    return objective(logits, OBSERVED, inputs=INPUTS, predict=lambda x: x @ SLOPE)


@pytest.mark.parametrize("weight", [1.0, 0.3])
def test_the_consistency_by_hand(weight: float) -> None:
    torch.manual_seed(3)
    first = torch.randperm(2).tolist()
    share = torch.distributions.Beta(0.3, 0.3).sample().double().item()
    assert 0 < share < 1
    expected = by_hand(LOGITS, 1.0, 0.55) + weight * mixed(LOGITS, first, share)
    objective = make("pu-mlc", SPACE, consistency=weight)
    found = with_mixup(objective, torch.tensor(LOGITS, dtype=torch.float64)).item()
    assert found == pytest.approx(expected, abs=1e-6)  # the share is drawn in single precision
    objective.eval()
    still = with_mixup(objective, torch.tensor(LOGITS, dtype=torch.float64)).item()
    assert still == pytest.approx(by_hand(LOGITS, 1.0, 0.55), abs=1e-12)


def test_gradients_with_temperature_and_weight_held_fixed() -> None:
    """With a temperature of 1 and gamma 0 nothing is held fixed, and finite differences are those of the whole loss."""
    logits = torch.tensor(LOGITS, dtype=torch.float64).requires_grad_()
    objective = make("pu-mlc", SPACE, alpha=1e9, gamma=0.0)
    assert torch.autograd.gradcheck(lambda x: with_mixup(objective, x), logits)


def test_temperature_and_weight_are_not_differentiated() -> None:
    logits = torch.tensor(LOGITS, dtype=torch.float64).requires_grad_()
    objective = make("pu-mlc", SPACE, alpha=0.5, gamma=0.55).eval()
    objective(logits, OBSERVED).backward()
    spread = 0.5 * torch.tensor(LOGITS, dtype=torch.float64).std(0, correction=0)
    fixed = spread.clamp(0.1, 1.0)
    copy = torch.tensor(LOGITS, dtype=torch.float64).requires_grad_()
    p = torch.sigmoid(copy / fixed)
    weight = p.detach().mean(0) ** 0.55
    positive = OBSERVED == 1
    count = positive.sum(0).clamp(min=1)
    (weight * p.mean(0).log() - (p.log() * positive).sum(0) / count).sum().backward()
    torch.testing.assert_close(logits.grad, copy.grad)


@pytest.mark.parametrize(
    "options", [{"alpha": 0.0}, {"gamma": -1.0}, {"mix": 0.0}, {"consistency": -0.1}, {"coldest": 0.0}, {"coldest": 1.5}]
)
def test_hyperparameters_out_of_range_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="alpha and mix must be above 0"):
        make("pu-mlc", SPACE, **options)
