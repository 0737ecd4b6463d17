"""Densities, marginals, draws, entropies and divergences of one forest against all 2^K vectors."""

from __future__ import annotations

import math

import oracle
import pytest
import torch

from latentlabels import exact
from latentlabels.space import Free, LabelSpace, OneOf

SEEDS = range(20)


def close(found: torch.Tensor, expected: torch.Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("impossible", [0.0, 0.4])
@pytest.mark.parametrize("seed", SEEDS)
def test_log_prob_of_every_vector(seed: int, impossible: float):
    space = oracle.random_space(seed)
    logits = oracle.random_logits(space, seed, 3, impossible=impossible)
    y = oracle.vectors(space.num_labels)
    found = exact.log_prob(exact.compile_forest(space), logits.unsqueeze(1), y)
    close(found, torch.stack([oracle.log_prior(space, row) for row in logits]))


@pytest.mark.parametrize("impossible", [0.0, 0.4])
@pytest.mark.parametrize("seed", SEEDS)
def test_marginals(seed: int, impossible: float) -> None:
    space = oracle.random_space(seed)
    logits = oracle.random_logits(space, seed, 3, impossible=impossible)
    expected = torch.stack([oracle.table(space, row).marginals for row in logits])
    forest = exact.compile_forest(space)
    close(exact.marginals(forest, logits), expected)
    most = exact.largest_expected_count(forest, logits)
    if not forest.max_spine_count:
        close(torch.tensor(most).double(), expected.sum(1).max().float().double())
        return
    # whatever the outcomes are of the groups below whose "none" others hang
    spine = {parent.group for group in space.groups if (parent := space.parent(group)) is not None and parent.none}
    columns = [column for name in spine for column in space.columns(space.named(name))]
    for row in logits:
        table = oracle.table(space, row)
        for outcome in table.y[:, columns].unique(dim=0):
            p = table.p * (table.y[:, columns] == outcome).all(1)
            assert float(p.sum()) == 0 or float(p @ table.y.sum(1) / p.sum()) <= most + 1e-9


def test_largest_expected_count_of_free_labels():
    logits = torch.tensor([[0.0, -1.0, 2.0], [5.0, 0.0, -3.0]], dtype=torch.float64)
    forest = exact.compile_forest(LabelSpace.free("abc"))
    assert exact.largest_expected_count(forest, logits) == pytest.approx(float(logits.sigmoid().sum(1).max()))


@pytest.mark.parametrize("seed", SEEDS)
def test_the_gradient_of_the_marginals(seed: int):
    space = oracle.random_space(seed)
    logits = oracle.random_logits(space, seed).requires_grad_()
    weights = torch.linspace(-1, 2, space.num_labels, dtype=torch.float64)
    found = exact.marginals(exact.compile_forest(space), logits) @ weights
    expected = oracle.table(space, logits).marginals @ weights
    slopes = [torch.autograd.grad(value, logits)[0] for value in (found, expected)]
    torch.testing.assert_close(*slopes, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("impossible", [0.0, 0.4])
@pytest.mark.parametrize("seed", SEEDS)
def test_entropy(seed: int, impossible: float):
    space = oracle.random_space(seed)
    logits = oracle.random_logits(space, seed, 3, impossible=impossible)
    found = exact.entropy(exact.compile_forest(space), logits)
    close(found, torch.stack([oracle.table(space, row).entropy for row in logits]))


@pytest.mark.parametrize("seed", SEEDS)
def test_kl_and_expected_log_prob(seed: int):
    space = oracle.random_space(seed)
    forest = exact.compile_forest(space)
    p, q = oracle.random_logits(space, seed, 3, impossible=0.4), oracle.random_logits(space, seed + 1, 3)
    tables = [(oracle.table(space, a), oracle.table(space, b)) for a, b in zip(p, q, strict=True)]
    expected = torch.stack([a.kl(b) for a, b in tables])
    torch.testing.assert_close(exact.kl(forest, p, q), expected, rtol=1e-9, atol=1e-11)
    cross = torch.stack([-(a.kl(b) + a.entropy) for a, b in tables])
    torch.testing.assert_close(exact.expected_log_prob(forest, p, q), cross, rtol=1e-9, atol=1e-11)


def test_kl_is_zero_of_itself_and_infinite_where_the_other_excludes_an_outcome():
    space = LabelSpace([OneOf("colour", ["red", "green"]), Free("dot", requires="red")])
    forest, p = exact.compile_forest(space), torch.tensor([0.3, 0.1, 0.5])
    assert float(exact.kl(forest, p, p)) == 0.0
    assert float(exact.kl(forest, p, torch.tensor([0.3, -math.inf, 0.5]))) == math.inf
    without_red = torch.tensor([-math.inf, 0.1, 0.5])  # where nothing can be red, the dot's own logit says nothing
    assert float(exact.kl(forest, without_red, torch.tensor([0.3, 0.1, -math.inf]))) == pytest.approx(math.log1p(math.exp(0.2)))


def test_the_gradient_of_the_entropy_is_finite_where_an_outcome_is_impossible():
    space = LabelSpace([OneOf("colour", ["red", "green", "blue"]), Free("dot", requires="red")])
    logits = torch.tensor([0.3, 0.1, -math.inf, 0.5], dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(exact.entropy(exact.compile_forest(space), logits), logits)
    assert torch.isfinite(slope).all()
    two = LabelSpace([OneOf("colour", ["red", "green"]), Free("dot", requires="red")])
    kept = logits.detach()[[0, 1, 3]].requires_grad_()
    (expected,) = torch.autograd.grad(oracle.table(two, kept).entropy, kept)
    torch.testing.assert_close(slope[[0, 1, 3]], expected)


@pytest.mark.parametrize("seed", range(20))
def test_sample_frequencies(seed: int):
    space = oracle.random_space(seed)
    logits = oracle.random_logits(space, seed, impossible=0.2)
    torch.manual_seed(seed)
    draws = exact.sample(exact.compile_forest(space), logits.expand(4000, -1))
    assert oracle.frequencies_p_value(draws, oracle.table(space, logits)) > oracle.ALPHA


def test_the_test_of_frequencies_can_fail():
    space, wrong = LabelSpace.free("abc"), torch.tensor([0.15, 0.0, 0.0])
    torch.manual_seed(0)
    draws = exact.sample(exact.compile_forest(space), torch.zeros(20_000, 3))
    assert oracle.frequencies_p_value(draws, oracle.table(space, torch.zeros(3))) > 0.01
    assert oracle.frequencies_p_value(draws, oracle.table(space, wrong)) < oracle.ALPHA
    assert oracle.frequencies_p_value(draws, oracle.table(space, torch.tensor([-math.inf, 0, 0]))) == 0


@pytest.mark.parametrize("seed", range(10))
def test_draws_in_float32_of_certain_outcomes_are_certain(seed: int):
    """Gumbel noise in float32 is bounded: nothing of probability 0 may win by it."""
    space = oracle.random_space(seed)
    logits = oracle.random_logits(space, seed, impossible=1.0).float()  # one outcome of each group, free labels absent
    torch.manual_seed(seed)
    draws = exact.sample(exact.compile_forest(space), logits.expand(500, -1))
    expected = oracle.table(space, logits)
    assert (draws.double() == expected.y[expected.p.argmax()]).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_functions_take_any_batch_shape(seed: int):
    space = oracle.random_space(seed)
    forest, logits = exact.compile_forest(space), oracle.random_logits(space, seed, 2, 3)
    other = oracle.random_logits(space, seed + 1, 2, 3)
    for function in (exact.marginals, exact.entropy, exact.best_label_set, exact.count_probs):
        each = torch.stack([torch.stack([function(forest, row) for row in rows]) for rows in logits])
        torch.testing.assert_close(function(forest, logits), each)
    each = torch.stack(
        [torch.stack([exact.kl(forest, *pair) for pair in zip(*rows, strict=True)]) for rows in zip(logits, other, strict=True)]
    )
    torch.testing.assert_close(exact.kl(forest, logits, other), each)
    assert exact.sample(forest, logits).shape == (2, 3, space.num_labels)
