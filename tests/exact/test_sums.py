"""The upward pass: log Z, its gradient and the posterior's logits, for any mixture of products, against all 2^K vectors."""

from __future__ import annotations

import math

import numpy as np
import oracle
import pytest
import torch
from scipy import stats
from torch import Tensor

from latentlabels import exact
from latentlabels.annotation import Annotation, Scar, UniformPositive
from latentlabels.distributions import LabelVector
from latentlabels.exact import forest as forest_module
from latentlabels.exact import kernels
from latentlabels.exact.evidence import Evidence, mix
from latentlabels.exact.sums import log_tilted_product
from latentlabels.space import Free, LabelSpace, OneOf

SEEDS = range(20)
INF = math.inf


def random_evidence(space: LabelSpace, seed: int, products: int, width: int, rows: int) -> Evidence:
    """`width` tilts (1 or K) for each of the products, and pins for each of `rows` (1 or Q); not all can be met."""
    generator = torch.Generator().manual_seed(seed)
    pins = torch.randint(-1, 2, (rows, space.num_labels), generator=generator)
    pins[torch.rand(pins.shape, generator=generator) < 0.6] = -1
    tilt = -2 * torch.rand(products, width, generator=generator, dtype=torch.float64)
    return Evidence(torch.randn(products, generator=generator, dtype=torch.float64), tilt, pins.to(torch.int8))


def brute_force(space: LabelSpace, logits: Tensor, evidence: Evidence) -> list[list[tuple[Tensor, oracle.Table]]]:
    """log Z and the posterior of each component under each product; weights are left out, as in the package."""
    y = oracle.vectors(space.num_labels)
    out = []
    for component in logits:
        prior, row = oracle.table(space, component), []
        for q in range(len(evidence.log_weight)):
            pins = evidence.pins[q if len(evidence.pins) > 1 else 0]
            tilt = evidence.tilt[q].expand(space.num_labels)
            fits = ((pins == -1) | (y == pins)).all(1)
            row.append(prior.given(torch.where(fits, (y * tilt * (pins == -1)).sum(1), -INF)))
        out.append(row)
    return out


CASES = [(3, "one", 1), (3, "all", 1), (1, "one", 1), (3, "one", 3), (2, "all", 2)]  # products, tilts, pins


@pytest.mark.parametrize("impossible", [0.0, 0.3])
@pytest.mark.parametrize(("products", "width", "rows"), CASES)
@pytest.mark.parametrize("seed", SEEDS)
def test_log_z_and_posterior(seed: int, products: int, width: str, rows: int, impossible: float):
    space = oracle.random_space(seed)
    logits = oracle.random_logits(space, seed, 2, impossible=impossible)
    evidence = random_evidence(space, seed + 1, products, 1 if width == "one" else space.num_labels, rows)
    forest = exact.compile_forest(space)
    fast = exact.log_normalizers(forest, logits, evidence)
    log_z, posterior = exact.posterior_logits(forest, logits, evidence)
    assert fast.shape == log_z.shape == (2, products)
    for c, row in enumerate(brute_force(space, logits, evidence)):
        for q, (true, expected) in enumerate(row):
            torch.testing.assert_close(log_z[c, q], true, rtol=1e-10, atol=1e-10)
            torch.testing.assert_close(fast[c, q], true, rtol=1e-10, atol=1e-10)
            found = oracle.table(space, posterior[c, q])
            if torch.isneginf(true):  # of no weight, but it must not be NaN
                assert float(found.p.sum()) == pytest.approx(1)
            else:
                torch.testing.assert_close(found.p, expected.p, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("width", ["one", "all"])
@pytest.mark.parametrize("seed", SEEDS)
def test_gradient(seed: int, width: str):
    space = oracle.random_space(seed)
    logits = oracle.random_logits(space, seed, 2).requires_grad_()
    y = oracle.vectors(space.num_labels)
    evidence = random_evidence(space, seed, 3, 1 if width == "one" else space.num_labels, 1)
    possible = oracle.table(space, logits[0].detach()).y[~torch.isneginf(oracle.log_prior(space, logits[0].detach()))]
    pins = torch.where(evidence.pins == -1, evidence.pins, possible[seed % len(possible)].to(torch.int8))
    evidence = evidence._replace(pins=pins)
    weights = torch.linspace(1, 2, 6, dtype=torch.float64).reshape(2, 3)
    log_z = exact.log_normalizers(exact.compile_forest(space), logits, evidence)
    (found,) = torch.autograd.grad((weights * log_z).sum(), logits)
    fits = ((pins == -1) | (y == pins)).all(1)
    true = logits.new_zeros(())
    for c in range(2):
        for q in range(3):
            joint = oracle.log_prior(space, logits[c]) + (y * evidence.tilt[q] * (pins[0] == -1)).sum(1)
            true = true + weights[c, q] * torch.logsumexp(joint.masked_fill(~fits, -INF), 0)
    (expected,) = torch.autograd.grad(true, logits)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("seed", range(1, 40))
def test_bundles_of_leaves_are_summed_as_one_by_one(seed: int, monkeypatch: pytest.MonkeyPatch):
    """All leaves in bundles, which the kernels of independent groups serve: value and gradient, and what is impossible."""
    space = oracle.random_space(seed)
    one_by_one = exact.compile_forest(space)
    monkeypatch.setattr(forest_module, "_BUNDLE", 1)
    bundled = forest_module._compile.__wrapped__(space, torch.device("cpu"))
    logits = oracle.random_logits(space, seed, 2).requires_grad_()
    for known in range(4):
        evidence = random_evidence(space, seed + 100 * known, 3, 1, 1)
        expected, found = (exact.log_normalizers(forest, logits, evidence) for forest in (one_by_one, bundled))
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-10)
        slopes = [torch.autograd.grad(value.clamp(min=-1e300).sum(), logits)[0] for value in (expected, found)]
        torch.testing.assert_close(*slopes, rtol=1e-8, atol=1e-9)


def test_the_random_forests_have_bundles(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(forest_module, "_BUNDLE", 1)
    forests = [forest_module._compile.__wrapped__(oracle.random_space(seed), torch.device("cpu")) for seed in range(1, 40)]
    bundles = [block for forest in forests for block in forest.blocks if block.bundle and not block.flat]
    assert sum(block.free for block in bundles) >= 10 and sum(not block.free for block in bundles) >= 10


@pytest.mark.parametrize("width", ["one", "all"])
@pytest.mark.parametrize("seed", SEEDS)
def test_the_gradient_by_the_tilts_is_the_marginals(seed: int, width: str):
    """Of labels that are not pinned, and where the pass through the forest is taken, which carries that gradient."""
    space = oracle.random_space(seed)
    logits = oracle.random_logits(space, seed, 1)
    unknown = torch.full((1, space.num_labels), -1, dtype=torch.int8)
    tilt = torch.zeros(1, space.num_labels if width == "all" else 1, dtype=torch.float64, requires_grad=True)
    evidence = Evidence(torch.zeros(1, dtype=torch.float64), tilt, unknown)
    log_z, _ = exact.posterior_logits(exact.compile_forest(space), logits, evidence)
    (found,) = torch.autograd.grad(log_z.sum(), tilt)
    expected = oracle.table(space, logits[0]).marginals
    torch.testing.assert_close(found[0], expected if width == "all" else expected.sum(0, keepdim=True))


@pytest.mark.parametrize("width", ["one", "all"])
@pytest.mark.parametrize("seed", SEEDS)
def test_impossible_evidence_has_a_zero_gradient(seed: int, width: str):
    """A NaN in one row's backward pass would spoil the whole batch's."""
    space = LabelSpace([*oracle.random_space(seed).groups, OneOf("colour", ["red", "blue"], True)])
    logits = oracle.random_logits(space, seed, 2, 1).requires_grad_()
    pins = torch.full((2, 1, space.num_labels), -1, dtype=torch.int8)
    pins[0, 0, space.index("red")] = pins[0, 0, space.index("blue")] = 1
    tilt = torch.full((2, space.num_labels if width == "all" else 1), -0.5, dtype=torch.float64)
    log_z = exact.log_normalizers(
        exact.compile_forest(space), logits, Evidence(torch.zeros(2, dtype=torch.float64), tilt, pins)
    )
    assert torch.isneginf(log_z[0]).all()
    assert torch.isfinite(log_z[1]).all()
    (gradient,) = torch.autograd.grad(log_z.clamp(min=-1e300).sum(), logits)
    assert (gradient[0] == 0).all()
    assert torch.isfinite(gradient).all()
    one_size = len({sum(y) for y in space.label_sets()}) == 1  # one tilt for all labels is then a constant
    assert one_size or gradient[1].abs().max() > 1e-4


@pytest.mark.parametrize("seed", SEEDS)
def test_batches_broadcast_against_each_other(seed: int):
    """One forest and many observations, many forests and one observation, and both, row by row the same."""
    space = oracle.random_space(seed)
    forest = exact.compile_forest(space)
    logits = oracle.random_logits(space, seed, 4, 2)
    unknown = torch.full((4, 1, space.num_labels), -1, dtype=torch.int8)
    unknown[1, 0, 0] = 0
    unknown[2, 0, -1] = 1
    weight, tilt = torch.zeros(3, dtype=torch.float64), -torch.rand(4, 3, 1, generator=torch.manual_seed(seed)).double()
    for mine, pins, own in [(logits, unknown, tilt), (logits[:1], unknown, tilt), (logits, unknown[:1], tilt[:1])]:
        both = exact.log_normalizers(forest, mine, Evidence(weight, own, pins))
        each = [
            exact.log_normalizers(forest, a, Evidence(weight, b, c))
            for a, b, c in zip(mine.expand(4, -1, -1), own.expand(4, -1, -1), pins.expand(4, -1, -1), strict=True)
        ]
        torch.testing.assert_close(both, torch.stack(each))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_extreme_logits_do_not_underflow(dtype: torch.dtype):
    space = LabelSpace(
        [OneOf("a", ["a0", "a1"]), OneOf("b", ["b0", "b1"], True, requires="a1"), Free("c", requires="b1"), Free("d")]
    )
    logits = torch.tensor([[40.0, -40, -40, 30, 10, -40, 40]], dtype=dtype)
    evidence = exact.pinned(torch.tensor([-1, -1, -1, -1, 1, -1], dtype=torch.int8), dtype)
    ((true, _),) = brute_force(space, logits.double(), evidence._replace(tilt=evidence.tilt.double(), pins=evidence.pins))[0]
    found = exact.log_normalizers(exact.compile_forest(space), logits, evidence)
    assert float(true) == pytest.approx(-120.0, abs=1e-6)
    assert float(found) == pytest.approx(float(true), rel=1e-6)


@pytest.mark.parametrize("scale", [1.0, 15.0, 60.0, 300.0])
@pytest.mark.parametrize("optional", [False, True])
def test_independent_groups_of_extreme_logits(optional: bool, scale: float):
    """Known labels of probability e^-300 in some rows and groups, impossible ones in others: value and gradient."""
    space = LabelSpace(
        [OneOf("a", ["a0", "a1", "a2", "a3"], True), OneOf("b", ["b0", "b1"], optional), OneOf("c", ["c0", "c1", "c2"])]
    )
    logits = oracle.random_logits(space, 0, 6, 1, scale=scale, impossible=0.2).requires_grad_()
    pins = torch.stack(
        [oracle.random_observed(oracle.table(space, row[0].detach()), r, r % 3, 0.3) for r, row in enumerate(logits)]
    )
    tilt = torch.tensor([[0.0], [-1.0], [-30.0]], dtype=torch.float64)
    evidence = Evidence(torch.zeros(3, dtype=torch.float64), tilt, pins.unsqueeze(1))
    found = exact.log_normalizers(exact.compile_forest(space), logits, evidence)
    expected = []
    for row, own in zip(logits, pins, strict=True):
        y, log_p = oracle.vectors(space.num_labels), oracle.log_prior(space, row[0])
        joint = log_p + (tilt * (own == -1) @ y.T).masked_fill(~((own == -1) | (y == own)).all(1), -INF)
        expected.append(torch.logsumexp(joint, 1))
    torch.testing.assert_close(found[:, 0], torch.stack(expected), rtol=1e-10, atol=1e-10)
    slopes = [torch.autograd.grad(value.sum(), logits)[0] for value in (found, torch.stack(expected))]
    torch.testing.assert_close(*slopes, rtol=1e-8, atol=1e-9)


# --- products of tilted Bernoullis ------------------------------------------------------------------------------


def plain_product(odds: Tensor, log_t: Tensor) -> Tensor:
    r, t = torch.sigmoid(odds).unsqueeze(-2), log_t.exp().unsqueeze(-1)
    return torch.log(torch.sigmoid(-odds).unsqueeze(-2) + r * t).sum(-1)


@pytest.mark.parametrize("lowest", [-0.1, -5.0, -200.0])
@pytest.mark.parametrize("width", [1, 3, 4, 17, 64])
def test_tilted_product(width: int, lowest: float):
    """Every width (of which four are taken at once, if the tilts do not underflow), and infinite log-odds."""
    generator = torch.Generator().manual_seed(width)
    odds = torch.randn(5, width, generator=generator, dtype=torch.float64) * 3
    odds[0, 0], odds[1, -1] = INF, -INF
    log_t = torch.linspace(lowest, 0, 7, dtype=torch.float64)
    torch.testing.assert_close(log_tilted_product(odds, log_t), plain_product(odds, log_t), rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize(
    "shapes", [((6,), (4,)), ((3, 6), (4,)), ((3, 6), (3, 4)), ((2, 1, 6), (2, 3, 4)), ((6,), (2, 4)), ((5, 6), (1, 4))]
)
def test_tilted_product_broadcasts(shapes: tuple[tuple[int, ...], tuple[int, ...]]):
    generator = torch.Generator().manual_seed(0)
    odds = torch.randn(shapes[0], generator=generator, dtype=torch.float64, requires_grad=True)
    log_t = -torch.rand(shapes[1], generator=generator, dtype=torch.float64)
    found, expected = log_tilted_product(odds, log_t), plain_product(odds, log_t)
    torch.testing.assert_close(found, expected, rtol=1e-11, atol=1e-12)
    weights = torch.rand(found.shape, generator=generator, dtype=torch.float64)
    slopes = [torch.autograd.grad((weights * value).sum(), odds)[0] for value in (found, expected)]
    torch.testing.assert_close(*slopes, rtol=1e-9, atol=1e-12)


def test_tilted_product_in_blocks(monkeypatch: pytest.MonkeyPatch):
    """Labels are taken in blocks that stay in cache: a small block gives the same sums and gradients."""
    monkeypatch.setattr(kernels.LogTiltedProduct, "bytes", 64)
    odds = torch.randn(3, 50, generator=torch.Generator().manual_seed(0), dtype=torch.float64, requires_grad=True)
    log_t = torch.linspace(-3, 0, 5, dtype=torch.float64)
    found, expected = log_tilted_product(odds, log_t), plain_product(odds, log_t)
    torch.testing.assert_close(found, expected, rtol=1e-11, atol=1e-12)
    slopes = [torch.autograd.grad(value.square().sum(), odds)[0] for value in (found, expected)]
    torch.testing.assert_close(*slopes, rtol=1e-9, atol=1e-12)


def test_tilted_product_in_float32_of_a_thousand_sure_labels():
    """A thousand tilts of 1e-6, and of 1e-12 of which four together underflow; t = 0 leaves p(all absent)."""
    odds, log_t = torch.full((1, 1000), 40.0, requires_grad=True), torch.tensor([-60.0, math.log(1e-12), math.log(1e-6), -INF])
    found = log_tilted_product(odds, log_t)
    expected = plain_product(odds.detach().double(), log_t.double())
    torch.testing.assert_close(found.detach().double(), expected, rtol=1e-5, atol=0)
    (slope,) = torch.autograd.grad(found.sum(), odds)
    torch.testing.assert_close(slope, torch.full_like(slope, -2.0), rtol=1e-5, atol=1e-6)  # those near sure have none


# --- evidence ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
def test_a_mixture_of_evidence_is_the_sum_of_its_parts(seed: int):
    space = oracle.random_space(seed)
    forest, logits = exact.compile_forest(space), oracle.random_logits(space, seed, 2)
    first = random_evidence(space, seed, 3, 1, 1)
    second = random_evidence(space, seed + 1, 2, space.num_labels, 2)
    mixture = mix(first, second, -0.3, torch.tensor([-1.1], dtype=torch.float64))
    assert [part.plus for part in mixture.parts] == [None, None]
    both = mixture.joined()
    weighted = exact.log_normalizers(forest, logits, both) + both.log_weight
    parts = [
        exact.log_normalizers(forest, logits, part) + part.log_weight + share for part, share in ((first, -0.3), (second, -1.1))
    ]
    torch.testing.assert_close(weighted, torch.cat(parts, -1))


@pytest.mark.parametrize("seed", range(20))
def test_a_sum_of_labels_is_a_mixture_of_them(seed: int):
    """A factor sum_k v_k y_k by the marginals, and as one product for each label."""
    space = oracle.random_space(seed)
    forest, logits = exact.compile_forest(space), oracle.random_logits(space, seed, 2).requires_grad_()
    pins = torch.full((space.num_labels,), -1, dtype=torch.int8)
    pins[seed % space.num_labels] = 0 if seed % 3 else -1
    log_v = torch.randn(space.num_labels, generator=torch.manual_seed(seed), dtype=torch.float64)
    evidence = exact.pinned(pins, torch.float64)._replace(log_found=log_v)
    short = exact.log_sum_exp(exact.log_normalizers(forest, logits, evidence) + evidence.log_weight)
    every = evidence.joined()
    long = exact.log_sum_exp(exact.log_normalizers(forest, logits, every) + every.log_weight)
    torch.testing.assert_close(short, long)
    if torch.isfinite(long).all():
        slopes = [torch.autograd.grad(value.sum(), logits, retain_graph=True)[0] for value in (short, long)]
        torch.testing.assert_close(*slopes)


def test_pins_are_one_product_without_a_tilt():
    evidence = exact.pinned(torch.tensor([[1, -1, 0]], dtype=torch.int8), torch.float64)
    assert evidence.uniform
    assert evidence.log_weight.tolist() == [0.0]
    assert evidence.tilt.tolist() == [[0.0]]
    assert evidence.pins.shape == (1, 1, 3)


# --- the compiled forest ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
def test_largest_counts(seed: int):
    space = oracle.random_space(seed)
    forest = exact.compile_forest(space)
    sets = torch.tensor(list(space.label_sets()))
    # parts: the tree of a group that applies to the empty set and has none such below it, and what hangs below labels of others
    spine = {parent.group for name in space.open_groups if (parent := space.parent(space.named(name))) is not None}
    parts: dict[str, list[int]] = {}
    for group in space.groups:
        top = group
        while top.name not in space.open_groups:
            above = space.parent(top)
            assert above is not None
            top = space.named(above.group)
        parts.setdefault(top.name, []).extend(space.columns(group))
    assert forest.max_count == int(sets.sum(1).max())
    assert forest.max_part_count == max(int(sets[:, columns].sum(1).max()) for columns in parts.values())
    of_spine = [column for name in spine for column in parts[name]]
    assert forest.max_spine_count == int(sets[:, of_spine].sum(1).max()) if of_spine else forest.max_spine_count == 0


@pytest.mark.parametrize("seed", SEEDS)
def test_unbound_columns_are_the_labels_that_say_nothing_of_others(seed: int):
    space = oracle.random_space(seed)
    above = {parent.group for group in space.groups if (parent := space.parent(group)) is not None}
    expected = [
        not (isinstance(group, Free) and space.parent(group) is None and group.name not in above)
        for group in space.groups
        for label in group.labels
    ]
    forest = exact.compile_forest(space)
    assert forest.bound_columns.tolist() == expected
    assert forest.any_bound == any(expected)


def test_a_forest_is_compiled_once():
    assert exact.compile_forest(oracle.random_space(3)) is exact.compile_forest(oracle.random_space(3), "cpu")


@pytest.mark.parametrize(("labels", "tol"), [(200, 3e-5), (511, 5e-5), (512, 6e-7), (5000, 6e-7)])
@pytest.mark.parametrize("mean", [0.5, 3.0, 40.0])
def test_float32_of_equal_labels(labels: int, tol: float, mean: float):
    """The stated precision where rounding errors all have one sign, by the binomial distribution."""
    logits = torch.full((1, labels), math.log(mean / (labels - mean)))
    observed = torch.full((1, labels), -1, dtype=torch.int8)
    observed[:, 0] = 1
    p, n = float(logits[0, 0].double().sigmoid()), np.arange(labels)
    expected = math.log(p) + math.log(float(stats.binom.pmf(n, labels - 1, p) @ (1 / (n + 1))))
    q = LabelVector(LabelSpace.free(map(str, range(labels))), logits)
    assert float(q.log_marginal(observed, UniformPositive())) == pytest.approx(expected, abs=tol)


RATES = [0.1 + 0.8 * k / 3000 for k in range(3000)]


@pytest.mark.parametrize(
    "how", [UniformPositive(), UniformPositive(noise=0.1), Scar(RATES)], ids=["uniform", "mistakes", "scar"]
)
def test_float32_of_thousands_of_labels(how: Annotation):
    space, observed = LabelSpace.free(map(str, range(3000))), torch.full((4, 3000), -1, dtype=torch.int8)
    observed[:, 7] = 1
    logits = torch.randn(4, 3000, generator=torch.manual_seed(0)) - 3
    found = []
    for dtype in (torch.float32, torch.float64):
        x = logits.to(dtype).requires_grad_()
        q = LabelVector(space, x)
        value = q.log_marginal(observed, how)
        (slope,) = torch.autograd.grad(value.sum(), x)
        found.append([part.double() for part in (value, slope, q.condition(observed, how).marginals)])
    for single, double, tol in zip(*found, (4e-6, 1e-6, 1e-6), strict=True):
        torch.testing.assert_close(single, double, rtol=1e-7, atol=tol)
