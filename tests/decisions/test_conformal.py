"""Sets keep their promise whatever the model is: simulations whose false-alarm rate is known, and small cases by hand."""

from __future__ import annotations

from fractions import Fraction
from math import ceil, floor

import numpy as np
import pytest
from scipy.stats import binom

from latentlabels.decisions import Conformal, images_needed
from latentlabels.errors import ConfigError, DataError

REPEATS = 1500
ALARM = 1e-4  # how often a right program fails one of these tests, were the seeds drawn anew


def drawn(rng: np.random.Generator, size: int, tied: bool, k: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of a bad model, and labels that depend on each other and on the probabilities; some images have none."""
    common = rng.normal(size=(size, 1))
    score = rng.normal(size=(size, k)) + common
    y = (score + rng.normal(size=(size, k)) > 1.0).astype(np.int8)
    p = (1 / (1 + np.exp(-3 * score - 1))).astype(np.float32)  # far too sure, and too high
    return (np.round(p, 1) if tied else p), y


def counted(kind: str, n: int, coverage: float, tied: bool, seed: int) -> np.ndarray:
    """For each repeat: 1 covered, 0 not, of one new image that the promise is about."""
    rng = np.random.default_rng(seed)
    out = []
    for _ in range(REPEATS):
        p, y = drawn(rng, 3 * n + 60, tied)
        known = y.copy()
        if kind == "revealed":  # an annotator names the first label in the alphabet
            known = np.full_like(y, -1)
            rows = np.flatnonzero(y.any(1))
            known[rows, y[rows].argmax(1)] = 1
            keep = np.flatnonzero((known == 1).any(1))[: n + 1]
            p, y, known = p[keep], y[keep], known[keep]
        found = Conformal(p[:n], known[:n]).inclusion(coverage, kind)  # type: ignore[arg-type]
        sets = found.sets(p[n:])
        if kind == "joint":
            out.append((sets[0] >= y[n]).all())
        elif kind == "revealed":
            out.append(sets[0][known[n] == 1].all())
        else:
            new = np.flatnonzero(y[n:, 2])
            if len(new):
                out.append(sets[new[0], 2] == 1)
    return np.array(out)


@pytest.mark.parametrize("kind", ["joint", "revealed"])
@pytest.mark.parametrize(("n", "coverage"), [(9, 0.9), (25, 0.8), (60, 0.95)])
def test_the_coverage_is_what_the_rank_says(kind: str, n: int, coverage: float) -> None:
    found = counted(kind, n, coverage, False, 1)
    rank = floor((1 - Fraction(str(coverage))) * (n + 1))
    exact = 1 - rank / (n + 1)
    assert exact >= coverage
    assert binom.ppf(ALARM, len(found), coverage) <= found.sum()
    if kind == "revealed":  # no image without a label, whose score is tied
        assert binom.ppf(ALARM, len(found), exact) <= found.sum() <= binom.ppf(1 - ALARM, len(found), exact)
    else:
        assert found.sum() < len(found)


@pytest.mark.parametrize("kind", ["joint", "revealed", "label"])
def test_ties_do_not_break_the_promise(kind: str) -> None:
    found = counted(kind, 60, 0.9, True, 2)
    assert binom.ppf(ALARM, len(found), 0.9) <= found.sum()


def test_each_label_is_covered_where_it_is_present() -> None:
    found = counted("label", 60, 0.8, False, 3)
    assert len(found) > 0.9 * REPEATS
    assert binom.ppf(ALARM, len(found), 0.8) <= found.sum() <= binom.ppf(1 - ALARM, len(found), 0.88)


def test_a_promise_of_one_label_says_nothing_of_all() -> None:
    """Sets that hold the label that would be named leave out others: single known labels cannot promise more."""
    rng = np.random.default_rng(4)
    p, y = drawn(rng, 4000, False)
    p[:, 0] = np.maximum(p[:, 0], 0.9)  # the first label is easy, and is the one that is named where it is there
    known = np.full_like(y, -1)
    known[np.arange(4000), y.argmax(1)] = np.where(y.any(1), 1, -1)
    named, all_of_them = (
        Conformal(p[:2000], given[:2000]).inclusion(0.9, kind).sets(p[2000:])
        for given, kind in ((known, "revealed"), (y, "joint"))
    )
    held = y[2000:]
    some = held.any(1)
    assert (all_of_them >= held).all(1).mean() > 0.88
    assert named[some, held[some].argmax(1)].mean() > 0.88
    assert (named >= held)[some].all(1).mean() < 0.85


def test_by_hand() -> None:
    p = np.linspace(0.05, 0.95, 19, dtype=np.float32)[:, None]
    p = np.hstack([p, p[::-1]])
    y = np.ones((19, 2), np.int8)
    y[:9, 0] = 0
    y[:, 1] = 0
    y[0] = 0
    found = Conformal(p, y)
    one = found.inclusion(0.9, "label")
    assert one.num_images.tolist() == [10, 0]
    assert one.values.tolist() == [np.float32(p[9, 0]), 0.0]  # the lowest of ten, and nothing to go by
    assert one.always == (1,)
    both = found.inclusion(0.9, "joint")
    assert both.values.tolist() == [p[10, 0]] * 2  # 9 images without a label have score 1; rank 2 of 19
    assert found.inclusion(0.95).values.tolist() == [p[9, 0]] * 2


@pytest.mark.parametrize("coverage", [0.5, 0.8, 0.9, 0.95, 0.99, 0.7, 1 / 3])
def test_the_fewest_images(coverage: float) -> None:
    needed = images_needed(coverage)
    assert needed == max(ceil(1 / (1 - Fraction(coverage).limit_denominator(1000))) - 1, 1)
    p, y = drawn(np.random.default_rng(0), needed, False)
    Conformal(p, y).inclusion(coverage)
    if needed > 1:
        with pytest.raises(DataError, match=rf"needs at least {needed} complete images?, not {needed - 1}; label more images"):
            Conformal(p[1:], y[1:]).inclusion(coverage)


def test_what_can_be_reached_can_be_had() -> None:
    p, y = drawn(np.random.default_rng(0), 7, False)
    with pytest.raises(DataError, match=r"a coverage of at most 0\.875"):
        Conformal(p, y).inclusion(0.9)
    Conformal(p, y).inclusion(0.875)


def test_all_images_without_a_label_promise_nothing_hard() -> None:
    p, y = drawn(np.random.default_rng(0), 20, False)
    found = Conformal(p, np.zeros_like(y))
    assert found.inclusion(0.9).sets(p).sum() == 0  # the empty set holds all labels of images that have none
    with pytest.raises(DataError, match="no label is shown by more than 0"):
        found.inclusion(0.9, "label")
    with pytest.raises(DataError, match="at least 9 images with a known label, not 0"):
        found.inclusion(0.9, "revealed")


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        ({"coverage": 1.0}, ConfigError, "above 0 and below 1"),
        ({"coverage": 0.0}, ConfigError, "above 0 and below 1"),
        ({"kind": "jiont"}, ConfigError, 'did you mean "joint"'),
    ],
)
def test_what_cannot_be_promised(given: dict, error: type[Exception], said: str) -> None:
    p, y = drawn(np.random.default_rng(0), 20, False)
    with pytest.raises(error, match=said):
        Conformal(p, y).inclusion(**given)


def test_images_that_are_not_complete() -> None:
    p, y = drawn(np.random.default_rng(0), 20, False)
    y[3, 1] = -1
    for kind in ("joint", "label"):
        with pytest.raises(DataError, match='need complete images; .* use "revealed"'):
            Conformal(p, y).inclusion(0.9, kind)  # type: ignore[arg-type]
    with pytest.raises(DataError, match=r"expected \(n, K\) of both"):
        Conformal(p[1:], y)
    with pytest.raises(DataError, match="probabilities in"):
        Conformal(p * 3, y)
