"""Large losses: which are rejected or corrected by hand, how the share grows, what stays corrected."""

from __future__ import annotations

import math

import pytest
import torch

from latentlabels.errors import ConfigError
from latentlabels.objectives import make
from latentlabels.space import LabelSpace

SPACE = LabelSpace.free(["a", "b", "c", "d", "e"])
P = [[0.5, 0.9, 0.1, 0.95, 0.3], [0.2, 0.6, 0.99, 0.4, 0.7]]
LOGITS = torch.tensor([[math.log(p / (1 - p)) for p in row] for row in P], dtype=torch.float64)
# 0.95 is known absent, 0.99 known present: 0.9, 0.7 and 0.6 are the largest that are doubted
OBSERVED = torch.tensor([[1, -1, -1, 0, -1], [-1, -1, 1, -1, -1]], dtype=torch.int8)
INDEX = torch.tensor([1, 3])
NAMES = ["ll-r", "ll-ct", "ll-cp"]


def present(*ps: float) -> float:
    return -sum(math.log(p) for p in ps)


def absent(*ps: float) -> float:
    return -sum(math.log(1 - p) for p in ps)


ALL = (present(0.5, 0.99) + absent(0.9, 0.1, 0.95, 0.3, 0.2, 0.6, 0.4, 0.7)) / 2


def at(objective, epoch: int) -> float:
    objective.on_epoch(epoch)
    return objective(LOGITS, OBSERVED, index=INDEX).item()


@pytest.mark.parametrize("name", NAMES)
def test_the_first_epoch_and_evaluation_are_assume_negative(name: str, ready) -> None:
    objective = ready(name, torch.full((4, 5), -1, dtype=torch.int8), delta=0.2)
    assert at(objective, 0) == pytest.approx(ALL, abs=1e-12)
    assert at(objective, 3) != pytest.approx(ALL, abs=1e-3)
    objective.eval()
    assert at(objective, 3) == pytest.approx(ALL, abs=1e-12)


def test_the_rejected_share_grows_with_the_epochs() -> None:
    objective = make("ll-r", SPACE, delta=0.1)
    assert at(objective, 1) == pytest.approx(ALL - absent(0.9) / 2, abs=1e-12)
    assert at(objective, 2) == pytest.approx(ALL - absent(0.9, 0.7) / 2, abs=1e-12)
    assert at(objective, 3) == pytest.approx(ALL - absent(0.9, 0.7, 0.6) / 2, abs=1e-12)
    # all unknown ones in the end, and never a known one
    assert at(objective, 50) == pytest.approx((present(0.5, 0.99) + absent(0.95)) / 2, abs=1e-12)


def test_rates_are_those_of_the_later_program() -> None:
    assert {name: make(name, SPACE).delta for name in NAMES} == {"ll-r": 0.005, "ll-ct": 0.002, "ll-cp": 0.001}


def test_numbers_are_rounded_up() -> None:
    objective = make("ll-r", SPACE, delta=0.001)  # 0.01 of ten labels
    assert at(objective, 1) == pytest.approx(ALL - absent(0.9) / 2, abs=1e-12)


def test_corrected_losses_are_those_of_positives() -> None:
    objective = make("ll-ct", SPACE, delta=0.1)
    for _ in range(2):  # nothing is kept
        assert at(objective, 2) == pytest.approx(ALL + (present(0.9, 0.7) - absent(0.9, 0.7)) / 2, abs=1e-12)


def test_equal_losses_do_not_go_all_together() -> None:
    objective = make("ll-r", SPACE, delta=0.1)
    objective.on_epoch(1)
    value = objective(torch.zeros(2, 5, dtype=torch.float64), torch.full((2, 5), -1, dtype=torch.int8)).item()
    assert value == pytest.approx(9 * math.log(2) / 2)


def test_permanent_corrections_add_up_and_are_the_images_own(ready) -> None:
    objective = ready("ll-cp", torch.full((4, 5), -1, dtype=torch.int8), delta=0.1)
    at(objective, 0)
    assert not objective.corrected.any()
    assert at(objective, 1) == pytest.approx(ALL + (present(0.9) - absent(0.9)) / 2, abs=1e-12)
    assert objective.corrected.nonzero().tolist() == [[1, 1]]
    assert at(objective, 1) == pytest.approx(ALL + (present(0.9, 0.7) - absent(0.9, 0.7)) / 2, abs=1e-12)
    assert objective.corrected.nonzero().tolist() == [[1, 1], [3, 4]]
    # it stays corrected where the loss of an assumed negative is small, and beside the next one
    low = torch.full_like(LOGITS, -1.0)
    low[0, 2] = -0.5
    value = objective(low, OBSERVED, index=INDEX).item()
    s = [1 / (1 + math.exp(1)), 1 / (1 + math.exp(0.5))]
    expected = present(*[s[0]] * 4, s[1]) + absent(*[s[0]] * 5)
    assert value == pytest.approx(expected / 2, abs=1e-12)
    assert objective.corrected.sum() == 3
    # other images have none of it
    objective.delta = 0.0
    assert objective(LOGITS, OBSERVED, index=torch.tensor([0, 2])).item() == pytest.approx(ALL, abs=1e-12)
    assert "corrected" in objective.state_dict()


def test_permanent_corrections_need_to_know_the_image(ready) -> None:
    objective = ready("ll-cp", torch.full((4, 5), -1, dtype=torch.int8))
    with pytest.raises(ConfigError, match="index"):
        objective(LOGITS, OBSERVED)


@pytest.mark.parametrize("name", NAMES)
def test_gradients_are_those_of_the_value(name: str, ready) -> None:
    objective = ready(name, torch.full((4, 5), -1, dtype=torch.int8), delta=0.1)
    objective.on_epoch(1)
    objective(LOGITS, OBSERVED, index=INDEX)
    if name == "ll-cp":
        objective.delta = 0.0  # else each call corrects one more
    logits = LOGITS.clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: objective(x, OBSERVED, index=INDEX), logits)


@pytest.mark.parametrize("name", NAMES)
def test_a_share_is_a_share(name: str) -> None:
    with pytest.raises(ConfigError, match=r"in \[0, 1\], not 1.5"):
        make(name, SPACE, delta=1.5)
