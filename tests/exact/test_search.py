"""The most probable label set: of a forest, of one with a potential of the count, of a mixture; against all 2^K vectors."""

from __future__ import annotations

import math
import warnings

import oracle
import pytest
import torch
from torch import Tensor

from latentlabels import exact
from latentlabels.space import LabelSpace

SEEDS = range(20)


def assert_is_mode(found: Tensor, log_p: Tensor, y: Tensor) -> None:
    """`found` is a possible label set and no other is more probable; which of two that tie does not matter."""
    value = log_p[(y == found.double()).all(1)].squeeze(0)
    assert torch.isfinite(value)
    assert float(value) == pytest.approx(float(log_p.max()), abs=1e-9)


@pytest.mark.parametrize("impossible", [0.0, 0.4])
@pytest.mark.parametrize("seed", SEEDS)
def test_of_a_forest(seed: int, impossible: float):
    space = oracle.random_space(seed)
    logits = oracle.random_logits(space, seed, 4, impossible=impossible)
    found = exact.best_label_set(exact.compile_forest(space), logits)
    for row, y in zip(logits, found, strict=True):
        table = oracle.table(space, row)
        assert_is_mode(y, table.log_p, table.y)


@pytest.mark.parametrize("impossible", [0.0, 0.4])
@pytest.mark.parametrize("seed", SEEDS)
def test_with_a_potential_of_the_count(seed: int, impossible: float):
    space = oracle.random_space(seed)
    forest = exact.compile_forest(space)
    logits = oracle.random_logits(space, seed, 4, impossible=impossible)
    potential = 3 * torch.randn(4, forest.max_count + 1, generator=torch.manual_seed(seed), dtype=torch.float64)
    found = exact.best_with_cardinality(forest, logits, potential)
    for row, h, y in zip(logits, potential, found, strict=True):
        table = oracle.table(space, row)
        counts = table.y.sum(1).long().clamp(max=forest.max_count)
        assert_is_mode(y, table.log_p + h[counts], table.y)


@pytest.mark.parametrize("seed", SEEDS)
def test_with_a_wanted_count(seed: int):
    """A potential that is zero at one count and -inf elsewhere gives the best set of that size."""
    space = oracle.random_space(seed)
    forest, logits = exact.compile_forest(space), oracle.random_logits(space, seed)
    table = oracle.table(space, logits)
    for n in range(forest.max_count + 1):
        inside = table.log_p.masked_fill(table.y.sum(1) != n, -math.inf)
        if torch.isneginf(inside).all():
            continue
        potential = torch.full((forest.max_count + 1,), -math.inf, dtype=torch.float64)
        potential[n] = 0.0
        assert_is_mode(exact.best_with_cardinality(forest, logits, potential), inside, table.y)


@pytest.mark.parametrize("seed", SEEDS)
def test_of_a_mixture(seed: int):
    space = oracle.random_space(seed)
    logits = oracle.random_logits(space, seed, 2, 3, impossible=0.15)
    weights = torch.randn(2, 3, generator=torch.manual_seed(seed), dtype=torch.float64).log_softmax(-1)
    found = exact.most_probable_in_mixture(exact.compile_forest(space), logits, weights)
    for row, weight, y in zip(logits, weights, found, strict=True):
        table = oracle.table(space, row, weight)
        assert_is_mode(y, table.log_p, table.y)


@pytest.mark.parametrize("seed", range(6))
def test_of_a_mixture_of_sharp_and_even_parts(seed: int):
    """No component's own best set is best, and several sets are nearly as good."""
    space, generator = LabelSpace.free("abcdefghij"), torch.Generator().manual_seed(seed)
    centres = torch.where(torch.rand(12, 10, generator=generator) < 0.5, 1.0, -1.0).double()
    logits = centres * torch.rand(12, 10, generator=generator).double() * 1.5
    weights = torch.full((12,), 1 / 12, dtype=torch.float64).log()
    table = oracle.table(space, logits, weights)
    assert_is_mode(exact.most_probable_in_mixture(exact.compile_forest(space), logits, weights), table.log_p, table.y)


def test_the_mode_of_a_mixture_need_not_be_that_of_a_component():
    forest = exact.compile_forest(LabelSpace.free("ab"))
    apart = torch.tensor([[9.0, -0.2], [-0.2, 9.0]], dtype=torch.float64)
    assert exact.best_label_set(forest, apart).tolist() == [[1, 0], [0, 1]]
    found = exact.most_probable_in_mixture(forest, apart, torch.tensor([0.5, 0.5]).log().double())
    assert found.tolist() == [1, 1]


def test_giving_up_is_said():
    space = LabelSpace.free(map(str, range(10)))
    logits = oracle.random_logits(space, 0, 2, 6, scale=1.0)
    weights = torch.zeros(2, 6, dtype=torch.float64)
    forest = exact.compile_forest(space)
    with pytest.warns(UserWarning, match="of 2 of 2 rows is the best of 1 looked at, not proven"):
        exact.most_probable_in_mixture(forest, logits, weights, max_visits=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = exact.most_probable_in_mixture(forest, logits, weights)
    for row, weight, y in zip(logits, weights, found, strict=True):
        table = oracle.table(space, row, weight)
        assert_is_mode(y, table.log_p, table.y)


def test_no_rows_are_no_modes():
    forest = exact.compile_forest(LabelSpace.free("abc"))
    none = torch.zeros(0, 2, 3)
    assert exact.most_probable_in_mixture(forest, none, torch.zeros(0, 2)).shape == (0, 3)
    assert exact.best_label_set(forest, none[:, 0]).shape == (0, 3)
    assert exact.best_with_cardinality(forest, none[:, 0], torch.zeros(0, 4)).shape == (0, 3)
