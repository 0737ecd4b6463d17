"""Hidden labels: distributed as the annotation says that goes with them, and never invented."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.stats import chisquare

from latentlabels.annotation import PerLabelSearch, Scar, UniformPositive, WeightedPositive
from latentlabels.datasets.hiding import HOW, SPREAD, hide
from latentlabels.errors import DataError
from latentlabels.space import Free, LabelSpace, OneOf

# about 70 chi-square tests, each at this level: a correct program fails from about one seed in 140
LEVEL = 1e-4

SPACE = LabelSpace([OneOf("colour", ["red", "blue"]), Free("round"), Free("large"), Free("old")])
FREE = LabelSpace.free("abcde")


def complete(number: int, seed: int = 0) -> NDArray[np.int8]:
    """Labels of `FREE`, some of them rare; one image in about 15 shows none."""
    return (np.random.default_rng(seed).random((number, 5)) < [0.6, 0.4, 0.3, 0.2, 0.05]).astype(np.int8)


def as_predicted(observed: NDArray[np.int8], truth: NDArray[np.int8], annotation: Any) -> int:
    """Within each label set, compare the number of each outcome with the annotation's p(o | y); how many sets were tested."""
    tested = 0
    for labels in np.unique(truth, axis=0):
        inside = observed[(truth == labels).all(1)]
        if len(inside) < 200 or labels.sum() < 2:
            continue
        y = torch.tensor(labels, dtype=torch.float64)
        outcomes = [np.where(np.array(bits) == 1, 1, -1) for bits in np.ndindex(2, 2, 2, 2, 2)]
        outcomes = [o for o in outcomes if not ((o == 1) & (labels == 0)).any()]
        if annotation.one_positive or isinstance(annotation, UniformPositive):
            outcomes = [o for o in outcomes if (o == 1).sum() == 1]
        expected = np.array([float(annotation.log_prob(torch.tensor(o, dtype=torch.int8), y).exp()) for o in outcomes])
        counts = np.array([(inside == o).all(1).sum() for o in outcomes])
        assert counts.sum() == len(inside)  # nothing else comes about
        if isinstance(annotation, PerLabelSearch):
            expected = expected / expected.sum()  # of the images that were found
        np.testing.assert_allclose(expected.sum(), 1)
        enough = expected * len(inside) >= 5
        assert (counts[~enough] <= 25).all()
        if enough.sum() > 1:
            share = expected[enough] / expected[enough].sum()
            assert chisquare(counts[enough], share * counts[enough].sum()).pvalue > LEVEL
            tested += 1
    return tested


@pytest.mark.parametrize(
    "how, weights, kind",
    [
        ("uniform", None, UniformPositive),
        ("salience", None, WeightedPositive),
        ("salience", [1, 2, 3, 4, 5], WeightedPositive),
        ("salience", {"e": 9, "a": 1, "b": 1, "c": 0.2, "d": 2}, WeightedPositive),
        ("per-label", None, PerLabelSearch),
        ("per-label", [1, 1, 2, 1, 0.1], PerLabelSearch),
        (0.3, None, Scar),
        ("0.8", None, Scar),
    ],
)
def test_known_labels_come_about_as_the_annotation_says(how: Any, weights: Any, kind: type) -> None:
    truth = complete(20_000)
    hidden = hide(truth, how, FREE, seed=4, weights=weights)
    assert type(hidden.annotation) is kind
    assert hidden.observed.dtype == np.int8 and hidden.observed.shape == (len(hidden.rows), 5)
    assert set(np.unique(hidden.observed)) == {-1, 1}
    assert (truth[hidden.rows][hidden.observed == 1] == 1).all()
    assert as_predicted(hidden.observed, truth[hidden.rows], hidden.annotation) >= 8


@pytest.mark.parametrize("how", ["uniform", "salience"])
def test_one_known_label_wherever_there_is_one(how: str) -> None:
    truth = complete(2_000)
    hidden = hide(truth, how, FREE, seed=0)
    np.testing.assert_array_equal((hidden.observed == 1).sum(1), truth.any(1))
    np.testing.assert_array_equal(hidden.rows, np.arange(2_000))
    assert not truth.any(1).all()  # some images show nothing, and stay


def test_weights_are_those_of_the_annotation_whatever_the_order_they_come_in() -> None:
    given = {"e": 5.0, "d": 4.0, "c": 3.0, "b": 2.0, "a": 1.0}
    first, second = (hide(complete(50), "salience", FREE, 1, weights=w) for w in (given, [1, 2, 3, 4, 5]))
    assert first.annotation == second.annotation == WeightedPositive([1, 2, 3, 4, 5])
    np.testing.assert_array_equal(first.observed, second.observed)


def test_drawn_weights_spread_as_stated_and_differ_over_seeds() -> None:
    drawn = [hide(complete(1), "salience", FREE, seed).annotation for seed in range(400)]
    logs = np.log([annotation.weights.numpy() for annotation in drawn])  # type: ignore[attr-defined]
    assert abs(logs.mean()) < 4 * SPREAD / 2000**0.5
    assert abs(logs.std() - SPREAD) < 4 * SPREAD / 4000**0.5
    assert len(np.unique(logs)) == 2000


def test_a_rate_of_one_hides_no_present_label() -> None:
    truth = complete(300)
    hidden = hide(truth, 1, FREE, seed=0)
    np.testing.assert_array_equal(hidden.observed, np.where(truth == 1, 1, -1))
    assert hidden.annotation == Scar(1.0)


# --- label by label -----------------------------------------------------------------------------------------------


def test_folders_are_of_the_size_that_was_asked_for_and_hold_no_image_twice() -> None:
    truth = complete(1_000)
    having = truth.sum(0)
    hidden = hide(truth, "per-label", FREE, seed=2)
    folders = (hidden.observed == 1).sum(0)
    np.testing.assert_array_equal(folders, np.minimum(having, 200))
    assert folders[4] == having[4] < 200 == folders[0]  # the rare label's folder holds all that there are
    np.testing.assert_array_equal((hidden.observed == 1).sum(1), 1)
    labels = hidden.observed.argmax(1)
    assert len(set(zip(hidden.rows.tolist(), labels.tolist(), strict=True))) == len(labels)
    assert len(np.unique(hidden.rows)) < len(hidden.rows)  # but one image can be in the folders of two labels
    assert (np.diff(hidden.rows) >= 0).all()
    np.testing.assert_allclose(hidden.annotation.weights, folders / having)  # type: ignore[attr-defined]


def test_weights_are_the_shares_of_the_folders() -> None:
    truth = complete(1_000)
    hidden = hide(truth, "per-label", FREE, seed=2, weights=[4, 2, 2, 1, 1])
    np.testing.assert_array_equal((hidden.observed == 1).sum(0), np.minimum(truth.sum(0), [400, 200, 200, 100, 100]))


def test_a_label_that_no_image_shows_has_an_empty_folder() -> None:
    truth = complete(100)
    truth[:, 2] = 0
    hidden = hide(truth, "per-label", FREE, seed=0)
    assert not (hidden.observed[:, 2] == 1).any()
    assert hidden.annotation.weights[2] == 1  # type: ignore[attr-defined]


# --- determinism and edges ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", [*HOW, 0.4])
def test_the_seed_alone_decides(how: Any) -> None:
    truth = complete(400)
    state, torch_state = np.random.get_state()[1], torch.get_rng_state()
    first, again, other = (hide(truth, how, FREE, seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.observed, again.observed)
    np.testing.assert_array_equal(first.rows, again.rows)
    assert first.annotation == again.annotation
    assert first.observed.shape != other.observed.shape or not np.array_equal(first.observed, other.observed)
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # nobody else's random numbers are used
    assert torch.equal(torch.get_rng_state(), torch_state)


@pytest.mark.parametrize("how", [*HOW, 0.4])
@pytest.mark.parametrize("number", [0, 3])
def test_images_that_show_nothing(how: Any, number: int) -> None:
    hidden = hide(np.zeros((number, 5)), how, FREE, seed=0)
    assert not (hidden.observed == 1).any()
    assert hidden.rows.tolist() == ([] if how == "per-label" else list(range(number)))
    assert hidden.observed.shape == (len(hidden.rows), 5) and hidden.observed.dtype == np.int8


@pytest.mark.parametrize("kind", [bool, np.int8, np.float32, object])
def test_complete_labels_of_any_kind(kind: type) -> None:
    truth = complete(50)
    np.testing.assert_array_equal(
        hide(truth.astype(kind), "uniform", FREE, 1).observed, hide(truth.tolist(), "uniform", FREE, 1).observed
    )


# --- errors -------------------------------------------------------------------------------------------------------

GOOD = np.array([[1, 0, 1, 0, 0], [0, 1, 0, 0, 1]])


@pytest.mark.parametrize(
    "truth, words",
    [
        (np.where(GOOD == 0, -1, 1), r'row 0, label "blue": -1 is neither 1 .* 2 of 2 rows .* leave the other rows out'),
        (np.where(GOOD == [0, 1, 0, 0, 1], GOOD, np.nan), r'row 0, label "red": nan is neither .* 1 of 2 rows'),
        (2 * GOOD, r'row 0, label "red": 2 is neither'),
        (GOOD[:, :4], r"shape \(2, 4\), but the label space has 5 labels; give \(N, 5\)"),
        (GOOD[0], r"shape \(5,\), but"),
        ([[1, 0], [1]], "rows of different lengths"),
        ([[1, 1, 0, 0, 0]], r'row 0: .*"red".*"blue".*correct the labels or the label space'),
        ([[1, 0, 0, 0, 0], [0, 0, 0, 1, 0]], "row 1: .*colour"),
    ],
)
def test_labels_that_are_not_complete(truth: Any, words: str) -> None:
    with pytest.raises(DataError, match="complete labels.*" + words):
        hide(truth, "uniform", SPACE, seed=0)


@pytest.mark.parametrize(
    "how, words",
    [
        ("unifrom", "hide: unknown way of hiding 'unifrom'; did you mean \"uniform\""),
        ("per_label", 'did you mean "per-label"'),
        ("zzz", r"unknown way of hiding 'zzz' \(known: uniform, salience, per-label, or a rate in \(0, 1\]\)"),
        (None, "hide: unknown way of hiding None"),
        (0, r"a rate must lie in \(0, 1\], not 0"),
        (-0.1, r"not -0\.1"),
        (1.5, r"not 1\.5"),
        ("2", "not 2"),
        (float("nan"), "not nan"),
        (True, "not True"),
    ],
)
def test_unknown_ways(how: Any, words: str) -> None:
    with pytest.raises(DataError, match=words):
        hide(GOOD, how, SPACE, seed=0)


@pytest.mark.parametrize(
    "how, weights, words",
    [
        ("uniform", [1] * 5, 'only "salience" and "per-label" take weights, not \'uniform\''),
        (0.5, [1] * 5, r"not 0\.5"),
        ("salience", [1] * 4, r"weights have shape \(4,\), but there are 5 labels"),
        ("salience", [1, 1, 1, 1, 0], r"positive numbers, not 0\.0"),
        ("per-label", [1, 1, 1, 1, np.inf], "positive numbers, not inf"),
        ("salience", {"red": 1, "blue": 1, "round": 1, "large": 1}, 'no weight for label "old"'),
        ("salience", {"rde": 1}, 'weights name an unknown label "rde"; did you mean "red"'),
    ],
)
def test_weights_that_do_not_fit(how: Any, weights: Any, words: str) -> None:
    with pytest.raises(DataError, match=words):
        hide(GOOD, how, SPACE, seed=0, weights=weights)


def test_negative_seed() -> None:
    with pytest.raises(DataError, match="seed is -1; give a whole number"):
        hide(GOOD, "uniform", SPACE, seed=-1)
