"""The quadrature rules: exact where they say so, and elsewhere within the stated tolerance, of sums over counts.

The oracle of many labels is the distribution of their number, by convolution in float64: E[1/C(n + m, m)].
"""

from __future__ import annotations

import math

import numpy as np
import oracle
import pytest
import torch
from scipy import special, stats
from torch import Tensor

from latentlabels import annotation as ann
from latentlabels.distributions import LabelVector
from latentlabels.exact import quadrature
from latentlabels.space import Free, LabelSpace, OneOf

TOLERANCES = [1e-6, 1e-10]


def poisson_binomial(probs: np.ndarray) -> np.ndarray:
    out = np.ones(1)
    for p in probs:
        out = np.convolve(out, [1 - p, p])
    return out


def picked(counts: np.ndarray, known: int) -> float:
    """E[1/C(n + m, m)] of n further labels."""
    return math.fsum(p / math.comb(n + known, known) for n, p in enumerate(counts))


def by_rule(counts: np.ndarray, size: int, known: int) -> float:
    t, log_w = quadrature.jacobi_rule(size, known)
    return float(np.power.outer(t, np.arange(len(counts))).dot(counts) @ np.exp(log_w))


# --- a uniform pick ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("known", [1, 2, 3, 7])
@pytest.mark.parametrize("size", [1, 2, 5, 16, 64])
def test_a_rule_of_q_nodes_is_exact_up_to_2q_minus_1(size: int, known: int):
    for n in range(2 * size):
        found = by_rule(np.eye(n + 1)[n], size, known)
        assert found == pytest.approx(1 / math.comb(n + known, known), rel=1e-11)
    beyond = by_rule(np.eye(2 * size + 1)[2 * size], size, known)
    if size <= 5:
        assert beyond != pytest.approx(1 / math.comb(2 * size + known, known), rel=1e-9)


@pytest.mark.parametrize(("size", "known"), [(64, 500), (64, 1100), (200, 5000), (512, 3000), (1024, 1), (1024, 1024)])
def test_moments_of_many_picked_labels(size: int, known: int):
    """1/C(n + m, m) of all n below 2Q, in logarithms: they go down to e^-1400."""
    t, log_w = quadrature.jacobi_rule(size, known)
    assert ((t > 0) & (t < 1)).all() and (np.diff(t) > 0).all()
    n = np.arange(2 * size)
    true = special.gammaln(known + 1) + special.gammaln(n + 1) - special.gammaln(n + known + 1)
    np.testing.assert_allclose(special.logsumexp(np.outer(n, np.log(t)) + log_w, axis=1), true, rtol=0, atol=5e-11)


@pytest.mark.parametrize("tol", TOLERANCES)
@pytest.mark.parametrize("known", [1, 2, 3])
@pytest.mark.parametrize(
    ("labels", "expected"), [(9, 2.0), (60, 4.0), (200, 0.1), (200, 10.0), (200, 100.0), (1000, 3.0), (1000, 500.0)]
)
def test_enough_nodes_are_taken(labels: int, expected: float, known: int, tol: float):
    """Whether labels are alike, or a few are sure and the others improbable."""
    generator = np.random.default_rng(labels + known)
    spread = generator.beta(0.2, 0.8, labels)
    for probs in (np.full(labels, expected / labels), np.clip(spread * expected / spread.sum(), 0, 1)):
        counts = poisson_binomial(probs)
        size = quadrature.nodes_needed(expected, 1, labels, known, tol)
        assert by_rule(counts, size, known) == pytest.approx(picked(counts, known), rel=tol, abs=0)


@pytest.mark.parametrize("tol", TOLERANCES)
@pytest.mark.parametrize(("trees", "block", "mean"), [(20, 4, 6.0), (40, 8, 12.0), (100, 3, 2.0)])
def test_enough_nodes_are_taken_for_labels_that_come_together(trees: int, block: int, mean: float, tol: float):
    """Trees whose labels are all present or all absent: the widest count of a given mean."""
    p = mean / trees / block
    counts = np.zeros(trees * block + 1)
    counts[::block] = poisson_binomial(np.full(trees, p))
    size = quadrature.nodes_needed(mean, block, trees * block, 1, tol)
    assert by_rule(counts, size, 1) == pytest.approx(picked(counts, 1), rel=tol, abs=0)


def test_the_stated_tolerance():
    assert quadrature.tolerance(torch.float64) == 1e-10
    assert quadrature.tolerance(torch.float32) == 1e-6


def test_the_number_of_nodes_follows_the_expected_count():
    sizes = [quadrature.nodes_needed(expected, 1, 1000, 1, 1e-6) for expected in (0.5, 5.0, 50.0, 500.0)]
    assert sizes == sorted(sizes)
    assert sizes[0] <= 8
    assert sizes[-1] <= 64
    assert quadrature.nodes_needed(5.0, 1, 1000, 1, 1e-10) > sizes[1]


@pytest.mark.parametrize("longest", range(12))
def test_no_more_nodes_than_are_exact(longest: int):
    size = quadrature.nodes_needed(float(longest), 1, longest, 1, 1e-10)
    assert size <= max(1, (longest + 2) // 2)
    assert by_rule(np.eye(longest + 1)[longest], size, 1) == pytest.approx(1 / (longest + 1), rel=1e-9)


def test_rows_that_know_different_numbers_have_rules_of_their_own():
    known = torch.tensor([[1, 3], [0, 1]])
    log_t, log_w = quadrature.subset_rule(known, 4.0, 1, 20, torch.float64)
    assert log_t.shape == log_w.shape == (2, 2, log_t.shape[-1])
    for row in np.ndindex(2, 2):
        m = int(known[row])
        for n in range(12):
            value = float(((n * log_t[row]).exp() * log_w[row].exp()).sum())
            assert value == pytest.approx(1 / math.comb(n + m, m), rel=1e-9)


def test_a_rule_serves_the_stated_mean_and_not_one_below_it():
    """Means are rounded, so that few rules are worked out: upwards."""
    shown = 0
    for expected in 2.0 ** np.arange(-2, 9, 0.05):
        needed = quadrature.nodes_needed(expected, 1, 2000, 1, 1e-6)
        log_t, _ = quadrature.subset_rule(1, float(expected), 1, 2000, torch.float32)
        assert len(log_t) >= needed
        shown += needed > quadrature.nodes_needed(2.0 ** (math.floor(4 * math.log2(expected)) / 4), 1, 2000, 1, 1e-6)
    assert shown  # of some the mean below would not do


def test_one_rule_serves_rows_that_know_alike():
    log_t, _ = quadrature.subset_rule(torch.full((5,), 2), 4.0, 1, 20, torch.float32)
    assert log_t.dim() == 1
    assert log_t.dtype == torch.float64
    assert quadrature.subset_rule(torch.zeros(0, dtype=torch.long), 4.0, 1, 20, torch.float32)[0].dim() == 1


# --- a pick in proportion to weights ----------------------------------------------------------------------------


@pytest.mark.parametrize("tol", TOLERANCES)
@pytest.mark.parametrize("largest", [1.0 + 1e-9, 3.0, 200.0, 1e6])
def test_reciprocals(largest: float, tol: float):
    """Between the points at which the rule was chosen, and at both ends."""
    u, w = quadrature.reciprocal_rule(1.0, largest, tol)
    sums = np.concatenate([[1.0, largest], np.exp(np.random.default_rng(0).uniform(0, math.log(largest), 3000))])
    assert np.abs(np.exp(-np.outer(sums, u)) @ w * sums - 1).max() <= 1.05 * tol


def test_fewer_nodes_for_less_precision():
    assert len(quadrature.reciprocal_rule(1.0, 50.0, 1e-6)[0]) < len(quadrature.reciprocal_rule(1.0, 50.0, 1e-10)[0])


# --- many labels, through the distribution ----------------------------------------------------------------------


def free_rows(labels: int, present: float, rows: int = 3) -> tuple[LabelSpace, Tensor]:
    """Logits around a mean of `present` labels a row."""
    generator = torch.Generator().manual_seed(labels)
    noise = torch.randn(rows, labels, generator=generator, dtype=torch.float64) * 1.5
    low, high = -30.0, 30.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if float((noise + middle).sigmoid().sum(1).mean()) > present else (middle, high)
    return LabelSpace.free(map(str, range(labels))), noise + low


@pytest.mark.parametrize(("dtype", "tol"), [(torch.float64, 1e-10), (torch.float32, 2e-5)])
@pytest.mark.parametrize("known", [1, 2, 3])
@pytest.mark.parametrize(("labels", "present"), [(200, 1.5), (200, 10.0), (1000, 10.0), (1000, 500.0)])
def test_log_marginal_of_many_free_labels(labels: int, present: float, known: int, dtype: torch.dtype, tol: float):
    space, logits = free_rows(labels, present)
    observed = torch.full((len(logits), labels), -1, dtype=torch.int8)
    observed[:, 5 : 5 + known] = 1
    observed[:, 50:55] = 0
    found = LabelVector(space, logits.to(dtype)).log_marginal(observed, ann.UniformPositive())
    for row, value in zip(logits.to(dtype).double(), found.double(), strict=True):
        p = row.sigmoid().numpy()
        expected = np.log(p[5 : 5 + known]).sum() + np.log1p(-p[50:55]).sum()
        others = np.concatenate([p[:5], p[5 + known : 50], p[55:]])
        expected += math.log(picked(poisson_binomial(others), known))
        assert float(value) == pytest.approx(expected, abs=2 * tol, rel=tol)


@pytest.mark.parametrize(("dtype", "tol"), [(torch.float64, 1e-10), (torch.float32, 3e-7)])
@pytest.mark.parametrize(
    ("labels", "known", "mean"),
    [(40, 20, 2.0), (2000, 1024, 10.0), (2000, 1100, 10.0), (3000, 500, 300.0), (3000, 800, 900.0), (6000, 3000, 100.0)],
)
def test_very_many_known_labels(labels: int, known: int, mean: float, dtype: torch.dtype, tol: float):
    """log sum_n binomial(n) / C(n + m, m), free labels of one probability."""
    others = labels - known
    logits = torch.full((1, labels), math.log(mean / (others - mean)), dtype=dtype)
    logits[:, :known] = 2.0
    observed = torch.full((1, labels), -1, dtype=torch.int8)
    observed[:, :known] = 1
    n = np.arange(others + 1)
    p = float(logits[0, -1].double().sigmoid())
    picks = special.gammaln(known + 1) + special.gammaln(n + 1) - special.gammaln(n + known + 1)
    expected = special.logsumexp(stats.binom.logpmf(n, others, p) + picks) - known * math.log1p(math.exp(-2))
    q = LabelVector(LabelSpace.free(map(str, range(labels))), logits)
    found = q.log_marginal(observed, ann.UniformPositive())
    assert float(found) == pytest.approx(expected, rel=tol, abs=tol)
    posterior = q.condition(observed, ann.UniformPositive())
    weights = np.exp(stats.binom.logpmf(n, others, p) + picks - special.logsumexp(stats.binom.logpmf(n, others, p) + picks))
    assert float(posterior.marginals[0, known:].sum()) == pytest.approx(float(weights @ n), rel=1e-4)


@pytest.mark.parametrize(("labels", "present"), [(200, 10.0), (1000, 500.0)])
def test_posterior_marginals_of_many_free_labels(labels: int, present: float):
    """p(y_j | o = i) by leaving j out: p_j E[1/(n_j + 2)] / E[1/(n + 1)], n_j without j."""
    space, logits = free_rows(labels, present, 1)
    observed = torch.full((1, labels), -1, dtype=torch.int8)
    observed[:, 0] = 1
    found = LabelVector(space, logits).condition(observed, ann.UniformPositive()).marginals[0]
    p = logits[0].sigmoid().numpy()
    total = picked(poisson_binomial(p[1:]), 1)
    assert float(found[0]) == pytest.approx(1, abs=1e-12)
    for j in (1, 7, labels - 1, int(p[1:].argmax()) + 1, int(p[1:].argmin()) + 1):
        without = poisson_binomial(np.delete(p, [0, j]))
        expected = p[j] * math.fsum(q / (n + 2) for n, q in enumerate(without)) / total
        assert float(found[j]) == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize("root", [-14.0, -3.0])
def test_a_known_label_makes_its_tree_likely(root: float):
    """Of an improbable tree with twenty probable labels one is known: the others are expected then, and counted."""
    groups = [Free("root"), *(Free(f"leaf-{k}", requires="root") for k in range(20)), OneOf("colour", ["red", "green"])]
    space = LabelSpace(groups)
    logits = torch.full((space.num_logits,), 4.0, dtype=torch.float64)
    logits[0] = root
    observed = torch.full((space.num_labels,), -1, dtype=torch.int8)
    observed[space.index("leaf-3")] = 1
    found = LabelVector(space, logits).log_marginal(observed, ann.UniformPositive())
    p = 1 / (1 + math.exp(-4))
    counts = np.convolve([0, 0, 1], poisson_binomial(np.full(19, p)))  # the root and a colour are present beside them
    expected = math.log(p) - math.log1p(math.exp(-root)) + math.log(picked(counts, 1))
    assert float(found) == pytest.approx(expected, rel=0, abs=1e-10)


def forest_rows(copies: int, scale: float) -> tuple[LabelSpace, Tensor]:
    groups: list[Free | OneOf] = []
    for k in range(copies):
        groups += [
            OneOf(f"vehicle-{k}", [f"car-{k}", f"bike-{k}"], optional=True),
            OneOf(f"doors-{k}", [f"two-{k}", f"four-{k}"], requires=f"car-{k}"),
            Free(f"spoiler-{k}", requires=f"car-{k}"),
            Free(f"rack-{k}", requires=f"four-{k}"),
            OneOf(f"colour-{k}", [f"red-{k}", f"green-{k}"]),
            Free(f"dirty-{k}"),
        ]
    space = LabelSpace(groups)
    return space, torch.randn(2, space.num_logits, generator=torch.manual_seed(0), dtype=torch.float64) * scale


@pytest.mark.parametrize("known", [1, 2])
@pytest.mark.parametrize("scale", [0.5, 3.0])
def test_log_marginal_of_many_trees(scale: float, known: int):
    """Twenty copies of a small forest: its count by brute force, that of all by convolution."""
    copies = 20
    space, logits = forest_rows(copies, scale)
    small, _ = forest_rows(1, scale)
    width, size = small.num_logits, small.num_labels
    observed = torch.full((2, space.num_labels), -1, dtype=torch.int8)
    places = [space.index("rack-3"), space.index("dirty-11")][:known]
    observed[:, places] = 1
    observed[:, space.index("bike-7")] = observed[:, space.index("red-7")] = 0
    found = LabelVector(space, logits).log_marginal(observed, ann.UniformPositive())
    for row, pins, value in zip(logits, observed, found, strict=True):
        counts, log_mass = np.ones(1), 0.0
        for k in range(copies):
            table = oracle.table(small, row[k * width : (k + 1) * width])
            own = pins[k * size : (k + 1) * size]
            log_z, posterior = table.given(torch.where(((own == -1) | (table.y == own)).all(1), 0.0, -math.inf))
            log_mass += float(log_z)
            further = posterior.count_probs.numpy()[int((own == 1).sum()) :]
            counts = np.convolve(counts, further)
        assert float(value) == pytest.approx(log_mass + math.log(picked(counts, known)), rel=1e-10, abs=1e-10)


# --- one rule for any number of picked labels -------------------------------------------------------------------


@pytest.mark.parametrize("longest", [1, 2, 3, 7, 16, 40, 61])
def test_the_rule_for_any_number_is_right_for_all_of_them(longest: int):
    rule = quadrature.any_subset_rule(longest)
    known = torch.arange(longest + 1)
    log_w = rule.log_weights(known)  # (m, Q)
    for m in range(longest + 1):
        for n in range(longest - m + 1):
            found = torch.logsumexp(n * rule.log_t + log_w[m], -1).exp()
            assert float(found) == pytest.approx(1 / math.comb(n + m, m), rel=2e-6)


@pytest.mark.parametrize("longest", [200, 1000, 5000])
def test_the_rule_for_any_number_of_many_labels(longest: int):
    rule = quadrature.any_subset_rule(longest)
    assert len(rule.log_t) <= min(longest // 2, 20 * math.isqrt(longest))
    rng = np.random.default_rng(0)
    for m in [0, 1, 2, longest // 2, longest, *rng.integers(1, longest, 20).tolist()]:
        log_w = rule.log_weights(torch.tensor(m))
        for n in {0, longest - m, *rng.integers(0, longest - m + 1, 10).tolist()}:
            found = float(torch.logsumexp(n * rule.log_t + log_w, -1))
            wanted = math.lgamma(m + 1) + math.lgamma(n + 1) - math.lgamma(n + m + 1)
            assert found == pytest.approx(wanted, abs=3e-6)
