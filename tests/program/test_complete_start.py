"""Complete images in the starting point: they set the scale, and rare labels keep what the known ones say of them."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest

import latentlabels.annotation as ann
from latentlabels import LatentLabels
from latentlabels.annotation.learning import learn
from latentlabels.observed.known_table import table_of
from latentlabels.program.starting_point import ScaleFrom, derive_prior
from latentlabels.space import LabelSpace

SPACE = LabelSpace.free("abcd")
TRUE = np.array([0.9, 0.6, 0.5, 0.04])


def values(num_complete: int, number: int = 4000, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    y = (rng.random((number + num_complete, 4)) < TRUE).astype(np.int8)
    y[y.sum(1) == 0, 0] = 1
    known = np.full(y.shape, -1, np.int8)
    score = y * rng.random(y.shape)
    known[np.arange(len(y)), score.argmax(1)] = 1
    known[number:] = y[number:]
    return known


def test_the_number_of_labels_is_that_of_complete_images_with_its_error() -> None:
    known = values(100)
    counts = (known[4000:] == 1).sum(1)
    anchor = derive_prior(SPACE, known, ann.UniformPositive())
    assert (anchor.num_complete, anchor.identified) == (100, True)
    assert anchor.expected_labels == pytest.approx(counts.mean(), rel=0.02) == anchor.hold
    assert anchor.error == pytest.approx(counts.std() / 10, rel=0.05)
    assert anchor.scale_from is ScaleFrom.COMPLETE
    assert anchor.source == f"100 complete images: {anchor.expected_labels:.2f} ± {anchor.error:.2f}"


def test_the_interval_holds_the_true_number_as_often_as_it_says() -> None:
    true = float(np.mean(values(20_000, 1)[1:].sum(1)))
    found = [derive_prior(SPACE, values(60, 300, seed), ann.UniformPositive()) for seed in range(200)]
    inside = np.mean([abs(one.expected_labels - true) < 1.96 * (one.error or 0) for one in found])
    assert abs(inside - 0.95) < 4 * np.sqrt(0.95 * 0.05 / 200)


def test_a_label_that_no_complete_image_shows_keeps_what_known_labels_say() -> None:
    known = values(40, seed=1)
    known[4000:, 3] = 0
    anchor = derive_prior(SPACE, known, ann.UniformPositive())
    assert 0.01 < anchor.prevalence[3] < 0.06


def test_prevalences_come_near_the_true_ones() -> None:
    uniform = derive_prior(SPACE, values(300), ann.UniformPositive()).prevalence
    learned = derive_prior(SPACE, values(300), learn(ann.WeightedPositive("learn"), table_of(values(300)), SPACE)).prevalence
    without = derive_prior(SPACE, values(0), ann.UniformPositive()).prevalence
    for found in (uniform, learned):
        assert np.abs(found - TRUE).max() < 0.08 < np.abs(without - TRUE).max()


def test_few_complete_images_do_not_hold_a_fit_and_a_stated_number_does() -> None:
    assert derive_prior(SPACE, values(5), ann.UniformPositive()).hold is None
    stated = derive_prior(SPACE, values(100), ann.UniformPositive(), 3.0)
    assert (stated.expected_labels, stated.hold, stated.error) == (3.0, 3.0, None)


@pytest.mark.parametrize("annotation", [ann.UniformPositive(), ann.WeightedPositive([1.0, 2, 3, 4]), ann.Scar(0.5)], ids=repr)
def test_a_table_of_complete_images_alone(annotation: ann.Annotation) -> None:
    complete = values(500)[4000:]
    anchor = derive_prior(SPACE, complete, annotation)
    np.testing.assert_allclose(anchor.prevalence, complete.mean(0), atol=0.01)
    assert anchor.expected_labels == pytest.approx(complete.sum(1).mean())


def test_complete_images_without_a_label() -> None:
    known = values(50)
    known[4000:] = 0
    anchor = derive_prior(SPACE, known, ann.UniformPositive())
    assert bool(anchor.logits.isfinite().all()) and 0 < anchor.expected_labels < 0.2


def test_a_fit_is_held_where_complete_images_have_it_and_keeps_what_it_learned(tmp_path: Path) -> None:
    known = values(100, 400)
    features = np.random.default_rng(0).normal(size=(500, 5)).astype(np.float32)
    model = LatentLabels(SPACE, ann.WeightedPositive("learn"), "embedding", epochs=2, cache="none")
    prepared = model.prepare(features, known)
    assert prepared.model.expected_labels == prepared.anchor_.hold is not None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(features, known).save(tmp_path / "run")
    assert model.annotation == ann.WeightedPositive("learn")  # what was given stays
    learned = model.annotation_.learned["weights"]
    assert learned.num_complete == 100 and len(learned.estimate) == 4
    loaded = LatentLabels.load(tmp_path / "run")
    assert loaded.annotation_ == model.annotation_ and loaded.annotation_.learned == model.annotation_.learned
    np.testing.assert_allclose(loaded.predict_proba(features), model.predict_proba(features), atol=1e-6)
