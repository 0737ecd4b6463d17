"""Thresholds for F1: against a search over all of them, and against the exact expectation by enumeration."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from latentlabels.errors import DataError
from latentlabels.metrics import best_f1_threshold, evaluate, expected_f1_threshold, f1_at


def f1(present: np.ndarray, predicted: np.ndarray) -> float:
    total = present.sum() + predicted.sum()
    return 2 * (present & predicted).sum() / total if total else 1.0


@pytest.mark.parametrize("seed", range(10))
def test_the_best_threshold_is_that_of_a_search_over_all(seed: int) -> None:
    rng = np.random.default_rng(seed)
    p = rng.random((12, 4)).round(1)  # with many equal ones
    truth = (rng.random((12, 4)) < p * rng.random()).astype(np.int8)
    truth[0, 0] = 1
    found = f1_at(truth, p, best_f1_threshold(truth, p))
    assert found == pytest.approx(max(f1(truth == 1, p >= t) for t in [*p.ravel(), 2.0]))


@pytest.mark.parametrize("seed", range(10))
def test_the_expected_threshold_is_that_of_a_search_over_all(seed: int) -> None:
    p = np.random.default_rng(seed).random((9, 5)).round(1)
    scores = {t: 2 * p[p >= t].sum() / ((p >= t).sum() + p.sum()) for t in np.unique(p)}
    assert scores[expected_f1_threshold(p)] == pytest.approx(max(scores.values()))


def test_it_is_near_the_exact_expectation() -> None:
    """Of ten independent labels all 1,024 label sets are summed over; the loss against the best threshold is small."""
    rng = np.random.default_rng(0)
    for _ in range(5):
        p = rng.beta(0.5, 1.5, 10)
        sets = np.array(list(itertools.product([0, 1], repeat=10)))
        weights = np.where(sets, p, 1 - p).prod(1)

        def exact(t: float, p: np.ndarray = p, sets: np.ndarray = sets, weights: np.ndarray = weights) -> float:
            return float(sum(w * f1(y == 1, p >= t) for w, y in zip(weights, sets, strict=True)))

        best = max(exact(t) for t in p)
        assert exact(expected_f1_threshold(p)) >= best - 0.01


def test_right_probabilities_need_no_label() -> None:
    """Where labels are drawn from the probabilities, the threshold that reads none reaches the best one's F1."""
    rng = np.random.default_rng(1)
    p = rng.beta(0.4, 2.0, (4000, 10))
    truth = (rng.random(p.shape) < p).astype(np.int8)
    own, best = (f1_at(truth, p, t) for t in (expected_f1_threshold(p), best_f1_threshold(truth, p)))
    assert best - 0.002 <= own <= best  # a standard error of F1 is about 0.005
    assert own > f1_at(truth, p, 0.5) + 0.02


def test_the_order_does_not_matter() -> None:
    p = np.random.default_rng(2).random((6, 3))
    assert expected_f1_threshold(p) == expected_f1_threshold(p.T) == expected_f1_threshold(p.ravel()[::-1])


def test_certain_probabilities() -> None:
    p = np.array([[1.0, 0.0, 1.0], [0.0, 0.0, 1.0]])
    assert expected_f1_threshold(p) == 1.0
    assert f1_at(p.astype(np.int8), p, 1.0) == 1.0


def test_where_nothing_is_present() -> None:
    nothing = np.zeros((2, 3))
    assert expected_f1_threshold(nothing) == expected_f1_threshold([]) == 1.0
    assert best_f1_threshold(nothing.astype(np.int8), nothing + 0.3) == 1.0
    assert f1_at(nothing.astype(np.int8), nothing + 0.3, 1.0) == 1.0


def test_at_one_half_it_is_the_f1_of_the_metrics() -> None:
    rng = np.random.default_rng(3)
    p, truth = rng.random((20, 3)), rng.integers(0, 2, (20, 3))
    assert f1_at(truth, p, 0.5) == pytest.approx(evaluate(truth, p).f1)


def test_what_cannot_be_measured_is_refused() -> None:
    with pytest.raises(DataError, match="both must be"):
        f1_at([[1, 0]], [[0.5]], 0.5)
    with pytest.raises(DataError, match="complete labels must all be 1 or 0"):
        best_f1_threshold([[1, -1]], [[0.5, 0.5]])
