"""What an answer about each image would tell: its value, and that it follows answers and the model."""

from __future__ import annotations

import numpy as np
import pytest
from starlette.testclient import TestClient

from latentlabels.serving.predicting import Predictions
from latentlabels.serving.service import Service
from latentlabels.serving.usefulness import Usefulness, largest_gain


def _entropy(p: float) -> float:
    return -sum(q * np.log(q) for q in (p, 1 - p) if q > 0)


def test_the_gain_is_the_largest_entropy_of_a_label_that_nobody_knows() -> None:
    rng = np.random.default_rng(0)
    p = rng.beta(0.3, 0.3, (200, 7)).astype(np.float32)
    p[0], p[1, :3], p[2] = np.nan, (0, 1, 1e-7), 1
    settled = rng.random((200, 7)) < 0.5
    settled[3] = True
    want = np.zeros(200)
    for row, k in zip(*np.nonzero(~settled & ~np.isnan(p)), strict=True):
        want[row] = max(want[row], _entropy(float(p[row, k])))
    np.testing.assert_allclose(largest_gain(p, settled), want, atol=1e-12)
    assert largest_gain(p[:2, :0], settled[:2, :0]).tolist() == [0, 0]


def test_only_what_changed_is_worked_out_again() -> None:
    p = np.full((4, 2), np.nan, np.float32)
    found = Predictions(p, p, np.zeros(4, np.float32), np.zeros(4, bool))
    revision, settled, asked = np.zeros(4, np.int64), np.zeros((4, 2), bool), []

    def of(rows: np.ndarray) -> np.ndarray:
        asked.append(rows.tolist())
        return settled[rows]

    gains = Usefulness(4)
    assert gains.values(found, revision, of).tolist() == [0, 0, 0, 0] and asked == []
    p[:3], found.done[:3] = (0.5, 0.25), True
    half, quarter = np.log(2), _entropy(0.25)
    assert gains.values(found, revision, of) == pytest.approx([half, half, half, 0])
    settled[1, 0], revision[1] = True, 1
    assert gains.values(found, revision, of) == pytest.approx([half, quarter, half, 0])
    p[3], found.done[3] = (0.25, 0), True
    assert gains.values(found, revision, of) == pytest.approx([half, quarter, half, quarter])
    gains.values(found, revision, of)[:] = 9  # a copy
    assert gains.values(found, revision, of) == pytest.approx([half, quarter, half, quarter])
    assert asked == [[0, 1, 2], [1], [3]]


def test_it_follows_answers_that_are_given_skipped_and_taken_back(looked: TestClient, service: Service) -> None:
    def right() -> bool:
        fresh = largest_gain(service.shown.predictor.found.marginals, service.settled())
        return bool((service.usefulness() == fresh).all())

    assert right() and service.usefulness().max() > 0
    seen = [service.usefulness()]
    p = service.shown.predictor.found.marginals[7].copy()
    p[service.settled()[7]] = 0
    best = int(np.abs(p - 0.5).argmin())  # the label that the number is about
    about = {"image": "7", "label": service.shown.space.labels[best]}
    for value in (1, 0, None):
        assert looked.post("/v1/answers", json={**about, "value": value}).status_code == 201
        assert right()
        seen.append(service.usefulness())
    assert np.flatnonzero(seen[0] != seen[1]).tolist() == [7] and seen[1][7] < seen[0][7]
    service.shown.collection.known[:, :3] = 0  # as those of another run
    service.answering.forget_closed()
    assert right()
