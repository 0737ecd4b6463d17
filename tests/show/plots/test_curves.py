"""Pictures of calibration and of training."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from drawn import check_layout, words
from matplotlib.figure import Figure

from latentlabels.errors import DataError
from latentlabels.metrics import CalibrationCurve, calibration_curve
from latentlabels.show.plots import history, reliability


def test_reliability_draws_the_curve() -> None:
    rng = np.random.default_rng(0)
    p = rng.random((400, 3)) ** 2
    truth = rng.random(p.shape) < p
    curve = calibration_curve(truth, p)
    ax = reliability(truth, p, ax=Figure())
    above, below = ax.child_axes
    (line,) = [line for line in above.lines if line.get_label() == "this fit"]
    np.testing.assert_allclose(line.get_xdata(), curve.predicted)
    np.testing.assert_allclose(line.get_ydata(), curve.frequency)
    assert [bar.get_height() for bar in below.patches] == list(curve.count)
    assert f"calibration error {100 * curve.error:.1f} %\n1,200 entries" in words(ax)
    check_layout(ax)
    assert words(reliability(curve, ax=Figure())) == words(ax)


def test_reliability_of_what_is_missing() -> None:
    truth, p = np.array([[1, 0], [0, 1]]), np.array([[0.9, np.nan], [0.2, 0.7]])
    ax = reliability(truth, p, ax=Figure())
    assert any("3 entries, 1 without a value left out" in text for text in words(ax))
    check_layout(ax)
    nothing = ["no entries to measure calibration on"]
    assert words(reliability(truth, np.full((2, 2), np.nan), ax=Figure())) == nothing
    assert words(reliability(np.empty((0, 3)), np.empty((0, 3)), ax=Figure())) == nothing
    assert words(reliability(CalibrationCurve((None,), (None,), (0,)), ax=Figure())) == nothing
    check_layout(reliability(CalibrationCurve((0.0,), (1.0,), (1,)), ax=Figure()))


def _epochs(count: int) -> list[dict[str, Any]]:
    held = [-3 + 0.5 * i - 0.05 * i * i for i in range(count)]
    return [
        {"epoch": i, "train_log_likelihood": -3 + 0.4 * i, "held_out_log_likelihood": held[i], "predicted_count": 2 + 0.1 * i}
        for i in range(count)
    ]


def test_history_draws_each_epoch_and_marks_the_one_that_was_kept() -> None:
    ax = history(_epochs(9), expected_labels=2.5, ax=Figure())
    above, below = ax.child_axes
    lines = {line.get_label(): line for line in above.lines}
    assert list(lines["training"].get_ydata()) == pytest.approx([-3 + 0.4 * i for i in range(9)])
    assert list(lines["held out"].get_xdata()) == list(range(1, 10))  # people count from 1
    assert list(lines["kept: epoch 6"].get_xdata()) == [6, 6]
    assert list(below.lines[0].get_ydata()) == pytest.approx([2 + 0.1 * i for i in range(9)])
    assert {"training", "held out", "kept: epoch 6", "2.50 expected", "epoch"} <= set(words(ax))
    check_layout(ax)
    assert "kept: epoch 9" in words(history(_epochs(9), best_epoch=8, ax=Figure()))


@pytest.mark.parametrize("count", [1, 60])
def test_history_of_any_length_is_readable(count: int) -> None:
    check_layout(history(_epochs(count), expected_labels=3.0, ax=Figure()))


def test_history_leaves_out_what_is_missing() -> None:
    rows = [{**row, "held_out_log_likelihood": None, "predicted_count": float("nan")} for row in _epochs(4)]
    rows[1]["train_log_likelihood"] = float("-inf")
    ax = history(rows, value="negative focal loss", ax=Figure())
    assert not ax.child_axes
    assert [list(line.get_xdata()) for line in ax.lines] == [[1, 3, 4]]
    assert ax.get_ylabel() == "negative focal loss"
    assert "held out" not in words(ax)
    assert words(history([], ax=Figure())) == words(history([{"epoch": 0}], ax=Figure())) == ["no epoch was recorded"]
    check_layout(history([{"epoch": 3, "predicted_count": 2.0}], ax=Figure()))


def test_calibration_of_shapes_that_differ_is_an_error() -> None:
    with pytest.raises(DataError, match="shape"):
        reliability([[0, 1]], [[0.5]], ax=Figure())
