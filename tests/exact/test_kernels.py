"""The short cuts for one known label per row give what the general sums give, in value and gradient."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from latentlabels.annotation import Annotation, Ignorable, PerLabelSearch, Scar, UniformPositive, WeightedPositive
from latentlabels.distributions import LabelVector
from latentlabels.exact.evidence import Evidence, only_label
from latentlabels.exact.forest import compile_forest
from latentlabels.exact.kernels import LogCategoricalProduct, LogPickProduct, LogTiltedProduct, log_sum_exp
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


def kernels(seed: int) -> dict[str, tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor], int]]:
    """Each kernel, the same sum written out with autograd's operations, and the number of logits: four rows, three tilts."""
    torch.manual_seed(seed)
    tilts, only = torch.rand(4, 3, dtype=torch.float64), torch.tensor([0, 4, 2, 1])
    space = LabelSpace([OneOf("g", ["a", "b", "c"], optional=True), OneOf("h", ["d", "e"]), OneOf("i", ["f"], optional=True)])
    (block,) = compile_forest(space).blocks
    assert block.index is not None
    labels = torch.tensor([0, 4, 5, 2])
    pins = torch.full((4, 6), -1, dtype=torch.int8)
    pins[torch.arange(4), labels] = 1
    more = pins.clone()
    more[0, 3], more[1, :2], more[3, 5] = 0, 0, 1

    def free(x: Tensor, known: bool) -> Tensor:
        p = x.sigmoid().unsqueeze(1)  # (N, 1, G)
        factor = 1 - p + p * tilts.unsqueeze(-1)
        if known:
            mine = torch.nn.functional.one_hot(only, x.shape[1]).bool().unsqueeze(1)
            factor = torch.where(mine, p, factor)
        return factor.log().sum(-1)

    def groups(x: Tensor, known: Tensor) -> Tensor:
        total = 0
        for columns, places, optional in (
            ([0, 1, 2], slice(0, 4), True),
            ([3, 4], slice(4, 6), False),
            ([5], slice(6, 8), True),
        ):
            p = torch.softmax(x[:, places], -1)
            own = known[:, columns]
            fixed = (own == 1).any(-1, keepdim=True)
            some = torch.where(fixed, (p[:, : len(columns)] * (own == 1)).sum(-1, keepdim=True), 0.0)
            open_ = (p[:, : len(columns)] * (own != 0)).sum(-1, keepdim=True)
            none = p[:, -1:] if optional else torch.zeros_like(p[:, -1:])
            total = total + torch.where(fixed, some, none + open_ * tilts).log()
        return total

    return {
        "free": (lambda x: LogTiltedProduct.apply(x, tilts, None), lambda x: free(x, False), 6),
        "free, one known": (lambda x: LogTiltedProduct.apply(x, tilts, only), lambda x: free(x, True), 6),
        "groups": (lambda x: LogCategoricalProduct.apply(x, more, tilts, block.index), lambda x: groups(x, more), 8),
        "groups, one known": (lambda x: LogPickProduct.apply(x, labels, tilts, block.index), lambda x: groups(x, pins), 8),
        "logsumexp": (lambda x: log_sum_exp(x.unsqueeze(1), tilts.log().unsqueeze(-1)), lambda x: torch.logsumexp(
            x.unsqueeze(1) + tilts.log().unsqueeze(-1), -1), 5),
    }  # fmt: skip


@pytest.mark.parametrize("name", kernels(0))
@pytest.mark.parametrize("seed", range(4))
def test_values_and_derivatives_of_every_kernel(seed: int, name: str):
    """Value, gradient of every logit (the known label's too), Hessian and third derivative, against autograd's."""
    kernel, written_out, size = kernels(seed)[name]
    x = (2 * torch.randn(4, size, dtype=torch.float64)).requires_grad_()
    weights = [torch.randn(4, 3, dtype=torch.float64), torch.randn(4, size, dtype=torch.float64)]
    derivatives = []
    for function in (kernel, written_out):
        value = function(x)
        (fast,) = torch.autograd.grad((value * weights[0]).sum(), x, retain_graph=True)
        (slope,) = torch.autograd.grad((value * weights[0]).sum(), x, create_graph=True)
        (curve,) = torch.autograd.grad((slope * weights[1]).sum(), x, create_graph=True)
        (third,) = torch.autograd.grad(curve.square().sum(), x)
        derivatives.append((value, fast, slope, curve, third))
    for mine, expected in zip(*derivatives, strict=True):
        torch.testing.assert_close(mine, expected, rtol=1e-9, atol=1e-10)
    assert torch.autograd.gradcheck(kernel, x)
    assert torch.autograd.gradgradcheck(kernel, x)


HOWS = [UniformPositive(), UniformPositive(noise=0.1), Ignorable(), Scar(0.4), PerLabelSearch(noise=0.2)]


@pytest.mark.parametrize("how", [*HOWS, WeightedPositive([1.0, 2, 3, 4, 5])], ids=repr)
def test_second_derivatives_of_a_likelihood(how: Annotation):
    """Its Hessian, with an incoming gradient that is a constant, and a gradient penalty: by finite differences."""
    space = LabelSpace([OneOf("g", ["a", "b"]), OneOf("h", ["c", "d"], optional=True), Free("e", requires="a")])
    x = torch.randn(space.num_logits, generator=torch.manual_seed(0), dtype=torch.float64)
    observed = one_known_at(space, 2)[0]
    observed[4] = 0

    def slope(v: Tensor) -> Tensor:
        v = v.detach().requires_grad_()
        return torch.autograd.grad(LabelVector(space, v).log_marginal(observed, how), v)[0]

    eye = torch.eye(len(x), dtype=torch.float64) * 1e-5
    expected = torch.stack([(slope(x + step) - slope(x - step)) / 2e-5 for step in eye])
    found = torch.autograd.functional.hessian(lambda v: LabelVector(space, v).log_marginal(observed, how), x)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-8)
    assert expected.abs().max() > 0.05
    x.requires_grad_()
    (own,) = torch.autograd.grad(LabelVector(space, x).log_marginal(observed, how), x, create_graph=True)
    (penalty,) = torch.autograd.grad(own.square().sum(), x)
    torch.testing.assert_close(penalty, 2 * expected @ own.detach(), rtol=0, atol=1e-8)


def test_products_of_matrices_are_exact_within_autocast():
    """The gradient, too, which is a product of matrices."""
    torch.manual_seed(0)
    logits, t = torch.randn(3, 40).requires_grad_(), torch.rand(3, 4)
    (expected,) = torch.autograd.grad(LogTiltedProduct.apply(logits, t, None).sum(), logits)
    with torch.autocast("cpu"):
        value = LogTiltedProduct.apply(logits, t, None)
        (found,) = torch.autograd.grad(value.sum(), logits)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-7)


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
