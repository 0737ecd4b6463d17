"""The number of events that happen, against the sum over all outcomes."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from latentlabels.review.counting import count_distribution, interval, with_errors, with_pairs


def test_against_all_outcomes() -> None:
    p = np.random.default_rng(0).random(9)
    expected = np.zeros(10)
    for outcome in itertools.product((0, 1), repeat=9):
        expected[sum(outcome)] += np.prod(np.where(outcome, p, 1 - p))
    np.testing.assert_allclose(count_distribution(p), expected, atol=1e-14)


@pytest.mark.parametrize("size", [0, 1, 2, 3, 1000])
def test_equal_probabilities_are_binomial(size: int) -> None:
    np.testing.assert_allclose(
        count_distribution(np.full(size, 0.03)), stats.binom.pmf(np.arange(size + 1), size, 0.03), atol=1e-13
    )


def test_certain_events() -> None:
    np.testing.assert_allclose(count_distribution([1.0, 0.0, 1.0]), [0, 0, 1, 0], atol=1e-15)


@pytest.mark.parametrize("coverage", [0.5, 0.8, 0.95])
def test_interval_holds_its_share_and_no_shorter_one_from_the_same_tails_does(coverage: float) -> None:
    p = count_distribution(np.random.default_rng(1).random(30) * 0.4)
    low, high = interval(p, coverage)
    assert p[low : high + 1].sum() >= coverage
    assert p[: low + 1].sum() > (1 - coverage) / 2
    assert p[high:].sum() > (1 - coverage) / 2


def test_interval_of_a_number_that_is_certain() -> None:
    assert interval([0.0, 0.0, 1.0]) == (2, 2)
    assert interval([1.0]) == (0, 0)


def test_a_factor_widens_the_interval_and_keeps_what_is_sure() -> None:
    sure = np.zeros(401)
    sure[200] = 1
    wide = with_errors(sure, 0.2)
    assert wide.sum() == pytest.approx(1)
    low, high = interval(wide, 0.95)
    assert low == pytest.approx(200 * np.exp(-1.96 * 0.2), abs=4)
    assert high == pytest.approx(200 * np.exp(1.96 * 0.2), abs=4)
    none = np.zeros(5)
    none[0] = 1
    np.testing.assert_allclose(with_errors(none, 0.2), none)
    every = np.zeros(5)
    every[4] = 1
    assert with_errors(every, 0.2)[4] > 0.5  # at most the largest number
    p = count_distribution(np.full(50, 0.1))
    np.testing.assert_allclose(with_errors(p, 0.0), p)
    low, high = interval(with_errors(sure, 0.0, 20.0), 0.95)
    assert (low, high) == pytest.approx((200 - 1.96 * 20, 200 + 1.96 * 20), abs=2)
    assert with_errors(none, 0.0, 1.0)[0] == pytest.approx(stats.norm.cdf(0.5), abs=0.01)  # not below 0


def test_pairs_count_two_each() -> None:
    """Against the sum over all events."""
    alone, pairs = [0.2, 0.5, 0.1, 0.0, 0.3], [0.4, 0.0, 0.7]
    wanted = np.zeros(6)
    for first in itertools.product((0, 1), repeat=5):
        for second in itertools.product((0, 1), repeat=3):
            p = np.prod(np.where(first, alone, 1 - np.array(alone))) * np.prod(np.where(second, pairs, 1 - np.array(pairs)))
            wanted[min(sum(first) + 2 * sum(second), 5)] += p
    np.testing.assert_allclose(with_pairs(count_distribution(alone), pairs), wanted, atol=1e-12)
    np.testing.assert_array_equal(with_pairs(wanted, np.zeros(3)), wanted)
