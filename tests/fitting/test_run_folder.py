"""The run folder: what was saved is what is loaded, without a pickle, and a damaged one says so."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import MIXED

from latentlabels.annotation import Scar, UniformPositive
from latentlabels.errors import RunError
from latentlabels.estimator import LatentLabels
from latentlabels.fitting.run_folder import read_run, write_manifest


@pytest.fixture(scope="module")
def run(mixed, tmp_path_factory: pytest.TempPathFactory) -> tuple[LatentLabels, Path]:
    model = LatentLabels(MIXED, UniformPositive(noise=0.05), "embedding", epochs=2, mixture=2, seed=5)
    model.fit(mixed.inputs, mixed.observed)
    return model, model.save(tmp_path_factory.mktemp("run") / "deep" / "run")


def test_a_loaded_model_answers_as_the_saved_one(run, mixed):
    model, folder = run
    loaded = LatentLabels.load(folder)
    np.testing.assert_array_equal(loaded.predict_proba(mixed.inputs), model.predict_proba(mixed.inputs))
    assert loaded.annotation == model.annotation and loaded.space == model.space
    assert loaded.get_params()["mixture"] == 2 and loaded.get_params()["seed"] == 5
    assert loaded.history_ == model.history_ and loaded.diagnostics_ == model.diagnostics_
    given = loaded.posterior(mixed.inputs[:5], mixed.observed[:5]).marginals
    np.testing.assert_array_equal(given, model.posterior(mixed.inputs[:5], mixed.observed[:5]).marginals)


def test_saving_what_was_loaded_gives_the_same_folder(run, tmp_path: Path):
    _, folder = run
    LatentLabels.load(folder).save(tmp_path / "again")
    for name in ("config.yaml", "labels.json", "weights.safetensors", "metrics.jsonl"):
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes()


def test_the_folder_holds_what_it_should_and_no_pickle(run, mixed):
    _, folder = run
    names = {path.name for path in folder.iterdir()}
    assert {"config.yaml", "labels.json", "weights.safetensors", "metrics.jsonl", "environment.json"} <= names
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in rows] == [0, 1]
    assert all(np.isfinite([row["train_log_likelihood"], row["held_out_log_likelihood"]]).all() for row in rows)
    environment = json.loads((folder / "environment.json").read_text())
    assert environment["seed"] == 5 and environment["versions"]["torch"] and len(environment["data_hash"]) == 16
    for path in folder.rglob("*"):
        if path.is_file():
            assert not zipfile.is_zipfile(path) and not path.read_bytes().startswith(b"\x80")


def test_the_hash_tells_other_data(mixed, tmp_path: Path):
    hashes = set()
    for observed in (mixed.observed, mixed.observed[::-1].copy()):
        model = LatentLabels(MIXED, encoder="embedding", epochs=1).fit(mixed.inputs, observed)
        hashes.add(json.loads((model.save(tmp_path / "run") / "environment.json").read_text())["data_hash"])
    assert len(hashes) == 2


def test_no_folder(tmp_path: Path):
    with pytest.raises(RunError, match="no such run folder"):
        LatentLabels.load(tmp_path / "nothing")


@pytest.mark.parametrize("name", ["config.yaml", "labels.json", "weights.safetensors", "environment.json"])
def test_a_missing_file_is_named(run, tmp_path: Path, name: str):
    folder = LatentLabels.load(run[1]).save(tmp_path / "run")
    (folder / name).unlink()
    with pytest.raises(RunError, match=f"lacks {name}"):
        read_run(folder)


def test_damaged_weights_are_named(run, tmp_path: Path):
    folder = LatentLabels.load(run[1]).save(tmp_path / "run")
    (folder / "weights.safetensors").write_bytes(b"nothing")
    with pytest.raises(RunError, match="damaged"):
        LatentLabels.load(folder)


def test_weights_of_another_space_do_not_fit(run, tmp_path: Path):
    folder = LatentLabels.load(run[1]).save(tmp_path / "run")
    (folder / "labels.json").write_text(json.dumps({"labels": [{"name": "one"}]}))
    write_manifest(folder)
    with pytest.raises(RunError, match="do not fit together"):
        LatentLabels.load(folder)


def test_a_later_format_is_refused(run, tmp_path: Path):
    folder = LatentLabels.load(run[1]).save(tmp_path / "run")
    environment = json.loads((folder / "environment.json").read_text())
    (folder / "environment.json").write_text(json.dumps(environment | {"format": 99}))
    with pytest.raises(RunError, match="a format later than this version reads"):
        LatentLabels.load(folder)


def test_annotations_with_numbers_come_back(mixed, tmp_path: Path):
    how = Scar(np.linspace(0.3, 0.6, 8).tolist(), noise=0.01)
    model = LatentLabels(MIXED, how, "embedding", epochs=1).fit(mixed.inputs, mixed.observed)
    assert LatentLabels.load(model.save(tmp_path / "run")).annotation == how


def test_state_dict_and_not_the_param_store(run):
    import pyro

    pyro.clear_param_store()
    model, _ = run
    assert not list(pyro.get_param_store().keys())
    assert all(isinstance(value, torch.Tensor) for value in model.model.state_dict().values())


def test_an_unfinished_fit_is_read_where_that_is_asked_for(run, tmp_path: Path):
    copy = Path(shutil.copytree(run[1], tmp_path / "run"))
    (copy / "weights.safetensors").unlink()
    with pytest.raises(RunError, match="lacks weights"):  # no checkpoints: this is no interrupted fit
        read_run(copy, unfinished=True)
    (copy / "checkpoints").mkdir()
    with pytest.raises(RunError, match="its fit was not finished; `latentlabels fit --resume --out"):
        read_run(copy)
    found = read_run(copy, unfinished=True)
    assert found.space == run[0].space
    assert (found.weights, found.history, found.diagnostics) == ({}, [], {})
    (copy / "checkpoints" / "last.json").write_text(json.dumps(run[0].history_))
    assert read_run(copy, unfinished=True).history == run[0].history_
    (copy / "config.yaml").write_text("- 3")
    with pytest.raises(RunError, match="an interrupted fit, and damaged"):
        read_run(copy, unfinished=True)


@pytest.mark.parametrize("name", ["config.yaml", "diagnostics.json", "environment.json", "metrics.jsonl"])
def test_lists_where_names_and_values_should_be_are_damage(run, tmp_path: Path, name: str):
    copy = Path(shutil.copytree(run[1], tmp_path / "run"))
    (copy / name).write_text("[3]\n")
    write_manifest(copy)
    with pytest.raises(RunError, match="damaged"):
        read_run(copy)
