"""One softmax over all labels: values by hand, several and no known positives, the space at prediction."""

from __future__ import annotations

import math

import pytest
import torch

from latentlabels.objectives import make
from latentlabels.space import Free, LabelSpace, OneOf

SPACE = LabelSpace([OneOf("colour", ["a", "b"]), Free("c"), Free("d")])
ODDS = [1.0, 2.0, 3.0, 4.0]  # q = odds / 10
LOGITS = torch.tensor([[math.log(x) for x in ODDS]], dtype=torch.float64)


@pytest.mark.parametrize(
    ("observed", "expected"),
    [
        ([1, -1, -1, -1], -math.log(0.1)),
        ([-1, -1, 1, 1], -(math.log(0.3) + math.log(0.4)) / 2),
        ([0, 1, -1, -1], -math.log(0.2)),  # a known absence competes like any other label
        ([0, -1, -1, 0], -math.log(0.2 + 0.3)),
        ([-1, -1, -1, -1], 0.0),
        ([0, 0, 0, 0], 0.0),
    ],
)
def test_by_hand(observed: list[int], expected: float) -> None:
    known = torch.tensor([observed], dtype=torch.int8)
    assert make("one-softmax", SPACE)(LOGITS, known).item() == pytest.approx(expected, abs=1e-12)
    shifted = make("one-softmax", SPACE)(LOGITS + 7.0, known).item()  # of a softmax only differences count
    assert shifted == pytest.approx(expected, abs=1e-12)


def test_exactly_one_label_applies_at_prediction() -> None:
    space = make("one-softmax", SPACE).space
    assert space.labels == SPACE.labels and space.num_logits == 4
    marginals = space.distribution(LOGITS).marginals[0].tolist()
    assert marginals == pytest.approx([x / 10 for x in ODDS], abs=1e-12)


def test_a_single_label_is_a_coin() -> None:
    one = make("one-softmax", LabelSpace.free(["a"]))
    logit = torch.tensor([[math.log(3)]], dtype=torch.float64)
    for observed, expected in ((1, -math.log(0.75)), (0, -math.log(0.25)), (-1, 0.0)):
        known = torch.tensor([[observed]], dtype=torch.int8)
        assert one(logit, known).item() == pytest.approx(expected, abs=1e-12)
    assert one.space.distribution(logit).marginals.item() == pytest.approx(0.75)


def test_gradients() -> None:
    torch.manual_seed(0)
    logits = torch.randn(5, 4, dtype=torch.float64).requires_grad_()
    observed = torch.tensor([[1, -1, -1, 0], [-1, 1, 1, -1], [-1, 0, -1, 0], [-1, -1, -1, -1], [0, 0, 0, 0]], dtype=torch.int8)
    objective = make("one-softmax", SPACE)
    assert torch.autograd.gradcheck(lambda x: objective(x, observed), logits)


def test_its_minimum_is_the_share_with_which_each_label_is_named() -> None:
    observed = torch.tensor([[1, -1, -1, -1]] * 5 + [[-1, 1, -1, -1]] * 3 + [[-1, -1, -1, 1]] * 2, dtype=torch.int8)
    logits = torch.zeros(4, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([logits], max_iter=200, line_search_fn="strong_wolfe")
    objective = make("one-softmax", SPACE)

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        loss = objective(logits.expand(10, 4), observed)
        loss.backward()
        return loss

    optimiser.step(closure)
    assert logits.detach().softmax(-1).tolist() == pytest.approx([0.5, 0.3, 0.0, 0.2], abs=1e-4)
