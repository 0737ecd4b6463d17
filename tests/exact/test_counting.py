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


@pytest.mark.parametrize("seed", range(12))
def test_gradients_of_counts(seed: int):
    """First and second derivatives against finite differences."""
    space = oracle.random_space(seed)
    forest, logits = exact.compile_forest(space), oracle.random_logits(space, seed, 2).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: exact.count_probs(forest, x), logits)
    assert torch.autograd.gradgradcheck(lambda x: exact.count_probs(forest, x), logits)


def test_gradients_of_counts_of_many_labels(monkeypatch: pytest.MonkeyPatch):
    """By the counts of all the others: P(N = n) = p_k P(N - y_k = n - 1) + (1 - p_k) P(N - y_k = n); also in parts."""
    space = LabelSpace.free(map(str, range(150)))
    logits = (torch.randn(3, 150, generator=torch.manual_seed(0), dtype=torch.float64) - 1).requires_grad_()
    weights = torch.rand(151, generator=torch.manual_seed(1), dtype=torch.float64)
    for elements in (1 << 22, 1):
        monkeypatch.setattr(counting, "_ELEMENTS", elements)
        value = (exact.count_probs(exact.compile_forest(space), logits) * weights).sum()
        (slope,) = torch.autograd.grad(value, logits)
        for row in range(3):
            p = logits[row].detach().sigmoid().numpy()
            for k in (0, 77, 149):
                others = np.ones(1)
                for q in np.delete(p, k):
                    others = np.convolve(others, [1 - q, q])
                change = np.convolve(others, [-1, 1]) @ weights.numpy()
                assert float(slope[row, k]) == pytest.approx(p[k] * (1 - p[k]) * change, rel=1e-9, abs=1e-13)


@pytest.mark.parametrize("level", [0.0, -3.0, -20.0, -40.0, -100.0, -600.0])
@pytest.mark.parametrize("labels", [4, 200])
def test_counts_given_that_there_is_a_label(level: float, labels: int):
    """However improbable it is: two at once are as rare then as the labels are."""
    forest = exact.compile_forest(LabelSpace.free(map(str, range(labels))))
    logits = level + torch.randn(2, labels, generator=torch.manual_seed(0), dtype=torch.float64)
    logits.requires_grad_()

    def conditional(x: torch.Tensor) -> torch.Tensor:
        return exact.count_probs_of_some(forest, x) / exact.log_some(forest, x).exp().unsqueeze(-1)

    found = conditional(logits)
    assert (found[:, 0] == 0).all()
    torch.testing.assert_close(found.sum(1), torch.ones(2, dtype=torch.float64), rtol=0, atol=1e-13)
    p = logits.detach().sigmoid()
    for row, probs in zip(p.tolist(), found.tolist(), strict=True):
        counts = np.ones(1)  # of the labels so far, and of those with a label among them, by the first one
        some, none = np.zeros(1), 1.0
        for q in row:
            some = np.convolve(some, [1 - q, q])
            some[1] += none * q
            none *= 1 - q
            counts = np.convolve(counts, [1 - q, q])
        np.testing.assert_allclose(probs, some / some.sum(), rtol=1e-9, atol=1e-15)
    (slope,) = torch.autograd.grad(found[:, 1].sum(), logits)
    assert torch.isfinite(slope).all()
    if labels == 4 and level > -30:
        assert torch.autograd.gradcheck(conditional, logits)
        assert torch.autograd.gradgradcheck(conditional, logits)


def test_counts_of_trees_larger_than_a_pack():
    """A tree of a hundred labels beside a small one and free labels, by convolution."""
    groups = [
        Free("root"), *(Free(f"leaf-{k}", requires="root") for k in range(100)),
        OneOf("vehicle", ["car", "bike"], optional=True), Free("spoiler", requires="car"), *(Free(f"f{k}") for k in range(70)),
    ]  # fmt: skip
    space = LabelSpace(groups)
    logits = torch.randn(2, space.num_logits, generator=torch.manual_seed(0), dtype=torch.float64)
    found = exact.count_probs(exact.compile_forest(space), logits)
    for row, probs in zip(logits, found, strict=True):
        p = row.sigmoid().tolist()
        tree, rest = np.ones(1), np.ones(1)
        for q in p[1:101]:
            tree = np.convolve(tree, [1 - q, q])
        for q in p[-70:]:
            rest = np.convolve(rest, [1 - q, q])
        tree = np.concatenate([[1 - p[0]], p[0] * tree])
        car, bike, neither = torch.softmax(row[101:104], 0).tolist()
        vehicle = [neither, bike + car * (1 - p[104]), car * p[104]]
        np.testing.assert_allclose(probs.numpy(), np.convolve(np.convolve(tree, rest), vehicle), rtol=0, atol=1e-14)


def test_no_rows_and_rows_of_nan():
    forest = exact.compile_forest(LabelSpace.free(map(str, range(60))))
    assert exact.count_probs(forest, torch.zeros(0, 60)).shape == (0, 61)
    assert exact.count_probs(forest, torch.zeros(2, 0, 60)).shape == (2, 0, 61)
    logits = torch.zeros(2, 60)
    logits[0, 3] = math.nan
    found = exact.count_probs(forest, logits)
    assert found[0].isnan().all()
    np.testing.assert_allclose(found[1].numpy(), stats.binom.pmf(np.arange(61), 60, 0.5), rtol=0, atol=1e-7)
