"""Annotations: p(o | y), the exact log p(o | x) with its gradient, and every answer of the posterior, by brute force.

A case is one random forest with eight rows of observations: nothing known, one to three known positives, known
absences, everything known. Each row's oracle sums over all 2^K vectors.
"""

from __future__ import annotations

import itertools
import math
from functools import cache
from typing import NamedTuple

import oracle
import pytest
import torch
from scipy import stats
from torch import Tensor

from latentlabels import annotation as ann
from latentlabels.distributions import LabelVector
from latentlabels.errors import ConfigError, ObservationError
from latentlabels.exact import quadrature
from latentlabels.space import Free, LabelSpace, OneOf

KINDS, NOISES, MIXTURES = oracle.KINDS, [0.0, 0.15], [None, 3]


class Case(NamedTuple):
    how: ann.Annotation
    prior: LabelVector
    tables: list[oracle.Table]  # of the prior, one a row
    observed: Tensor  # (8, K)
    truth: list[tuple[Tensor, oracle.Table]]  # log Z and posterior, one a row

    @property
    def log_marginal(self) -> Tensor:
        return torch.stack([log_z for log_z, _ in self.truth])

    def stack(self, what: str) -> Tensor:
        return torch.stack([getattr(posterior, what) for _, posterior in self.truth])


@cache
def case(seed: int, kind: str, noise: float, mixture: int | None, impossible: float = 0.0, most: int = 8) -> Case:
    space = oracle.random_space(seed, most)
    how = oracle.annotations(space.num_labels, noise)[kind]
    rows = len(oracle.OBSERVATIONS)
    logits = oracle.random_logits(space, seed, *([rows, mixture] if mixture else [rows]), impossible=impossible)
    weights = torch.randn(rows, mixture, generator=torch.manual_seed(seed), dtype=torch.float64) if mixture else None
    tables = [oracle.table(space, logits[r], None if weights is None else weights[r]) for r in range(rows)]
    most_known = 1 if kind in oracle.ONE_POSITIVE else 99
    observed = torch.stack(
        [
            oracle.random_observed(table, seed + r, min(known, most_known), absent)
            for r, (table, (known, absent)) in enumerate(zip(tables, oracle.OBSERVATIONS, strict=True))
        ]
    )
    truth = [oracle.condition(table, o, how) for table, o in zip(tables, observed, strict=True)]
    return Case(how, LabelVector(space, logits, weights), tables, observed, truth)


def close(found: Tensor, expected: Tensor, how: ann.Annotation) -> None:
    tol = 2e-9 if how.kind == "weighted-positive" else 1e-10  # its quadrature is within 1e-10, relative
    torch.testing.assert_close(found, expected, rtol=tol, atol=tol)


every = [
    pytest.mark.parametrize("mixture", MIXTURES),
    pytest.mark.parametrize("noise", NOISES),
    pytest.mark.parametrize("kind", KINDS),
]


def everything(function):
    for mark in every:
        function = mark(function)
    return function


# --- the sums ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(8))
def test_log_prob_of_every_vector(seed: int, kind: str, noise: float):
    how, _, tables, observed, _ = case(seed, kind, noise, None, most=6)
    y = tables[0].y
    expected = torch.stack([oracle.log_annotation(how, o, y) for o in observed], 1)
    torch.testing.assert_close(how.log_prob(observed, y.unsqueeze(1)), expected, rtol=1e-11, atol=1e-12)


@everything
@pytest.mark.parametrize("seed", range(10, 16))
def test_log_marginal(seed: int, kind: str, noise: float, mixture: int | None):
    this = case(seed, kind, noise, mixture)
    assert torch.isfinite(this.log_marginal).all()
    close(this.prior.log_marginal(this.observed, this.how), this.log_marginal, this.how)


@everything
@pytest.mark.parametrize("seed", range(1, 8))
def test_gradient(seed: int, kind: str, noise: float, mixture: int | None):
    """Against autograd through the brute-force sum, for one row each of one, two and three known positives and absences."""
    this = case(seed, kind, noise, mixture)
    space, rows = this.prior.space, [1, 2, 3, 5, 6]
    logits = (this.prior.logits if mixture else this.prior.logits[:, 0])[rows].clone().requires_grad_()
    weights = this.prior.mixture_logits[rows].clone().requires_grad_() if mixture else None
    observed, parameters = this.observed[rows], [logits, *([weights] if mixture else [])]
    found = LabelVector(space, logits, weights).log_marginal(observed, this.how)
    tables = [oracle.table(space, logits[r], None if weights is None else weights[r]) for r in range(len(rows))]
    true = torch.stack([oracle.condition(t, o, this.how)[0] for t, o in zip(tables, observed, strict=True)])
    share = torch.linspace(1, 2, len(rows), dtype=torch.float64)
    slopes = [torch.autograd.grad(value @ share, parameters) for value in (found, true)]
    for mine, theirs in zip(*slopes, strict=True):
        close(mine, theirs, this.how)


@everything
@pytest.mark.parametrize("seed", range(8))
def test_posterior(seed: int, kind: str, noise: float, mixture: int | None):
    this = case(seed, kind, noise, mixture)
    space, how = this.prior.space, this.how
    posterior = this.prior.condition(this.observed, how)
    assert posterior.given is not None
    close(posterior.given.log_marginal, this.log_marginal, how)
    close(posterior.marginals, this.stack("marginals"), how)
    close(posterior.entropy(), this.stack("entropy"), how)
    close(oracle.padded(posterior.count_probs(), space.num_labels), this.stack("count_probs"), how)
    y = this.tables[0].y
    close(posterior.log_prob(y.unsqueeze(1)).exp(), this.stack("p").T, how)


@everything
@pytest.mark.parametrize("seed", [2, 8, 9])
def test_mode(seed: int, kind: str, noise: float, mixture: int | None):
    this = case(seed, kind, noise, mixture)
    found = this.prior.condition(this.observed, this.how).mode()
    for y, (_, posterior) in zip(found, this.truth, strict=True):
        assert float(posterior.log_prob(y)) == pytest.approx(float(posterior.log_p.max()), abs=1e-8)


@everything
@pytest.mark.parametrize("seed", [5, 8, 19])
def test_kl_from_the_prior(seed: int, kind: str, noise: float, mixture: int | None):
    this = case(seed, kind, noise, mixture)
    found = this.prior.condition(this.observed, this.how).kl(this.prior)
    expected = [posterior.kl(prior) for (_, posterior), prior in zip(this.truth, this.tables, strict=True)]
    close(found, torch.stack(expected), this.how)


@everything
@pytest.mark.parametrize("row", [1, 3, 5])
def test_sample_frequencies(row: int, kind: str, noise: float, mixture: int | None):
    this = case(8, kind, noise, mixture)
    posterior = this.prior.condition(this.observed, this.how)
    torch.manual_seed(row)
    draws = posterior.sample((3000,))[:, row]
    assert oracle.frequencies_p_value(draws, this.truth[row][1]) > oracle.ALPHA


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(10))
def test_outcomes_of_probability_zero(seed: int, kind: str, noise: float):
    this = case(seed, kind, noise, None, impossible=0.35)
    posterior = this.prior.condition(this.observed, this.how)
    close(posterior.given.log_marginal, this.log_marginal, this.how)
    close(posterior.marginals, this.stack("marginals"), this.how)
    close(posterior.entropy(), this.stack("entropy"), this.how)
    logits = this.prior.logits[:, 0].clone().requires_grad_()
    value = LabelVector(this.prior.space, logits).log_marginal(this.observed, this.how)
    (slope,) = torch.autograd.grad(value.sum(), logits)
    assert torch.isfinite(slope).all()


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(10))
def test_float32(seed: int, kind: str, noise: float):
    this = case(seed, kind, noise, None)
    prior = LabelVector(this.prior.space, this.prior.logits[:, 0].float())
    posterior = prior.condition(this.observed, this.how)
    assert posterior.marginals.dtype == posterior.entropy().dtype == torch.float32
    torch.testing.assert_close(posterior.given.log_marginal.double(), this.log_marginal, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(posterior.marginals.double(), this.stack("marginals"), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(posterior.entropy().double(), this.stack("entropy"), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_is_its_rows(kind: str, noise: float):
    """Rows that know different numbers of positives take rules of their own, and none changes another."""
    this = case(8, kind, noise, 3)
    together = this.prior.condition(this.observed, this.how)
    for r in range(len(this.observed)):
        alone = LabelVector(this.prior.space, this.prior.logits[r], this.prior.mixture_logits[r])
        alone = alone.condition(this.observed[r], this.how)
        assert alone.batch_shape == ()
        close(together.given.log_marginal[r], alone.given.log_marginal, this.how)
        close(together.marginals[r], alone.marginals, this.how)


@pytest.mark.parametrize("kind", KINDS)
def test_one_prior_and_many_observations(kind: str):
    this = case(8, kind, 0.15, None)
    truth = [oracle.condition(this.tables[3], o, this.how) for o in this.observed]
    fits = [row for row, (log_z, _) in enumerate(truth) if torch.isfinite(log_z)]
    assert len(fits) > 4
    posterior = LabelVector(this.prior.space, this.prior.logits[3, 0]).condition(this.observed[fits], this.how)
    close(posterior.marginals, torch.stack([truth[row][1].marginals for row in fits]), this.how)


GROUPS = [OneOf("a", ["a0", "a1", "a2"], True), OneOf("b", ["b0", "b1"]), OneOf("c", ["c0"], True)]
ONE_EACH = {
    "groups alone": LabelSpace(GROUPS),
    "beside free labels": LabelSpace([Free("d"), *GROUPS, Free("e")]),
    "beside trees": LabelSpace([*GROUPS, Free("d", requires="a1"), OneOf("e", ["e0", "e1"]), Free("f")]),
}


@pytest.mark.parametrize(("dtype", "tol"), [(torch.float32, 2e-5), (torch.float64, 1e-10)])
@pytest.mark.parametrize("mixture", MIXTURES)
@pytest.mark.parametrize("scale", [1.0, 10.0, 60.0])
@pytest.mark.parametrize("space", ONE_EACH.values(), ids=ONE_EACH)
def test_one_label_known_of_each_image(space: LabelSpace, scale: float, mixture: int | None, dtype: torch.dtype, tol: float):
    """The usual training set: one row for each label, nothing else known; sure, improbable and impossible outcomes."""
    K = space.num_labels
    shape = (K,) if mixture is None else (K, mixture)
    logits = oracle.random_logits(space, 3, *shape, scale=scale, impossible=0.1 if mixture else 0.0).to(dtype).requires_grad_()
    weights = None if mixture is None else torch.linspace(-1, 1, mixture, dtype=dtype).expand(K, -1)
    observed = torch.where(torch.eye(K) > 0, 1, -1).to(torch.int8)
    tables = [oracle.table(space, row.double(), None if weights is None else weights[0].double()) for row in logits]
    true = torch.stack([oracle.condition(t, o, ann.UniformPositive())[0] for t, o in zip(tables, observed, strict=True)])
    found = LabelVector(space, logits, weights).log_marginal(observed, ann.UniformPositive())
    torch.testing.assert_close(found.double(), true, rtol=tol, atol=tol)
    known = torch.isfinite(true)
    slopes = [torch.autograd.grad(value[known].sum(), logits)[0] for value in (found, true)]
    torch.testing.assert_close(*slopes, rtol=10 * tol, atol=10 * tol)


# --- what the definitions say, by hand --------------------------------------------------------------------------

PAIR = LabelSpace.free(["a", "b"])
EVEN = LabelVector(PAIR, torch.zeros(2, dtype=torch.float64))


@pytest.mark.parametrize(
    ("how", "observed", "value"),
    [
        (ann.Ignorable(), [1, -1], 1 / 2),
        (ann.Ignorable(), [1, 0], 1 / 4),
        (ann.UniformPositive(), [1, -1], 1 / 4 + 1 / 4 / 2),
        (ann.UniformPositive(), [1, 0], 1 / 4),
        (ann.UniformPositive(), [1, 1], 1 / 4),
        (ann.UniformPositive(), [-1, -1], 1.0),
        (ann.UniformPositive(noise=0.1), [1, -1], 0.9 * 3 / 8 + 0.1 / 2),
        (ann.UniformPositive(noise=0.1), [1, 0], 1 / 4),  # complete: nobody picked
        (ann.WeightedPositive([3.0, 1.0]), [1, -1], 1 / 4 + 1 / 4 * 3 / 4),
        (ann.WeightedPositive([3.0, 1.0]), [-1, 1], 1 / 4 + 1 / 4 / 4),
        (ann.WeightedPositive([3.0, 1.0], noise=0.1), [-1, 1], 0.9 * 5 / 16 + 0.1 / 4),
        (ann.Scar([0.3, 0.6]), [1, -1], 1 / 2 * 0.3 * (1 / 2 + 1 / 2 * 0.4)),
        (ann.Scar([0.3, 0.6]), [-1, -1], (1 / 2 + 1 / 2 * 0.7) * (1 / 2 + 1 / 2 * 0.4)),
        (ann.Scar([0.3, 0.6]), [1, 0], 1 / 4),
        (ann.Scar(0.3, noise=0.1), [1, -1], 0.9 * 0.15 * 0.85 + 0.1 * 0.3 * 0.7),
        (ann.PerLabelSearch(), [1, -1], 1 / 2),
        (ann.PerLabelSearch([3.0, 1.0]), [1, -1], 3 / 4),
        (ann.PerLabelSearch([3.0, 1.0], noise=0.1), [-1, 1], 0.9 / 4 + 0.1 / 4),
    ],
    ids=repr,
)
def test_by_hand(how: ann.Annotation, observed: list[int], value: float):
    found = EVEN.log_marginal(torch.tensor(observed, dtype=torch.int8), how)
    assert float(found.exp()) == pytest.approx(value, rel=1e-9)


@pytest.mark.parametrize("mixture", MIXTURES)
@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("seed", range(10))
def test_the_probabilities_of_all_observations_sum_to_one(seed: int, noise: float, mixture: int | None):
    """Of one positive: to that of any label being present, as far as there is no mistake. `Scar`: of all reports."""
    this = case(seed, "scar", noise, mixture)
    K, rows = this.prior.space.num_labels, this.prior.batch_shape[0]
    ones = torch.where(torch.eye(K) > 0, 1, -1).to(torch.int8).unsqueeze(1)  # (K, 1, K)
    reports = torch.where(oracle.vectors(K) > 0, 1, -1).to(torch.int8).unsqueeze(1)
    some = torch.stack([1 - table.count_probs[0] for table in this.tables])

    def total(kind: str, observed: Tensor) -> Tensor:
        return this.prior.log_marginal(observed, oracle.annotations(K, noise)[kind]).exp().sum(0)

    any_present = (1 - noise) * some + noise
    torch.testing.assert_close(total("uniform-positive", ones), any_present)
    torch.testing.assert_close(total("weighted-positive", ones), any_present, rtol=1e-8, atol=1e-9)
    torch.testing.assert_close(total("scar", reports), torch.ones(rows, dtype=torch.float64))
    torch.testing.assert_close(total("per-label-search", ones), torch.ones(rows, dtype=torch.float64))


@pytest.mark.parametrize("factor", [1e-35, 1e-6, 1e6, 1e35])
@pytest.mark.parametrize("kind", oracle.ONE_POSITIVE)
def test_only_the_ratios_of_weights_matter(kind: str, factor: float):
    this = case(8, kind, 0.15, None)
    scaled = type(this.how)(this.how.weights * factor, noise=0.15)
    close(this.prior.log_marginal(this.observed, scaled), this.log_marginal, this.how)
    y = this.tables[0].y.unsqueeze(1)
    torch.testing.assert_close(scaled.log_prob(this.observed, y), this.how.log_prob(this.observed, y))
    y = torch.ones(50, len(this.observed[0]))
    draws = [how.sample(y, torch.Generator().manual_seed(0)) for how in (scaled, this.how)]
    assert torch.equal(*draws)


@pytest.mark.parametrize(
    ("many", "one"), [(ann.Scar([0.3] * 5), ann.Scar(0.3)), (ann.PerLabelSearch([2.0] * 5), ann.PerLabelSearch(2.0))]
)
def test_one_number_serves_all_labels(many: ann.Annotation, one: ann.Annotation):
    q = LabelVector(LabelSpace.free("abcde"), torch.linspace(-2, 1, 5))
    observed = torch.tensor([-1, 1, -1, 0, -1], dtype=torch.int8)
    assert float(q.log_marginal(observed, one)) == pytest.approx(float(q.log_marginal(observed, many)), rel=1e-6)


def test_weights_far_apart():
    """A label of weight 1e6 beside one of weight 1: the reciprocal of their sum is as exact."""
    how, o = ann.WeightedPositive([1.0, 1e6, 30.0]), torch.tensor([1, -1, -1], dtype=torch.int8)
    logits = torch.tensor([0.3, -0.2, 1.0], dtype=torch.float64)
    prior = oracle.table(LabelSpace.free("abc"), logits)
    log_z, posterior = oracle.condition(prior, o, how)
    found = LabelVector(LabelSpace.free("abc"), logits).condition(o, how)
    close(found.given.log_marginal, log_z, how)
    close(found.marginals, posterior.marginals, how)


@pytest.mark.parametrize(("dtype", "tol"), [(torch.float64, 2e-9), (torch.float32, 5e-6)])
@pytest.mark.parametrize("decades", [1.0, 3.0, 6.0, 15.0])
def test_any_label_known_of_weights_far_apart(decades: float, dtype: torch.dtype, tol: float):
    """The lightest and the heaviest: sums of weights from the least weight to that of all of them."""
    how = ann.WeightedPositive(10 ** torch.linspace(-decades, decades, 6, dtype=torch.float64))
    space, observed = LabelSpace.free("abcdef"), torch.full((6, 6), -1, dtype=torch.int8).fill_diagonal_(1)
    logits = torch.randn(6, 6, generator=torch.manual_seed(0), dtype=torch.float64)
    truth = [oracle.condition(oracle.table(space, row), o, how) for row, o in zip(logits, observed, strict=True)]
    q = LabelVector(space, logits.to(dtype))
    found = q.log_marginal(observed, how).double()
    torch.testing.assert_close(found, torch.stack([z for z, _ in truth]), rtol=0, atol=tol)
    marginals = q.condition(observed, how).marginals.double()
    torch.testing.assert_close(marginals, torch.stack([table.marginals for _, table in truth]), rtol=0, atol=tol)
    u, share = quadrature.reciprocal_rule(1.0, float(how.weights.sum() / how.weights.min()), quadrature.tolerance(dtype))
    assert how.evidence(observed, lambda: q._count_bound(observed), dtype).log_weight.shape[-1] == len(u) == len(share)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_rate_of_one_means_that_silence_is_absence(dtype: torch.dtype):
    space = LabelSpace([OneOf("colour", ["red", "green"], optional=True), Free("dot", requires="red"), Free("big")])
    logits = torch.tensor([0.3, -0.2, 0.5, 1.0, 0.7], dtype=dtype, requires_grad=True)
    observed = torch.tensor([[1, -1, -1, -1], [-1, -1, -1, 1], [-1, -1, -1, -1]], dtype=torch.int8)
    posterior = LabelVector(space, logits).condition(observed, ann.Scar(1.0))
    torch.testing.assert_close(posterior.marginals, (observed == 1).to(dtype))
    assert posterior.entropy().abs().max() < 1e-6
    assert torch.equal(posterior.mode(), (observed == 1).to(dtype))
    (slope,) = torch.autograd.grad(posterior.given.log_marginal.sum(), logits)
    assert torch.isfinite(slope).all()


def test_mistakes_allow_what_no_label_set_can_show():
    """With noise, two colours known at once are a mistake and tell nothing of the labels but their absences."""
    space = LabelSpace([OneOf("colour", ["red", "green"]), Free("dot"), Free("big")])
    prior = LabelVector(space, torch.tensor([0.3, -0.2, 1.0, 0.5]))
    observed = torch.tensor([1, 1, -1, 0], dtype=torch.int8)
    posterior = prior.condition(observed, ann.UniformPositive(noise=0.2))
    absent = torch.tensor([-1, -1, -1, 0], dtype=torch.int8)
    torch.testing.assert_close(posterior.marginals, prior.condition(absent).marginals)
    expected = math.log(0.2 / math.comb(3, 2)) + math.log(1 - torch.sigmoid(torch.tensor(0.5)).item())
    assert float(posterior.given.log_marginal) == pytest.approx(expected, rel=1e-6)
    with pytest.raises(ObservationError, match="impossible"):
        prior.condition(observed, ann.UniformPositive())


def test_integer_label_sets_are_read_as_they_are():
    observed, y = torch.tensor([1, -1, -1], dtype=torch.int8), torch.tensor([[1, 1, 0], [0, 1, 0]])
    torch.testing.assert_close(ann.UniformPositive().log_prob(observed, y), torch.tensor([math.log(0.5), -math.inf]))


# --- draws ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("y", [[1, 1, 0, 1], [0, 1, 0, 0], [1, 1, 1, 1], [0, 0, 0, 0]])
def test_draws_of_an_annotation_have_its_frequencies(y: list[int], kind: str):
    how, S = oracle.annotations(4)[kind], 8000
    sets = torch.tensor(y, dtype=torch.float64).expand(S, -1)
    draws = how.sample(sets, torch.Generator().manual_seed(0))
    assert draws.dtype == torch.int8
    assert draws.shape == sets.shape
    seen = dict.fromkeys(itertools.product((-1, 0, 1), repeat=4), 0)
    for o in draws.tolist():
        seen[tuple(o)] += 1
    probs = {o: math.exp(float(how.log_prob(torch.tensor(o), sets[0]))) for o in seen if kind == "scar" and 0 not in o}
    for k in range(4):  # one label each, of those that can be picked
        o = tuple(-1 if j != k else y[k] for j in range(4))
        if kind == "ignorable":
            probs[o] = 1 / 4
        elif kind != "scar" and y[k]:
            weight = 1.0 if kind == "uniform-positive" else float(how.weights[k])
            everyone = [1.0] * 4 if kind == "uniform-positive" else how.weights.tolist()
            probs[o] = weight / sum(w for w, on in zip(everyone, y, strict=True) if on)
    probs = probs or {(-1, -1, -1, -1): 1.0}
    assert math.fsum(probs.values()) == pytest.approx(1)
    cells = [(seen.pop(o), p * S) for o, p in probs.items() if p > 0]
    for o, p in probs.items():
        assert p > 0 or seen.pop(o) == 0
    assert not any(seen.values()), "something that cannot be drawn was"
    statistic = sum((count - mean) ** 2 / mean for count, mean in cells)
    assert stats.chi2.sf(statistic, max(len(cells) - 1, 1)) > oracle.ALPHA


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("y", [[1, 1, 0, 1], [0, 1, 0, 0], [0, 0, 0, 0]])
def test_draws_have_mistakes_at_their_rate(y: list[int], kind: str):
    """(1 - e) p(o | y) + e p(o | all labels), of images that can be in the data; false-alarm rate `ALPHA`."""
    S, noise = 8000, 0.3
    how = oracle.annotations(4, noise)[kind]
    weights = how.weights.tolist() if hasattr(how, "weights") else [1.0] * 4

    def picks(labels: list[int]) -> dict[tuple[int, ...], float]:
        total = sum(w for w, on in zip(weights, labels, strict=True) if on)
        if kind == "scar":
            chances = [c * on for c, on in zip(how.rates.tolist(), labels, strict=True)]
            outcomes = itertools.product((-1, 1), repeat=4)
            return {o: math.prod(c if told == 1 else 1 - c for c, told in zip(chances, o, strict=True)) for o in outcomes}
        if kind == "ignorable":
            return {tuple(-1 if j != k else labels[k] for j in range(4)): 1 / 4 for k in range(4)}
        if not total:
            return {(-1,) * 4: 1.0}
        return {tuple(1 if j == k else -1 for j in range(4)): weights[k] * labels[k] / total for k in range(4)}

    wrong = picks(y if kind == "per-label-search" and not any(y) else [1] * 4)
    expected = {o: (1 - noise) * picks(y).get(o, 0.0) + noise * wrong.get(o, 0.0) for o in {*picks(y), *wrong}}
    draws = how.sample(torch.tensor(y, dtype=torch.float64).expand(S, -1), torch.Generator().manual_seed(1)).tolist()
    seen = dict.fromkeys(expected, 0)
    for o in draws:
        seen[tuple(o)] += 1
    cells = [(seen[o], p * S) for o, p in expected.items() if p > 0]
    assert sum(count for count, _ in cells) == S
    statistic = sum((count - mean) ** 2 / mean for count, mean in cells)
    assert stats.chi2.sf(statistic, max(len(cells) - 1, 1)) > oracle.ALPHA


@pytest.mark.parametrize("absent", [False, True])
def test_an_image_in_a_wrong_folder_was_found_by_a_label_that_it_has(absent: bool):
    """`PerLabelSearch` step by step, by its generative story alone: search, filing, mistakes; then counting.

    Frequencies of folders and of label sets in a folder, Pearson's chi-square with a false-alarm rate of `ALPHA` each.
    """
    generator = torch.Generator().manual_seed(0)
    w, noise, S = torch.tensor([3.0, 1.0, 0.5, 2.0], dtype=torch.float64), 0.3, 200_000
    how = ann.PerLabelSearch(w, noise=noise)
    space = LabelSpace([OneOf("colour", ["red", "green"], optional=True), Free("bag", requires="red"), Free("hat")])
    logits = torch.tensor([0.3, -0.4, 0.5, 0.2, -0.7], dtype=torch.float64)
    prior = LabelVector(space, logits)
    sets = prior.enumerate_support()
    y = sets[torch.multinomial(prior.log_prob(sets).exp(), S, replacement=True, generator=generator)]
    # somebody searches for each label and comes upon each image with it at a rate of w_k / sum w: one searcher at most
    searcher = torch.multinomial(w, S, replacement=True, generator=generator)
    found = y.gather(1, searcher[:, None]).squeeze(1) > 0
    y, folder = y[found], searcher[found]
    misfiled = torch.rand(len(y), generator=generator) < noise
    folder = torch.where(misfiled, torch.multinomial(w, len(y), replacement=True, generator=generator), folder)
    observed = torch.full((4, 4), -1, dtype=torch.int8).fill_diagonal_(1)
    if absent:  # of the images without a hat, which somebody has looked at
        y, folder, observed = y[y[:, 3] == 0], folder[y[:, 3] == 0], observed[:3]
        observed[:, 3] = 0
    log_p = prior.log_marginal(observed, how)
    shares = (log_p - torch.logsumexp(log_p, 0)).exp()
    if absent:  # in the hats' folder they are by mistake: the label is known to be absent there, and not this pick
        y, folder = y[folder < 3], folder[folder < 3]
    counts = torch.bincount(folder, minlength=len(shares)).double()
    statistic = ((counts - shares * len(y)) ** 2 / (shares * len(y))).sum()
    assert stats.chi2.sf(float(statistic), len(shares) - 1) > oracle.ALPHA
    for k in range(len(observed)):
        posterior = prior.condition(observed[k], how)
        p = torch.zeros(16, dtype=torch.float64)
        code = 2 ** torch.arange(3, -1, -1)
        p[(sets @ code.double()).long()] = posterior.log_prob(sets).exp()
        assert float(p.sum()) == pytest.approx(1, abs=1e-9)
        assert oracle.frequencies_p_value(y[folder == k], oracle.Table(oracle.vectors(4), p.log())) > oracle.ALPHA


@pytest.mark.parametrize("kind", KINDS)
def test_draws_are_those_of_the_generator(kind: str):
    how, y = oracle.annotations(4)[kind], torch.tensor([[1.0, 1, 0, 1], [0, 0, 1, 1]]).expand(3, 30, 2, 4)
    first, again, other = (how.sample(y, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1))
    assert first.shape == y.shape
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.isfinite(how.log_prob(first, y)).all()


# --- what is refused --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("noise", [1.0, -0.1, 2.0, math.nan])
def test_noise_is_a_probability_below_one(noise: float):
    with pytest.raises(ConfigError, match=r"noise is a probability in \[0, 1\), not"):
        ann.UniformPositive(noise=noise)


@pytest.mark.parametrize("weights", [[1.0, 0.0], [-1.0, 1.0], [math.inf, 1.0], [math.nan, 1.0], []])
@pytest.mark.parametrize("kind", [ann.WeightedPositive, ann.PerLabelSearch])
def test_weights_are_positive(kind: type[ann.Annotation], weights: list[float]):
    with pytest.raises(ConfigError, match="weights are numbers above 0, not"):
        kind(weights)


@pytest.mark.parametrize("rates", [0.0, 1.1, [0.5, -0.2], math.nan])
def test_rates_are_probabilities(rates):
    with pytest.raises(ConfigError, match="rates are numbers above 0 up to 1, not"):
        ann.Scar(rates)


@pytest.mark.parametrize(
    "how", [ann.Scar([0.1, 0.2]), ann.WeightedPositive([1.0, 2.0]), ann.PerLabelSearch([1.0, 2.0])], ids=repr
)
def test_numbers_of_another_space_are_refused(how: ann.Annotation):
    q, observed = LabelVector(LabelSpace.free("abc"), torch.zeros(3)), torch.tensor([1, -1, -1], dtype=torch.int8)
    with pytest.raises(ConfigError, match=r"2 (rates|weights) for 3 labels; give one for each label"):
        q.log_marginal(observed, how)


@pytest.mark.parametrize("kind", oracle.ONE_POSITIVE)
def test_two_known_positives_where_one_is_picked(kind: str):
    how, observed = oracle.annotations(3)[kind], torch.full((4, 3), -1, dtype=torch.int8)
    observed[1, :2] = observed[3, 1:] = 1
    message = rf'"{kind}" describes one known positive per image, but 2 images have more \(rows 1, 3\); use "uniform-positive"'
    with pytest.raises(ObservationError, match=message):
        LabelVector(LabelSpace.free("abc"), torch.zeros(3)).condition(observed, how)
    with pytest.raises(ObservationError, match=message):
        how.log_prob(observed, torch.ones(3))


# --- configs ----------------------------------------------------------------------------------------------------

SPACE = LabelSpace.free(["cat", "dog", "cow"])


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("kind", KINDS)
def test_config_round_trip(kind: str, noise: float):
    how = oracle.annotations(3, noise)[kind]
    config = how.to_config()
    assert config["kind"] == kind
    again = ann.from_config(config, SPACE)
    assert type(again) is type(how)
    assert again == how
    assert hash(again) == hash(how)
    assert (again == oracle.annotations(3, noise + 0.1)[kind]) is False
    assert again != config


def test_kinds_are_their_classes():
    assert list(ann.KINDS) == KINDS
    assert [kind.kind for kind in ann.KINDS.values()] == KINDS


def test_nothing_said_is_one_label_per_image():
    assert ann.from_config({}, SPACE) == ann.UniformPositive()
    assert ann.from_config({"kind": None, "noise": None}, SPACE) == ann.UniformPositive()


def test_numbers_may_be_given_by_name():
    by_name = ann.from_config({"kind": "weighted-positive", "weights": {"cow": 3, "cat": 1, "dog": 2}}, SPACE)
    assert by_name == ann.WeightedPositive([1.0, 2.0, 3.0])
    assert ann.from_config({"kind": "scar", "rates": 0.25}, SPACE) == ann.Scar(0.25)
    assert ann.from_config({"kind": "per-label-search"}, SPACE) == ann.PerLabelSearch()


def test_repr_says_what_was_given():
    assert repr(ann.UniformPositive(noise=0.1)) == "UniformPositive(noise=0.1)"
    assert repr(ann.Scar([0.5, 0.25])) == "Scar(rates=[0.5, 0.25])"
    assert repr(ann.Ignorable()) == "Ignorable()"


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"kind": "uniform-positve"}, 'no annotation "uniform-positve"; did you mean "uniform-positive"'),
        ({"kind": "scar", "rate": 0.3}, r'annotation\.rate: "scar" takes no rate \(it takes: noise, rates\)'),
        ({"kind": "uniform-positive", "weights": [1, 2, 3]}, r'"uniform-positive" takes no weights \(it takes: noise\)'),
        ({"kind": "scar"}, r'annotation\.rates: "scar" needs rates, one number for each label'),
        ({"kind": "weighted-positive"}, "needs weights"),
        ({"kind": "scar", "rates": {"cat": 0.5, "cow": 0.5}}, 'no number for label "dog"'),
        ({"kind": "scar", "rates": [0.5, 0.5]}, "2 rates for 3 labels"),
        ({"kind": "per-label-search", "weights": [1, 2, 3, 4]}, "4 weights for 3 labels"),
        ({"kind": "scar", "rates": 1.5}, "rates are numbers above 0 up to 1, not 1.5"),
        ({"noise": 1}, "noise is a probability"),
    ],
)
def test_a_section_that_says_something_else_is_refused(section, message):
    with pytest.raises(ConfigError, match=message):
        ann.from_config(section, SPACE)
