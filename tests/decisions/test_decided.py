"""What a fit keeps to decide by: found, stored, read again, changed with the weights; old and damaged runs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import MIXED, Drawn

import latentlabels as ll
from latentlabels.decisions import empirical_thresholds, expected_thresholds
from latentlabels.decisions.decisions import FILE
from latentlabels.errors import ConfigError, DataError, DataWarning, RunError

RUNS = Path(__file__).parent.parent / "fixtures" / "runs"
SETTINGS = {"encoder": "embedding", "epochs": 4, "learning_rate": 0.02, "seed": 0}


@pytest.fixture(scope="module")
def model(mixed: Drawn) -> ll.LatentLabels:
    return ll.LatentLabels(MIXED, **SETTINGS).fit(mixed.inputs, mixed.observed, watch=("known-map",))


@pytest.fixture(scope="module")
def folder(model: ll.LatentLabels, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return model.save(tmp_path_factory.mktemp("decided") / "run")


def test_thresholds_are_those_of_the_posterior_of_images_that_were_not_trained_on(model: ll.LatentLabels, mixed: Drawn) -> None:
    found = model.decisions_.thresholds
    held = model.diagnostics_["held_out"]["num_held_out"]
    assert (str(found.aim), found.source.kind) == ("f1-micro", "posterior")
    assert found.source.num_images == (held if held >= 50 else len(mixed.inputs))
    marginals = model.model.amortizer.vector(model.decisions_.reference).marginals.detach().numpy()
    np.testing.assert_array_equal(found.values, expected_thresholds(marginals).values)
    assert found.values[0] != 0.5


def test_no_label_is_read_and_f1_is_better_than_at_one_half(model: ll.LatentLabels, mixed: Drawn) -> None:
    p, y = model.predict_proba(mixed.inputs), mixed.truth

    def f1(decided: np.ndarray) -> float:
        return 2 * (decided * y).sum() / (decided.sum() + y.sum())

    best = empirical_thresholds(p, y).overall
    assert f1(model.predict(mixed.inputs)) >= best - 0.02
    assert best >= f1(p >= 0.5)


def test_aims(model: ll.LatentLabels, mixed: Drawn) -> None:
    p = model.predict_proba(mixed.inputs)
    few, many = (model.predict(mixed.inputs, aim) for aim in ("precision=0.995", "recall=0.995"))
    assert few.dtype == many.dtype == np.int8
    assert few.sum() < model.predict(mixed.inputs).sum() < many.sum()
    assert ((many - few) >= 0).all()
    own = model.decisions_.for_aim("f1-macro", model.model.amortizer.vector).values
    np.testing.assert_array_equal(model.predict(mixed.inputs, "macro-f1"), p >= own)
    np.testing.assert_array_equal(model.predict(mixed.inputs, "mode"), model.posterior(mixed.inputs).mode())
    with pytest.raises(ConfigError, match="unknown aim"):
        model.predict(mixed.inputs, "best")


def test_a_posterior_gives_thresholds_by_its_own_images(model: ll.LatentLabels, mixed: Drawn) -> None:
    posterior = model.posterior(mixed.inputs)
    found = posterior.thresholds("recall=0.8")
    np.testing.assert_array_equal(found.values, expected_thresholds(posterior.marginals, "recall=0.8").values)
    assert found.source.num_images == len(posterior)


def test_other_weights_have_other_thresholds(mixed: Drawn) -> None:
    model = ll.LatentLabels(MIXED, **SETTINGS).fit(mixed.inputs, mixed.observed, watch=("known-map",))
    first, p = model.thresholds_, model.predict_proba(mixed.inputs)
    assert set(model.kept_) == {"likelihood", "known-map"}
    for rule in ("known-map", "likelihood"):
        model.use(rule)
        again = model.model.amortizer.vector(model.decisions_.reference).marginals.detach().numpy()
        np.testing.assert_array_equal(model.thresholds_, expected_thresholds(again).values)
        rows = model.fitted_.references[rule]
        assert rows is model.decisions_.reference
    np.testing.assert_array_equal(model.thresholds_, first)
    np.testing.assert_array_equal(model.predict_proba(mixed.inputs), p)


def test_published_losses_decide_by_their_own_marginals(mixed: Drawn) -> None:
    model = ll.LatentLabels(MIXED, objective="assume-negative", **SETTINGS).fit(mixed.inputs, mixed.observed)
    p, y = model.predict_proba(mixed.inputs), mixed.truth
    assert model.thresholds_[0] < 0.5  # it underestimates
    decided = model.predict(mixed.inputs)
    assert 2 * (decided * y).sum() / (decided.sum() + y.sum()) > 2 * ((p >= 0.5) * y).sum() / ((p >= 0.5).sum() + y.sum())


def test_a_loaded_run_decides_alike(model: ll.LatentLabels, folder: Path, mixed: Drawn) -> None:
    loaded = ll.LatentLabels.load(folder)
    np.testing.assert_array_equal(loaded.thresholds_, model.thresholds_)
    for aim in (None, "f1-macro", "precision=0.8", "mode"):
        np.testing.assert_array_equal(loaded.predict(mixed.inputs, aim), model.predict(mixed.inputs, aim))
    assert (loaded.save(folder.parent / "again") / FILE).read_bytes() == (folder / FILE).read_bytes()


@pytest.mark.parametrize("damage", ["missing", "cut", "changed", "header"])
def test_damage_is_noticed(folder: Path, tmp_path: Path, damage: str) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "run"))
    content = (copy / FILE).read_bytes()
    if damage == "missing":
        (copy / FILE).unlink()
    elif damage == "header":
        (copy / FILE).write_bytes(content.replace(b"f1-micro", b"f1-macro", 1))
    else:
        (copy / FILE).write_bytes(content[:-8] if damage == "cut" else content[:-3] + bytes([content[-3] ^ 64]) + content[-2:])
    said = f"{FILE} is missing" if damage == "missing" else "damaged" if damage == "cut" else f"{FILE} has changed"
    with pytest.raises(RunError, match=said):
        ll.LatentLabels.load(copy)


@pytest.mark.parametrize("name", ["0.1-embeddings", "0.2-embeddings"])
def test_older_runs_have_one_half_and_say_so(name: str, tmp_path: Path) -> None:
    inputs = np.array(json.loads((RUNS / f"{name}.expected.json").read_text())["inputs"], np.float32)
    model = ll.LatentLabels.load(RUNS / name)
    for loaded in (model, ll.LatentLabels.load(model.save(tmp_path / "again"))):
        assert set(loaded.thresholds_.tolist()) == {0.5}
        assert str(loaded.decisions_.thresholds.source) == "nothing: 0.5 for each label"
        with pytest.warns(DataWarning, match="all thresholds are 0.5"):
            found = loaded.predict(inputs)
        np.testing.assert_array_equal(found, loaded.predict_proba(inputs) >= 0.5)
        with pytest.raises(DataError, match=r"there are none for f1-macro; use .* or fit again"):
            loaded.predict(inputs, "f1-macro")
        loaded.posterior(inputs).thresholds("f1-macro")
