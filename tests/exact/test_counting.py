"""The distribution of the number of present labels, against all 2^K vectors and, for many labels, by convolution."""

from __future__ import annotations

import math

import numpy as np
import oracle
import pytest
import torch
from scipy import stats

from latentlabels import exact
from latentlabels.exact import counting
from latentlabels.space import Free, LabelSpace, OneOf

SEEDS = range(20)


@pytest.mark.parametrize("impossible", [0.0, 0.4])
@pytest.mark.parametrize("seed", SEEDS)
def test_counts_of_forests(seed: int, impossible: float):
    space = oracle.random_space(seed)
    logits = oracle.random_logits(space, seed, 3, impossible=impossible)
    found = exact.count_probs(exact.compile_forest(space), logits)
    assert (found >= 0).all()
    for row, probs in zip(logits, found, strict=True):
        expected = oracle.table(space, row).count_probs
        torch.testing.assert_close(oracle.padded(probs, space.num_labels), expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_counts_of_three_hundred_free_labels(dtype: torch.dtype):
    logits = (torch.randn(2, 300, generator=torch.manual_seed(0)) * 3 - 2).to(dtype)
    found = exact.count_probs(exact.compile_forest(LabelSpace.free(map(str, range(300)))), logits)
    assert found.dtype == dtype
    for row, probs in zip(logits, found, strict=True):
        expected = np.ones(1)
        for p in row.double().sigmoid().tolist():
            expected = np.convolve(expected, [1 - p, p])
        np.testing.assert_allclose(probs.double().numpy(), expected, rtol=0, atol=1e-13 if dtype == torch.float64 else 1e-7)


@pytest.mark.parametrize("seed", range(6))
def test_numbers_that_never_occur_are_left_out_of_the_work(seed: int, monkeypatch: pytest.MonkeyPatch):
    """Against a transform with as many points as there are labels, for rows of a few labels and of many."""
    groups = [OneOf(f"g{i}", [f"{i}.{j}" for j in range(1 + (i + seed) % 4)], optional=i % 3 > 0) for i in range(20)]
    groups += [OneOf(f"h{i}", [f"h{i}.{j}" for j in range(2)], requires=f"{i}.0") for i in range(8)]
    space = LabelSpace([*groups, *(Free(f"f{k}", requires="h0.0" if k < 5 else None) for k in range(120))])
    forest = exact.compile_forest(space)
    logits = torch.randn(6, space.num_logits, generator=torch.manual_seed(seed), dtype=torch.float64)
    logits = logits + torch.tensor([-30.0, -8.0, -4.0, -2.0, 0.0, 6.0], dtype=torch.float64)[:, None]
    whole = counting._by_fourier(forest, logits, forest.max_count + 1)
    for row, wanted in zip(logits, whole, strict=True):
        most = counting._most(forest, row[None])
        assert wanted[most + 1 :].sum() < 1e-13
        torch.testing.assert_close(exact.count_probs(forest, row), wanted, rtol=0, atol=1e-14)
    assert counting._most(forest, logits[:1]) < forest.max_count / 2
    assert counting._most(forest, logits[-1:]) == forest.max_count
    torch.testing.assert_close(exact.count_probs(forest, logits), whole, rtol=0, atol=1e-14)


def test_counts_of_two_thousand_rare_labels():
    p = torch.full((3, 2000), 2e-3, dtype=torch.float64)
    found = exact.count_probs(exact.compile_forest(LabelSpace.free(map(str, range(2000)))), torch.logit(p))
    assert found.shape == (3, 2001)
    n = np.arange(2001)
    np.testing.assert_allclose(found[1].numpy(), stats.binom.pmf(n, 2000, 2e-3), rtol=0, atol=5e-14)


def test_counts_in_parts(monkeypatch: pytest.MonkeyPatch):
    """Rows and points of the circle are taken in parts, so that memory is bounded; the parts fit together."""
    space = LabelSpace([OneOf("a", ["a0", "a1"]), Free("b", requires="a0"), *(Free(f"c{k}") for k in range(6))])
    forest, logits = exact.compile_forest(space), oracle.random_logits(space, 0, 2, 3)
    whole = exact.count_probs(forest, logits)
    for elements in (1, 25, 80):
        monkeypatch.setattr(counting, "_ELEMENTS", elements)
        torch.testing.assert_close(exact.count_probs(forest, logits), whole, rtol=0, atol=1e-15)


def test_counts_by_hand():
    space = LabelSpace([OneOf("vehicle", ["car", "bike"], optional=True), Free("spoiler", requires="car")])
    found = exact.count_probs(exact.compile_forest(space), torch.tensor([0.0, 0.0, 0.0, math.log(3)], dtype=torch.float64))
    torch.testing.assert_close(found, torch.tensor([1 / 3, 1 / 3 + 1 / 12, 1 / 4], dtype=torch.float64))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_log_binomials(dtype: torch.dtype):
    found = exact.log_binomials(30, torch.tensor([0, 1, 2, 7]), dtype)
    assert found.dtype == dtype
    for row, m in zip(found.tolist(), (0, 1, 2, 7), strict=True):
        for n, value in enumerate(row):
            expected = math.log(math.comb(n, m)) if n >= m else -math.inf
            assert value == pytest.approx(expected, rel=1e-6, abs=1e-6 if dtype == torch.float32 else 1e-12)
