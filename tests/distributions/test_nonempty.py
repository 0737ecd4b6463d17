"""`NonEmptyLabelVector`: every answer by brute force over all label sets, with the empty one weighted by r.

And draws by tests of known false-alarm rate, presence so improbable that 1 - P0 has no digits, extreme logits, Pyro.
"""

from __future__ import annotations

import math

import oracle
import pytest
import torch
from pyro.infer import TraceEnum_ELBO
from torch import Tensor, nn

from latentlabels import annotation as ann
from latentlabels.distributions import LabelVector
from latentlabels.distributions.nonempty import NonEmptyLabelVector, _double, can_be_empty
from latentlabels.errors import ObservationError
from latentlabels.program import Amortizer, CollapsedELBO, LabelGuide, LabelModel, LabelPrior
from latentlabels.space import Free, LabelSpace, OneOf

INF = math.inf
ODDS = [0.0, 0.05, 1.0]
PRECISIONS = [(torch.float32, 2e-5), (torch.float64, 1e-10)]
SPACE = LabelSpace(
    [
        OneOf("vehicle", ["car", "bike"], optional=True),
        OneOf("doors", ["2-doors", "4-doors"], requires="car"),
        Free("spoiler", requires="car"),
        Free("striped"),
        Free("dotted"),
    ]
)
K = SPACE.num_labels
SPACES = [
    SPACE,
    LabelSpace.free("abcd"),
    LabelSpace.free("a"),
    LabelSpace([OneOf("one", ["a", "b", "c"], optional=True)]),
    LabelSpace([OneOf("one", ["a", "b"], optional=True), OneOf("two", ["c", "d"], optional=True), Free("e", requires="a")]),
    LabelSpace(
        [Free("a"), OneOf("two", ["b", "c"], True, excludes=["a"]), Free("d", excludes="all"), Free("e", excludes="all")]
    ),
]


def emptiable(seed: int) -> LabelSpace:
    """A random forest of which the empty set is valid: exhaustive groups that apply to it are made optional."""
    space = oracle.random_space(seed, most=6)
    groups = [
        OneOf(group.name, group.labels, True, group.requires, None, group.excludes)
        if isinstance(group, OneOf) and group.name in space.open_groups
        else group
        for group in space.groups
    ]
    return LabelSpace(groups)


SPACES += [emptiable(seed) for seed in (2, 3, 5)]
IDS = [f"space-{number}" for number in range(len(SPACES))]


def drawn(space: LabelSpace, seed: int, r: float = 0.0, shape: tuple[int, ...] = (), **how) -> NonEmptyLabelVector:
    return NonEmptyLabelVector(space, oracle.random_logits(space, seed, *shape, **how), r)


def weighted(table: oracle.Table, r: float) -> oracle.Table:
    """The definition: the empty set r times as probable, and the rest scaled up."""
    empty = (table.y == 0).all(1)
    log_p = torch.where(empty, table.log_p + (math.log(r) if r else -INF), table.log_p)
    return oracle.Table(table.y, log_p - torch.logsumexp(log_p, 0))


def tables(q: NonEmptyLabelVector) -> list[oracle.Table]:
    """One a row of the batch."""
    rows = q.logits.expand(*q.batch_shape, *q.logits.shape[-2:]).reshape(-1, q.logits.shape[-1])
    return [weighted(oracle.table(q.space, row), q.empty_odds) for row in rows]


def stacked(values: list[Tensor], q: LabelVector) -> Tensor:
    return torch.stack(values).reshape(q.batch_shape + values[0].shape)


def assert_answers(q: LabelVector, expected: list[oracle.Table], tol: float) -> None:
    def close(found: Tensor, true: list[Tensor]) -> None:
        torch.testing.assert_close(found.double(), stacked(true, q), rtol=tol, atol=tol)

    size = q.space.num_labels
    close(q.marginals, [table.marginals for table in expected])
    close(q.mean, [table.marginals for table in expected])
    close(q.entropy(), [table.entropy for table in expected])
    close(oracle.padded(q.count_probs(), size), [table.count_probs for table in expected])
    y = oracle.vectors(size).to(q.logits.dtype)
    every = q.log_prob(y.reshape(-1, *(1 for _ in q.batch_shape), size))
    close(every.movedim(0, -1), [table.log_p for table in expected])
    assert q.mode().shape == q.sample().shape == (*q.batch_shape, size)
    for mode, table in zip(q.mode().reshape(-1, size), expected, strict=True):
        assert mode.any() or float(table.p[0]) > 0
        assert float(table.log_prob(mode)) == pytest.approx(float(table.log_p.max()), abs=100 * tol)


def unknown(space: LabelSpace, *shape: int, **known: int) -> Tensor:
    observed = torch.full((*shape, space.num_labels), -1, dtype=torch.int8)
    for label, value in known.items():
        observed[..., space.index(label)] = value
    return observed


# --- the prior --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("dtype", "tol"), PRECISIONS)
@pytest.mark.parametrize("shape", [(), (2, 3)])
@pytest.mark.parametrize("r", ODDS)
@pytest.mark.parametrize("space", SPACES, ids=IDS)
def test_every_answer(space: LabelSpace, r: float, shape: tuple[int, ...], dtype: torch.dtype, tol: float):
    q = NonEmptyLabelVector(space, oracle.random_logits(space, 1, *shape).to(dtype), r)
    assert q.batch_shape == shape and q.event_shape == (space.num_labels,)
    assert {t.dtype for t in (q.marginals, q.entropy(), q.count_probs(), q.mode(), q.sample(), q.log_mass)} == {dtype}
    assert_answers(q, tables(q), tol)
    base = [oracle.table(space, row) for row in q.base.logits.reshape(-1, space.num_logits)]
    empty = torch.stack([table.p[0] for table in base]).reshape(shape)
    torch.testing.assert_close(q.log_empty.double(), empty.log(), rtol=tol, atol=tol)
    torch.testing.assert_close(q.log_mass.double(), torch.log(1 - (1 - r) * empty), rtol=tol, atol=tol)


@pytest.mark.parametrize("r", [0.0, 0.3])
@pytest.mark.parametrize("seed", range(8))
def test_impossible_outcomes(seed: int, r: float):
    q = drawn(SPACE, seed, r, (2,), impossible=0.3)
    assert_answers(q, tables(q), 1e-10)


def test_without_a_condition_it_is_the_label_vector():
    q, plain = drawn(SPACE, 0, 1.0, (5,)), LabelVector(SPACE, oracle.random_logits(SPACE, 0, 5))
    y = plain.enumerate_support()
    torch.testing.assert_close(q.log_prob(y), plain.log_prob(y))
    torch.testing.assert_close(q.marginals, plain.marginals)
    torch.testing.assert_close(q.kl(plain), torch.zeros(5).double(), atol=1e-12, rtol=0)


@pytest.mark.parametrize("r", [0.0, 0.05, 0.9])
def test_the_mode_where_the_empty_set_is_the_likeliest_without_the_weight(r: float):
    q = NonEmptyLabelVector(SPACE, oracle.random_logits(SPACE, 0, 40) - torch.tensor([1.5, 1.5, -1, 0, 0, 1, 1.5, 1.5]), r)
    empty = ~(q.base.mode() != 0).any(-1)
    assert int(empty.sum()) > 5
    modes = q.mode()
    assert bool((modes[empty] != 0).any()) and (r > 0 or bool((modes != 0).any(-1).all()))
    for mode, table in zip(modes, tables(q), strict=True):
        assert torch.equal(mode, table.y[table.log_p.argmax()])


@pytest.mark.parametrize("r", [0.0, 0.2, 1.0])
@pytest.mark.parametrize("space", SPACES, ids=IDS)
def test_kl(space: LabelSpace, r: float):
    p = drawn(space, 0, r, (3,))
    others = [drawn(space, 1, odds, (3,)) for odds in (0.0, 0.2, 1.0)]
    plain = LabelVector(space, oracle.random_logits(space, 1, 3))
    for q in others:
        torch.testing.assert_close(p.kl(q), stacked([a.kl(b) for a, b in zip(tables(p), tables(q), strict=True)], p))
    torch.testing.assert_close(p.kl(plain), p.kl(others[2]))
    torch.testing.assert_close(p.kl(p), torch.zeros(3).double(), atol=1e-12, rtol=0)
    for q in others:  # a plain one to a weighted one
        expected = stacked([weighted(a, 1.0).kl(b) for a, b in zip(map_tables(plain), tables(q), strict=True)], p)
        torch.testing.assert_close(plain.kl(q), expected)
    assert torch.isinf(plain.kl(others[0])).all() and torch.isinf(p.kl(others[0])).all() == (r > 0)


def map_tables(q: LabelVector) -> list[oracle.Table]:
    return [oracle.table(q.space, row, weight) for row, weight in zip(*components(q), strict=True)]


def components(q: LabelVector) -> tuple[Tensor, Tensor]:
    size = q.num_components
    logits = q.logits.expand(*q.batch_shape, size, q.logits.shape[-1]).reshape(-1, size, q.logits.shape[-1])
    return logits, q.mixture_logits.expand(*q.batch_shape, size).reshape(-1, size)


def test_kl_to_what_is_never_empty_by_itself():
    """Infinity less infinity in the closed form: one root group alone can be told apart, and two not."""
    space = SPACES[3]
    p = drawn(space, 0)
    full = LabelVector(space, torch.tensor([0.3, 1.0, -0.2, -INF]).double())
    expected = tables(p)[0].kl(oracle.table(space, full.logits[0]))
    torch.testing.assert_close(p.kl(full), expected)
    torch.testing.assert_close(p.kl(NonEmptyLabelVector(space, full.logits[0], 0.3)), expected)
    assert drawn(space, 0, 0.1).kl(full) == INF
    known = LabelVector(SPACE, oracle.random_logits(SPACE, 1)).condition(unknown(SPACE, striped=1))
    assert drawn(SPACE, 0).kl(known) == INF
    many = LabelSpace.free(map(str, range(200)))
    prior = NonEmptyLabelVector(many, torch.full((2, 200), -3.0))
    posterior = prior.condition(unknown(many, 2, **{"3": 1}), ann.UniformPositive())
    assert torch.isinf(prior.kl(posterior)).all() and torch.isfinite(posterior.kl(prior)).all()


def test_kl_of_a_plain_mixture_to_a_weighted_posterior():
    """Whose density is enumerated: the weight of the empty set enters once."""
    space = LabelSpace.free("abc")
    how = ann.Scar(0.4, noise=0.2)
    p = LabelVector(space, oracle.random_logits(space, 0, 2), torch.zeros(2))
    q = drawn(space, 1, 0.1).condition(unknown(space, a=1), how)
    assert q.nonempty and q.num_components > 1
    truth = oracle.condition(tables(drawn(space, 1, 0.1))[0], unknown(space, a=1), how)[1]
    mixture = oracle.table(space, p.logits, p.mixture_logits)
    torch.testing.assert_close(p.kl(q), mixture.kl(truth))
    torch.testing.assert_close(q.kl(p), truth.kl(mixture))


@pytest.mark.parametrize("r", [0.0, 0.1])
def test_enumerate_support(r: float):
    q = drawn(SPACE, 0, r, (2, 3))
    sets, thin = q.enumerate_support(), q.enumerate_support(expand=False)
    size = SPACE.num_label_sets - (r == 0)
    assert sets.shape == (size, 2, 3, K) and thin.shape == (size, 1, 1, K)
    assert ((sets != 0).any(-1).all()) == (r == 0)
    torch.testing.assert_close(q.log_prob(thin).exp().sum(0), torch.ones(2, 3).double())


@pytest.mark.parametrize("r", [0.0, 0.1])
def test_expand(r: float):
    q = drawn(SPACE, 3, r, (3,))
    wide = q.expand((2, 3))
    assert isinstance(wide, NonEmptyLabelVector) and wide.batch_shape == (2, 3) and q.expand([3]) is q
    assert_answers(wide, tables(q) * 2, 1e-10)
    posterior = q.condition(unknown(SPACE, 3, car=0), ann.UniformPositive(noise=0.1))
    again = posterior.expand((2, 3))
    for answer in ("marginals", "log_mass", "log_empty"):
        found = getattr(again, answer)
        torch.testing.assert_close(found, getattr(posterior, answer).expand(found.shape))
    torch.testing.assert_close(again.entropy(), posterior.entropy().expand(2, 3))


def test_what_can_be_empty():
    assert all(can_be_empty(space) for space in SPACES)
    assert not can_be_empty(LabelSpace([OneOf("colour", ["red", "green"]), Free("striped")]))
    with pytest.raises(ValueError, match=r"in \[0, 1\], not 1.5"):
        drawn(SPACE, 0, 1.5)


# --- the posterior ----------------------------------------------------------------------------------------------


def hows(size: int) -> list[ann.Annotation]:
    return [how for noise in (0.0, 0.15) for how in oracle.annotations(size, noise).values()]


WHAT = [
    ("nothing", 0.0),
    ("absent", 0.05),
    ("one", 0.0),
    ("one-and-absent", 0.05),
    ("two", 0.0),
    ("mixed", 0.0),
    ("mixed", 0.05),
]


@pytest.mark.parametrize(
    ("how", "what", "r"), [(how, *what) for how in hows(K) for what in WHAT if what[0] != "two" or not how.one_positive]
)
def test_the_posterior(how: ann.Annotation, what: str, r: float):
    observed = {
        "nothing": unknown(SPACE, 2),
        "absent": unknown(SPACE, 2, car=0, dotted=0),
        "one": unknown(SPACE, 2, striped=1),
        "one-and-absent": unknown(SPACE, 2, bike=1, dotted=0),
        "two": unknown(SPACE, 2, spoiler=1, striped=1),
        "mixed": torch.stack([unknown(SPACE, spoiler=1), unknown(SPACE, car=0)]),
    }[what]
    prior = drawn(SPACE, 2, r, (2,))
    truth = [oracle.condition(table, row, how) for table, row in zip(tables(prior), observed, strict=True)]
    torch.testing.assert_close(prior.log_marginal(observed, how), stacked([z for z, _ in truth], prior), rtol=1e-9, atol=1e-9)
    posterior = prior.condition(observed, how)
    assert posterior.given.prior is prior
    mistaken = how.noise > 0 and how.kind != "per-label-search"  # an image in a wrong folder was found, by a label of its own
    assert posterior.nonempty == (mistaken or what in ("nothing", "absent", "mixed"))
    assert_answers(posterior, [table for _, table in truth], 1e-8)
    expected = stacked([after.kl(before) for (_, after), before in zip(truth, tables(prior), strict=True)], prior)
    torch.testing.assert_close(posterior.kl(prior), expected, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("r", [0.0, 0.05])
@pytest.mark.parametrize("kind", oracle.KINDS)
@pytest.mark.parametrize("seed", range(1, 5))
def test_conditioning_twice_is_conditioning_on_both(seed: int, kind: str, r: float):
    space = emptiable(seed)
    prior, how = drawn(space, seed, r), oracle.annotations(space.num_labels, 0.1 * (seed % 2))[kind]
    (table,) = tables(prior)
    first = oracle.random_observed(table, seed, seed % 2, 0.3)
    log_z, after = oracle.condition(table, first, how)
    second = oracle.random_observed(after, seed + 1, 1, 0.3)
    log_z2, both = oracle.condition(after, second, ann.Ignorable())
    once = prior.condition(first, how)
    twice = once.condition(second)
    assert float(once.given.log_marginal) == pytest.approx(float(log_z), abs=1e-8)
    assert float(twice.given.log_marginal) == pytest.approx(float(log_z2), abs=1e-8)
    assert_answers(twice, [both], 1e-8)
    if kind != "per-label-search" and not how.noise:
        assert_answers(prior.condition(second).condition(first, how), [both], 1e-8)


def test_only_the_empty_set_agrees():
    observed = torch.zeros(2, K, dtype=torch.int8)
    with pytest.raises(ObservationError, match="impossible"):
        drawn(SPACE, 0, 0.0, (2,)).condition(observed)
    assert drawn(SPACE, 0, 0.1, (2,)).condition(observed).marginals.sum() == 0


def test_many_labels_of_which_some_images_know_nothing():
    """A posterior with a closed form for entropy and divergence keeps it."""
    many = LabelSpace.free(map(str, range(100)))
    prior = NonEmptyLabelVector(many, torch.randn(2, 100, generator=torch.manual_seed(0), dtype=torch.float64) - 4)
    observed = unknown(many, 2)
    observed[0, 3] = 1
    posterior = prior.condition(observed, ann.UniformPositive())
    alone = prior.condition(observed[:1].expand(2, -1), ann.UniformPositive())
    torch.testing.assert_close(posterior.entropy(), torch.stack([alone.entropy()[0], prior.entropy()[1]]))
    torch.testing.assert_close(
        posterior.kl(prior), torch.stack([alone.kl(prior)[0], torch.zeros(()).double()]), atol=1e-9, rtol=1e-7
    )


# --- draws ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shift", [0.0, -4.0])
@pytest.mark.parametrize("r", [0.0, 0.05])
@pytest.mark.parametrize("space", SPACES[:5], ids=IDS[:5])
def test_sample_frequencies(space: LabelSpace, r: float, shift: float):
    q = NonEmptyLabelVector(space, lowered(space, oracle.random_logits(space, 1, 2), shift), r)
    torch.manual_seed(1)
    draws = q.sample((2000, 2))
    assert draws.shape == (2000, 2, 2, space.num_labels)
    for row, table in enumerate(tables(q)):
        assert oracle.frequencies_p_value(draws[:, :, row].flatten(0, 1), table) > oracle.ALPHA


def lowered(space: LabelSpace, logits: Tensor, shift: Tensor | float) -> Tensor:
    """The log-odds of presence shifted of groups that apply to the empty set."""
    shifts, start = torch.zeros(space.num_logits, dtype=logits.dtype), 0
    for group in space.groups:
        if group.name in space.open_groups:
            shifts[start : start + len(group.labels)] = 1
        start += group.num_logits
    return logits + shifts * shift


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("r", [0.0, 1e-6])
@pytest.mark.parametrize("space", [SPACE, SPACES[1], SPACES[4]], ids=["forest", "free", "groups"])
def test_very_improbable_presence(space: LabelSpace, r: float, dtype: torch.dtype):
    """P0 of 1 - 1e-6 and beyond: every draw of p(y) is empty, and 1 - P0 has hardly a digit in float32."""
    exact = lowered(space, oracle.random_logits(space, 4, scale=0.5), -15.0)
    q = NonEmptyLabelVector(space, exact.to(dtype), r)
    assert 0 < -float(q.log_empty.double()) < 1e-5
    wide = NonEmptyLabelVector(space, exact.to(dtype).double(), r)
    (table,) = tables(wide)
    tol = 1e-4 if dtype == torch.float32 and not r else 0.2 if dtype == torch.float32 else 1e-9
    if dtype == torch.float64 or not r:
        torch.testing.assert_close(q.marginals.double(), table.marginals, rtol=tol, atol=tol)
        torch.testing.assert_close(q.entropy().double(), table.entropy, rtol=1e-4, atol=1e-4)
    torch.manual_seed(0)
    draws = q.sample((3000,))
    assert oracle.frequencies_p_value(draws, table) > oracle.ALPHA


RARE = {
    "free": LabelSpace.free("abcd"),
    "groups": LabelSpace([OneOf("g", ["a", "b"], optional=True), OneOf("h", ["c"], optional=True), Free("d")]),
    "tree": LabelSpace([Free("a"), OneOf("g", ["b", "c"], optional=True, requires="a"), Free("d")]),
    "excluded": LabelSpace([Free("a"), OneOf("g", ["b", "c"], optional=True, requires="a"), Free("d", excludes="all")]),
    "in part": LabelSpace(
        [Free("a", excludes=["b"]), OneOf("g", ["b", "c"], True), Free("d", ["b", "c"], excludes=["e"]), Free("e", ["c", "b"])]
    ),
}


def rare_table(space: LabelSpace, logits: Tensor, r: float) -> oracle.Table:
    """p_r by enumeration, in logarithms: all but the empty set are of one size, so that their sum has all digits."""
    table = oracle.table(space, logits)
    weighted = table.log_p.clone()
    weighted[table.y.sum(1) == 0] += math.log(r) if r else -math.inf
    return oracle.Table(table.y, weighted - torch.logsumexp(weighted, 0))


@pytest.mark.parametrize(("dtype", "tol"), [(torch.float64, 1e-11), (torch.float32, 3e-6)])
@pytest.mark.parametrize("r", [0.0, 1e-40, 1e-7, 1e-3, 0.05, 0.5, 1.0])
@pytest.mark.parametrize("level", [0.0, -5.0, -16.0, -35.0, -60.0, -100.0])
@pytest.mark.parametrize("space", RARE.values(), ids=RARE)
def test_every_answer_where_all_labels_are_rare(space: LabelSpace, level: float, r: float, dtype: torch.dtype, tol: float):
    x = torch.randn(2, space.num_logits, generator=torch.manual_seed(0), dtype=torch.float64)
    start = 0
    for group in space.groups:  # labels of what applies to the empty set are rare, and what is below them is not
        if group.name in space.open_groups:
            x[..., start : start + len(group.labels)] += level
        start += group.num_logits
    x = x.to(dtype)
    q = NonEmptyLabelVector(space, x, r)
    wanted = [rare_table(space, row.double(), r) for row in x]

    def close(found: Tensor, expected: list[Tensor]) -> None:
        assert found.dtype == dtype
        torch.testing.assert_close(found.double(), torch.stack(expected), rtol=tol, atol=tol)

    close(q.marginals, [table.marginals for table in wanted])
    counts = q.count_probs()
    close(oracle.padded(counts, space.num_labels), [table.count_probs for table in wanted])
    assert ((counts >= 0) & (counts <= 1)).all()
    assert ((q.marginals >= 0) & (q.marginals <= 1)).all()
    close(q.entropy(), [table.entropy for table in wanted])
    y = torch.tensor(list(space.label_sets()), dtype=dtype)
    found = q.log_prob(y.unsqueeze(1)).double()
    for column, table in zip(found.T, wanted, strict=True):
        torch.testing.assert_close(column, torch.stack([table.log_prob(v.double()) for v in y]), rtol=tol, atol=3 * tol)
    for s in (0.0, 0.05, 1.0):
        other = x.flip(0) / 4
        expected = [mine.kl(rare_table(space, row.double(), s)) for mine, row in zip(wanted, other, strict=True)]
        close(q.kl(NonEmptyLabelVector(space, other, s)), expected)
    mode = q.mode().double()
    for row, table in zip(mode, wanted, strict=True):
        assert float(table.log_prob(row)) == pytest.approx(float(table.log_p.max()), abs=1e-5)
    draws = q.sample((400,)).double()
    for row, table in enumerate(wanted):
        assert oracle.frequencies_p_value(draws[:, row], table) > oracle.ALPHA


@pytest.mark.parametrize("r", [0.0, 1e-6, 0.3])
@pytest.mark.parametrize("level", [0.0, -20.0, -100.0])
@pytest.mark.parametrize("space", RARE.values(), ids=RARE)
def test_gradients_where_all_labels_are_rare(space: LabelSpace, level: float, r: float):
    x = torch.randn(space.num_logits, generator=torch.manual_seed(0), dtype=torch.float64)
    shift = torch.zeros_like(x)
    shift[[0, 3] if space is RARE["tree"] else slice(None)] = level
    if space is RARE["groups"]:
        shift[[2, 4]] = 0.0  # of "none"
    if space is RARE["tree"]:
        shift = torch.tensor([level, 0.0, 0.0, 0.0, level], dtype=torch.float64)
    x = x.requires_grad_()
    other = torch.linspace(-1, 1, len(x), dtype=torch.float64)

    def every(value: Tensor) -> Tensor:
        q = NonEmptyLabelVector(space, value + shift, r)
        return torch.cat([q.marginals, q.count_probs(), q.entropy()[None], q.kl(NonEmptyLabelVector(space, other, 0.3))[None]])

    assert torch.autograd.gradcheck(every, x, atol=1e-7)
    assert torch.autograd.gradgradcheck(every, x, atol=1e-6)


@pytest.mark.parametrize("how", hows(4), ids=repr)
@pytest.mark.parametrize("level", [-5.0, -14.0, -20.0, -40.0, -80.0])
def test_log_marginal_of_improbable_presence(level: float, how: ann.Annotation):
    """Value and gradient in float32 against what is left of a shift: odds of presence among themselves decide alone."""
    space = SPACES[1]
    shape = torch.tensor([0.5, -0.5, 0.2, 0.0])
    for observed in (unknown(space, 1), unknown(space, 1, a=0), unknown(space, 1, b=1)):
        logits = (shape + level).unsqueeze(0).requires_grad_()
        value = NonEmptyLabelVector(space, logits).log_marginal(observed, how)
        (slope,) = torch.autograd.grad(value.sum(), logits)
        reference = (shape.double() + max(level, -14.0)).unsqueeze(0).requires_grad_()  # beyond, the limit to 1e-5
        log_z, _ = oracle.condition(weighted(oracle.table(space, reference[0]), 0.0), observed[0], how)
        (true,) = torch.autograd.grad(log_z, reference)
        torch.testing.assert_close(value[0].double(), log_z, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(slope.double(), true, rtol=1e-3, atol=1e-4)


# --- gradients and extremes -------------------------------------------------------------------------------------


@pytest.mark.parametrize("r", [0.0, 0.05])
@pytest.mark.parametrize("how", [how for how in hows(K) if how.kind not in ("weighted-positive", "ignorable")], ids=repr)
def test_gradcheck(how: ann.Annotation, r: float):
    observed = torch.stack([unknown(SPACE), unknown(SPACE, striped=0), unknown(SPACE, spoiler=1)])
    logits = oracle.random_logits(SPACE, 3, 3, scale=1.0).requires_grad_()
    for rows in ([0, 2], [2], [1]):
        known = observed[rows]
        torch.autograd.gradcheck(lambda x, o=known: NonEmptyLabelVector(SPACE, x, r).log_marginal(o, how), logits[rows])
    torch.autograd.gradcheck(lambda x: NonEmptyLabelVector(SPACE, x, r).log_mass, logits)


def extreme(size: float, dtype: torch.dtype) -> Tensor:
    signs = torch.ones(4, SPACE.num_logits, dtype=dtype)
    signs[1] = -1
    signs[1, 2] = 1  # "none" of the root group: nothing is probable
    signs[2, ::2] = -1
    signs[3, 1::2] = -1
    return signs * size


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("r", [0.0, 0.05])
def test_extreme_logits_are_answered(r: float, dtype: torch.dtype):
    for size in (40.0, 100.0, 1e4):
        q = NonEmptyLabelVector(SPACE, extreme(size, dtype), r)
        for answer in (q.marginals, q.count_probs(), q.entropy(), q.kl(q), q.log_mass, q.mode(), q.sample()):
            assert answer.isfinite().all()
        assert ((q.mode() != 0).any(-1) & (q.sample() != 0).any(-1)).all() or r > 0


@pytest.mark.parametrize(("r", "dtype"), [(0.0, torch.float32), (0.0, torch.float64), (0.05, torch.float32)])
@pytest.mark.parametrize("how", hows(K), ids=repr)
def test_extreme_logits_give_no_nan(how: ann.Annotation, r: float, dtype: torch.dtype):
    for size in (100.0, 1e4):
        logits = extreme(size, dtype)
        for observed in (torch.stack([unknown(SPACE), unknown(SPACE, car=0)] * 2), unknown(SPACE, 4, dotted=1)):
            x = logits.clone().requires_grad_()
            q = NonEmptyLabelVector(SPACE, x, r)
            value = q.log_marginal(observed, how)
            assert not value.isnan().any()
            (slope,) = torch.autograd.grad((value.clamp(min=-1e9) + 0.25 * q.log_mass + q.marginals.sum(-1)).sum(), x)
            assert slope.isfinite().all()


def test_looking_at_it_first_does_not_change_the_gradient():
    logits = oracle.random_logits(SPACE, 0, 2).requires_grad_()
    observed, how = unknown(SPACE, 2, car=1), ann.UniformPositive()
    q, fresh = NonEmptyLabelVector(SPACE, logits), NonEmptyLabelVector(SPACE, logits)
    with torch.no_grad():
        assert q.marginals.isfinite().all() and q.log_mass.isfinite().all()
    slopes = [torch.autograd.grad(one.log_marginal(observed, how).sum(), logits)[0] for one in (q, fresh, q)]
    assert torch.equal(slopes[0], slopes[1]) and torch.equal(slopes[0], slopes[2])


# --- Pyro -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", hows(K), ids=repr)
@pytest.mark.parametrize(("scale_prior", "expected"), [(0.0, None), (0.25, None), (0.25, 1.3)])
def test_the_elbo_is_that_of_enumeration(how: ann.Annotation, scale_prior: float, expected: float | None):
    torch.manual_seed(0)
    amortizer = Amortizer(SPACE, nn.Linear(4, 6), 6, nonempty=True).double()
    model, guide = LabelModel(amortizer, how, scale_prior=scale_prior, expected_labels=expected), LabelGuide(amortizer, how)
    images = torch.randn(7, 4, dtype=torch.float64)
    observed = ann.UniformPositive().sample(amortizer(images).sample())
    observed[0] = -1
    observed[1] = unknown(SPACE, car=0)
    found = []
    for elbo in (CollapsedELBO(), TraceEnum_ELBO(max_plate_nesting=1)):
        model.zero_grad()
        loss = elbo.differentiable_loss(model, guide, images, observed)
        loss.backward()
        found.append((loss.detach(), torch.cat([p.grad.flatten() for p in model.parameters()])))
    (ours, our_gradient), (theirs, their_gradient) = found
    q = amortizer(images)
    value = -(q.log_marginal(observed, how) + scale_prior * q.log_mass).sum()
    if expected is not None:
        value = value + len(observed) * model.count_weight * (q.marginals.sum(-1).mean() / expected).log() ** 2
    for one, other in ((ours, theirs), (ours, value.detach()), (our_gradient, their_gradient)):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-6)
    assert our_gradient.abs().max() > 1e-3


def test_what_is_not_written():
    with pytest.raises(ValueError, match="not for a mixture of 2"):
        Amortizer(SPACE, nn.Identity(), 3, 2, nonempty=True)
    amortizer = Amortizer(SPACE, nn.Identity(), 3, nonempty=True)
    with pytest.raises(ValueError, match="give beta=0"):
        LabelModel(amortizer, ann.UniformPositive(), LabelPrior(SPACE, torch.zeros(SPACE.num_logits)), beta=0.5)


def test_a_scale_of_one_takes_the_weight_back():
    """log p_r(o) + log D is log p(o): what `scale_prior` interpolates."""
    q = drawn(SPACE, 0, 0.05, (3,))
    observed, how = unknown(SPACE, 3, car=1), ann.UniformPositive()
    torch.testing.assert_close(q.log_marginal(observed, how) + q.log_mass, q.base.log_marginal(observed, how))
    assert _double(q).empty_odds == 0.05
