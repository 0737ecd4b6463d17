"""Label enhancement: the two parts by hand, who is trained by which, and where soft labels come to lie."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from latentlabels.errors import ConfigError
from latentlabels.objectives import Objective, Step, make
from latentlabels.space import LabelSpace

OBSERVED = torch.tensor([[1, -1, 0]], dtype=torch.int8)
P = [0.3, 0.6, 0.2]
LOGITS = torch.tensor([[math.log(p / (1 - p)) for p in P]], dtype=torch.float64)
INPUTS = torch.zeros(1, 3)
A, B = [2, 4, 1], [3, 1, 2]  # of each label's Beta density


def told(objective: Objective, a: list[int], b: list[int]) -> Objective:
    """Let the network say a and b, whatever it sees."""
    last = objective.network[-1]
    with torch.no_grad():
        last.weight.zero_()
        last.bias.copy_(torch.tensor([math.log(math.expm1(x - 1e-3)) for x in a + b]))
    return objective


def log_mean(a: int, b: int) -> float:
    """E[log d] under Beta(a, b) of whole a and b: a difference of harmonic numbers."""
    return -sum(1 / n for n in range(a, a + b))


def divergence(a: int, b: int, points: int = 20_000) -> float:
    """From the uniform density, by the midpoint rule."""
    scale = math.factorial(a + b - 1) / math.factorial(a - 1) / math.factorial(b - 1)
    total = 0.0
    for i in range(points):
        d = (i + 0.5) / points
        q = scale * d ** (a - 1) * (1 - d) ** (b - 1)
        total += q * math.log(q)
    return total / points


def test_both_parts_by_hand(ready) -> None:
    objective = told(ready("smile-soft-labels", OBSERVED, kl=0.3), A, B)
    # the soft label of the second is 4/5; known labels weigh 1, the unknown one of three 1/2
    taught = -math.log(0.3) - (0.8 * math.log(0.6) + 0.2 * math.log(0.4)) / 2 - math.log(0.8)
    evidence = -log_mean(2, 3) - log_mean(1, 4) / 2 - log_mean(2, 1)  # 1 - d has its parameters swapped
    kl = 0.3 * sum(divergence(a, b) for a, b in zip(A, B, strict=True))
    assert objective(LOGITS, OBSERVED, inputs=INPUTS).item() == pytest.approx(taught + evidence + kl, abs=1e-5)


def test_the_prediction_does_not_train_the_network(ready) -> None:
    torch.manual_seed(0)
    data = torch.randn(1, 5)
    objective = ready("smile-soft-labels", OBSERVED, inputs=data)
    found = []
    for logits in (LOGITS, -3 * LOGITS):
        objective.zero_grad()
        objective(logits, OBSERVED, inputs=data).backward()
        found.append([parameter.grad.clone() for parameter in objective.parameters()])
    assert len(found[0]) == 4 and any((grad != 0).any() for grad in found[0])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other)


def test_embeddings_tell_the_soft_labels(ready) -> None:
    data = torch.randn(2, 5)
    objective = ready("smile-soft-labels", OBSERVED, inputs=data)
    values = [objective(LOGITS, OBSERVED, inputs=data[i : i + 1]).item() for i in (0, 1)]
    assert values[0] != values[1]
    assert objective(LOGITS, OBSERVED, inputs=7 * data[:1] + 2).item() == pytest.approx(values[0], abs=1e-4)  # standardised
    with pytest.raises(ConfigError, match="give inputs"):
        objective(LOGITS, OBSERVED)


def test_of_images_the_logits_tell_them_and_get_no_gradient_from_it(ready) -> None:
    objective = ready("smile-soft-labels", OBSERVED, inputs=torch.zeros(1, 3, 8, 8))
    assert next(iter(objective.network.parameters())).shape == (64, 3)
    assert objective(LOGITS, OBSERVED).item() != objective(LOGITS * torch.tensor([1.0, 1.0, -1.0]), OBSERVED).item()
    told(objective, A, B)
    logits = LOGITS.clone().requires_grad_()
    objective(logits, OBSERVED).backward()
    assert logits.grad is not None
    assert logits.grad[0].tolist() == pytest.approx([0.3 - 1, (0.6 - 0.8) / 2, 0.2], abs=1e-6)


def test_soft_labels_come_to_lie_where_the_pitfall_says(ready) -> None:
    """An image of which nothing can be told apart, a label known in 3 of 10, four others never."""
    observed = torch.full((10, 5), -1, dtype=torch.int8)
    observed[:3, 0] = 1
    objective = ready("smile-soft-labels", observed).double()
    optimiser = torch.optim.LBFGS([objective.network[-1].bias], max_iter=200, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimiser.zero_grad()
        loss: Tensor = objective(torch.zeros(10, 5, dtype=torch.float64), observed, inputs=torch.zeros(10, 3))
        loss.backward()
        return loss

    optimiser.step(closure)
    a, b = objective._posterior(Step(torch.zeros(1, 5), observed[:1], None, None, torch.zeros(1, 3), None))
    mean = (a / (a + b))[0].tolist()
    assert mean[0] == pytest.approx((0.1 + 0.3) / (0.2 + 0.3 + 0.7 / 4), abs=1e-3)
    assert mean[1] == pytest.approx(0.1 / (0.2 + 1 / 4), abs=1e-3)


def test_gradients(ready) -> None:
    data = torch.randn(3, 5)
    observed = torch.tensor([[1, -1, 0], [-1, -1, -1], [-1, 1, -1]], dtype=torch.int8)
    objective = ready("smile-soft-labels", observed, inputs=data).double()
    logits = torch.randn(3, 3, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: objective(x, observed, inputs=data), logits)


@pytest.mark.parametrize("options", [{"kl": 0.0}, {"hidden": 0}])
def test_hyperparameters_out_of_range_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="not"):
        make("smile-soft-labels", LabelSpace.free(["a"]), **options)
