"""What complete images say of the annotation: false alarms, power, numbers that are learned, and sentences."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.stats import binom

from latentlabels import LabelSpace, Observed
from latentlabels.annotation import Annotation, Ignorable, PerLabelSearch, Scar, UniformPositive, WeightedPositive
from latentlabels.annotation.learning import learn
from latentlabels.checks.complete_images import _tilted, complete_images, factor_with, pick_check
from latentlabels.checks.finding import Finding, Kind, Severity, Todo
from latentlabels.checks.sentences import sentence, told, warning
from latentlabels.inputs.completed import Completed

Truth = NDArray[np.int8]


def world(kind: str, number: int, labels: int, rng: np.random.Generator) -> Truth:
    """Complete labels (N, K)."""
    if kind == "correlated":
        mood = rng.normal(size=(number, 1)) + rng.normal(size=labels) - 1
        chance = 1 / (1 + np.exp(-mood))
    elif kind == "skewed":
        chance = np.concatenate([[0.95], np.full(labels - 1, 0.03)])
    else:
        chance = np.clip(0.6 * 0.8 ** np.arange(labels), 0.01, 1)
    return (rng.random((number, labels)) < chance).astype(np.int8)


def table(truth: Truth, num_complete: int, annotation: Annotation, rng: np.random.Generator) -> Observed:
    """The first images complete, the others as the annotation has them."""
    torch_rng = torch.Generator().manual_seed(int(rng.integers(2**31)))
    known = annotation.sample(torch.from_numpy(truth).double(), torch_rng).numpy()
    known[:num_complete] = truth[:num_complete]
    return Observed(known.astype(np.int8), LabelSpace.free([f"l{k}" for k in range(truth.shape[1])]))


WEIGHTS = [4.0, 0.25, 1.0, 1.0, 2.0, 0.5, 1.0, 1.0]


@pytest.mark.parametrize(
    ("kind", "labels", "num", "num_complete", "annotation"),
    [
        ("decaying", 8, 1000, 50, UniformPositive()),
        ("correlated", 8, 500, 60, UniformPositive()),
        ("skewed", 3, 4000, 20, UniformPositive()),  # labels that no complete image shows
        ("decaying", 30, 300, 20, UniformPositive()),
        ("decaying", 8, 1000, 50, WeightedPositive(WEIGHTS)),
        ("decaying", 8, 1000, 50, WeightedPositive(WEIGHTS, noise=0.1)),
        ("decaying", 8, 1000, 50, Scar(0.3)),
        ("skewed", 12, 2000, 30, Scar([0.2, 0.5, 0.9, 0.3, 0.3, 0.6] * 2, noise=0.05)),
    ],
)
def test_an_annotation_that_holds_is_seldom_refused(
    kind: str, labels: int, num: int, num_complete: int, annotation: Annotation
) -> None:
    rng = np.random.default_rng(1)
    values = []
    for _ in range(150):
        known = table(world(kind, num + num_complete, labels, rng), num_complete, annotation, rng)
        check = pick_check(known, annotation, draws=99)
        assert check is not None
        values.append(check.p_value)
    for level in (0.02, 0.05, 0.2):  # so many or more refusals at a true rate of `level` have a probability of 0.001
        assert (np.array(values) <= level).sum() <= binom.ppf(0.999, 150, level), level


@pytest.mark.parametrize(("assumed", "true"), [(UniformPositive(), WeightedPositive(WEIGHTS)), (Scar(0.4), Scar(0.3))])
def test_one_that_does_not_hold_is_refused(assumed: Annotation, true: Annotation) -> None:
    rng = np.random.default_rng(2)
    checks = [pick_check(table(world("decaying", 2000, 8, rng), 200, true, rng), assumed, 199) for _ in range(20)]
    assert sum(check is not None and check.p_value <= 0.01 for check in checks) >= 18


def test_factors_are_those_of_the_shares() -> None:
    rng = np.random.default_rng(3)
    truth = world("decaying", 42_000, 8, rng)
    check = pick_check(table(truth, 2000, WeightedPositive(WEIGHTS), rng), UniformPositive())
    assert check is not None
    uniform, weighted = (truth * np.array(w) for w in (np.ones(8), WEIGHTS))
    shown = truth.any(1)
    expected = [(one[shown] / one[shown].sum(1, keepdims=True)).mean(0) for one in (uniform, weighted)]
    np.testing.assert_allclose(check.factor, expected[1] / expected[0], rtol=0.15)
    assert (check.num_complete, check.num_known) == (int(shown[:2000].sum()), int(shown[2000:].sum()))
    assert check.p_value == 1 / 1000


def test_the_same_data_give_the_same_value() -> None:
    rng = np.random.default_rng(4)
    known = table(world("decaying", 600, 8, rng), 60, UniformPositive(), rng)
    first, again = (pick_check(known, UniformPositive()) for _ in range(2))
    assert first is not None
    assert again is not None
    assert first.p_value == again.p_value


def test_tilting_has_the_mean_and_the_form_that_it_should() -> None:
    rng = np.random.default_rng(5)
    rows = np.concatenate([rng.dirichlet(np.ones(4), 30), np.eye(4)])
    base = np.log(np.concatenate([np.full(30, 1 / 31), np.full(4, 1 / 124)]))
    wanted = np.array([0.55, 0.3, 0.1, 0.05])
    weights = _tilted(rows, base, wanted)
    assert weights.sum() == pytest.approx(1)
    np.testing.assert_allclose(weights @ rows, wanted, atol=1e-6)
    theta, *_ = np.linalg.lstsq(rows, np.log(weights) - base, rcond=None)
    np.testing.assert_allclose(rows @ theta, np.log(weights) - base, atol=1e-6)


def test_nothing_is_compared_where_nothing_can_be() -> None:
    rng = np.random.default_rng(6)
    truth = world("decaying", 200, 4, rng)
    for annotation in (Ignorable(), PerLabelSearch()):
        assert pick_check(table(truth, 50, UniformPositive(), rng), annotation) is None
    assert pick_check(table(truth, 4, UniformPositive(), rng), UniformPositive()) is None
    empty = table(truth, 0, UniformPositive(), rng)
    nothing = Observed(np.concatenate([np.zeros((20, 4), np.int8), empty.values]), empty.space)
    assert pick_check(nothing, UniformPositive()) is None
    alone = Observed(truth[:50], empty.space)
    assert pick_check(alone, UniformPositive()) is None


# --- findings -------------------------------------------------------------------------------------------


def found(known: Observed, annotation: Annotation, completed: Completed | None = None) -> dict[Kind, Finding]:
    return {one.kind: one for one in complete_images(known, annotation, completed)}


def test_an_assumption_that_fails_is_said_with_labels_factors_and_what_to_do() -> None:
    rng = np.random.default_rng(7)
    known = table(world("decaying", 5000, 8, rng), 300, WeightedPositive([0.1, *[1.0] * 7]), rng)
    one = found(known, UniformPositive())[Kind.PICK]
    assert (one.severity, one.labels[0], one.todo) == (Severity.ACT, "l0", (Todo.LEARN_WEIGHTS,))
    text = warning(one)
    assert text.startswith('The assumed uniform pick does not hold: "l0" is named 0.')
    assert "as often as their presence would have it (p ≤ 0.001, " in text
    assert "--set annotation.weights=learn" in text
    assert Finding.from_dict(one.to_dict()) == one
    right = found(table(world("decaying", 5000, 8, rng), 300, UniformPositive(), rng), UniformPositive())[Kind.PICK]
    assert right.severity is Severity.FINE
    assert "Known labels are chosen as assumed (uniform pick)" in sentence(right)
    rates = found(table(world("decaying", 5000, 8, rng), 300, Scar(0.2), rng), Scar(0.6))[Kind.PICK]
    assert rates.todo == (Todo.LEARN_RATES,)
    assert 'The assumed annotation "scar" does not hold' in sentence(rates)


def test_without_complete_images_it_is_said_that_they_would_tell() -> None:
    rng = np.random.default_rng(8)
    truth = world("decaying", 100, 4, rng)
    one = found(table(truth, 0, UniformPositive(), rng), UniformPositive())[Kind.PICK_UNTOLD]
    assert "There are no completely labelled images to tell" in sentence(one)
    assert "sample-complete DIR -n 100" in warning(one)
    one = found(table(truth, 2, UniformPositive(), rng), UniformPositive())[Kind.PICK_UNTOLD]
    assert "There are only 2 complete images" in sentence(one)
    assert not found(table(truth, 0, UniformPositive(), rng), Ignorable())
    single = LabelSpace.from_config([{"name": "kind", "one_of": ["a", "b"]}])
    assert not complete_images(Observed(np.array([[1, -1], [-1, 1]], np.int8), single), UniformPositive())


def test_learned_weights_say_how_well_they_are_known_and_what_more_images_would_bring() -> None:
    rng = np.random.default_rng(9)
    truth = world("decaying", 8000, 6, rng)
    known = table(truth, 40, WeightedPositive(WEIGHTS[:6]), rng)
    annotation = learn(WeightedPositive("learn"), known.known, known.space)
    one = found(known, annotation)[Kind.LEARNED]
    learned = annotation.learned["weights"]
    assert one.facts["factor"] == learned.factor > 1.5
    assert 1.2 < one.facts["factor_then"] < learned.factor
    assert Kind.PICK not in found(known, annotation)
    text = sentence(one)
    assert f"Half of the weights are known to within a factor of {learned.factor:.1f}, from " in text
    assert f"With {one.facts['more']} more images labelled completely" in text
    many = table(truth, 3000, WeightedPositive(WEIGHTS[:6]), rng)
    one = found(many, learn(WeightedPositive("learn"), many.known, many.space))[Kind.LEARNED]
    assert one.severity is Severity.FINE
    assert "more" not in one.facts


@pytest.mark.parametrize("annotation", [WeightedPositive("learn"), Scar("learn")])
def test_the_factor_foretold_is_that_of_a_table_with_more_images(annotation: Any) -> None:
    rng = np.random.default_rng(10)
    truth = world("decaying", 8000, 6, rng)
    true = Scar([0.2, 0.5, 0.4, 0.3, 0.2, 0.3]) if annotation.one_by_one else WeightedPositive(WEIGHTS[:6])
    known = table(truth, 60, true, rng)
    first = learn(annotation, known.known, known.space)
    name = annotation.learns[0]
    again = Observed(np.concatenate([known.values, *[known.values[:60]] * 3]), known.space)  # as many images four times
    then = learn(annotation, again.known, again.space).learned[name].factor
    foretold = factor_with(180, first.learned[name], known, first)
    now = first.learned[name].factor
    assert abs(math.log(foretold / then)) < 0.2 * abs(math.log(now / then)) + 0.02
    assert factor_with(0, first.learned[name], known, first) == pytest.approx(now, rel=1e-3)


def test_weights_from_groups_say_what_stays_unknown() -> None:
    space = LabelSpace.from_config(
        [{"name": "colour", "one_of": ["red", "blue"]}, {"name": "use", "one_of": ["sport", "office"]}]
    )
    values = np.full((300, 4), -1, np.int8)
    values[np.arange(300), np.random.default_rng(0).choice(4, 300, p=[0.4, 0.3, 0.2, 0.1])] = 1
    known = Observed(values, space)
    one = found(known, learn(WeightedPositive("learn"), known.known, space))[Kind.LEARNED]
    assert one.todo == (Todo.SAMPLE_COMPLETE,)
    assert "from the exhaustive groups colour, use" in sentence(one).replace('"', "")


def test_mistakes_by_a_complete_table_are_a_finding_with_an_interval() -> None:
    rng = np.random.default_rng(11)
    known = table(world("decaying", 300, 4, rng), 100, UniformPositive(), rng)
    seen = Completed("complete.csv", 100, 0, 100, 8, (("a/1.jpg", "l0"),))
    one = found(known, UniformPositive(), seen)[Kind.MISTAKEN]
    assert (one.severity, one.todo) == (Severity.LOOK, (Todo.STATE_NOISE,))
    assert (one.facts["low"], one.facts["high"]) == pytest.approx((0.0352, 0.1516), abs=1e-4)  # tables of Clopper-Pearson
    assert "8 of 100 known labels are mistakes by the complete labels of their images (3.5 % to 15.2 %" in sentence(one)
    assert found(known, UniformPositive(noise=0.1), seen)[Kind.MISTAKEN].severity is Severity.FINE
    assert Kind.MISTAKEN not in found(known, UniformPositive(), Completed("c.csv", 5, 0, 0, 0))
    assert told([one.to_dict()]) == [warning(one)]
