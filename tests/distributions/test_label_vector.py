"""`LabelVector`: every answer of prior and posterior by brute force, its invariants, and its calibration.

Shapes, precisions, extreme logits; draws by tests of known false-alarm rate (`oracle.ALPHA`); properties by
hypothesis; and simulation-based calibration: labels drawn from the model, known labels drawn from the annotation,
and the posterior's probabilities come true at their rates.
"""

from __future__ import annotations

import math
import warnings

import numpy as np
import oracle
import pyro
import pytest
import torch
import torch.nn.functional as F
from hypothesis import assume, given, reject, settings
from hypothesis import strategies as st
from torch import Tensor

from latentlabels import annotation as ann
from latentlabels import exact
from latentlabels.distributions import LabelVector, NonEmptyLabelVector
from latentlabels.errors import LabelSpaceError, ObservationError
from latentlabels.space import Free, Group, LabelSpace, OneOf

INF = math.inf
SEEDS = range(1, 7)
SHAPES = [(), (3,), (2, 3)]
MIXTURES = [None, 1, 3]
PRECISIONS = [(torch.float32, 1e-5), (torch.float64, 1e-11)]
SPACE = LabelSpace(
    [
        OneOf("colour", ["red", "green"]),
        OneOf("vehicle", ["car", "bike"], optional=True),
        OneOf("doors", ["2-doors", "4-doors"], requires="car"),
        Free("spoiler", requires="car"),
        Free("striped"),
    ]
)
K = SPACE.num_labels


def drawn(space: LabelSpace, seed: int, shape: tuple[int, ...] = (), mixture: int | None = None, **how) -> LabelVector:
    components = () if mixture is None else (mixture,)
    logits = oracle.random_logits(space, seed, *shape, *components, **how)
    weights = torch.randn((*shape, *components), generator=torch.manual_seed(seed), dtype=torch.float64)
    return LabelVector(space, logits, None if mixture is None else weights)


def tables(q: LabelVector) -> list[oracle.Table]:
    """The oracle's, one a row of the batch."""
    logits = q.logits.expand(*q.batch_shape, *q.logits.shape[-2:]).reshape(-1, *q.logits.shape[-2:])
    weights = q.mixture_logits.expand(*q.batch_shape, q.num_components).reshape(-1, q.num_components)
    return [oracle.table(q.space, row, weight) for row, weight in zip(logits, weights, strict=True)]


def unknown(space: LabelSpace, *shape: int, **known: int) -> Tensor:
    observed = torch.full((*shape, space.num_labels), -1, dtype=torch.int8)
    for label, value in known.items():
        observed[..., space.index(label)] = value
    return observed


def assert_answers(q: LabelVector, expected: list[oracle.Table], tol: float) -> None:
    def close(found: Tensor, what: str, *size: int) -> None:
        assert found.shape == (*q.batch_shape, *size)
        true = torch.stack([getattr(table, what) for table in expected]).reshape(found.shape)
        torch.testing.assert_close(found.double(), true, rtol=tol, atol=tol)

    K = q.space.num_labels
    close(q.marginals, "marginals", K)
    close(q.mean, "marginals", K)
    close(q.entropy(), "entropy")
    close(oracle.padded(q.count_probs(), K), "count_probs", K + 1)
    y = oracle.vectors(K).to(q.logits.dtype)
    every = q.log_prob(y.reshape(-1, *(1 for _ in q.batch_shape), K))
    assert every.shape == (2**K, *q.batch_shape)
    true = torch.stack([table.log_p for table in expected], 1).reshape(every.shape)
    torch.testing.assert_close(every.double(), true, rtol=tol, atol=tol)
    assert q.mode().shape == q.sample().shape == (*q.batch_shape, K)
    for mode, table in zip(q.mode().reshape(-1, K), expected, strict=True):
        assert float(table.log_prob(mode)) == pytest.approx(float(table.log_p.max()), abs=100 * tol)


# --- the prior --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("dtype", "tol"), PRECISIONS)
@pytest.mark.parametrize("mixture", MIXTURES)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("seed", SEEDS)
def test_every_answer(seed: int, shape: tuple[int, ...], mixture: int | None, dtype: torch.dtype, tol: float):
    space = oracle.random_space(seed, most=7)
    exact = drawn(space, seed, shape, mixture)
    logits = exact.logits if mixture else exact.logits[..., 0, :]
    q = LabelVector(space, logits.to(dtype), exact.mixture_logits.to(dtype) if mixture else None)
    assert q.batch_shape == shape
    assert q.event_shape == (space.num_labels,)
    assert q.num_components == (mixture or 1)
    assert {t.dtype for t in (q.marginals, q.entropy(), q.count_probs(), q.mode(), q.sample())} == {dtype}
    assert_answers(q, tables(q), tol)


@pytest.mark.parametrize(("dtype", "tol"), PRECISIONS)
@pytest.mark.parametrize("mixture", MIXTURES)
@pytest.mark.parametrize("seed", SEEDS)
def test_extreme_logits(seed: int, mixture: int | None, dtype: torch.dtype, tol: float):
    """Logits of +40 and -40: certain in float32, where their sums must not become infinite or NaN."""
    space = oracle.random_space(seed, most=7)
    exact = drawn(space, seed, (3,), mixture)
    logits = (exact.logits if mixture else exact.logits[..., 0, :]).sign() * 40
    q = LabelVector(space, logits.to(dtype), exact.mixture_logits.to(dtype) if mixture else None)
    assert_answers(q, tables(q), tol)


@pytest.mark.parametrize(("dtype", "tol"), PRECISIONS)
@pytest.mark.parametrize("mixture", MIXTURES)
@pytest.mark.parametrize("seed", SEEDS)
def test_impossible_outcomes(seed: int, mixture: int | None, dtype: torch.dtype, tol: float):
    exact = drawn(oracle.random_space(seed, most=7), seed, (3,), mixture, impossible=0.4)
    logits = (exact.logits if mixture else exact.logits[..., 0, :]).to(dtype)
    q = LabelVector(exact.space, logits, exact.mixture_logits.to(dtype) if mixture else None)
    assert_answers(q, tables(q), tol)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    "how", [ann.UniformPositive(), ann.Scar(0.5), ann.WeightedPositive([1.0, 2.0, 3.0]), ann.PerLabelSearch()], ids=repr
)
def test_what_is_known_though_nearly_impossible(how: ann.Annotation, dtype: torch.dtype):
    """One label is known whose logit is -40 and one is all but certain: log Z and the gradient stay finite and right."""
    space = LabelSpace.free("abc")
    logits = torch.tensor([-40.0, 40.0, 1.0], dtype=dtype, requires_grad=True)
    observed = unknown(space, a=1)
    log_z, posterior = oracle.condition(oracle.table(space, logits.detach()), observed, how)
    q = LabelVector(space, logits).condition(observed, how)
    value = q.given.log_marginal
    tol = 1e-6 if dtype == torch.float32 else 1e-9
    assert value.item() == pytest.approx(float(log_z), rel=tol)
    torch.testing.assert_close(q.marginals.detach().double(), posterior.marginals, rtol=10 * tol, atol=10 * tol)
    (slope,) = torch.autograd.grad(value, logits)
    assert torch.isfinite(slope).all()
    assert float(slope[0]) == pytest.approx(1, rel=1e-5)


@pytest.mark.parametrize("kind", oracle.KINDS)
@pytest.mark.parametrize("seed", SEEDS)
def test_certain_free_labels(seed: int, kind: str):
    """Log-odds of +inf, as a posterior has where a label is known."""
    space = LabelSpace(
        [*oracle.random_space(seed, most=5).groups, Free("sure"), OneOf("a", ["a0"], True), OneOf("b", ["b0", "b1"])]
    )
    logits = oracle.random_logits(space, seed, 3)
    starts = torch.tensor([group.num_logits for group in space.groups]).cumsum(0) - 1
    free = torch.tensor([int(start) for start, group in zip(starts, space.groups, strict=True) if isinstance(group, Free)])
    sure = torch.zeros(space.num_logits, dtype=torch.bool).index_fill(0, free, True) & (logits > 0.5)
    sure[:, space.num_logits - 5] = True
    how, observed = oracle.annotations(space.num_labels)[kind], unknown(space, 3, b1=1)
    q = LabelVector(space, logits.masked_fill(sure, INF))
    expected = tables(q)
    assert_answers(q, expected, 1e-10)
    truth = [oracle.condition(table, observed[0], how) for table in expected]
    assert_answers(q.condition(observed, how), [posterior for _, posterior in truth], 1e-8)
    torch.testing.assert_close(q.log_marginal(observed, how), torch.stack([log_z for log_z, _ in truth]), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("seed", SEEDS)
def test_gradients_of_a_mixture(seed: int):
    space = oracle.random_space(seed, most=6)
    q = drawn(space, seed, (), 3)
    parameters = [q.logits.clone().requires_grad_(), q.mixture_logits.clone().requires_grad_()]
    mine, table = LabelVector(space, *parameters), oracle.table(space, *parameters)
    y = table.y[~torch.isneginf(table.log_p)]
    share = torch.linspace(0, 1, len(y), dtype=torch.float64)
    known = table.log_p[~torch.isneginf(table.log_p)]
    for found, expected in [(mine.log_prob(y) @ share, known @ share), (mine.entropy(), -(known.exp() * known).sum())]:
        slopes = [torch.autograd.grad(value, parameters, retain_graph=True) for value in (found, expected)]
        for a, b in zip(*slopes, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-11)


def test_invalid_label_sets_have_probability_zero():
    q = drawn(SPACE, 0, (2,), 3)
    wrong = torch.zeros(4, 1, K)
    wrong[0, 0, SPACE.index("striped")] = 1  # no colour
    wrong[1, 0, [SPACE.index("red"), SPACE.index("green")]] = 1  # two
    wrong[2, 0, [SPACE.index("red"), SPACE.index("2-doors")]] = 1  # doors without a car
    wrong[3, 0, [SPACE.index("red"), SPACE.index("car")]] = 1  # a car without doors
    assert (q.log_prob(wrong) == -INF).all()


@pytest.mark.parametrize("mixture", MIXTURES)
@pytest.mark.parametrize("seed", SEEDS)
def test_kl(seed: int, mixture: int | None):
    space = oracle.random_space(seed, most=7)
    p, q = drawn(space, seed, (2,), mixture, impossible=0.2), drawn(space, seed + 1, (2,), 3 if seed % 2 else None)
    expected = torch.stack([a.kl(b) for a, b in zip(tables(p), tables(q), strict=True)])
    torch.testing.assert_close(p.kl(q), expected, rtol=1e-9, atol=1e-11)
    torch.testing.assert_close(p.kl(p), torch.zeros(2, dtype=torch.float64), rtol=0, atol=1e-12)


def test_kl_to_what_excludes_an_outcome_is_infinite():
    p, q = drawn(SPACE, 0, (), 2), drawn(SPACE, 1, (), 2)
    without = torch.where(torch.arange(SPACE.num_logits) == 0, -INF, q.logits)
    assert float(p.kl(LabelVector(SPACE, without, q.mixture_logits))) == INF


@pytest.mark.parametrize("mixture", MIXTURES)
@pytest.mark.parametrize("seed", SEEDS)
def test_enumerate_support(seed: int, mixture: int | None):
    q = drawn(oracle.random_space(seed), seed, (2, 3), mixture)
    sets, thin = q.enumerate_support(), q.enumerate_support(expand=False)
    assert sets.shape == (q.space.num_label_sets, 2, 3, q.space.num_labels)
    assert thin.shape == (q.space.num_label_sets, 1, 1, q.space.num_labels)
    torch.testing.assert_close(q.log_prob(sets).exp().sum(0), torch.ones(2, 3, dtype=torch.float64))
    torch.testing.assert_close(q.log_prob(thin), q.log_prob(sets))


@pytest.mark.parametrize("mixture", MIXTURES)
@pytest.mark.parametrize("seed", SEEDS)
def test_sample_frequencies(seed: int, mixture: int | None):
    q = drawn(oracle.random_space(seed), seed, (2,), mixture, impossible=0.2)
    torch.manual_seed(seed)
    draws = q.sample((2000, 2))
    assert draws.shape == (2000, 2, 2, q.space.num_labels)
    for row, table in enumerate(tables(q)):
        assert oracle.frequencies_p_value(draws[:, :, row].flatten(0, 1), table) > oracle.ALPHA


def test_draws_of_different_rows_are_independent():
    q = LabelVector(LabelSpace.free("a"), torch.zeros(2, 3, 1), torch.zeros(2, 3))
    torch.manual_seed(0)
    pairs = q.sample((4000,))[:, :, 0]
    both = float((pairs[:, 0] * pairs[:, 1]).mean())
    assert abs(both - 1 / 4) < 4 * math.sqrt(3 / 16 / 4000)  # false alarm 6e-5
    torch.manual_seed(0)
    assert torch.equal(q.sample((4000,))[:, :, 0], pairs)


@pytest.mark.parametrize("mixture", MIXTURES)
def test_expand(mixture: int | None):
    q = drawn(SPACE, 3, (3,), mixture)
    wide = q.expand((2, 3))
    assert wide.batch_shape == (2, 3)
    assert q.expand([3]) is q
    assert_answers(wide, tables(q) * 2, 1e-11)
    assert wide.sample().shape == (2, 3, K)
    assert q.expand_by([4]).batch_shape == (4, 3)
    assert drawn(SPACE, 3, (), mixture).expand((0,)).marginals.shape == (0, K)


def test_an_expanded_posterior_is_as_exact():
    """Beyond its logits it has a form of its own for mode and entropy, which has to be expanded with it."""
    space = LabelSpace.free(map(str, range(40)))
    q = drawn(space, 0, (2,)).condition(unknown(space, 2, **{"3": 1}), ann.UniformPositive())
    wide = q.expand((4, 2))
    torch.testing.assert_close(wide.entropy(), q.entropy().expand(4, 2))
    assert torch.equal(wide.mode(), q.mode().expand(4, 2, 40))
    torch.testing.assert_close(wide.marginals, q.marginals.expand(4, 2, 40))


def test_one_forest_for_all_and_mixture_weights_of_each():
    """Logits and mixture weights broadcast against each other."""
    logits, weights = oracle.random_logits(SPACE, 0, 3), torch.randn(4, 3, generator=torch.manual_seed(0), dtype=torch.float64)
    q = LabelVector(SPACE, logits, weights)
    assert q.batch_shape == (4,)
    assert_answers(q, tables(q), 1e-11)
    how, observed = ann.UniformPositive(), unknown(SPACE, 4, car=1)
    expected = [oracle.condition(table, observed[0], how)[1] for table in tables(q)]
    assert_answers(q.condition(observed, how), expected, 1e-10)


@pytest.mark.parametrize("noise", [0.0, 0.1])
@pytest.mark.parametrize("kind", oracle.KINDS)
@pytest.mark.parametrize("mixture", MIXTURES)
def test_no_rows(mixture: int | None, kind: str, noise: float):
    q = drawn(SPACE, 0, (0,), mixture)
    posterior = q.condition(unknown(SPACE, 0), oracle.annotations(K, noise)[kind])
    for one in (q, posterior):
        assert one.marginals.shape == one.sample().shape == one.mode().shape == (0, K)
        assert one.entropy().shape == one.log_prob(torch.zeros(0, K)).shape == (0,)


# --- the posterior ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("dtype", "tol"), PRECISIONS)
@pytest.mark.parametrize("mixture", MIXTURES)
@pytest.mark.parametrize("shape", SHAPES)
def test_a_posterior_is_a_label_vector(shape: tuple[int, ...], mixture: int | None, dtype: torch.dtype, tol: float):
    exact = drawn(SPACE, 1, shape, mixture)
    logits = (exact.logits if mixture else exact.logits[..., 0, :]).to(dtype)
    prior = LabelVector(SPACE, logits, exact.mixture_logits.to(dtype) if mixture else None)
    observed, how = unknown(SPACE, *shape, car=1, striped=0), ann.UniformPositive(noise=0.1)
    posterior = prior.condition(observed, how)
    assert posterior.batch_shape == shape
    assert posterior.given.prior is prior
    assert posterior.given.how is how
    assert_answers(
        posterior, [oracle.condition(table, unknown(SPACE, car=1, striped=0), how)[1] for table in tables(prior)], 10 * tol
    )


@pytest.mark.parametrize("mixture", MIXTURES)
@pytest.mark.parametrize("kind", oracle.KINDS)
@pytest.mark.parametrize("seed", SEEDS)
def test_conditioning_twice_is_conditioning_on_both(seed: int, kind: str, mixture: int | None):
    """What an annotation made known, and then what the user knows: their likelihoods multiply, in either order."""
    space = oracle.random_space(seed, most=7)
    prior = drawn(space, seed, (), mixture)
    (table,), how = tables(prior), oracle.annotations(space.num_labels)[kind]
    first = oracle.random_observed(table, seed, 1, 0.3)
    log_z, after = oracle.condition(table, first, how)
    second = oracle.random_observed(after, seed + 1, 2, 0.3)
    log_z2, both = oracle.condition(after, second, ann.Ignorable())
    once = prior.condition(first, how)
    twice = once.condition(second)
    assert float(once.given.log_marginal) == pytest.approx(float(log_z), abs=1e-8)
    assert float(twice.given.log_marginal) == pytest.approx(float(log_z2), abs=1e-8)
    assert_answers(twice, [both], 1e-8)
    if kind != "per-label-search":  # whose other half, being found at all, has no order
        assert_answers(prior.condition(second).condition(first, how), [both], 1e-8)


@pytest.mark.parametrize("seed", SEEDS)
def test_two_annotators(seed: int):
    """Two people each name one label of the same image: 1/N twice."""
    space = oracle.random_space(seed, most=7)
    prior = drawn(space, seed)
    (table,), how = tables(prior), ann.UniformPositive()
    first = oracle.random_observed(table, seed, 1, 0.0)
    _, after = oracle.condition(table, first, how)
    second = oracle.random_observed(after, seed + 1, 1, 0.0)
    log_z, both = oracle.condition(after, second, how)
    found = prior.condition(first, how).condition(second, how)
    assert float(found.given.log_marginal) == pytest.approx(float(log_z), abs=1e-10)
    assert_answers(found, [both], 1e-10)


def test_impossible_rows_are_named():
    prior = drawn(SPACE, 0)
    observed = torch.stack([unknown(SPACE), unknown(SPACE, red=1, green=1), unknown(SPACE, **{"2-doors": 1}, car=0)])
    with pytest.raises(ObservationError, match=r"of 2 of 3 images \(rows 1, 2\) is impossible"):
        prior.condition(observed)
    assert torch.equal(torch.isneginf(prior.log_marginal(observed, ann.UniformPositive())), torch.tensor([False, True, True]))


def test_a_label_of_probability_zero_cannot_be_known():
    logits = oracle.random_logits(SPACE, 0)
    logits[0] = -INF
    with pytest.raises(ObservationError, match="impossible"):
        LabelVector(SPACE, logits).condition(unknown(SPACE, red=1))


# --- many labels ------------------------------------------------------------------------------------------------

MANY = LabelSpace.free(map(str, range(200)))


def many(seed: int = 0, rows: int = 2) -> tuple[LabelVector, LabelVector]:
    """A prior of 200 labels of which ten are present, and its posterior, label 0 known."""
    logits = torch.randn(rows, 200, generator=torch.manual_seed(seed), dtype=torch.float64) * 2 - 4.5
    prior = LabelVector(MANY, logits)
    return prior, prior.condition(unknown(MANY, rows, **{"0": 1}), ann.UniformPositive())


def test_count_of_many_labels_given_one():
    """The count of the others, by convolution, each n in proportion to 1/(n + 1)."""
    prior, posterior = many()
    for row, found in zip(prior.logits[:, 0].sigmoid(), posterior.count_probs(), strict=True):
        counts = np.ones(1)
        for p in row[1:].tolist():
            counts = np.convolve(counts, [1 - p, p])
        counts /= np.arange(len(counts)) + 1
        np.testing.assert_allclose(found[1:], counts / counts.sum(), rtol=0, atol=1e-12)
        assert float(found[0]) == pytest.approx(0, abs=1e-12)


def test_mode_of_many_labels_given_one():
    """The best set of every size takes the likeliest labels: sort, and compare the sizes."""
    prior, posterior = many(rows=6)
    for row, mode in zip(prior.logits[:, 0], posterior.mode(), strict=True):
        rest = row[1:].sort(descending=True)
        scores = torch.cat([torch.zeros(1), rest.values.cumsum(0)]) - torch.arange(1, 201).log()
        chosen = {0} | {k + 1 for k in rest.indices[: scores.argmax()].tolist()}
        assert set(mode.nonzero().flatten().tolist()) == chosen


@pytest.mark.parametrize("how", [ann.UniformPositive(), ann.Ignorable(), ann.Scar(0.3)], ids=repr)
def test_entropy_of_many_labels_is_that_of_draws(how: ann.Annotation):
    prior, _ = many()
    posterior = prior.condition(unknown(MANY, 2, **{"0": 1}), how)
    torch.manual_seed(0)
    surprise = -posterior.log_prob(posterior.sample((3000,)))
    error = (surprise.mean(0) - posterior.entropy()).abs()
    assert (error < 4.2 * surprise.std(0) / math.sqrt(3000)).all()  # false alarm 5e-5
    draws = posterior.sample((3000,))
    gain = posterior.log_prob(draws) - prior.log_prob(draws)
    error = (gain.mean(0) - posterior.kl(prior)).abs()
    assert (error < 4.2 * gain.std(0) / math.sqrt(3000) + 1e-9).all()  # constant under Ignorable


def test_what_has_no_closed_form_says_so():
    q = LabelVector(MANY, torch.zeros(3, 200), torch.zeros(3))
    with pytest.raises(NotImplementedError, match=r"mixture of 3 forests has no closed form.*log_prob\(sample"):
        q.entropy()
    with pytest.raises(NotImplementedError, match="label sets are too many to enumerate"):
        q.enumerate_support()
    one = LabelVector(MANY, torch.zeros(200))
    assert float(one.entropy()) == pytest.approx(200 * math.log(2), rel=1e-6)


def test_the_mode_of_many_labels_in_a_mixture_is_proven_or_warned_of():
    apart = torch.full((2, 200), -3.0, dtype=torch.float64)
    apart[0, :5], apart[1, 5:9] = 4.0, 4.0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mode = LabelVector(MANY, apart, torch.tensor([0.7, 0.0])).mode()
    assert mode.nonzero().flatten().tolist() == [0, 1, 2, 3, 4]


# --- in Pyro ----------------------------------------------------------------------------------------------------


def test_it_is_a_site_of_a_pyro_program():
    q = drawn(SPACE, 0, (3,))

    def model():
        with pyro.plate("images", 3):
            return pyro.sample("labels", q)

    torch.manual_seed(0)
    trace = pyro.poutine.trace(model).get_trace()
    trace.compute_log_prob()
    y = trace.nodes["labels"]["value"]
    torch.testing.assert_close(trace.nodes["labels"]["log_prob"], q.log_prob(y))
    assert q.has_enumerate_support
    assert not q.has_rsample


# --- what is refused --------------------------------------------------------------------------------------------


def test_logits_of_another_space_are_refused():
    with pytest.raises(ValueError, match=r"logits have \(2, 8\) entries, but the space has 9 logits"):
        LabelVector(SPACE, torch.zeros(2, 8))
    with pytest.raises(ValueError, match=r"mixture_logits are \(2, 3\), so that logits should be \(..., 3, 9\), not \(2, 9\)"):
        LabelVector(SPACE, torch.zeros(2, 9), torch.zeros(2, 3))
    with pytest.raises(ValueError, match=r"should be \(..., 1, 9\)"):
        LabelVector(SPACE, torch.zeros(9), torch.zeros(1))


def test_values_that_are_no_label_sets_are_refused():
    q = drawn(SPACE, 0)
    with pytest.raises(ValueError, match=r"y has shape \(2, 7\), but the space has 8 labels"):
        q.log_prob(torch.zeros(2, 7))
    with pytest.raises(ValueError, match="values other than 0 and 1; unknown labels belong in `observed`"):
        q.log_prob(torch.full((K,), -1.0))
    loose = LabelVector(SPACE, q.logits[0], validate_args=False)
    assert loose.log_prob(torch.full((K,), -1.0)).shape == ()


def test_observations_of_another_space_are_refused():
    q = drawn(SPACE, 0)
    for call in (q.condition, lambda o: q.log_marginal(o, ann.Ignorable())):
        with pytest.raises(ObservationError, match=r"observed has shape \(3, 7\), but the space has 8 labels"):
            call(torch.full((3, 7), -1, dtype=torch.int8))


# --- properties -------------------------------------------------------------------------------------------------

deterministic = settings(derandomize=True, deadline=None, database=None, max_examples=60)


@st.composite
def priors(draw) -> LabelVector:
    space = oracle.random_space(draw(st.integers(0, 10**6)), most=6)
    components = draw(st.sampled_from([None, 2]))
    outcome = st.one_of(st.floats(-40, 40, allow_subnormal=False), st.sampled_from([-40.0, 0.0, 40.0]))
    size = space.num_logits * (components or 1)
    logits = torch.tensor(draw(st.lists(outcome, min_size=size, max_size=size)), dtype=torch.float64)
    if components is None:
        return LabelVector(space, logits)
    weights = torch.tensor(draw(st.lists(st.floats(-9, 9), min_size=2, max_size=2)), dtype=torch.float64)
    return LabelVector(space, logits.reshape(components, -1), weights)


def possible(q: LabelVector, seed: int, known: int = 1) -> Tensor:
    """Observations of a label set that is not too improbable to tell apart from an impossible one."""
    (table,) = tables(q)
    kept = table.log_p.masked_fill(table.log_p < table.log_p.max() - 25, -INF)
    return oracle.random_observed(oracle.Table(table.y, kept), seed, known, 0.3)


def place(q: LabelVector, group: Group) -> int:
    """The column of the extended tensors below which a group hangs."""
    (column,) = [
        int(parent)
        for block in q.forest.blocks
        for name, parent in zip(block.names, block.parents, strict=True)
        if name == group.name
    ]
    return column


kinds, seeds = st.sampled_from(oracle.KINDS), st.integers(0, 10**6)


@deterministic
@given(priors(), kinds, st.sampled_from([0.0, 0.2]), seeds)
def test_probabilities_are_probabilities(q: LabelVector, kind: str, noise: float, seed: int):
    posterior = q.condition(possible(q, seed), oracle.annotations(q.space.num_labels, noise)[kind])
    for one in (q, posterior):
        p = one.marginals
        assert ((p >= -1e-9) & (p <= 1 + 1e-9)).all()
        for group in one.space.groups:
            above = float(exact.column_probs(one.forest, one.logits)[..., place(one, group)] @ one.log_weights.exp())
            total = float(p[one.space.columns(group)].sum())
            assert total <= above + 1e-9
            assert group.optional or total == pytest.approx(above, abs=1e-9)
        assert -1e-9 <= float(one.entropy()) <= math.log(one.space.num_label_sets) + 1e-9
        counts = one.count_probs()
        assert float(counts.sum()) == pytest.approx(1)
        assert float(counts @ torch.arange(len(counts)).double()) == pytest.approx(float(p.sum()), abs=1e-8)


@deterministic
@given(priors(), seeds)
def test_what_is_known_is_certain_and_more_of_it_is_less_probable(q: LabelVector, seed: int):
    observed = possible(q, seed, known=2)
    less = torch.where(torch.arange(len(observed)) % 2 == 0, observed, -1).to(torch.int8)
    posterior, before = q.condition(observed), q.condition(less)
    for value in (0, 1):
        torch.testing.assert_close(
            posterior.marginals[observed == value], torch.full_like(observed[observed == value], value).double()
        )
    assert float(posterior.given.log_marginal) <= float(before.given.log_marginal) + 1e-9
    assert float(before.condition(observed).given.log_marginal) == pytest.approx(
        float(posterior.given.log_marginal) - float(before.given.log_marginal), abs=1e-8
    )


@deterministic
@given(priors(), kinds, seeds)
def test_an_impossible_label_changes_nothing(q: LabelVector, kind: str, seed: int):
    """A free label of logit -inf, and below it a group that can never apply."""
    K, observed = q.space.num_labels, possible(q, seed)
    groups = [*q.space.groups, Free("never"), OneOf("hence", ["neither", "nor"], requires="never")]
    pad = torch.tensor([-INF, 0.3, -0.4], dtype=torch.float64).expand(*q.logits.shape[:-1], 3)
    try:
        wide = LabelSpace(groups)
    except LabelSpaceError:  # a further root next to what excludes all others need not be a forest
        reject()
    more = LabelVector(wide, torch.cat([q.logits, pad], -1), q.mixture_logits)
    how, wider = oracle.annotations(K + 3)[kind], torch.cat([observed, unknown(more.space)[-3:]])
    fewer: ann.Annotation = how
    if hasattr(how, "weights"):
        fewer = type(how)(how.weights[:K])
    elif hasattr(how, "rates"):
        fewer = ann.Scar(how.rates[:K])
    mine, theirs = q.condition(observed, fewer), more.condition(wider, how)
    assert float(theirs.given.log_marginal) == pytest.approx(float(mine.given.log_marginal), abs=1e-8)
    torch.testing.assert_close(theirs.marginals[:K], mine.marginals, rtol=0, atol=1e-8)
    assert theirs.marginals[K:].abs().max() < 1e-12
    assert float(theirs.entropy()) == pytest.approx(float(mine.entropy()), abs=1e-7)


@deterministic
@given(priors(), kinds, st.sampled_from([0.0, 0.2]), seeds, st.randoms(use_true_random=False))
def test_the_order_of_the_groups_is_the_order_of_the_answers(q: LabelVector, kind: str, noise: float, seed: int, random):
    order = list(range(len(q.space.groups)))
    random.shuffle(order)
    sizes = [group.num_logits for group in q.space.groups]
    parts = q.logits.split(sizes, -1)
    space = LabelSpace([q.space.groups[g] for g in order])
    # of groups that exclude each other the first one is the parent, whose logits are not conditional
    assume(all(space.parent(group) == q.space.parent(group) for group in space.groups))
    logits = torch.cat([parts[g] for g in order], -1)
    labels = [q.space.index(label) for label in space.labels]
    observed, how = possible(q, seed), oracle.annotations(q.space.num_labels, noise)[kind]
    other = how
    if hasattr(how, "weights"):
        other = type(how)(how.weights[labels], noise=noise)
    elif hasattr(how, "rates"):
        other = ann.Scar(how.rates[labels], noise=noise)
    mine = q.condition(observed, how)
    theirs = LabelVector(space, logits, q.mixture_logits).condition(observed[labels], other)
    assert float(theirs.given.log_marginal) == pytest.approx(float(mine.given.log_marginal), abs=1e-8)
    torch.testing.assert_close(theirs.marginals, mine.marginals[labels], rtol=0, atol=1e-8)
    torch.testing.assert_close(theirs.count_probs(), mine.count_probs(), rtol=0, atol=1e-8)


# --- calibration ------------------------------------------------------------------------------------------------


# a mistake under Ignorable has no draws: it does not say which labels were asked
SIMULATED = [(kind, noise) for kind in oracle.KINDS for noise in (0.0, 0.25) if (kind, noise) != ("ignorable", 0.25)]


def simulate(prior: LabelVector, how: ann.Annotation) -> tuple[Tensor, Tensor]:
    """Labels from the model and what becomes known of them, mistakes included: y and o of every row."""
    y = prior.sample()
    if how.kind == "per-label-search":  # only what shows some label is found, in proportion to the labels' weights
        sets = prior.enumerate_support()
        log_w = prior.log_prob(sets) + (sets @ how.weights).log()
        row = torch.distributions.Categorical(logits=log_w.T).sample()
        y = sets[row, torch.arange(len(row))]
    if how.kind != "uniform-positive":
        return y, how.sample(y)
    right = ann.UniformPositive()
    shown = torch.where(torch.rand(len(y), 1) < how.noise, torch.ones_like(y), y)
    observed = right.sample(shown)
    second = right.sample(shown - (observed == 1).double())  # a second known label in half of the images that show two
    observed = torch.where(torch.rand(len(y), 1) < 0.5, torch.maximum(observed, second), observed)
    return y, observed


@pytest.mark.parametrize("mixture", [None, 2])
@pytest.mark.parametrize(("kind", "noise"), SIMULATED)
def test_probabilities_come_true_at_their_rates(kind: str, noise: float, mixture: int | None):
    """Simulation-based calibration, 3,000 images of different logits; false-alarm rate below `ALPHA`."""
    torch.manual_seed(0)
    how = oracle.annotations(K, noise)[kind]
    prior = drawn(SPACE, 7, (3000,), mixture)
    y, observed = simulate(prior, how)
    if kind not in ("ignorable", "scar"):  # images without a known positive are no draws of these
        keep = (observed == 1).any(-1)
        y, observed = y[keep], observed[keep]
        prior = LabelVector(SPACE, prior.logits[keep], prior.mixture_logits[keep] if mixture else torch.zeros(1))
    posterior = prior.condition(observed, how)
    assert oracle.calibration_p_value(posterior.marginals, y) > oracle.ALPHA


@pytest.mark.parametrize(
    ("truth", "wrong"),
    [
        (ann.UniformPositive(), ann.Ignorable()),
        (ann.Scar(0.5), ann.Ignorable()),
        (ann.UniformPositive(noise=0.25), ann.UniformPositive()),
        (ann.WeightedPositive(torch.linspace(0.2, 5, K)), ann.UniformPositive()),
    ],
    ids=repr,
)
def test_a_wrong_annotation_is_not_calibrated(truth: ann.Annotation, wrong: ann.Annotation):
    """What the test above would say of a posterior that mistakes why labels are missing."""
    torch.manual_seed(0)
    prior = drawn(SPACE, 7, (3000,))
    y = prior.sample()
    observed = truth.sample(y)
    possible = torch.isfinite(prior.log_marginal(observed, wrong))
    posterior = LabelVector(SPACE, prior.logits[possible, 0]).condition(observed[possible], wrong)
    assert oracle.calibration_p_value(posterior.marginals, y[possible]) < oracle.ALPHA


# --- at the edges -----------------------------------------------------------------------------------------------


def test_a_chain_of_a_thousand_labels():
    """No answer recurses along it. The i-th label is present with probability prod_{j <= i} p_j."""
    D = 1000
    space = LabelSpace([Free("0"), *(Free(str(k), requires=str(k - 1)) for k in range(1, D))])
    assert space.num_label_sets == D + 1 == len(list(space.label_sets()))
    logits = torch.full((2, D), 6.0, dtype=torch.float64)
    logits[1, 500:] = -1.0
    logits.requires_grad_()
    q = LabelVector(space, logits)
    marginals = logits.detach().sigmoid().cumprod(-1)
    torch.testing.assert_close(q.marginals, marginals)
    counts = torch.cat([torch.ones(2, 1), marginals], -1) - torch.cat([marginals, torch.zeros(2, 1)], -1)
    found = q.count_probs()
    torch.testing.assert_close(found, counts, rtol=0, atol=1e-13)
    (slope,) = torch.autograd.grad(found[:, 3].sum(), logits)
    expected = counts[:, 3:4] * torch.cat([1 - logits[:, :3].sigmoid(), -logits[:, 3:4].sigmoid()], -1)
    torch.testing.assert_close(slope[:, :4], expected.detach())
    torch.testing.assert_close(q.entropy(), -torch.special.xlogy(counts, counts).sum(-1))
    assert q.mode().sum(-1).tolist() == [D, 500]
    assert (q.sample().diff(dim=-1) <= 0).all()
    observed = torch.full((2, D), -1, dtype=torch.int8)
    observed[:, 99] = 1
    posterior = q.condition(observed, ann.UniformPositive())
    n = torch.arange(1, D + 1, dtype=torch.float64)
    after = torch.where(n >= 100, counts[:, 1:] / n, 0.0)
    torch.testing.assert_close(posterior.given.log_marginal, after.sum(-1).log())
    torch.testing.assert_close(posterior.count_probs()[:, 1:], after / after.sum(-1, keepdim=True), rtol=0, atol=1e-12)
    assert posterior.mode().sum(-1).tolist() == [float(row.argmax() + 1) for row in after]
    assert NonEmptyLabelVector(space, logits).mode().sum(-1).tolist() == [D, 500]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize(
    "how", [ann.UniformPositive(), ann.UniformPositive(noise=0.1), ann.Scar(0.3), ann.PerLabelSearch()], ids=repr
)
def test_half_precision_is_taken_up(how: ann.Annotation, dtype: torch.dtype):
    """Answers are those of the same logits in float32; the gradient comes back in the leaf's own precision."""
    K = 1000
    space, observed = LabelSpace.free(map(str, range(K))), torch.full((4, K), -1, dtype=torch.int8)
    observed[:, 0] = 1
    half = (torch.randn(4, K, generator=torch.manual_seed(0)) - 3).to(dtype).requires_grad_()
    full = half.detach().double().requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mine = LabelVector(space, half).log_marginal(observed, how)
        (slope,) = torch.autograd.grad(mine.sum(), half)
    theirs = LabelVector(space, full).log_marginal(observed, how)
    (expected,) = torch.autograd.grad(theirs.sum(), full)
    assert mine.dtype == torch.float32 and slope.dtype == dtype
    torch.testing.assert_close(mine.double(), theirs, rtol=2e-6, atol=2e-6)
    torch.testing.assert_close(slope.double(), expected, rtol=2 * torch.finfo(dtype).eps, atol=1e-6)
    y = LabelVector(space, half).sample()
    torch.testing.assert_close(how.log_prob(observed, y.to(dtype)), how.log_prob(observed, y), rtol=1e-6, atol=1e-6)


BROKEN = {
    "NaN of a free label": [0.0, 0.0, 0.0, math.nan],
    "NaN in a group": [0.0, math.nan, 0.0, 0.0],
    "two certain labels that exclude each other": [INF, INF, 0.0, 0.0],
    "no outcome is left": [-INF, -INF, -INF, 0.0],
}


@pytest.mark.parametrize("logits", BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize(("kind", "mixture"), [(LabelVector, None), (LabelVector, 2), (NonEmptyLabelVector, None)])
def test_logits_without_a_distribution(kind: type[LabelVector], mixture: int | None, logits: list[float]):
    """Label sets are refused, numbers are NaN, and rows beside them are right."""
    space = LabelSpace([OneOf("g", ["a", "b"], optional=True), Free("c")])
    x = torch.tensor([[0.1, 0.2, 0.3, 0.4], logits])
    right = kind(space, x[:1])
    q = LabelVector(space, x.unsqueeze(-2).expand(2, 2, 4), torch.zeros(2)) if mixture else kind(space, x)
    for answer in (q.sample, q.mode, lambda: q.condition(unknown(space, 2, c=1), ann.UniformPositive())):
        with pytest.raises(ValueError, match=r"1 of 2 images \(row 1\) describe no distribution"):
            answer()
    for found, expected in (
        (q.entropy(), right.entropy()),
        (q.kl(q), right.kl(right)),
        (q.count_probs(), right.count_probs()),
        (q.marginals.sum(-1), right.marginals.sum(-1)),
        (q.log_prob(torch.tensor([1.0, 0.0, 1.0])), right.log_prob(torch.tensor([1.0, 0.0, 1.0]))),
        (
            q.log_marginal(unknown(space, 2, c=1), ann.UniformPositive()),
            right.log_marginal(unknown(space, 1, c=1), ann.UniformPositive()),
        ),
    ):
        torch.testing.assert_close(found[0], expected[0], atol=1e-6, rtol=1e-6)
        assert found[1].isnan().any()


@pytest.mark.parametrize("how", list(oracle.annotations(K, 0.1).values()) + list(oracle.annotations(K).values()), ids=repr)
def test_tables_of_floats(how: ann.Annotation):
    """NaN means unknown, everywhere; a number that says nothing is refused."""
    q, observed = drawn(SPACE, 0, (2,)), torch.stack([unknown(SPACE, striped=1), unknown(SPACE, striped=1, red=0)])
    table = torch.where(observed == -1, math.nan, observed.double())
    assert torch.equal(q.log_marginal(table, how), q.log_marginal(observed, how))
    assert torch.equal(q.condition(table, how).marginals, q.condition(observed, how).marginals)
    y = q.mode()
    assert torch.equal(how.log_prob(table, y), how.log_prob(observed, y))
    n = NonEmptyLabelVector(SPACE, q.logits[:, 0], 0.05)
    assert torch.equal(n.log_marginal(table, how), n.log_marginal(observed, how))
    assert torch.equal(n.condition(table, how).marginals, n.condition(observed, how).marginals)
    table[1, 2] = 0.5
    for answer in (lambda: q.log_marginal(table, how), lambda: how.log_prob(table, y)):
        with pytest.raises(ObservationError, match=r"observed holds 0.5 at \(1, 2\)"):
            answer()


def test_what_excludes_the_known_labels_is_named():
    space = LabelSpace([OneOf("g", ["a", "b"]), Free("c")])
    logits = torch.tensor([[0.0, 0.0, 0.0], [-INF, 0.0, 0.0], [0.0, 0.0, INF]])
    q = LabelVector(space, logits)
    with pytest.raises(ObservationError, match=r"1 of 3 images \(row 1\) is impossible by the logits"):
        q.condition(unknown(space, 3, a=1))
    with pytest.raises(ObservationError, match=r"1 of 3 images \(row 2\) is impossible by the logits"):
        q.condition(unknown(space, 3, c=0))
    with pytest.raises(ObservationError, match=r"3 of 3 images \(rows 0, 1, 2\) is impossible: no valid label set"):
        q.condition(unknown(space, 3, a=1, b=1))


@pytest.mark.parametrize("shape", [(0,), (3, 0), (0, 2)])
@pytest.mark.parametrize("noise", [0.0, 0.1])
@pytest.mark.parametrize("kind", oracle.KINDS)
@pytest.mark.parametrize("space", [SPACE, LabelSpace.free("abc"), LabelSpace.free(map(str, range(60))), LabelSpace.free("a")],
                         ids=["forest", "free", "many", "one"])  # fmt: skip
def test_no_rows_anywhere(space: LabelSpace, kind: str, noise: float, shape: tuple[int, ...]):
    size, how = space.num_labels, oracle.annotations(space.num_labels, noise)[kind]
    logits = torch.zeros(*shape, space.num_logits, requires_grad=True)
    observed = torch.full((*shape, size), -1, dtype=torch.int8)
    for prior in (LabelVector(space, logits), NonEmptyLabelVector(space, logits), NonEmptyLabelVector(space, logits, 0.05)):
        assert prior.log_marginal(observed, how).shape == shape
        for q in (prior, prior.condition(observed, how), prior.condition(unknown(space), how)):
            y = q.sample((2,))
            assert y.shape == (2, *shape, size)
            assert q.log_prob(y).shape == (2, *shape)
            assert q.marginals.shape == q.mode().shape == (*shape, size)
            assert q.count_probs().shape == (*shape, q.forest.max_count + 1)
            if space.num_label_sets < 1000 or q.num_components == 1:
                assert q.entropy().shape == q.kl(prior).shape == shape
            assert q.expand((2, *shape)).marginals.shape == (2, *shape, size)
        assert prior.log_marginal(unknown(space), how).shape == shape
        (slope,) = torch.autograd.grad(prior.log_marginal(observed, how).sum() + prior.count_probs().sum(), logits)
        assert slope.shape == logits.shape
    y = torch.zeros(*shape, size)
    assert how.sample(y).shape == y.shape
    assert how.log_prob(observed, y).shape == shape


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(
    "how", [ann.UniformPositive(), ann.Ignorable(), ann.Scar(0.4), ann.UniformPositive(noise=0.2)], ids=repr
)
def test_gradients_of_every_answer_of_a_posterior(how: ann.Annotation, seed: int):
    """Entropy, divergence, counts and marginals, of conditioned vectors and mixtures, by finite differences."""
    space = oracle.random_space(seed, most=6)
    table = oracle.table(space, oracle.random_logits(space, seed))
    observed = oracle.random_observed(table, seed, 1 + seed % 2, 0.3)
    x = oracle.random_logits(space, seed, 2).requires_grad_()
    other = LabelVector(space, torch.linspace(-1, 1, space.num_logits, dtype=torch.float64))

    def answers(q: LabelVector) -> Tensor:
        return torch.cat([q.entropy()[None], q.kl(other)[None], q.count_probs(), q.marginals])

    def one(value: Tensor) -> Tensor:
        return answers(LabelVector(space, value[0]).condition(observed, how))

    def mixed(value: Tensor) -> Tensor:
        return answers(LabelVector(space, value, value[:, 0]).condition(observed, how))

    for function in (one, mixed):
        assert torch.autograd.gradcheck(function, x, atol=1e-6)
        assert torch.autograd.gradgradcheck(function, x, atol=1e-5, fast_mode=True)


# --- a label that excludes all others ---------------------------------------------------------------------------


@pytest.mark.parametrize("dtype, tol", [(torch.float32, 2e-5), (torch.float64, 1e-9)])
@pytest.mark.parametrize("mean", [1.5, 20.0])
def test_a_label_that_excludes_many_others_has_closed_forms(mean: float, dtype: torch.dtype, tol: float):
    """Where it is absent the others are as if it were not there, so that few nodes of a quadrature still do."""
    K = 300
    free = (torch.randn(2, K, generator=torch.manual_seed(0), dtype=torch.float64) * 0.5 + math.log(mean / (K - mean))).to(
        dtype
    )
    lone = torch.tensor([[0.3], [-2.0]], dtype=dtype)
    space = LabelSpace([*(Free(f"label {k}") for k in range(K)), Free("no finding", excludes="all")])
    q, others = LabelVector(space, torch.cat([free, lone], -1)), LabelVector(LabelSpace.free(space.labels[:K]), free)
    absent = F.logsigmoid(-lone[:, 0])
    observed = torch.full((2, K + 1), -1, dtype=torch.int8)
    observed[0, 5] = observed[1, 7] = observed[1, 8] = 1
    for how in (ann.UniformPositive(), ann.Scar(0.3), ann.Ignorable()):
        expected = absent + others.log_marginal(observed[:, :K], how)
        torch.testing.assert_close(q.log_marginal(observed, how), expected, rtol=tol, atol=20 * tol)
    torch.testing.assert_close(q.marginals[:, :K], others.marginals * absent.exp().unsqueeze(-1), rtol=tol, atol=tol)
    counts = others.count_probs() * absent.exp().unsqueeze(-1)
    counts[:, 1] += lone[:, 0].sigmoid()
    torch.testing.assert_close(q.count_probs(), counts, rtol=0, atol=tol)
    p = lone[:, 0].double().sigmoid()
    own = -(p * p.log() + (1 - p) * torch.log1p(-p))
    torch.testing.assert_close(q.entropy().double(), own + (1 - p) * others.entropy().double(), rtol=10 * tol, atol=10 * tol)
    assert q._count_bound(observed).expected < 4 * mean + 8 and q._count_bound(observed).block == 1


def test_known_no_finding_says_that_all_others_are_absent():
    space = LabelSpace([Free("a"), OneOf("g", ["b", "c"]), Free("no finding", excludes="all")])
    q = LabelVector(space, torch.randn(space.num_logits, generator=torch.manual_seed(0)))
    posterior = q.condition(torch.tensor([-1, -1, -1, 1], dtype=torch.int8))
    assert posterior.marginals.tolist() == [0, 0, 0, 1] and float(posterior.entropy()) == 0
    posterior = q.condition(torch.tensor([1, -1, -1, -1], dtype=torch.int8))
    assert float(posterior.marginals[3]) == 0 and float(posterior.marginals[1:3].sum()) == pytest.approx(1)


def test_numpy_arrays_and_lists_of_known_labels_are_taken():
    space = LabelSpace([OneOf("g", ["a", "b"]), OneOf("h", ["c", "d"], optional=True)])
    logits = torch.randn(3, space.num_logits, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    known = torch.tensor([[1, -1, -1, -1], [-1, -1, 1, -1], [-1, -1, -1, -1]], dtype=torch.int8)
    expected, how = space.distribution(logits), ann.UniformPositive()
    posterior = expected.condition(known, how)
    for values, observed in ((logits.numpy(), known.numpy()), (logits, known.tolist())):
        q = space.distribution(values)
        assert torch.allclose(q.marginals.double(), expected.marginals, atol=1e-6)
        assert torch.allclose(q.log_marginal(observed, how).double(), expected.log_marginal(known, how), atol=1e-6)
        assert torch.allclose(q.condition(observed, how).marginals.double(), posterior.marginals, atol=1e-6)
