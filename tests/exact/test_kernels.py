"""The short cuts for one known label per row give what the general sums give, in value and gradient."""

from __future__ import annotations

import math
import random

import pytest
import torch
from torch import Tensor

from latentlabels.annotation import UniformPositive
from latentlabels.distributions import LabelVector
from latentlabels.exact.evidence import Evidence, only_label
from latentlabels.exact.kernels import LogPickProduct
from latentlabels.exact.sums import log_normalizers
from latentlabels.space import Free, Group, LabelSpace, OneOf


def flat_space(seed: int) -> LabelSpace:
    """Free labels, groups of several sizes, and now and then a group below another, which no short cut serves."""
    rng = random.Random(seed)
    groups: list[Group] = []
    for g in range(rng.randint(1, 7)):
        if rng.random() < 0.3:
            groups.append(Free(f"free{g}"))
        else:
            groups.append(OneOf(f"group{g}", [f"{g}.{k}" for k in range(rng.randint(1, 5))], optional=rng.random() < 0.5))
    if seed % 3 == 0:
        groups.append(OneOf("child", ["left", "right"], requires=groups[0].labels[0], optional=True))
    return LabelSpace(groups)


def one_known(space: LabelSpace, rows: int) -> Tensor:
    observed = torch.full((rows, space.num_labels), -1, dtype=torch.int8)
    observed[torch.arange(rows), torch.randint(space.num_labels, (rows,))] = 1
    return observed


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("scale", [1.0, 12.0])
@pytest.mark.parametrize("seed", range(30))
def test_short_cut_and_general_sum_agree(seed: int, scale: float, dtype: torch.dtype):
    torch.manual_seed(seed)
    space = flat_space(seed)
    logits = (scale * torch.randn(6, 1, space.num_logits, dtype=dtype)).requires_grad_()
    observed = one_known(space, 6)
    q = LabelVector(space, logits[:, 0])
    short = UniformPositive().evidence(observed, lambda: q._count_bound(observed), dtype)
    assert short.only is not None
    found = [log_normalizers(q.forest, logits, evidence) for evidence in (short, short._replace(only=None))]
    weights = torch.rand(found[0].shape, dtype=dtype)
    slopes = [torch.autograd.grad((weights * value).sum(), logits)[0] for value in found]
    tolerance = {"rtol": 1e-5, "atol": 2e-5} if dtype == torch.float32 else {"rtol": 1e-11, "atol": 1e-11}
    torch.testing.assert_close(found[0], found[1], **tolerance)
    torch.testing.assert_close(slopes[0], slopes[1], **tolerance)


@pytest.mark.parametrize("gap", [60.0, 200.0, math.inf])
def test_a_pinned_label_of_tiny_probability_does_not_underflow(gap: float):
    space = LabelSpace([OneOf("g", ["a", "b", "c"]), OneOf("h", ["d", "e"], optional=True)])
    logits = torch.zeros(1, 6)
    logits[0, 0] = -gap
    logits.requires_grad_()
    value = LabelVector(space, logits).log_marginal(one_known_at(space, 0), UniformPositive())
    (slope,) = torch.autograd.grad(value.sum(), logits)
    # log p(a) + log E[1/N | a]: N is 1 or 2, by the second group: one third without, two thirds with a label
    expected = -gap - math.log(2.0 + math.exp(-gap)) + math.log(1 / 3 + 2 / 3 / 2)
    assert value.item() == pytest.approx(expected, rel=1e-6)
    if gap == math.inf:
        assert slope.abs().max() == 0
    else:
        torch.testing.assert_close(slope[0, :3], torch.tensor([1.0, -0.5, -0.5]))


def one_known_at(space: LabelSpace, column: int) -> Tensor:
    observed = torch.full((1, space.num_labels), -1, dtype=torch.int8)
    observed[0, column] = 1
    return observed


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([[1, -1, -1], [-1, -1, 1]], [0, 2]),
        ([[1, -1, -1], [-1, -1, -1]], None),  # nothing known
        ([[1, 0, -1]], None),  # an absence
        ([[1, 1, -1]], None),
        ([[0, 0, -1]], None),
        ([[0, -1, -1]], None),
        ([[1, 1, 0]], None),
    ],
)
def test_only_label_is_only_that(rows: list[list[int]], expected: list[int] | None):
    found = only_label(torch.tensor(rows, dtype=torch.int8))
    assert found is None if expected is None else found is not None and found.tolist() == expected


def test_rounded_products_of_matrices_are_not_used():
    logits = torch.zeros(1, 2)
    assert LogPickProduct.serves(logits)
    assert not LogPickProduct.serves(logits.half())
    with torch.autocast("cpu"):
        assert not LogPickProduct.serves(logits)
    torch.set_float32_matmul_precision("medium")
    try:
        assert not LogPickProduct.serves(logits)
    finally:
        torch.set_float32_matmul_precision("highest")


def test_the_right_part_of_evidence_with_mistakes_keeps_the_short_cut():
    observed = torch.tensor([[1, -1]], dtype=torch.int8)
    evidence = UniformPositive(noise=0.1).evidence(
        observed, lambda: LabelVector(LabelSpace.free("ab"), torch.zeros(1, 2))._count_bound(observed), torch.float32
    )
    assert isinstance(evidence, Evidence) and [part.only is None for part in evidence.parts] == [False, True]
    assert evidence.joined().only is None
