"""Checks of annotations: probabilities against enumeration, tails against sums by hand, false alarms as rare as stated."""

from __future__ import annotations

import itertools
import math

import numpy as np
import oracle
import pytest
import torch
from scipy import stats

from latentlabels.annotation import Annotation, Ignorable, PerLabelSearch, Scar, UniformPositive, WeightedPositive
from latentlabels.checks import KnownCount, alarms, even_count_check, known_label_check, known_probs, linked_label_check
from latentlabels.checks.known_labels import LinkedCount
from latentlabels.distributions import LabelVector
from latentlabels.distributions.nonempty import NonEmptyLabelVector
from latentlabels.errors import ConfigError, DataError
from latentlabels.space import Free, LabelSpace, OneOf

SPACE = LabelSpace(
    [
        OneOf("colour", ["blue", "red", "green"]),
        OneOf("vehicle", ["car", "bike"], optional=True),
        OneOf("doors", ["2-doors", "4-doors"], requires="car"),
        Free("striped"),
    ]
)
K = SPACE.num_labels
WEIGHTS = [1.0, 2.0, 0.5, 3.0, 1.0, 0.4, 1.5, 0.7]
LABELS = torch.Generator().manual_seed(1)


def draw(size: int, seed: int = 0) -> torch.Tensor:
    """Complete labels of images of many kinds."""
    torch.manual_seed(seed)
    return LabelVector(SPACE, 1.5 * torch.randn(size, SPACE.num_logits)).sample()


def searched(y: torch.Tensor, weights: list[float], generator: torch.Generator) -> np.ndarray:
    """What a search label by label finds: each image by one label at most, with probability w_k y_k / sum w."""
    w = torch.tensor(weights)
    picked = torch.multinomial(w.expand(len(y), -1), 1, generator=generator)
    observed = torch.full(y.shape, -1, dtype=torch.int8).scatter_(1, picked, 1)
    return observed[y.gather(1, picked)[:, 0] == 1].numpy()


# --- known_probs ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("noise", [0.0, 0.2])
@pytest.mark.parametrize("kind", ["uniform", "weighted", "search"])
@pytest.mark.parametrize("seed", range(4))
def test_probabilities_of_the_known_label_agree_with_enumeration(seed: int, kind: str, noise: float) -> None:
    space = oracle.random_space(seed)
    weights = (0.3 + torch.rand(space.num_labels, generator=torch.Generator().manual_seed(seed))).tolist()
    how: Annotation = {
        "uniform": UniformPositive(noise=noise),
        "weighted": WeightedPositive(weights, noise=noise),
        "search": PerLabelSearch(weights, noise=noise),
    }[kind]
    logits = oracle.random_logits(space, seed, 3)
    found = known_probs(LabelVector(space, logits), how)
    for row in range(3):
        prior = oracle.table(space, logits[row])
        ones = 2 * torch.eye(space.num_labels, dtype=torch.int8) - 1
        log_z = torch.stack([oracle.condition(prior, one, how)[0] for one in ones])
        np.testing.assert_allclose(found[row], log_z.softmax(0), atol=1e-5)


@pytest.mark.parametrize("odds", [0.0, 0.3])
def test_an_image_with_at_least_one_label(odds: float) -> None:
    space = LabelSpace([Free("a"), Free("b"), OneOf("c", ["d", "e"], optional=True)])
    q = NonEmptyLabelVector(space, torch.tensor([[-1.0, 0.5, 0.0, 1.0, 0.3]]).double(), odds)
    y = q.enumerate_support()[:, 0]
    share = (q.log_prob(y.unsqueeze(1)).exp() * y / y.sum(-1, keepdim=True).clamp(min=1)).sum(0)
    np.testing.assert_allclose(known_probs(q, UniformPositive()), (share / share.sum())[None], rtol=1e-9)


@pytest.mark.parametrize("noise", [0.0, 0.1])
def test_reports_are_apart_under_scar(noise: float) -> None:
    logits = oracle.random_logits(SPACE, 3, 4)
    rates = torch.linspace(0.1, 1.0, K)
    expected = ((1 - noise) * LabelVector(SPACE, logits).marginals + noise) * rates
    np.testing.assert_allclose(known_probs(LabelVector(SPACE, logits), Scar(rates, noise=noise)), expected, rtol=1e-6)
    same = known_probs(LabelVector(SPACE, logits), Scar(0.25))
    np.testing.assert_allclose(same, 0.25 * LabelVector(SPACE, logits).marginals, rtol=1e-6)


def test_ignorable_says_nothing_of_what_becomes_known() -> None:
    with pytest.raises(ConfigError, match="which labels become known"):
        known_probs(LabelVector(SPACE, torch.zeros(2, SPACE.num_logits)), Ignorable())


# --- known_label_check ----------------------------------------------------------------------------------

TWO = LabelSpace.free(["a", "b"])


def one_hot(columns: list[int], num_labels: int) -> np.ndarray:
    known = np.full((len(columns), num_labels), -1)
    known[np.arange(len(columns)), columns] = 1
    return known


def test_tails_agree_with_the_sum_over_all_outcomes() -> None:
    p = np.random.default_rng(0).random((7, 1))
    probs = np.concatenate([p, 1 - p], 1)
    for seen in range(8):
        found = known_label_check(one_hot([0] * seen + [1] * (7 - seen), 2), probs, TWO)[0]
        share = np.zeros(8)
        for outcome in itertools.product((0, 1), repeat=7):
            share[sum(outcome)] += np.prod([q if o else 1 - q for o, q in zip(outcome, p[:, 0], strict=True)])
        assert found.p == pytest.approx(min(1.0, 2 * min(share[: seen + 1].sum(), share[seen:].sum())))
        assert (found.label, found.seen, found.expected) == ("a", seen, pytest.approx(p.sum()))
        assert found.z == pytest.approx((seen - p.sum()) / np.sqrt((p * (1 - p)).sum()))


@pytest.mark.parametrize("seen", [250, 310, 330, 360, 385])  # sums up to 300, normal tails beyond
def test_large_counts(seen: int) -> None:
    found = known_label_check(one_hot([0] * seen + [1] * (1000 - seen), 2), np.tile([0.34, 0.66], (1000, 1)), TWO)[0]
    tail = 2 * min(stats.binom.cdf(seen, 1000, 0.34), stats.binom.sf(seen - 1, 1000, 0.34))
    assert found.p == pytest.approx(tail, rel=0.25)


@pytest.mark.parametrize("how", [UniformPositive(), WeightedPositive(WEIGHTS), Scar(0.3)], ids=lambda how: how.kind)
def test_false_alarms_are_as_rare_as_stated(how: Annotation) -> None:
    q = LabelVector(SPACE, torch.randn(300, SPACE.num_logits))
    probs = known_probs(q, how)
    runs = [known_label_check(how.sample(q.sample()).numpy(), probs, SPACE) for _ in range(150)]
    assert np.mean([bool(alarms(run, 0.2)) for run in runs]) < 0.2 + 3 * np.sqrt(0.2 * 0.8 / 150)
    z = np.array([[check.z for check in run] for run in runs])
    assert np.abs(z.mean(0)).max() < 4 / np.sqrt(150)
    assert 0.75 < z.std(0).min() < z.std(0).max() < 1.3


def test_a_wrong_annotation_is_found() -> None:
    q = LabelVector(SPACE, torch.randn(600, SPACE.num_logits))
    known = WeightedPositive(WEIGHTS).sample(q.sample()).numpy()
    found = alarms(known_label_check(known, known_probs(q, UniformPositive()), SPACE))
    assert found
    assert found[0].label == "car"
    assert found[0].z > 0
    assert [check.p for check in found] == sorted(check.p for check in found)
    assert not alarms(known_label_check(known, known_probs(q, WeightedPositive(WEIGHTS)), SPACE), 0.001)


def test_a_fit_of_few_images_is_less_certain() -> None:
    known, probs = one_hot([0] * 70 + [1] * 30, 2), np.full((100, 2), 0.5)
    certain, half, few = (known_label_check(known, probs, TWO, fitted_on=n)[0] for n in (None, 100, 10))
    assert certain.p < half.p < few.p
    assert half.z == pytest.approx(certain.z / np.sqrt(2))
    # rare labels: normal tails alone would cry wolf
    rare = known_label_check(one_hot([0, 0] + [1] * 98, 2), np.tile([0.001, 0.999], (100, 1)), TWO, fitted_on=10**9)[0]
    assert rare.p == pytest.approx(2 * stats.binom.sf(1, 100, 0.001))


def test_images_that_the_probabilities_do_not_describe_are_left_out() -> None:
    known = np.array([[1, -1, -1], [1, 1, -1], [-1, -1, -1], [1, 0, -1], [-1, 1, -1]])
    found = known_label_check(known, np.full((5, 3), 1 / 3), LabelSpace.free("abc"))
    assert [check.seen for check in found] == [1, 1, 0]
    assert [check.expected for check in found] == pytest.approx([2 / 3] * 3)
    reports = known_label_check(known, np.full((5, 3), 0.1), LabelSpace.free("abc"))  # each label by itself
    assert [check.seen for check in reports] == [3, 2, 0]


def test_certain_labels() -> None:
    sure = np.tile([1.0, 0.0], (3, 1))
    assert [(c.z, c.p) for c in known_label_check(one_hot([0, 0, 0], 2), sure, TWO)] == [(0.0, 1.0), (0.0, 1.0)]
    impossible = known_label_check(one_hot([0, 0, 1], 2), sure, TWO)
    assert [check.p for check in impossible] == [0.0, 0.0]
    assert [check.z for check in impossible] == [-np.inf, np.inf]


def test_what_cannot_be_compared_is_refused() -> None:
    good = np.full((2, 2), 0.5)
    with pytest.raises(DataError, match=r"\(2, 3\).*\(2, 2\)"):
        known_label_check(np.full((2, 3), -1), good, TWO)
    with pytest.raises(DataError, match="1 .present"):
        known_label_check(np.full((2, 2), 5), good, TWO)
    with pytest.raises(DataError, match="NaN"):
        known_label_check(one_hot([0, 1], 2), np.full((2, 2), np.nan), TWO)
    with pytest.raises(DataError, match="nothing to compare"):
        known_label_check(np.full((2, 2), -1), good, TWO)


# --- linked_label_check ---------------------------------------------------------------------------------


def test_claims() -> None:
    known = one_hot([SPACE.index(label) for label in ["car"] * 10 + ["2-doors"] * 2 + ["4-doors"] + ["blue"] * 5], K)
    found = {check.claim: check for check in linked_label_check(known, SPACE, UniformPositive())}
    assert list(found) == ["vehicle <= colour", "doors = car", "striped <= colour"]
    doors, vehicle = found["doors = car"], found["vehicle <= colour"]
    assert (doors.left, doors.right, doors.z) == (3, 10, pytest.approx(-7 / np.sqrt(13)))
    assert doors.p == pytest.approx(2 * stats.binom.cdf(3, 13, 0.5))
    assert vehicle.p == pytest.approx(stats.binom.sf(9, 15, 0.5))
    assert found["striped <= colour"].p == 1.0


def test_exhaustive_groups_are_compared_with_each_other() -> None:
    groups = [OneOf(name, [name + "1", name + "2"]) for name in "abc"]
    known = one_hot([0] * 6 + [2] * 6 + [4] * 6, 6)
    assert [c.claim for c in linked_label_check(known[:, :4], LabelSpace(groups[:2]), UniformPositive())] == ["b = a"]
    three = linked_label_check(known, LabelSpace(groups), UniformPositive())
    assert [c.claim for c in three] == [f"{name} = other exhaustive groups" for name in "abc"]
    assert [(c.left, c.right, c.z) for c in three] == [(6, 6, 0)] * 3
    below = LabelSpace([groups[0], Free("d", requires="a1"), OneOf("e", ["f"], optional=True, requires="d")])
    assert [c.claim for c in linked_label_check(known[:, :4], below, UniformPositive())] == ["d <= a1", "e <= d"]


def test_nothing_is_claimed_of_free_labels() -> None:
    assert linked_label_check(one_hot([0, 1], 2), TWO, UniformPositive()) == []
    assert linked_label_check(one_hot([0], K), SPACE, Ignorable()) == []
    assert linked_label_check(np.zeros((0, K)), SPACE, UniformPositive()) == []
    assert alarms([]) == []
    with pytest.raises(DataError, match=r"\(images, 8\)"):
        linked_label_check(np.zeros((3, 2)), SPACE, UniformPositive())


EXCLUDED = LabelSpace(
    [
        OneOf("view", ["front", "side"]),
        OneOf("place", ["left", "right", "both"], optional=True),
        Free("shift", requires=["left", "right"]),
        Free("no finding", excludes="all"),
        Free("fluid", excludes=["both"]),
        OneOf("size", ["small", "large"], requires="fluid"),
    ]
)


def test_claims_of_labels_that_exclude_others_and_of_several_required_ones():
    """Each is true of every label set, so that known counts of a right model give no alarm; a wrong one does."""
    y = torch.tensor(list(EXCLUDED.label_sets()))
    generator = torch.Generator().manual_seed(0)
    how, seen = UniformPositive(), []
    for _ in range(200):
        rows = y[torch.randint(len(y), (500,), generator=generator)]
        checks = linked_label_check(how.sample(rows.float(), generator).numpy(), EXCLUDED, how)
        seen.append(bool(alarms(checks, 0.05)))
    assert [check.claim for check in checks] == [
        "place <= no finding or view",
        "shift <= left or right",
        "fluid <= no finding or view",
        "size = fluid",
    ]
    assert sum(seen) <= stats.binom.ppf(0.9999, 200, 0.05)
    wrong = one_hot([EXCLUDED.index("left")] * 20 + [EXCLUDED.index("front")] * 3, EXCLUDED.num_labels)
    assert alarms(linked_label_check(wrong, EXCLUDED, how))[0].claim == "place <= no finding or view"


@pytest.mark.parametrize("noise", [0.0, 0.2])
@pytest.mark.parametrize(
    "how", [UniformPositive(), WeightedPositive(WEIGHTS), Scar([w / 4 for w in WEIGHTS])], ids=lambda how: how.kind
)
def test_right_claims_hold(how: Annotation, noise: float) -> None:
    y, generator = draw(3200), torch.Generator().manual_seed(0)
    with_noise = type(how)(**{k: v for k, v in how.to_config().items() if k != "kind"}, noise=noise)
    p, z = [], []
    for _ in range(200):
        mistaken = torch.rand(len(y), generator=generator) < noise
        known = how.sample(torch.where(mistaken[:, None], 1.0, y), generator).numpy()
        checks = linked_label_check(known, SPACE, with_noise)
        p.append(min(check.p for check in checks) * len(checks))
        z.append(next(check.z for check in checks if check.claim == "doors = car"))
    assert np.mean(np.array(p) < 0.2) < 0.2 + 3 * np.sqrt(0.2 * 0.8 / 200)
    assert abs(np.mean(z)) < 4 / np.sqrt(200)
    assert 0.8 < np.std(z) < 1.2


def test_right_claims_hold_of_what_a_search_finds() -> None:
    y, generator = draw(3000), torch.Generator().manual_seed(0)
    found = [linked_label_check(searched(y, WEIGHTS, generator), SPACE, PerLabelSearch(WEIGHTS)) for _ in range(100)]
    z = [next(check.z for check in checks if check.claim == "doors = car") for checks in found]
    assert abs(np.mean(z)) < 4 / np.sqrt(100)
    assert np.mean([bool(alarms(checks, 0.2)) for checks in found]) < 0.2 + 3 * np.sqrt(0.2 * 0.8 / 100)
    assert alarms(linked_label_check(searched(y, WEIGHTS, generator), SPACE, UniformPositive()))


def test_wrong_claims_are_found() -> None:
    y, generator = draw(3000), torch.Generator().manual_seed(0)
    loud = WeightedPositive(WEIGHTS).sample(y, generator).numpy()
    assert alarms(linked_label_check(loud, SPACE, UniformPositive()))[0].claim == "doors = car"
    uniform = UniformPositive().sample(y, generator).numpy()
    exhaustive = LabelSpace([OneOf(g.name, g.labels) if g.name == "vehicle" else g for g in SPACE.groups])
    assert [check.claim for check in alarms(linked_label_check(uniform, exhaustive, UniformPositive()))] == ["vehicle = colour"]


def test_known_absences_and_silent_images_with_noise() -> None:
    known = np.full((3, K), -1)
    known[0, 0], known[1], known[2, 3] = 1, 0, 0
    assert all(np.isfinite(check.z) for check in linked_label_check(known, SPACE, UniformPositive(noise=0.1)))


def test_alarms_share_their_level() -> None:
    checks = [KnownCount(name, 1.0, 1, 0.0, p) for name, p in (("a", 0.004), ("b", 0.001), ("c", 0.2))]
    assert [check.label for check in alarms(checks, 0.01)] == ["b"]
    assert [check.label for check in alarms(checks, 0.02)] == ["b", "a"]
    linked = [LinkedCount("x", "y", True, 1.0, 2.0, -1.0, 0.3)]
    assert alarms(linked) == []


def _one_hot(labels: np.ndarray, number: int) -> np.ndarray:
    observed = np.full((len(labels), number), -1, np.int8)
    observed[np.arange(len(labels)), labels] = 1
    return observed


def test_even_counts_have_the_probability_of_the_multinomial():
    exact = stats.multinomial.pmf([20, 20, 20], 60, [1 / 3] * 3)
    found = even_count_check(_one_hot(np.repeat(np.arange(3), 20), 3))
    assert found == pytest.approx(exact, abs=4 * math.sqrt(exact / 4999))


@pytest.mark.parametrize("skew", [0.0, 1.0])
def test_counts_that_came_about_by_chance_raise_no_alarm(skew: float):
    rng = np.random.default_rng(1)
    p = np.exp(skew * rng.normal(size=8))
    found = [even_count_check(_one_hot(rng.choice(8, 400, p=p / p.sum()), 8), draws=999) for _ in range(300)]
    below = sum(value is not None and value <= 0.05 for value in found)
    assert below <= stats.binom.ppf(0.9999, 300, 0.05)
    assert skew or below >= stats.binom.ppf(0.0001, 300, 0.05)  # and at the stated rate where labels are equally frequent


def test_folders_that_were_filled_label_by_label_are_noticed():
    labels = np.repeat(np.arange(12), 50)
    assert even_count_check(_one_hot(labels, 12)) == pytest.approx(1 / 5000)
    labels[:3] = 11  # some lost, some found
    assert even_count_check(_one_hot(labels, 12)) == pytest.approx(1 / 5000)


def test_where_evenness_cannot_be_judged():
    labels = np.repeat(np.arange(4), 30)
    several = _one_hot(labels, 4)
    several[:20] = 1
    assert even_count_check(several) is None
    assert even_count_check(_one_hot(np.repeat(np.arange(2), 60), 2)) is None
    assert even_count_check(_one_hot(np.repeat(np.arange(4), 9), 4)) is None
    assert even_count_check(np.empty((0, 4))) is None
    few = _one_hot(labels, 4)
    few[:5] = -1
    assert even_count_check(few) is not None
