"""Which outcomes of an image are shown: what is known, the first of each group, the most probable; and what is left out."""

from __future__ import annotations

import math
import random

import numpy as np
import oracle
import pytest
from conftest import MIXED

from latentlabels.show.top_labels import foremost
from latentlabels.space import Free, LabelSpace, OneOf

P = np.array([0.7, 0.2, 0.1, 0.6, 0.3, 0.4, 0.15, 0.9])  # of MIXED: colours, vehicles, doors (requires car), striped


def test_all_outcomes_in_the_order_of_the_space():
    found = foremost(P, MIXED)
    assert [o.text for o in found.shown] == [
        *("blue", "red", "green"),
        *("car", "bike", "none of these"),
        *("2-doors", "4-doors", "does not apply"),
        "striped",
    ]
    assert (found.num_left_out, found.below) == (0, None)
    assert [o.column for o in found.shown] == [0, 1, 2, 3, 4, None, 5, 6, None, 7]
    assert {o.group for o in found.shown} == {"colour", "vehicle", "doors", "other labels"}
    assert {o.text for o in found.shown if o.requires == "car"} == {"2-doors", "4-doors", "does not apply"}


def test_what_is_left_of_a_group_is_an_outcome():
    probability = {o.text: o.probability for o in foremost(P, MIXED).shown}
    assert probability["none of these"] == pytest.approx(0.1)
    assert probability["does not apply"] == pytest.approx(0.45)
    sure = foremost(np.array([0.5, 0.5 + 1e-6]), LabelSpace([OneOf("vehicle", ["car", "bike"], optional=True)]))
    assert sure.shown[-1].probability == 0.0  # rounding never makes it negative


def test_an_optional_group_that_requires_a_label_has_one_outcome_more():
    space = LabelSpace([Free("car"), OneOf("badge", ["round", "square"], optional=True, requires="car")])
    assert [o.text for o in foremost(np.array([0.5, 0.1, 0.1]), space).shown] == ["car", "round", "square", "none of these"]


def test_the_leader_of_each_group_stays_and_then_the_most_probable():
    found = foremost(P, MIXED, limit=5)
    assert [o.text for o in found.shown] == ["blue", "car", "2-doors", "does not apply", "striped"]
    assert found.num_left_out == 4  # red, green, bike, 4-doors; "none of these" is no label
    assert found.below == 0.31


def test_what_is_known_or_true_comes_first_of_all():
    observed = np.full(8, -1)
    observed[[2, 4]] = 1, 0
    truth = np.zeros(8)
    truth[6] = 1
    found = foremost(P, MIXED, observed, truth, limit=2)
    assert [(o.text, o.known, o.true) for o in found.shown] == [("green", 1, False), ("4-doors", -1, True)]
    marked = {o.text: o.known for o in foremost(P, MIXED, observed).shown}
    assert marked["bike"] == 0 and marked["blue"] == -1 and marked["none of these"] == -1


def test_free_labels_alone_have_no_heading():
    found = foremost(np.array([0.1, 0.9]), LabelSpace.free(["a", "b"]), limit=1)
    assert [(o.group, o.text) for o in found.shown] == [("", "b")]
    assert (found.num_left_out, found.below) == (1, 0.11)


def test_no_value_ranks_last_and_is_kept_as_it_is():
    p = np.array([math.nan, 0.2, 0.1])
    found = foremost(p, LabelSpace.free(["a", "b", "c"]), limit=2)
    assert [o.text for o in found.shown] == ["b", "c"]
    assert found.num_left_out == 1 and found.below is None  # nothing can be said of a label without a value
    every = foremost(np.full(8, math.nan), MIXED)
    assert len(every.shown) == 10 and all(math.isnan(o.probability) for o in every.shown)


def test_a_left_out_label_that_is_sure_has_no_bound():
    found = foremost(np.ones(3), LabelSpace.free(["a", "b", "c"]), limit=1)
    assert found.num_left_out == 2 and found.below is None


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_probabilities_of_every_kind(dtype: type):
    assert [o.probability for o in foremost(P.astype(dtype), MIXED).shown] == pytest.approx(
        [0.7, 0.2, 0.1, 0.6, 0.3, 0.1, 0.4, 0.15, 0.45, 0.9], abs=2e-3
    )


@pytest.mark.parametrize("seed", range(40))
def test_nothing_is_lost_and_nothing_that_is_left_out_is_above_the_bound(seed: int):
    rng = random.Random(seed)
    space = oracle.random_space(seed)
    q = space.distribution(oracle.random_logits(space, seed))
    p = q.marginals.numpy()
    observed = np.array([rng.choice([-1, -1, 0, 1]) for _ in space.labels])
    limit = rng.randint(1, 12)
    found = foremost(p, space, observed, limit=limit)
    columns = [o.column for o in found.shown if o.column is not None]
    assert len(found.shown) <= limit
    assert columns == sorted(set(columns)) and len(columns) + found.num_left_out == space.num_labels
    left_out = [p[k] for k in range(space.num_labels) if k not in columns]
    if found.below is not None:
        assert all(value < found.below for value in left_out) and max(left_out) >= found.below - 0.011
    known = int((observed == 1).sum())
    assert sum(o.known == 1 for o in found.shown) == min(known, limit)


def _groups(number: int) -> LabelSpace:
    return LabelSpace(
        [OneOf("colour", ["blue", "red"])] + [OneOf(f"g{i}", [f"a{i}", f"b{i}"], optional=True) for i in range(number)]
    )


def test_many_groups_that_do_not_apply_are_summed_up() -> None:
    space = _groups(6)
    p = np.array([0.7, 0.3, 0.5, 0.4] + [0.01, 0.005] * 4 + [0.04, 0.055])
    found = foremost(p, space)
    assert [o.text for o in found.shown] == ["blue", "red", "a0", "b0", "none of these"]
    assert found.silent == ("g1", "g2", "g3", "g4", "g5")
    assert found.silent_above == 0.9  # g5: 1 - 0.095, rounded down
    assert found.num_left_out == 0


def test_a_few_groups_that_do_not_apply_are_shown_as_such() -> None:
    space = _groups(3)
    found = foremost(np.array([0.7, 0.3] + [0.01, 0.005] * 3), space)
    assert found.silent == ()
    assert [o.text for o in found.shown].count("none of these") == 3


def test_a_group_of_which_something_is_known_or_true_is_not_silent() -> None:
    space = _groups(5)
    p = np.array([0.7, 0.3] + [0.01, 0.005] * 5)
    observed, truth = np.full(12, -1), np.zeros(12)
    observed[2], truth[5] = 0, 1
    assert foremost(p, space, observed, truth).silent == ()  # three are left: too few to sum up
    assert foremost(np.append(p, [0.0, 0.0]), _groups(6), np.append(observed, [-1, -1])).silent == (
        "g1",
        "g2",
        "g3",
        "g4",
        "g5",
    )


def test_known_absent_labels_come_before_more_probable_ones() -> None:
    space = LabelSpace.free("abcdef")
    observed = np.array([0, -1, -1, -1, -1, -1])
    found = foremost(np.array([0.0, 0.9, 0.8, 0.7, 0.6, 0.5]), space, observed, limit=3)
    assert [o.text for o in found.shown] == ["a", "b", "c"]
