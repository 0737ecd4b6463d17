"""Non-negative positive-unlabelled risk: values by hand, the maximum, batches without a positive, and its minimum."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

# label a: known in 1 of 4, present in half; b: never known; c: known in half, and held to be rarer than that
TRAIN = torch.tensor([[1, -1, -1], [-1, -1, 1], [-1, 0, 1], [-1, -1, -1]], dtype=torch.int8)
PREVALENCE = torch.tensor([0.5, 0.5, 0.1])


def logits_of(probabilities: list[list[float]]) -> Tensor:
    return torch.tensor([[math.log(p / (1 - p)) for p in row] for row in probabilities], dtype=torch.float64)


def test_the_risk_by_hand(ready) -> None:
    objective = ready("nnpu", TRAIN, prevalence=PREVALENCE)
    assert objective.weight.tolist() == [2.0, 0.0, 1.0]
    logits = logits_of([[0.4, 0.7, 0.2], [0.9, 0.6, 0.3]])
    observed = torch.tensor([[1, -1, -1], [-1, -1, 1]], dtype=torch.int8)
    a = -2 * math.log(0.4) - math.log(0.6) - math.log(0.1) + 2 * math.log(0.6)
    c = -math.log(0.3) - math.log(0.8) - math.log(0.7) + math.log(0.7)
    assert objective(logits, observed).item() == pytest.approx((a + c) / 2, abs=1e-12)


def test_the_negative_side_is_never_below_zero(ready) -> None:
    objective = ready("nnpu", TRAIN, prevalence=PREVALENCE)
    logits = logits_of([[0.9, 0.5, 0.5], [0.2, 0.5, 0.5]]).requires_grad_()
    observed = torch.tensor([[1, -1, -1], [-1, -1, -1]], dtype=torch.int8)
    # of label a: -log 0.1 - log 0.8 + 2 log 0.1 is below 0
    value = objective(logits, observed)
    assert value.item() == pytest.approx((-2 * math.log(0.9) + 2 * math.log(2)) / 2, abs=1e-12)
    value.backward()
    assert logits.grad is not None
    assert logits.grad[1, 0] == 0 and logits.grad[0, 0].item() == pytest.approx(-2 * 0.1 / 2)
    assert (logits.grad[:, 1] == 0).all()  # never known, not taught


def test_batches_without_a_positive_are_unbiased(ready) -> None:
    """Where the maximum does not hold, the mean over the batches is the value of all."""
    observed = torch.tensor([[1], [-1], [1], [-1]], dtype=torch.int8)
    objective = ready("nnpu", observed, prevalence=torch.tensor([0.5]))
    logits = logits_of([[0.4], [0.7], [0.2], [0.1]])
    whole = objective(logits, observed).item()
    parts = [objective(logits[at], observed[at]).item() for at in ([0, 2], [1, 3])]
    assert sum(parts) / 2 == pytest.approx(whole, abs=1e-12)


def test_rows_that_are_not_trained_on_are_not_counted(ready) -> None:
    objective = ready("nnpu", TRAIN, rows=torch.tensor([0, 3]), prevalence=PREVALENCE)
    assert objective.weight.tolist() == [1.0, 0.0, 0.0]


def test_the_minimum_is_at_the_prevalence(ready) -> None:
    """Of a label that is known in 30 % of the images and present in 60 %, a logit is fitted."""
    observed = torch.tensor([[1]] * 3 + [[-1]] * 7, dtype=torch.int8)
    objective = ready("nnpu", observed, prevalence=torch.tensor([0.6]))
    logit = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([logit], max_iter=100, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimiser.zero_grad()
        loss: Tensor = objective(logit.expand(10, 1), observed)
        loss.backward()
        return loss

    optimiser.step(closure)
    assert torch.sigmoid(logit).item() == pytest.approx(0.6, abs=1e-6)


def test_gradients(ready) -> None:
    torch.manual_seed(0)
    logits = torch.randn(4, 3, dtype=torch.float64).requires_grad_()
    objective = ready("nnpu", TRAIN, prevalence=PREVALENCE)
    assert torch.autograd.gradcheck(lambda x: objective(x, TRAIN), logits)
