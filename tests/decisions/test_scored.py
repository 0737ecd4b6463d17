"""F1 of decisions by blocks: what sorting all images at once gives."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from latentlabels.decisions import Thresholds, empirical_thresholds, expected_thresholds, score_decisions


def drawn(kind: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    p = rng.beta(0.3, 3, (300, 5)) ** 4  # of many sizes, far below one half
    if kind == "close":  # all in a few bins
        p = 0.3 + 1e-5 * p
    if kind == "tied":
        p = np.round(p, 2)
    p = p.astype(np.float32)
    p[:3] = np.array([[0.0], [1.0], [1e-30]])
    return p, rng.random(p.shape) < np.sqrt(p)


@pytest.mark.parametrize("size", [1, 7, 300])
@pytest.mark.parametrize("kind", ["wide", "close", "tied"])
@pytest.mark.parametrize("seed", range(4))
def test_blocks_give_what_sorting_gives(size: int, kind: str, seed: int) -> None:
    p, y = drawn(kind, seed)

    def blocks() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for first in range(0, 300, size):
            yield y[first : first + size], p[first : first + size]

    thresholds = expected_thresholds(p, "f1-macro")
    found = score_decisions(blocks, thresholds)
    decided = p >= thresholds.values
    assert found.f1 == pytest.approx(2 * (decided & y).sum() / (decided.sum() + y.sum()))
    decided = p >= np.float32(found.best_threshold)
    assert found.best_f1 == pytest.approx(2 * (decided & y).sum() / (decided.sum() + y.sum()), abs=1e-12)
    assert found.best_f1 == pytest.approx(empirical_thresholds(p, y.astype(np.int8)).overall, abs=1e-12)


def test_nothing_is_there() -> None:
    nothing = np.zeros((3, 2), bool)
    for p, f1 in ((0.1, 1.0), (0.9, 0.0)):
        found = score_decisions(lambda p=p: [(nothing, np.full((3, 2), p, np.float32))], Thresholds.halves(2))  # type: ignore[misc]
        assert (found.f1, found.best_f1) == (f1, 1.0)
        assert found.best_threshold == 1.0
