"""Pictures of what many images say together: counts, prevalences, pairs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from drawn import SPACE, SPACES, P, bars_of, check_layout, line_of, words
from matplotlib.figure import Figure

from latentlabels.errors import DataError, LabelSpaceError
from latentlabels.show.colours import BLUE
from latentlabels.show.plots import co_occurrence, count_distribution, known_counts, prevalence


def test_known_counts_orders_labels_and_names_those_never_known() -> None:
    ax = known_counts({"a": (5, 100), "b": (1200, 0), "c": (0, 7)}, ax=Figure())
    (rows,) = ax.child_axes
    assert [bar.get_width() for bar in bars_of(rows, "known present")] == [1200, 5, 0]
    assert [bar.get_width() for bar in bars_of(rows, "known absent")] == [0, -100, -7]
    said = words(ax)
    assert [text for text in said if text in "abc"] == ["b", "a", "c"]
    assert {"1,200", "5", "100", "7", "never known to be present", "known to be absent (images)"} <= set(said)
    check_layout(ax)
    assert "known to be absent (images)" not in words(known_counts({"a": (5, 0)}, ax=Figure()))


def test_known_counts_of_many_labels_says_what_is_left_out() -> None:
    ax = known_counts({f"label {k}": (max(0, 190 - k), 0) for k in range(200)}, ax=Figure())
    assert len(bars_of(ax.child_axes[0], "known present")) == 40
    assert "160 labels left out, each known to be present in at most 150 images; 10 never" in words(ax)
    check_layout(ax)
    check_layout(known_counts({"x": (0, 0)}, ax=Figure()))
    check_layout(known_counts({"x": (0, 12345)}, ax=Figure()))
    assert words(known_counts({}, ax=Figure())) == ["no labels"]


# --- the number of labels ---------------------------------------------------------------------------------


def test_number_of_labels_is_the_mean_of_the_images() -> None:
    rng = np.random.default_rng(0)
    counts = rng.random((20, 5))
    counts /= counts.sum(1, keepdims=True)
    truth = rng.integers(0, 2, (20, 4))
    ax = count_distribution(counts, truth=truth, expected=2.5, ax=Figure())
    assert [bar.get_height() for bar in bars_of(ax, "model")] == pytest.approx(100 * counts.mean(0))
    shares = [100 * np.mean(truth.sum(1) == n) for n in range(truth.sum(1).max() + 1)]
    assert list(line_of(ax, "truth").get_ydata()) == pytest.approx(shares)
    assert list(line_of(ax, "2.50 expected").get_xdata()) == [2.5, 2.5]
    mean = counts.mean(0) @ np.arange(5)
    assert f"{mean:.1f} labels per image on average, {truth.sum(1).mean():.1f} in truth" in words(ax)
    assert {"number of labels present", "share of images (%)"} <= set(words(ax))
    check_layout(ax)
    again = count_distribution(counts, truth=np.asarray(shares) / 100, expected=2.5, ax=Figure())
    assert words(again) == words(ax)


def test_number_of_labels_of_one_image_of_many_labels_and_of_none() -> None:
    ax = count_distribution([0.25, 0.75], ax=Figure())
    assert "probability (%)" in words(ax)
    assert ax.get_legend() is None
    check_layout(ax)
    far = np.zeros((3, 1001))
    far[:, 2], far[1] = 1, np.nan
    ax = count_distribution(far, ax=Figure())
    assert len(bars_of(ax, "model")) == 3  # what nobody can see is not drawn
    assert any("1 image without a value left out" in text for text in words(ax))
    check_layout(ax)
    check_layout(count_distribution(np.full((2, 1001), 1 / 1001), ax=Figure()))


# --- prevalence -------------------------------------------------------------------------------------------


def test_prevalence_draws_prior_posterior_and_truth() -> None:
    prior, posterior, truth = P[::-1].copy(), P, np.linspace(0, 0.9, 7)
    ax = prevalence(prior, posterior, SPACE, truth=truth, ax=Figure())
    (rows,) = ax.child_axes
    order = np.argsort(-posterior)
    said = words(ax)
    assert [text for text in said if text in SPACE.labels] == [SPACE.labels[k] for k in order]
    for label, values in (("prior", prior), ("posterior", posterior), ("truth", truth)):
        marks = line_of(rows, label)
        assert list(marks.get_xdata()) == pytest.approx(values[order])
        assert list(marks.get_ydata()) == list(range(7))
    assert line_of(rows, "posterior").get_color() == BLUE
    assert "<1 % → 80 %" in said
    assert {"before the fit", "after it", "truth", "share of images that show the label"} <= set(said)
    check_layout(ax)
    assert "truth" not in words(prevalence(prior, posterior, SPACE, ax=Figure()))


def test_prevalence_of_many_labels_shows_what_moved() -> None:
    space = SPACES["many"]
    prior = np.full(200, 0.2)
    posterior = 0.2 + np.linspace(-0.1, 0.1, 200)
    posterior[50] = np.nan
    ax = prevalence(prior, posterior, space, limit=20, ax=Figure())
    shown = [space.index(text) for text in words(ax) if text in space.labels]
    rest = np.delete(np.abs(posterior - prior), shown)
    assert len(shown) == 20
    assert np.abs(posterior - prior)[shown].min() >= np.nanmax(rest)
    assert f"180 labels left out, each moved by {100 * np.nanmax(rest):.1f} percentage points at most" in words(ax)
    check_layout(ax)
    ax = prevalence([np.nan], [0.0], SPACES["one label"], ax=Figure())
    assert "no value → 0 %" in words(ax)
    check_layout(ax)
    check_layout(prevalence([np.nan], [np.nan], SPACES["one label"], ax=Figure()))


# --- pairs ------------------------------------------------------------------------------------------------


def _shares(ax: Any) -> tuple[np.ndarray, np.ndarray]:
    alone, given = (next(part for part in ax.child_axes if part.get_label() == name) for name in ("all images", "given"))
    return alone.images[0].get_array(), given.images[0].get_array()


def test_co_occurrence_is_the_column_given_the_row() -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, (50, 7))
    y[:, 3] = 0  # no image shows a bike
    together = (y.T @ y) / 50
    ax = co_occurrence(together, SPACE, ax=Figure())
    alone, given = _shares(ax)
    np.testing.assert_allclose(alone, y.mean(0)[None])
    for row in range(7):
        for column in range(7):
            if row == column or row == 3:
                assert not np.isfinite(given[row, column])
            else:
                assert given[row, column] == pytest.approx(y[y[:, row] == 1, column].mean())
    said = words(ax)
    assert [text for text in said if text in SPACE.labels] == 2 * list(SPACE.labels)
    assert said.count("0") == 7  # the column of bikes
    assert "of the images that show the row's label, % that show the column's" in said
    assert "grey: the label itself, or a label that no image shows" in said
    heat = next(part for part in ax.child_axes if part.get_label() == "given")
    ends = sorted(float(line.get_ydata()[0]) for line in heat.lines if line.get_ydata()[0] == line.get_ydata()[1])
    assert ends == [1.5, 3.5, 5.5]  # of colour, vehicle and doors
    check_layout(ax)


def test_co_occurrence_of_many_labels_shows_the_frequent_ones() -> None:
    space, share = SPACES["many"], np.linspace(0.01, 0.8, 200)
    together = share[:, None] * share
    np.fill_diagonal(together, share)
    ax = co_occurrence(together, space, limit=10, ax=Figure())
    assert [text for text in words(ax) if text in space.labels][:10] == list(space.labels[-10:])
    assert "190 labels left out, each in 76 % of the images at most" in words(ax)
    assert "grey: the label itself" in words(ax)
    check_layout(ax)
    names = ["label 3", "kind 5", "label 7"]
    ax = co_occurrence(together[:3, :3], space, labels=names, ax=Figure())
    assert [text for text in words(ax) if text in names][:3] == ["kind 5", "label 3", "label 7"]
    np.testing.assert_allclose(_shares(ax)[0][0], share[[1, 0, 2]])
    check_layout(co_occurrence([[np.nan]], SPACES["one label"], ax=Figure()))
    check_layout(co_occurrence(np.full((7, 7), np.nan), SPACE, limit=3, ax=Figure()))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: count_distribution(np.ones((2, 2, 2))), r"shape \(2, 2, 2\)"),
        (lambda: count_distribution([[0.5, 0.1]]), "do not sum to 1"),
        (lambda: count_distribution([[2.0, -1.0]]), "probabilities lie in"),
        (
            lambda: count_distribution([[0.5, 0.5]], truth=np.zeros((3, 4))),
            r"truth has shape \(3, 4\), count_probs have \(1, 2\)",
        ),
        (lambda: count_distribution([[0.5, 0.5]], truth=[[-1]]), "truth holds values other"),
        (lambda: prevalence(P[:3], P, SPACE), r"prior have shape \(3,\), but the space has 7 labels"),
        (lambda: prevalence(P, P[:3], SPACE), r"posterior have shape \(3,\)"),
        (lambda: prevalence(P, P, SPACE, truth=P[:2]), r"true prevalences have shape \(2,\)"),
        (lambda: prevalence(P, 2 * P, SPACE), "probabilities lie in"),
        (lambda: co_occurrence(np.zeros((3, 3)), SPACE), r"shape \(3, 3\), but there are 7 labels; say which"),
        (lambda: co_occurrence(np.zeros((3, 3)), SPACE, labels=["car"]), r"shape \(3, 3\), but there are 1 labels"),
        (lambda: co_occurrence(np.zeros((1, 1)), SPACE, labels=["tram"]), 'no label "tram"'),
    ],
)
def test_what_does_not_fit_is_an_error(call: Any, message: str) -> None:
    with pytest.raises((DataError, LabelSpaceError), match=message):
        call()
