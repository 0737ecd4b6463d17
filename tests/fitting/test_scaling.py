"""A fit with answers has the scale that they say, whatever the known labels alone would give."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import latentlabels as ll

SPACE = ll.LabelSpace.free(list("abcdef"))
SETTINGS: dict[str, Any] = {"encoder": "embedding", "epochs": 30, "batch_size": 64, "learning_rate": 0.001}
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*no exhaustive group"),
    pytest.mark.filterwarnings("ignore::latentlabels.errors.AnchorWarning"),
]


class World:
    """1,000 embeddings with about three of six labels, of which one is known, and 400 answers."""

    def __init__(self) -> None:
        generator = np.random.default_rng(0)
        self.x = generator.normal(size=(1000, 6)).astype(np.float32)
        odds = 1.5 * self.x + generator.normal(size=(1000, 6)) * 0.3
        self.y = (generator.random((1000, 6)) < 1 / (1 + np.exp(-odds))).astype(np.int8)
        self.y[self.y.sum(1) == 0, 0] = 1
        self.known = np.full(self.y.shape, -1, np.int8)
        for row, labels in enumerate(self.y):
            self.known[row, generator.choice(np.flatnonzero(labels))] = 1
        rows, columns = np.nonzero(self.known == -1)
        asked = generator.choice(len(rows), 400, replace=False)
        self.answers = np.full(self.y.shape, -1, np.int8)
        self.answers[rows[asked], columns[asked]] = self.y[rows[asked], columns[asked]]

    def fit(self, answers: NDArray[np.int8] | None, **more: Any) -> ll.LatentLabels:
        return ll.LatentLabels(SPACE, **{**SETTINGS, **more}).fit(self.x, self.known, answers=answers)

    def count(self, model: ll.LatentLabels) -> float:
        return float(model.predict_proba(self.x).sum(1).mean())


@pytest.fixture(scope="module")
def world() -> World:
    return World()


@pytest.fixture(scope="module")
def asked(world: World) -> ll.LatentLabels:
    return world.fit(world.answers)


def test_answers_fix_the_number_of_labels(world: World, asked: ll.LatentLabels) -> None:
    true, without = float(world.y.sum(1).mean()), world.fit(None)
    assert world.count(without) < 0.85 * true
    assert world.count(asked) == pytest.approx(true, rel=0.1)
    found = asked.diagnostics_
    assert found["expected_labels"] == pytest.approx(true, rel=0.1)
    assert found["expected_labels_identified"]
    assert found["expected_labels_source"] == "400 answers to questions about 344 images"
    assert found["predicted_count"] == pytest.approx(found["expected_labels"], rel=0.05)
    calibration = asked.decisions_.calibration
    assert calibration is not None
    assert calibration.answers == 400
    assert calibration.after < calibration.before
    assert asked.score(world.x, world.y) > without.score(world.x, world.y) + 0.1


def test_the_scale_is_stored_with_the_run(world: World, asked: ll.LatentLabels, tmp_path: Path) -> None:
    again = ll.LatentLabels.load(asked.save(tmp_path / "run"))
    np.testing.assert_allclose(again.predict_proba(world.x), asked.predict_proba(world.x), atol=1e-6)
    assert again.decisions_.calibration is not None
    assert again.decisions_.calibration.to_dict() == asked.decisions_.calibration.to_dict()


@pytest.mark.parametrize("more", [{"expected_labels": 2.0}, {"held_out": 0.0}, {"objective": "assume-negative"}], ids=str)
def test_nothing_is_changed_where_the_number_is_stated_or_nothing_can_be_found(world: World, more: dict[str, Any]) -> None:
    assert world.fit(world.answers, epochs=2, **more).decisions_.calibration is None


def test_a_fit_that_begins_with_a_run_on_the_same_images_is_the_fit_from_the_start(
    world: World, asked: ll.LatentLabels, tmp_path: Path
) -> None:
    """The run has seen some of the answers: neither fit may begin with its head."""
    half = np.where(np.arange(1000)[:, None] < 500, world.answers, -1).astype(np.int8)
    run = world.fit(half).save(tmp_path / "run")
    again = world.fit(world.answers, init_from=run)
    np.testing.assert_allclose(again.predict_proba(world.x), asked.predict_proba(world.x), atol=1e-5)
    assert again.fitted_.begun_with == ()
    other = ll.LatentLabels(SPACE, init_from=run, **{**SETTINGS, "epochs": 1}).fit(
        world.x[:900], world.known[:900], answers=world.answers[:900]
    )
    assert other.fitted_.begun_with == SPACE.labels  # other images: the run knows what they do not show


def test_a_run_without_answers_on_the_same_known_labels_is_the_first_fit(
    world: World, asked: ll.LatentLabels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = world.fit(None).save(tmp_path / "run")
    fits = []
    monkeypatch.setattr("latentlabels.estimator.asked_fit.trained", lambda *given: fits.append(given))
    again = world.fit(world.answers, init_from=run)
    assert not fits
    np.testing.assert_allclose(again.predict_proba(world.x), asked.predict_proba(world.x), atol=1e-5)
