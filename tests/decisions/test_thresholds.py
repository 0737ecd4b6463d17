"""Thresholds against brute force over all of them, and against true labels where the probabilities are right."""

from __future__ import annotations

import json

import numpy as np
import pytest

from latentlabels.decisions import NEVER, Aim, Source, Thresholds, empirical_thresholds, expected_thresholds
from latentlabels.errors import ConfigError, DataError

KINDS = ("f1-micro", "f1-macro", "precision=0.7", "recall=0.8")


def figures(p: np.ndarray, w: np.ndarray, cut: float) -> tuple[float, float, float, int]:
    """F1, precision, recall, number called present at a threshold."""
    called = p >= np.float32(cut)
    hits, n, total = w[called].sum(), called.sum(), w.sum()
    return (
        2 * hits / (n + total) if n + total else np.nan,
        hits / n if n else np.nan,
        hits / total if total else np.nan,
        int(n),
    )


def cuts(p: np.ndarray) -> list[float]:
    """A threshold for every division of the images, one that calls nothing present among them."""
    return [*np.unique(p).tolist(), 2.0]


def drawn(seed: int, tied: bool, n: int = 30, k: int = 4) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    p = rng.beta(0.5, 1.5, (n, k)).astype(np.float32)
    if tied:
        p = np.round(p, 1)
    return p, (rng.random((n, k)) < p).astype(np.int8)


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("source", ["posterior", "images"])
def test_no_other_threshold_is_better(seed: int, tied: bool, source: str) -> None:
    p, y = drawn(seed, tied)
    y[0] = 1  # every label is there
    w = (p if source == "posterior" else y).astype(np.float64)

    def found(aim: str) -> Thresholds:
        return expected_thresholds(p, aim) if source == "posterior" else empirical_thresholds(p, y, aim)

    micro = found("f1-micro")
    assert len(set(micro.values.tolist())) == 1
    best = max(figures(p.ravel(), w.ravel(), cut)[0] for cut in cuts(p))
    assert micro.overall == pytest.approx(best, abs=1e-12)
    assert figures(p.ravel(), w.ravel(), micro.values[0])[0] == pytest.approx(best, abs=1e-12)
    for aim in KINDS[1:]:
        given = found(aim)
        assert (given.source.kind, given.source.num_images, given.borrowed) == (source, 30, ())
        for k in range(4):
            tried = [figures(p[:, k], w[:, k], cut) for cut in cuts(p[:, k])]
            own = figures(p[:, k], w[:, k], given.values[k])
            if aim == "f1-macro":
                assert own[0] == pytest.approx(max(one[0] for one in tried), abs=1e-12) == given.expected[k]
            elif aim.startswith("precision"):
                reached = [one[3] for one in tried if one[1] >= 0.7 - 1e-7]
                assert own[3] == max(reached, default=0)
                assert given.expected[k] == pytest.approx(own[1], abs=1e-12, nan_ok=True)
            else:
                assert own[3] == min(one[3] for one in tried if one[2] >= 0.8 - 1e-7)
                assert given.expected[k] == pytest.approx(own[2], abs=1e-12)
        assert given.overall == pytest.approx(np.nanmean(given.expected))


def test_the_best_threshold_is_half_of_the_best_f1() -> None:
    p = np.random.default_rng(0).beta(0.4, 2, (20_000, 1)).astype(np.float32)
    found = expected_thresholds(p)
    assert found.values[0] == pytest.approx(found.overall / 2, abs=1e-3)


def test_where_probabilities_are_right_the_expected_threshold_is_within_noise_the_best() -> None:
    rng = np.random.default_rng(1)
    p = rng.beta(0.3, 2.0, (20_000, 8)).astype(np.float32)
    p[:, :4] /= 3  # four labels never reach one half
    y = (rng.random(p.shape) < p).astype(np.int8)
    micro = expected_thresholds(p)
    own = figures(p.ravel(), y.ravel(), micro.values[0])[0]
    best = empirical_thresholds(p, y).overall
    half = figures(p.ravel(), y.ravel(), 0.5)[0]
    # F1 of about 23,000 present entries has a standard error below 0.004; at 0.5 far more is lost
    assert abs(own - micro.overall) < 0.015
    assert best - 0.002 <= own <= best
    assert half < best - 0.03
    for aim, place in (("precision=0.6", 1), ("recall=0.8", 2)):
        given = expected_thresholds(p, aim)
        for k in range(8):
            if not np.isnan(given.expected[k]):
                got = figures(p[:, k], y[:, k], given.values[k])
                spread = 4 * (0.25 / max(got[3] if place == 1 else y[:, k].sum(), 1)) ** 0.5
                assert got[place] == pytest.approx(given.expected[k], abs=spread)


def test_thresholds_that_are_wrong_are_noticed() -> None:
    """The test above could fail: with probabilities that are too low by half, the threshold is not the best."""
    rng = np.random.default_rng(1)
    p = rng.beta(0.3, 2.0, (20_000, 8)).astype(np.float32)
    y = (rng.random(p.shape) < p**3).astype(np.int8)
    own = figures(p.ravel(), y.ravel(), expected_thresholds(p).values[0])[0]
    assert own < empirical_thresholds(p, y).overall - 0.01


def test_a_precision_beyond_reach() -> None:
    p = np.array([[0.5, 0.95], [0.4, 0.2], [0.1, 0.1]], np.float32)
    found = expected_thresholds(p, "precision=0.9")
    assert found.values[0] == np.float32(0.9)  # a label of such a probability has that precision
    assert found.decide(np.array([[0.89, 0.9], [0.9, 0.91]], np.float32))[:, 0].tolist() == [0, 1]
    assert np.isnan(found.expected[0])
    assert found.expected[1] == pytest.approx(0.95)
    y = np.array([[0, 1], [1, 0], [0, 0]], np.int8)
    found = empirical_thresholds(p, y, "precision=0.9")
    assert found.values[0] == np.float32(NEVER) > 1
    assert found.decide(np.ones((1, 2), np.float32)).tolist() == [[0, 1]]


def test_a_label_that_no_complete_image_shows_has_the_posteriors_threshold() -> None:
    p, y = drawn(3, False)
    y[:, 2] = 0
    for aim in KINDS[1:]:
        found, own = empirical_thresholds(p, y, aim), expected_thresholds(p, aim)
        assert found.borrowed == (2,)
        assert found.values[2] == own.values[2]
        other = Thresholds(np.full(4, 0.25, np.float32), own.aim, own.source, own.expected, 0.0)
        assert empirical_thresholds(p, y, aim, other).values[2] == 0.25
    assert empirical_thresholds(p, y).borrowed == ()  # one threshold for all


def test_neighbouring_numbers_are_kept_apart() -> None:
    high = np.float32(0.3)
    low = np.nextafter(high, np.float32(0))
    p, y = np.array([[high], [low], [low]], np.float32), np.array([[1], [0], [0]], np.int8)
    assert empirical_thresholds(p, y, "f1-macro").decide(p).ravel().tolist() == [1, 0, 0]


@pytest.mark.parametrize("aim", KINDS)
def test_nothing_is_there(aim: str) -> None:
    p = np.zeros((3, 2), np.float32)
    for found in (expected_thresholds(p, aim), empirical_thresholds(p + 0.5, p.astype(np.int8), aim)):
        assert np.isfinite(found.values).all()
        assert found.overall != found.overall or found.source.kind == "images"
    assert expected_thresholds(p, aim).decide(p).sum() == 0


@pytest.mark.parametrize(
    ("aim", "said"),
    [
        ("f2", 'unknown aim "f2"'),
        ("precison=0.9", 'did you mean "precision"'),
        ("precision", "needs a level"),
        ("f1=0.9", "takes no level"),
        ("recall=1.5", "above 0 and at most 1"),
        ("recall=0", "above 0 and at most 1"),
        ("recall=high", '"high" is not a number'),
        ("recall=nan", "is not a number"),
    ],
)
def test_aims_that_are_none(aim: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Aim.of(aim)


def test_aims_by_their_names() -> None:
    assert [str(Aim.of(one)) for one in ("f1", "macro-f1", "micro-f1", "precision=.9", "recall=1")] == [
        "f1-micro",
        "f1-macro",
        "f1-micro",
        "precision=0.9",
        "recall=1",
    ]
    assert Aim.of(Aim("recall", 0.5)) == Aim.of("recall=0.5")


@pytest.mark.parametrize(
    ("p", "said"),
    [
        (np.zeros((0, 3)), "at least one image"),
        (np.zeros(3), r"\(N, K\)"),
        (np.array([[np.nan]]), "NaN"),
        (np.array([[1.2]]), "outside"),
    ],
)
def test_what_is_no_table_of_probabilities(p: np.ndarray, said: str) -> None:
    with pytest.raises(DataError, match=said):
        expected_thresholds(p)


def test_what_is_no_truth() -> None:
    with pytest.raises(DataError, match="expected 0 and 1 of shape"):
        empirical_thresholds(np.zeros((2, 2), np.float32), np.full((2, 2), -1, np.int8))
    with pytest.raises(DataError, match="expected 0 and 1 of shape"):
        empirical_thresholds(np.zeros((2, 2), np.float32), np.zeros((3, 2), np.int8))


def test_they_are_json_and_back() -> None:
    p, y = drawn(0, False)
    y[:, 1] = 0
    for found in (empirical_thresholds(p, y, "precision=0.99"), expected_thresholds(p), Thresholds.halves(3)):
        again = Thresholds.from_dict(json.loads(json.dumps(found.to_dict(), allow_nan=False)))
        np.testing.assert_array_equal(again.values, found.values)
        np.testing.assert_array_equal(again.expected, found.expected)
        assert (again.aim, again.source, again.borrowed) == (found.aim, found.source, found.borrowed)


def test_the_source_in_words() -> None:
    assert str(Source("posterior", 1)) == "the posterior of 1 image"
    assert str(Source("images", 1200)) == "1,200 complete images"
    assert str(Source()) == "nothing: 0.5 for each label"
