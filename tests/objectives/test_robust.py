"""Generalised robust loss, hill and self-paced correction: values by hand, and how they change over epochs."""

from __future__ import annotations

import math

import pytest
import torch

from latentlabels.errors import ConfigError
from latentlabels.objectives import make
from latentlabels.space import LabelSpace

SPACE = LabelSpace.free(["a", "b", "c", "d"])
# probabilities 1/2, 4/5, 1/5, 1/2: o = present, unknown, unknown, known absent
LOGITS = torch.tensor([[0.0, math.log(4), -math.log(4), 0.0]], dtype=torch.float64)
OBSERVED = torch.tensor([[1, -1, -1, 0]], dtype=torch.int8)
NAMES = ["gr", "hill", "splc"]


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def value(name: str, epoch: int = 0, observed: torch.Tensor = OBSERVED, **options: object) -> float:
    objective = make(name, SPACE, **options)
    objective.on_epoch(epoch)
    return objective(LOGITS, observed).item()


def robust(p: float, w: float, b: float, mu: float, sigma: float, q2: float = 0.01, q3: float = 1.0) -> float:
    chance = sigmoid(w * p + b)
    weight = math.exp(-((p - mu) ** 2) / (2 * sigma**2))
    return weight * (chance * (1 - p**q2) / q2 + (1 - chance) * (1 - (1 - p) ** q3) / q3)


@pytest.mark.parametrize(
    ("epoch", "ends"),
    [
        (0, (0.0, -2.0, 0.5375, 1.8125)),  # mu and sigma have gone an eighth of their way
        (3, (0.75, -2.0, 0.65, 1.25)),
        (7, (1.75, -2.0, 0.8, 0.5)),
        (8, (2.0, -2.0, 0.8, 0.5)),
        (30, (2.0, -2.0, 0.8, 0.5)),
    ],
)
def test_generalised_robust_by_hand(epoch: int, ends: tuple[float, float, float, float]) -> None:
    expected = 2 * math.log(2) + robust(0.8, *ends) + robust(0.2, *ends)
    assert value("gr", epoch) == pytest.approx(expected, abs=1e-12)
    other = 2 * math.log(2) + robust(0.8, *ends, q2=0.5, q3=0.3) + robust(0.2, *ends, q2=0.5, q3=0.3)
    assert value("gr", epoch, q2=0.5, q3=0.3) == pytest.approx(other, abs=1e-12)


def test_the_values_for_many_labels_by_hand() -> None:
    for epoch, ends in ((0, (0.0, -2.0, 0.5375, 1.8125)), (4, (5.0, -5.0, 0.6875, 1.0625)), (8, (10.0, -8.0, 0.8, 0.5))):
        expected = 2 * math.log(2) + robust(0.8, *ends) + robust(0.2, *ends)
        assert value("gr-coco", epoch) == pytest.approx(expected, abs=1e-12)
        assert value("gr", epoch, w=(0.0, 10.0), b=(-2.0, -8.0)) == value("gr-coco", epoch)


def test_weights_and_chances_of_generalised_robust_are_not_differentiated() -> None:
    objective = make("gr", SPACE)
    objective.on_epoch(8)
    logits = LOGITS.clone().requires_grad_()
    objective(logits, OBSERVED).backward()
    p = 0.8
    chance = sigmoid(2 * p - 2)  # its weight is exp(0) = 1
    slope = -chance * p**0.01 * (1 - p) + (1 - chance) * p * (1 - p)
    assert logits.grad is not None and logits.grad[0, 1].item() == pytest.approx(slope, abs=1e-12)


def test_hill_by_hand() -> None:
    p = sigmoid(-1.0)
    known = -((1 - p) ** 2) * math.log(p) + math.log(2)
    assert value("hill") == pytest.approx(known + 0.7 * 0.64 + 1.3 * 0.04, abs=1e-12)
    plain = 2 * math.log(2) + 1.2 * 0.64 + 1.8 * 0.04
    assert value("hill", lambda_=2.0, margin=0.0, gamma=0.0) == pytest.approx(plain, abs=1e-12)


def test_the_hill_falls_off_on_both_sides() -> None:
    logits = torch.tensor([[-6.0, -1.0, 0.0, 1.0, 6.0]], dtype=torch.float64, requires_grad=True)
    make("hill", LabelSpace.free(["a", "b", "c", "d", "e"]))(logits, torch.full((1, 5), -1, dtype=torch.int8)).backward()
    assert logits.grad is not None
    slopes = logits.grad[0].tolist()
    assert slopes == pytest.approx([3 * (sigmoid(x) * sigmoid(-x)) ** 2 for x in (-6.0, -1.0, 0.0, 1.0, 6.0)])
    assert max(slopes) == slopes[2]


def test_self_paced_by_hand() -> None:
    p = sigmoid(-1.0)
    positive = -((1 - p) ** 2) * math.log(p)
    absent = 0.25 * math.log(2)  # 1/2 squared: focal, and never corrected
    negative, corrected = -0.64 * math.log(0.2), -0.04 * math.log(0.8)
    low = -0.04 * math.log(0.8)
    assert value("splc", 0) == pytest.approx(positive + negative + low + absent, abs=1e-12)
    assert value("splc", 1) == pytest.approx(positive + corrected + low + absent, abs=1e-12)
    assert value("splc", 1, tau=0.85) == value("splc", 0)
    assert value("splc", 1, warmup=2) == value("splc", 0)


def test_self_paced_does_not_doubt_known_absences() -> None:
    known = torch.tensor([[1, 0, -1, 0]], dtype=torch.int8)
    assert value("splc", 3, known) == pytest.approx(value("splc", 0), abs=1e-12)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("epoch", [0, 5])
def test_gradients_are_those_of_the_value(name: str, epoch: int) -> None:
    torch.manual_seed(0)
    logits = (2 * torch.randn(3, 4, dtype=torch.float64)).requires_grad_()
    observed = torch.tensor([[1, -1, -1, 0], [-1, -1, 1, -1], [-1, -1, -1, -1]], dtype=torch.int8)
    # of generalised robust with what it holds fixed made constant
    options = {"w": (0.0, 0.0), "sigma": (1e9, 1e9)} if name == "gr" else {}
    objective = make(name, SPACE, **options)
    objective.on_epoch(epoch)
    assert torch.autograd.gradcheck(lambda x: objective(x, observed), logits)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("gr", {"sigma": (1.0, 0.0)}),
        ("gr", {"q2": 0.0}),
        ("gr", {"q3": 1.5}),
        ("gr", {"ramp": 0}),
        ("hill", {"lambda_": 0.5}),
        ("hill", {"margin": -1.0}),
        ("splc", {"gamma": -1.0}),
        ("splc", {"tau": 1.0}),
        ("splc", {"warmup": -1}),
    ],
)
def test_hyperparameters_out_of_range_are_refused(name: str, options: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="not"):
        make(name, SPACE, **options)
