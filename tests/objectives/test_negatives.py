"""Losses that take unknown labels for absent ones, in varying degree: values worked out by hand, gradients, limits."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from latentlabels.errors import ConfigError
from latentlabels.objectives import make
from latentlabels.space import LabelSpace

SPACE = LabelSpace.free(["a", "b", "c", "d"])
# probabilities 1/2, 4/5, 1/5, 1/2: o = present, unknown, unknown, known absent
LOGITS = torch.tensor([[0.0, math.log(4), -math.log(4), 0.0]], dtype=torch.float64)
OBSERVED = torch.tensor([[1, -1, -1, 0]], dtype=torch.int8)
NEW = ["asl", "focal", "label-smoothing", "weighted-negative"]


def value(name: str, logits: Tensor = LOGITS, **options: float) -> float:
    return make(name, SPACE, **options)(logits, OBSERVED).item()


def test_label_smoothing_by_hand() -> None:
    # targets 0.9, 0.1, 0.1, 0.1, as in the authors' program
    half = math.log(2)
    b = -0.1 * math.log(0.8) - 0.9 * math.log(0.2)
    c = -0.1 * math.log(0.2) - 0.9 * math.log(0.8)
    assert value("label-smoothing") == pytest.approx(half + b + c + half, abs=1e-12)
    assert value("label-smoothing", epsilon=0.0) == pytest.approx(value("assume-negative"), abs=1e-12)


def test_weighted_negatives_by_hand() -> None:
    # gamma = 1/3 on b and c; the known absence of d counts in full
    expected = math.log(2) - math.log(0.2) / 3 - math.log(0.8) / 3 + math.log(2)
    assert value("weighted-negative") == pytest.approx(expected, abs=1e-12)
    assert value("weighted-negative", gamma=1.0) == pytest.approx(value("assume-negative"), abs=1e-12)
    assert make("weighted-negative", LabelSpace.free(["a"])).gamma == 1  # K = 1 has no K - 1


def test_the_minimum_of_weighted_negatives_is_where_its_pitfall_says() -> None:
    """Of a label that 30 % of the images show known, a logit is fitted: gamma tells where it ends."""
    objective = make("weighted-negative", LabelSpace.free(["a"]), gamma=0.1)
    observed = torch.tensor([[1]] * 3 + [[-1]] * 7, dtype=torch.int8)
    logit = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([logit], max_iter=100, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimiser.zero_grad()
        loss = objective(logit.expand(10, 1), observed)
        loss.backward()
        return loss

    optimiser.step(closure)
    assert torch.sigmoid(logit).item() == pytest.approx(0.3 / (0.3 + 0.1 * 0.7), abs=1e-6)


def test_focal_by_hand() -> None:
    # (1 - p)^2 on positives, p^2 on negatives
    expected = 0.25 * math.log(2) - 0.64 * math.log(0.2) - 0.04 * math.log(0.8) + 0.25 * math.log(2)
    assert value("focal") == pytest.approx(expected, abs=1e-12)
    assert value("focal", gamma=0.0) == pytest.approx(value("assume-negative"), abs=1e-12)


def test_asymmetric_by_hand() -> None:
    # q = p - 0.05 to the fourth power on negatives, positives in full
    expected = math.log(2) - 0.75**4 * math.log(0.25) - 0.15**4 * math.log(0.85) - 0.45**4 * math.log(0.55)
    assert value("asl") == pytest.approx(expected, abs=1e-12)
    assert value("asl", gamma_positive=2.0, gamma_negative=2.0, margin=0.0) == pytest.approx(value("focal"), abs=1e-12)


def test_the_powers_of_the_asymmetric_loss_are_not_differentiated() -> None:
    logits = LOGITS.clone().requires_grad_()
    make("asl", SPACE, gamma_positive=2.0)(logits, OBSERVED).backward()
    assert logits.grad is not None
    p = 0.8  # of the unknown "b": d/dl of -log(1 - p + 0.05) is p (1 - p) / (1.05 - p), its weight 0.75^4 a constant
    assert logits.grad[0, 1].item() == pytest.approx(0.75**4 * p * (1 - p) / (1.05 - p), abs=1e-12)
    assert logits.grad[0, 0].item() == pytest.approx(-(0.5**2) * 0.5, abs=1e-12)  # of the known "a": -(1 - p)^2 (1 - p)


def test_asymmetric_leaves_easy_negatives_alone() -> None:
    logits = torch.tensor([[0.0, -4.0, -5.0, -6.0]], dtype=torch.float64, requires_grad=True)  # below the margin
    make("asl", SPACE)(logits, OBSERVED).backward()
    assert logits.grad is not None
    assert logits.grad[0, 0] != 0 and (logits.grad[0, 1:] == 0).all()


@pytest.mark.parametrize("name", NEW)
def test_gradients_are_those_of_the_value(name: str) -> None:
    torch.manual_seed(0)
    logits = (2 * torch.randn(3, 4, dtype=torch.float64)).requires_grad_()
    observed = torch.tensor([[1, -1, -1, 0], [-1, -1, 1, -1], [-1, -1, -1, -1]], dtype=torch.int8)
    objective = make(name, SPACE, **({"gamma_negative": 0.0} if name == "asl" else {}))  # its powers are held fixed
    assert torch.autograd.gradcheck(lambda x: objective(x, observed), logits)


@pytest.mark.parametrize("name", NEW)
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_extreme_logits_are_finite(name: str, dtype: torch.dtype) -> None:
    logits = torch.tensor([[-40.0, 40.0, -40.0, 40.0], [40.0, -40.0, 0.0, 0.0]], dtype=dtype, requires_grad=True)
    loss = make(name, SPACE)(logits, OBSERVED.expand(2, 4))
    loss.backward()
    assert loss.isfinite() and logits.grad is not None and logits.grad.isfinite().all()


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("label-smoothing", {"epsilon": 1.0}),
        ("weighted-negative", {"gamma": 0.0}),
        ("focal", {"gamma": -1.0}),
        ("asl", {"margin": 1.0}),
        ("asl", {"gamma_negative": -0.1}),
    ],
)
def test_hyperparameters_out_of_range_are_refused(name: str, options: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=r"not|in \[0"):
        make(name, SPACE, **options)
