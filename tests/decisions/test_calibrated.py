"""`LatentLabels.calibrate`: what changes, what is stored and exported, and what happens to bad input."""

from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import MIXED, Drawn, draw
from scipy.stats import binom

import latentlabels as ll
from latentlabels.decisions import empirical_thresholds
from latentlabels.errors import ConfigError, DataError, DataWarning, ObservationError
from latentlabels.export.formats import FORMATS

RUNS = Path(__file__).parent.parent / "fixtures" / "runs"
SETTINGS: dict[str, Any] = {"encoder": "embedding", "epochs": 4, "learning_rate": 0.02, "seed": 0}


@pytest.fixture(scope="module")
def complete() -> Drawn:
    """Images that no fit has seen, drawn as `mixed`."""
    return draw(MIXED, 100, seed=1)


@pytest.fixture(scope="module")
def new() -> Drawn:
    return draw(MIXED, 1000, seed=2)


@pytest.fixture(scope="module")
def fitted(mixed: Drawn) -> ll.LatentLabels:
    """A loss that underestimates all labels."""
    return ll.LatentLabels(MIXED, objective="assume-negative", **SETTINGS).fit(mixed.inputs, mixed.observed)


@pytest.fixture
def model(fitted: ll.LatentLabels) -> ll.LatentLabels:
    return copy.deepcopy(fitted)


@pytest.fixture(scope="module")
def calibrated(fitted: ll.LatentLabels, complete: Drawn) -> ll.LatentLabels:
    return copy.deepcopy(fitted).calibrate(complete.inputs, complete.truth)


def nll(model: ll.LatentLabels, data: Drawn) -> float:
    return -model.score(data.inputs, data.truth)


def f1(decided: np.ndarray, y: np.ndarray) -> float:
    return float(2 * (decided * y).sum() / (decided.sum() + y.sum()))


def test_new_images_gain(fitted: ll.LatentLabels, calibrated: ll.LatentLabels, new: Drawn) -> None:
    found = calibrated.decisions_.calibration
    assert found is not None and found.changes and found.num_images == 100
    before, after = nll(fitted, new), nll(calibrated, new)
    assert after < before - 0.5
    assert found.before == pytest.approx(before, rel=0.25)
    assert found.after == pytest.approx(after, rel=0.25)  # left out, so that it says what new images gain
    p, y = calibrated.predict_proba(new.inputs), new.truth
    assert abs(p.mean() - y.mean()) < 0.5 * abs(fitted.predict_proba(new.inputs).mean() - y.mean())
    assert f1(calibrated.predict(new.inputs), y) >= empirical_thresholds(p, y).overall - 0.02


def test_thresholds_are_found_again(fitted: ll.LatentLabels, calibrated: ll.LatentLabels, model: Any, complete: Drawn) -> None:
    own = calibrated.decisions_.thresholds
    assert own.source == fitted.decisions_.thresholds.source
    marginals = calibrated.model.amortizer.vector(calibrated.decisions_.reference).marginals.detach().numpy()
    np.testing.assert_array_equal(own.values, ll.decisions.expected_thresholds(marginals).values)
    assert calibrated.thresholds_[0] > fitted.thresholds_[0]  # probabilities are higher
    model.calibrate(complete.inputs, complete.truth, aim="recall=0.8", by="images")
    own = model.decisions_.thresholds
    assert (str(own.aim), str(own.source)) == ("recall=0.8", "100 complete images")
    p = model.predict_proba(complete.inputs)
    np.testing.assert_array_equal(own.values, empirical_thresholds(p, complete.truth, "recall=0.8").values)
    model.calibrate(complete.inputs, complete.truth)
    assert str(model.decisions_.thresholds.aim) == "recall=0.8"  # until another one is asked for


def test_it_is_stored_and_copied(calibrated: ll.LatentLabels, tmp_path: Path, new: Drawn) -> None:
    expected = calibrated.posterior(new.inputs[:50])
    folder = calibrated.save(tmp_path / "run")
    for again in (ll.LatentLabels.load(folder), copy.deepcopy(calibrated), pickle.loads(pickle.dumps(calibrated))):
        found = again.posterior(new.inputs[:50])
        np.testing.assert_array_equal(found.marginals, expected.marginals)
        np.testing.assert_array_equal(found.sets(0.8), expected.sets(0.8))
        np.testing.assert_array_equal(again.thresholds_, calibrated.thresholds_)
        assert again.decisions_.calibration.to_dict() == calibrated.decisions_.calibration.to_dict()
    weights = (folder / "weights.safetensors").read_bytes()
    assert (calibrated.save(tmp_path / "other") / "weights.safetensors").read_bytes() == weights


def test_calibrating_again_begins_from_the_fit(calibrated: ll.LatentLabels, model: Any, complete: Drawn, new: Drawn) -> None:
    other = draw(MIXED, 100, seed=5)
    model.calibrate(other.inputs, other.truth).calibrate(complete.inputs, complete.truth)
    np.testing.assert_array_equal(model.predict_proba(new.inputs), calibrated.predict_proba(new.inputs))


def test_what_is_right_stays_as_it_is(mixed: Drawn, new: Drawn) -> None:
    """A fit on complete labels is calibrated but for its own noise."""
    many = draw(MIXED, 4000, seed=3)
    own = ll.LatentLabels(MIXED, ll.annotation.Ignorable(), **(SETTINGS | {"epochs": 12})).fit(many.inputs, many.truth)
    some = draw(MIXED, 60, seed=4)
    before = nll(own, new)
    p = own.predict_proba(new.inputs)
    own.calibrate(some.inputs, some.truth)
    assert nll(own, new) <= before + 0.02
    if not own.decisions_.calibration.changes:
        np.testing.assert_array_equal(own.predict_proba(new.inputs), p)


def test_other_weights_are_not_calibrated(mixed: Drawn, complete: Drawn, new: Drawn) -> None:
    own = ll.LatentLabels(MIXED, objective="assume-negative", **SETTINGS)
    own.fit(mixed.inputs, mixed.observed, watch=("likelihood",))
    plain = copy.deepcopy(own).use("likelihood").predict_proba(new.inputs)
    own.calibrate(complete.inputs, complete.truth).use("likelihood")
    np.testing.assert_array_equal(own.predict_proba(new.inputs), plain)
    assert own.decisions_.calibration is None
    assert own.fit(mixed.inputs, mixed.observed).model.amortizer.adjustment is None


def test_mixtures_are_calibrated_by_their_exact_likelihood(mixed: Drawn, complete: Drawn, new: Drawn) -> None:

    own = ll.LatentLabels(MIXED, mixture=2, expected_labels=1.2, **SETTINGS)  # far fewer than there are
    own.fit(mixed.inputs, mixed.observed)
    before = nll(own, new)
    own.calibrate(complete.inputs, complete.truth)
    assert own.decisions_.calibration.changes
    assert nll(own, new) < before - 0.1


def test_sets_hold_what_they_promise(calibrated: ll.LatentLabels, new: Drawn) -> None:
    posterior = calibrated.posterior(new.inputs)
    for coverage in (0.8, 0.9):
        sets = posterior.sets(coverage)
        assert sets.dtype == np.int8 and sets.shape == new.truth.shape
        covered = (sets >= new.truth).all(1).sum()
        # with 100 calibration images the coverage of new ones is Beta(101 - r, r): three deviations below, and noise
        assert covered > binom.ppf(1e-4, 1000, coverage - 3 * 0.04)
    assert (posterior.sets(0.9) >= posterior.sets(0.8)).all()
    by_label = posterior.sets(0.8, "label")
    share = (by_label * new.truth).sum(0) / new.truth.sum(0)
    assert share.min() > 0.8 - 4 * 0.1  # of about 30 calibration images
    np.testing.assert_array_equal(posterior[10:20].sets(0.8), posterior.sets(0.8)[10:20])


def test_sets_that_cannot_be_had(fitted: ll.LatentLabels, calibrated: ll.LatentLabels, model: Any, new: Drawn) -> None:
    with pytest.raises(DataError, match="sets need complete images; call calibrate"):
        fitted.posterior(new.inputs).sets()
    for given in (calibrated.posterior(new.inputs, new.observed), calibrated.posterior(new.inputs).given(absent=["car"])):
        with pytest.raises(DataError, match="images without known labels"):
            given.sets()
    with pytest.raises(DataError, match="needs at least 199 complete images, not 100"):
        calibrated.posterior(new.inputs).sets(0.995)
    model.calibrate(new.inputs[:5], new.truth[:5])
    with pytest.raises(DataError, match="needs at least 9 complete images, not 5"):
        model.posterior(new.inputs).sets()


@pytest.mark.parametrize("to", FORMATS)
def test_exports_are_calibrated(calibrated: ll.LatentLabels, new: Drawn, tmp_path: Path, to: str) -> None:
    form = FORMATS[to]
    done = ll.export_model(calibrated, tmp_path / f"m{form.ending}", to)
    got = form.open(done.labels)([new.inputs[:5]])
    np.testing.assert_allclose(got, calibrated.predict_proba(new.inputs[:5]), atol=1e-4)
    facts = json.loads(done.facts.read_text())
    assert list(facts["thresholds"].values()) == calibrated.thresholds_.tolist()


# --- bad input ------------------------------------------------------------------------------------------


def test_rows_that_are_not_complete_are_left_out(model: Any, calibrated: Any, complete: Drawn, mixed: Drawn) -> None:
    inputs = np.concatenate([mixed.inputs[:7], complete.inputs])
    with pytest.warns(DataWarning, match="7 images of 107 left out of the calibration: not every label is known"):
        model.calibrate(inputs, np.concatenate([mixed.observed[:7], complete.truth]))
    assert model.decisions_.calibration.to_dict() == calibrated.decisions_.calibration.to_dict()
    np.testing.assert_array_equal(model.decisions_.conformal.known, complete.truth)


def test_names_beat_positions(model: Any, calibrated: ll.LatentLabels, complete: Drawn) -> None:
    names = [f"{row}.png" for row in range(100)]
    vectors = pd.DataFrame(complete.inputs, index=names)
    truth = pd.DataFrame(complete.truth, index=names, columns=[*MIXED.labels])
    model.calibrate(vectors, truth[sorted(MIXED.labels)].sample(frac=1, random_state=0))
    assert model.decisions_.calibration.to_dict() == calibrated.decisions_.calibration.to_dict()


def test_what_cannot_be_used(model: Any, fitted: ll.LatentLabels, complete: Drawn, mixed: Drawn, new: Drawn) -> None:
    impossible = complete.truth.copy()
    impossible[3, :2] = 1  # two colours
    cases: list[tuple[tuple[Any, ...], dict[str, Any], type[Exception], str]] = [
        ((complete.inputs, impossible), {}, ObservationError, "row 3: .* exclude each other"),
        ((mixed.inputs, mixed.observed), {}, DataError, r"none of 600 images has all 8 labels known \(at most 1 are\)"),
        ((complete.inputs,), {}, DataError, "needs complete labels; give calibrate"),
        ((complete.inputs, complete.truth), {"aim": "f9"}, ConfigError, "unknown aim"),
        ((complete.inputs, complete.truth), {"by": "guess"}, ConfigError, 'expected "posterior" or "images"'),
        ((complete.inputs[:, :3], complete.truth), {}, DataError, "3 numbers|16"),
        ((complete.inputs, complete.truth[:50]), {}, DataError, "50"),
    ]
    for args, more, error, said in cases:
        with pytest.raises(error, match=said):
            model.calibrate(*args, **more)
    assert model.decisions_.calibration is None
    np.testing.assert_array_equal(model.predict_proba(new.inputs), fitted.predict_proba(new.inputs))


def test_complete_images_without_any_label() -> None:
    space = ll.LabelSpace.free(["a", "b"])
    rng = np.random.default_rng(0)
    x = rng.normal(size=(80, 3)).astype(np.float32)
    y = (x[:, :2] > 0).astype(np.int8)
    own = ll.LatentLabels(space, ll.annotation.Ignorable(), **SETTINGS).fit(x, y)
    with pytest.raises(DataError, match="none of 80 complete images has a label; check what 0 means"):
        own.calibrate(x, 0 * y)
    y[:, 1] = 0
    own.calibrate(x, y, aim="f1-macro", by="images")
    found = own.decisions_
    assert found.calibration is not None and found.calibration.unseen == (1,)
    assert found.thresholds.borrowed == (1,)


def test_a_run_that_is_older_than_thresholds(complete: Drawn, tmp_path: Path) -> None:
    stored = json.loads((RUNS / "0.2-embeddings.expected.json").read_text())
    inputs = np.array(stored["inputs"], np.float32)
    model = ll.LatentLabels.load(RUNS / "0.2-embeddings")
    truth = model.posterior(inputs).mode()
    model.calibrate(inputs, truth, aim="f1-macro")
    assert model.decisions_.thresholds.source.num_images == len(inputs)
    again = ll.LatentLabels.load(model.save(tmp_path / "run"))
    for aim in (None, "f1", "recall=0.5"):
        np.testing.assert_array_equal(again.predict(inputs, aim), model.predict(inputs, aim))
