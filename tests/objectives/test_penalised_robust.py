"""GPR's loss: the generalised robust loss and a penalty, by hand."""

from __future__ import annotations

import math

import pytest
import torch

from latentlabels.errors import ConfigError
from latentlabels.objectives import make
from latentlabels.space import LabelSpace

SPACE = LabelSpace.free(["l0", "l1", "l2", "l3"])
P = [[0.5, 0.8, 0.2, 0.5], [0.9, 0.1, 0.3, 0.4]]
LOGITS = torch.tensor([[math.log(p / (1 - p)) for p in row] for row in P], dtype=torch.float64)
OBSERVED = torch.tensor([[1, -1, -1, 0], [-1, -1, 1, -1]], dtype=torch.int8)


@pytest.mark.parametrize("epoch", [0, 5, 20])
@pytest.mark.parametrize("weight", [0.001, 0.7])
def test_by_hand(epoch: int, weight: float, ready) -> None:
    objective = ready("gpr", OBSERVED, SPACE, expected_labels=1.4, weight=weight)
    plain = make("gr-coco", SPACE)
    for one in (objective, plain):
        one.on_epoch(epoch)
    count = (sum(P[0]) + sum(P[1])) / 2
    expected = plain(LOGITS, OBSERVED).item() + weight * 4 * ((count - 1.4) / 4) ** 2
    assert objective(LOGITS, OBSERVED).item() == pytest.approx(expected, abs=1e-12)


def test_the_values_of_small_data_are_had_by_arguments(ready) -> None:
    objective = ready("gpr", OBSERVED, SPACE, weight=0.0, w=(0.0, 2.0), b=(-2.0, -2.0), ramp=4)
    plain = make("gr", SPACE, ramp=4)
    for one in (objective, plain):
        one.on_epoch(3)
    assert objective(LOGITS, OBSERVED).item() == pytest.approx(plain(LOGITS, OBSERVED).item(), abs=1e-12)


def test_gradients(ready) -> None:
    # of the robust part with what it holds fixed made constant
    objective = ready("gpr", OBSERVED, SPACE, weight=2.0, w=(0.0, 0.0))
    objective.ends = (*objective.ends[:3], (1e9, 1e9))
    assert torch.autograd.gradcheck(lambda x: objective(x, OBSERVED), LOGITS.clone().requires_grad_())


def test_a_negative_weight_is_refused() -> None:
    with pytest.raises(ConfigError, match="at least 0, not -1"):
        make("gpr", SPACE, weight=-1.0)
