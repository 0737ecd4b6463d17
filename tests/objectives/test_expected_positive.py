"""EPR and ROLE: values by hand, what is differentiated, and the estimates of unknown labels."""

from __future__ import annotations

import math

import pytest
import torch

from latentlabels.errors import ConfigError
from latentlabels.objectives import Role, make
from latentlabels.space import LabelSpace

P = [[0.5, 0.8, 0.2], [0.4, 0.3, 0.9]]
OBSERVED = torch.tensor([[1, -1, -1], [-1, 0, -1]], dtype=torch.int8)


def logits_of(probabilities: list[list[float]]) -> torch.Tensor:
    return torch.tensor([[math.log(p / (1 - p)) for p in row] for row in probabilities], dtype=torch.float64)


LOGITS = logits_of(P)
# known: 0.5 present, 0.3 absent; 1.5 and 1.6 labels
PENALTY = 3 * ((1.55 - 1.2) / 3) ** 2
EPR = (-math.log(0.5) - math.log(0.7)) / 2 + PENALTY


def test_expected_positive_by_hand(ready) -> None:
    value = ready("expected-positive", OBSERVED, expected_labels=1.2)(LOGITS, OBSERVED).item()
    assert value == pytest.approx(EPR, abs=1e-12)
    value = ready("expected-positive", OBSERVED, expected_labels=1.2, weight=5.0)(LOGITS, OBSERVED).item()
    assert value == pytest.approx(EPR + 4 * PENALTY, abs=1e-12)


def test_the_penalty_is_of_the_batch(ready) -> None:
    objective = ready("expected-positive", OBSERVED, expected_labels=1.55)
    whole = objective(LOGITS, OBSERVED).item()
    apart = [objective(LOGITS[i : i + 1], OBSERVED[i : i + 1]).item() for i in (0, 1)]
    # no penalty on both together; each alone is 0.05 off
    assert sum(apart) / 2 - whole == pytest.approx(0.05**2 / 3, abs=1e-12)


def test_the_estimates_start_near_one_half_or_at_what_is_known(ready) -> None:
    observed = torch.full((500, 3), -1, dtype=torch.int8)
    observed[0, 0], observed[1, 1] = 1, 0
    objective = ready("role", observed)
    start = torch.sigmoid(objective.estimate)
    assert start[0, 0].item() == pytest.approx(0.995, abs=1e-6) and start[1, 1].item() == pytest.approx(0.005, abs=1e-6)
    unknown = start[observed == -1]
    assert 0.4 <= unknown.min() < 0.41 and 0.59 < unknown.max() <= 0.6
    assert objective.rate == 10 and [name for name, _ in objective.named_parameters()] == ["estimate"]


Y = [[0.9, 0.6, 0.1], [0.25, 0.2, 0.7]]


def role(ready) -> Role:
    objective = ready("role", torch.full((4, 3), -1, dtype=torch.int8), expected_labels=1.2)
    assert isinstance(objective, Role)
    objective.estimate = torch.nn.Parameter(torch.zeros(4, 3, dtype=torch.float64))
    with torch.no_grad():
        objective.estimate[torch.tensor([3, 1])] = logits_of(Y)
    return objective


def cross(p: float, t: float) -> float:
    return -t * math.log(p) - (1 - t) * math.log(1 - p)


def test_role_by_hand(ready) -> None:
    of_estimates = (-math.log(0.9) - math.log(0.8)) / 2 + 3 * ((2.75 / 2 - 1.2) / 3) ** 2
    pairs = [(p, y) for row, other in zip(P, Y, strict=True) for p, y in zip(row, other, strict=True)]
    both = sum(cross(p, y) + cross(y, p) for p, y in pairs) / 2
    value = role(ready)(LOGITS, OBSERVED, index=torch.tensor([3, 1])).item()
    assert value == pytest.approx((EPR + of_estimates + both) / 2, abs=1e-12)


def test_role_is_the_penalised_loss_where_there_is_no_estimate(ready) -> None:
    objective = role(ready)
    assert objective(LOGITS, OBSERVED).item() == pytest.approx(EPR, abs=1e-12)
    objective.eval()
    assert objective(LOGITS, OBSERVED, index=torch.tensor([3, 1])).item() == pytest.approx(EPR, abs=1e-12)


def test_targets_of_role_are_not_differentiated(ready) -> None:
    objective = role(ready)
    logits = LOGITS.clone().requires_grad_()
    objective(logits, OBSERVED, index=torch.tensor([3, 1])).backward()
    slope = 0.35 * 2 / 3  # of the penalty in each mean of p, of which an image is one half
    # unknown label: ((p - y) + slope p (1 - p)) / B / 2
    assert logits.grad is not None
    assert logits.grad[0, 1].item() == pytest.approx((0.8 - 0.6 + slope * 0.16) / 4, abs=1e-12)
    of_estimates = objective.estimate.grad
    assert of_estimates is not None
    slope = (2.75 / 2 - 1.2) * 2 / 3
    assert of_estimates[3, 1].item() == pytest.approx((0.6 - 0.8 + slope * 0.24) / 4, abs=1e-12)
    assert (of_estimates[[0, 2]] == 0).all()


def test_gradients(ready) -> None:
    logits = LOGITS.clone().requires_grad_()
    objective = ready("expected-positive", OBSERVED)
    assert torch.autograd.gradcheck(lambda x: objective(x, OBSERVED), logits)


def test_estimates_follow_the_network(ready) -> None:
    """Where the network is certain of an unknown label, descent on the estimates finds it."""
    objective = ready("role", OBSERVED, expected_labels=1.5)
    logits = torch.tensor([[5.0, 5.0, -5.0], [-5.0, -5.0, 5.0]])
    optimiser = torch.optim.Adam(objective.parameters(), lr=0.1)
    for _ in range(100):
        optimiser.zero_grad()
        objective(logits, OBSERVED, index=torch.arange(2)).backward()
        optimiser.step()
    assert torch.equal(objective.estimate > 0, logits > 0)


@pytest.mark.parametrize("name", ["expected-positive", "role"])
def test_the_penalty_has_a_weight(name: str) -> None:
    with pytest.raises(ConfigError, match="above 0, not 0"):
        make(name, LabelSpace.free(["a"]), weight=0.0)
