"""Multi-label soft margin: PyTorch's value, K times."""

from __future__ import annotations

import math

import pytest
import torch

from latentlabels.objectives import make
from latentlabels.space import LabelSpace

SPACE = LabelSpace.free(["a", "b", "c"])
LOGITS = torch.tensor([[0.0, math.log(4), -math.log(4)], [1.0, -2.0, 0.5]], dtype=torch.float64)
NOTHING = torch.full((2, 3), -1, dtype=torch.int8)


def test_by_hand() -> None:
    truth = torch.tensor([[1, 0, 1]])
    expected = math.log(2) - math.log(0.2) - math.log(0.2)
    assert make("multilabel-soft-margin", SPACE)(LOGITS[:1], NOTHING[:1], truth).item() == pytest.approx(expected, abs=1e-12)


def test_it_is_pytorchs_times_the_number_of_labels() -> None:
    truth = torch.tensor([[1, 0, 1], [0, 0, 1]])
    theirs = torch.nn.MultiLabelSoftMarginLoss()(LOGITS, truth.double()).item()
    assert make("multilabel-soft-margin", SPACE)(LOGITS, NOTHING, truth).item() == pytest.approx(3 * theirs, abs=1e-12)


def test_a_truth_that_is_not_known_is_left_out() -> None:
    logits = LOGITS.clone().requires_grad_()
    make("multilabel-soft-margin", SPACE)(logits, NOTHING, torch.tensor([[1, 0, -1], [0, -1, 1]])).backward()
    assert logits.grad is not None
    assert logits.grad[0, 2] == 0 and logits.grad[1, 1] == 0 and (logits.grad != 0).sum() == 4
