"""Exchanged answers against the sum over all label sets and all pairs, and found where two flips would not explain them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.integrate import quad
from torch import Tensor

from latentlabels import Free, LabelSpace, LabelVector, NonEmptyLabelVector, OneOf
from latentlabels.annotation import Ignorable, UniformPositive
from latentlabels.distributions import mixed
from latentlabels.review.counting import interval
from latentlabels.review.exchanges import Exchanges, shares, total
from latentlabels.review.judging import COVERAGE, judge
from latentlabels.review.noise_rate import KnownLabels
from latentlabels.review.results import Setting

SPACE = LabelSpace(
    [
        OneOf("colour", ["blue", "red", "green"]),
        OneOf("vehicle", ["car", "bike", "bus"], optional=True),
        OneOf("doors", ["two", "four"], requires="car"),
        Free("striped"),
        Free("dirty"),
        Free("open", requires="car"),
        Free("full", requires="car"),
    ]
)
FREE = LabelSpace.free("abcdef")
# written out here: which labels can be taken for each other; "car" has groups below it
KINDS = [["blue", "red", "green"], ["bike", "bus"], ["two", "four"], ["striped", "dirty"], ["open", "full"]]


def kinds_of(space: LabelSpace) -> list[list[int]]:
    return [[space.index(label) for label in kind] for kind in KINDS] if space is SPACE else [list(range(space.num_labels))]


def exchanged(o: np.ndarray, space: LabelSpace) -> list[tuple[np.ndarray, int, int, float]]:
    """The answers before each possible exchange, which two labels took part, and p(this exchange)."""
    found = []
    for kind in kinds_of(space):
        present, absent = [k for k in kind if o[k] == 1], [k for k in kind if o[k] == 0]
        for b in present:
            for a in absent:
                before = o.copy()
                before[a], before[b] = 1, 0
                found.append((before, a, b, 1 / len(absent)))
    number = len({b for _, _, b, _ in found})
    return [(before, a, b, weight / number) for before, a, b, weight in found]


def distribution(space: LabelSpace, nonempty: bool, parts: int, seed: int = 0) -> LabelVector:
    torch.manual_seed(seed)
    logits = 2 * torch.randn(parts, 1, space.num_logits, dtype=torch.float64)
    return mixed([NonEmptyLabelVector(space, one, 0.05) if nonempty else LabelVector(space, one) for one in logits])


def table(space: LabelSpace, seed: int) -> Tensor:
    """A valid label set with an exchange and some answers left out, so that exchanged answers may be none of a label set."""
    rng = np.random.default_rng(seed)
    sets = list(space.label_sets())
    while True:
        y = np.array([int(bit) for bit in sets[rng.integers(len(sets))]], np.int8)
        options = exchanged(y, space)
        if not options:
            continue
        o = options[rng.integers(len(options))][0]
        o[rng.random(len(o)) < (0.25 if seed % 2 else 0.0)] = -1
        if exchanged(o, space):
            return torch.from_numpy(o)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("parts", [1, 3])
@pytest.mark.parametrize(("space", "nonempty"), [(SPACE, False), (FREE, True), (FREE, False)], ids=["groups", "some", "free"])
def test_posterior_is_the_sum_over_label_sets_and_exchanges(space: LabelSpace, nonempty: bool, parts: int, seed: int) -> None:
    """Wrong labels, and the likelihood, at one rate and one share."""
    q, observed, rate, share = distribution(space, nonempty, parts, seed), table(space, seed), 0.07, 0.2
    o, sets = observed.numpy(), q.enumerate_support()
    prior = q.log_prob(sets).exp().numpy().reshape(-1)
    y = sets.reshape(len(sets), -1).numpy()
    told = o != -1
    right = np.where(y == o, 1 - rate, rate)[:, told].prod(1)
    flips = (1 - share) * prior * right
    wrong = (flips[:, None] * (y != o) * told).sum(0)
    value, swapped = flips.sum(), 0.0
    for before, a, b, weight in exchanged(o, space):
        p = share * weight * (prior * ((y == before) | ~told).all(1)).sum()
        swapped += p
        wrong[[a, b]] += p
    value += swapped
    known = KnownLabels(q, o[None], Ignorable())
    found = known.at(0.0).wrong(rate, share)
    assert swapped > 0
    assert found.exchanged[0] == pytest.approx(swapped / value, rel=1e-5)
    np.testing.assert_allclose(found.either[0], wrong / value, atol=1e-6)
    assert float(known._log_prob(q, torch.arange(1), known.parts[0][0], Setting(rate, 1.0, 1.0, share))) == pytest.approx(
        math.log(value), abs=1e-6
    )
    present = known.at(0.0).present(Setting(rate, 1.0, 1.0, share), torch.arange(1))[0]
    np.testing.assert_allclose(present[told], np.where(o == 1, 1 - wrong / value, wrong / value)[told], atol=1e-6)


@pytest.mark.parametrize("seed", range(8))
def test_an_exchange_leaves_what_it_is_drawn_from(seed: int) -> None:
    """The same number of labels and of their rivals before and after, so that p(o | y) is one."""
    for space in (SPACE, FREE):
        o = table(space, seed)
        number = Exchanges(space).number(o[None])
        options = exchanged(o.numpy(), space)
        assert int(number) == len({b for _, _, b, _ in options})
        assert sum(weight for *_, weight in options) == pytest.approx(1)
        for before, *_ in options:
            assert Exchanges(space).number(torch.from_numpy(before)[None]).equal(number)


def test_what_cannot_be_exchanged() -> None:
    """Picked labels, a label without a rival, empty rows: their probabilities are those of flips."""
    one = LabelSpace([OneOf("kind", ["a", "b"], optional=True), Free("c")])
    rows = np.array([[1, -1, -1], [0, 0, 1], [0, 0, 0], [1, -1, 0], [-1, -1, -1]], np.int8)
    q = LabelVector(one, torch.randn(5, one.num_logits, generator=torch.Generator().manual_seed(0)))
    for how in (UniformPositive(), Ignorable()):
        known = KnownLabels(q, rows, how)
        assert not known.may_be_exchanged.any()
        assert {setting.share for setting in known.settings()} == {0.0}
        np.testing.assert_array_equal(known.at(0.0).wrong(0.1, 0.3).either, known.at(0.0).wrong(0.1).either)
    assert KnownLabels(q, np.array([[1, 0, 0]] * 5, np.int8), UniformPositive()).may_be_exchanged.all()


def test_infinite_logits_and_impossible_exchanges() -> None:
    """A label that is certain is not exchanged, and one that is impossible does not come instead."""
    space = LabelSpace.free("ab")
    q = LabelVector(space, torch.tensor([[torch.inf, 0.0], [-torch.inf, 0.0], [0.0, -torch.inf]]))
    observed = torch.tensor([[1, 0], [0, 1], [1, 0]], dtype=torch.int8)
    each = Exchanges(space).log_prob(q, observed)
    assert (total(each, observed) < -80).all()
    wrong = KnownLabels(q, observed.numpy(), Ignorable()).at(0.0).wrong(0.1, 0.3)
    assert np.isfinite(wrong.either).all()
    assert wrong.exchanged.max() < 1e-30


@pytest.mark.parametrize("number", [0, 3, 40])
def test_shares_are_the_posterior_of_the_share(number: int) -> None:
    """Against numerical integration over f."""
    rng = np.random.default_rng(number)
    flips, swaps = rng.normal(-3, 1, 300), rng.normal(-9, 1, 300)
    swaps[:number] += 9
    found, logs = shares(flips, swaps)

    def density(share: float) -> float:
        return 2 * math.exp(float(np.logaddexp(np.log1p(-share) + flips, np.log(share) + swaps).sum() - flips.sum()) - offset)

    offset = float(logs.max() - flips.sum())
    mass = np.exp(logs - flips.sum() - offset)
    points = np.linspace(found[0], found[-1], 20)[1:-1].tolist()
    whole = quad(density, 1e-12, 0.5, points=points, limit=200)[0]
    mean = quad(lambda f: f * density(f), 1e-12, 0.5, points=points, limit=200)[0] / whole
    assert mass.sum() == pytest.approx(whole, rel=0.03)
    assert float(found @ mass / mass.sum()) == pytest.approx(mean, rel=0.03)


def planted(seed: int, share: float, rate: float, size: int) -> tuple[LabelVector, np.ndarray, np.ndarray]:
    """Predictions of images most of which show one label, complete rows with mistakes, and which entries are wrong."""
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    q = NonEmptyLabelVector(LabelSpace.free("abcdefghijkl"), 4 * torch.randn(size, 12) - 7, 0.05)
    y = q.sample().numpy().astype(np.int8)
    o = y.copy()
    for row in range(size):
        if rng.random() < share and y[row].any():
            o[row, rng.choice(np.flatnonzero(y[row] == 1))] = 0
            o[row, rng.choice(np.flatnonzero(y[row] == 0))] = 1
        else:
            o[row] ^= rng.random(12) < rate
    return q, o, o != y


def test_exchanges_are_found_where_two_flips_are_not() -> None:
    """Most images show one label, and none would be left without it: one flip explains nothing, and two hardly ever happen."""
    q, observed, wrong = planted(0, 0.06, 0.0, 600)
    images = wrong.any(1)
    judged = judge(q, observed, Ignorable())
    each = np.zeros(observed.shape)
    each[judged.rows, judged.columns] = judged.wrong
    flips = KnownLabels(q, observed, Ignorable()).at(0.0).wrong(judged.rate[0]).either
    found, alone = (images[np.argsort(-one.max(1), kind="stable")[: images.sum()]].mean() for one in (each, flips))
    assert found > 0.65
    assert found > alone + 0.08
    assert judged.expected == pytest.approx(wrong.sum(), rel=0.25)
    assert flips.sum() < wrong.sum() / 4


@pytest.mark.parametrize(("share", "rate"), [(0.05, 0.0), (0.05, 0.01)])
def test_interval_covers_as_often_as_it_says(share: float, rate: float) -> None:
    """The threshold is the 0.1 % quantile of a coverage of 95 %."""
    covered, expected, true, rounds = 0, 0.0, 0, 6
    for seed in range(rounds):
        q, observed, wrong = planted(100 + seed, share, rate, 200)
        found = judge(q, observed, Ignorable())
        low, high = interval(found.numbers, COVERAGE)
        covered += low <= wrong.sum() <= high
        expected, true = expected + found.expected, true + int(wrong.sum())
        assert found.numbers @ np.arange(len(found.numbers)) == pytest.approx(found.expected, abs=1e-6)
    assert covered >= stats.binom.ppf(0.001, rounds, 0.95)
    # the priors of rate and share are flat, so the means of their posteriors are too high by a few mistakes a round
    assert expected == pytest.approx(true, rel=0.25, abs=5 * rounds)
