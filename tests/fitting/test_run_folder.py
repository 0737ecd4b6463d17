"""The run folder: what was saved is what is loaded, without a pickle, and a damaged one says so."""

from __future__ import annotations

import hashlib
import json
import os
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
from latentlabels.fitting.run_folder import FORMAT, read_run, write_manifest


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
    with pytest.raises(RunError, match="run folder not found"):
        LatentLabels.load(tmp_path / "nothing")


@pytest.mark.parametrize("name", ["config.yaml", "labels.json", "weights.safetensors", "environment.json"])
def test_a_missing_file_is_named(run, tmp_path: Path, name: str):
    folder = LatentLabels.load(run[1]).save(tmp_path / "run")
    (folder / name).unlink()
    with pytest.raises(RunError, match=f"folder: {name}"):
        read_run(folder)


def test_damaged_weights_are_named(run, tmp_path: Path):
    folder = LatentLabels.load(run[1]).save(tmp_path / "run")
    (folder / "weights.safetensors").write_bytes(b"nothing")
    with pytest.raises(RunError, match="damaged"):
        LatentLabels.load(folder)


def test_an_environment_that_is_cut_off_is_named(run, tmp_path: Path):
    folder = LatentLabels.load(run[1]).save(tmp_path / "run")
    path = folder / "environment.json"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(RunError, match="environment.json cannot be read"):
        LatentLabels.load(folder)


def test_weights_of_another_space_do_not_fit(run, tmp_path: Path):
    folder = LatentLabels.load(run[1]).save(tmp_path / "run")
    (folder / "labels.json").write_text(json.dumps({"labels": [{"name": "one"}]}))
    write_manifest(folder)
    with pytest.raises(RunError, match="do not match"):
        LatentLabels.load(folder)


def test_a_later_format_is_refused(run, tmp_path: Path):
    folder = LatentLabels.load(run[1]).save(tmp_path / "run")
    environment = json.loads((folder / "environment.json").read_text())
    (folder / "environment.json").write_text(json.dumps(environment | {"format": 99}))
    with pytest.raises(RunError, match="a format that this version cannot read"):
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
    with pytest.raises(RunError, match="folder: weights"):  # no checkpoints: this is no interrupted fit
        read_run(copy, unfinished=True)
    (copy / "checkpoints").mkdir()
    with pytest.raises(RunError, match="its fit is not finished; resume it with `latentlabels fit --resume --out"):
        read_run(copy)
    found = read_run(copy, unfinished=True)
    assert found.space == run[0].space
    assert (found.weights, found.history, found.diagnostics) == ({}, [], {})
    (copy / "checkpoints" / "last.json").write_text(json.dumps(run[0].history_))
    assert read_run(copy, unfinished=True).history == run[0].history_
    (copy / "config.yaml").write_text("- 3")
    with pytest.raises(RunError, match="the interrupted fit is damaged"):
        read_run(copy, unfinished=True)


@pytest.mark.parametrize("name", ["config.yaml", "diagnostics.json", "environment.json", "metrics.jsonl"])
def test_lists_where_names_and_values_should_be_are_damage(run, tmp_path: Path, name: str):
    copy = Path(shutil.copytree(run[1], tmp_path / "run"))
    (copy / name).write_text("[3]\n")
    write_manifest(copy)
    with pytest.raises(RunError, match="damaged"):
        read_run(copy)


# --- the manifest ---------------------------------------------------------------------------------------

LISTED = ["config.yaml", "diagnostics.json", "environment.json", "labels.json", "metrics.jsonl", "weights.safetensors"]


def test_the_manifest_holds_sizes_and_hashes_and_comes_last(run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    written: list[str] = []
    replace = os.replace
    monkeypatch.setattr(os, "replace", lambda source, target: (replace(source, target), written.append(Path(target).name)))
    folder = LatentLabels.load(run[1]).save(tmp_path / "run")
    assert sorted(written) == sorted([*LISTED, "decisions.safetensors", "manifest.json"])  # each once
    assert (written[0], written[-1]) == ("environment.json", "manifest.json")
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["format"] == FORMAT == json.loads((folder / "environment.json").read_text())["format"]
    assert sorted(manifest["files"]) == LISTED
    for name, stated in manifest["files"].items():
        content = (folder / name).read_bytes()
        assert stated == {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}


@pytest.mark.parametrize("name", LISTED)
@pytest.mark.parametrize("damage", ["cut", "changed", "emptied"])
def test_the_file_that_is_not_the_one_that_was_written_is_named(run, tmp_path: Path, name: str, damage: str):
    copy = Path(shutil.copytree(run[1], tmp_path / "run"))
    content = (copy / name).read_bytes()
    middle = len(content) // 2
    other = bytes([content[middle] ^ 1])
    new = {"cut": content[:middle], "changed": content[:middle] + other + content[middle + 1 :], "emptied": b""}[damage]
    (copy / name).write_bytes(new)
    with pytest.raises(RunError, match="damaged|restore") as found:
        read_run(copy)
    if name != "environment.json":  # which says that there is a manifest, and has to be read before
        said = (
            "has changed since it was written" if damage == "changed" else f"has {len(new):,} bytes, but had {len(content):,}"
        )
        assert f"{name} {said}" in str(found.value)
    assert str(copy) in str(found.value)


@pytest.mark.parametrize("name", ["diagnostics.json", "metrics.jsonl"])
def test_files_that_runs_of_before_may_lack_are_missed_by_the_manifest(run, tmp_path: Path, name: str):
    copy = Path(shutil.copytree(run[1], tmp_path / "run"))
    (copy / name).unlink()
    with pytest.raises(RunError, match=f"{name} is missing"):
        read_run(copy)


def test_a_run_without_its_manifest_was_not_finished(run, tmp_path: Path):
    copy = Path(shutil.copytree(run[1], tmp_path / "run"))
    (copy / "manifest.json").unlink()
    with pytest.raises(RunError, match="manifest.json is missing: the run was not written completely"):
        read_run(copy)
    (copy / "checkpoints").mkdir()
    with pytest.raises(RunError, match="its fit is not finished; resume it with `latentlabels fit --resume --out"):
        read_run(copy)


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"files": 3}', '{"files": {"labels.json": 3}}'])
def test_a_damaged_manifest(run, tmp_path: Path, content: str):
    copy = Path(shutil.copytree(run[1], tmp_path / "run"))
    (copy / "manifest.json").write_text(content)
    with pytest.raises(RunError, match="damaged"):
        read_run(copy)


def test_a_save_stopped_in_the_middle_is_not_taken_for_a_run(run, mixed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Whatever the number of files that were replaced, of a run of this version or of the one before."""
    _, folder = run
    other = LatentLabels(MIXED, UniformPositive(), "embedding", epochs=1, seed=6).fit(mixed.inputs[:80], mixed.observed[:80])
    replace = os.replace
    for version in (1, 2):
        for number in range(1, len(LISTED) + 2):
            copy = Path(shutil.copytree(folder, tmp_path / f"{version}-{number}"))
            if version == 1:
                about = json.loads((copy / "environment.json").read_text())
                (copy / "environment.json").write_text(json.dumps(about | {"format": 1}))
                (copy / "manifest.json").unlink()
            left = number

            def stop(source: Path, target: Path) -> None:
                nonlocal left
                left -= 1
                if left < 0:
                    raise KeyboardInterrupt
                replace(source, target)

            with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
                patch.setattr(os, "replace", stop)
                other.save(copy)
            with pytest.raises(RunError):
                read_run(copy)


# --- runs of earlier versions ---------------------------------------------------------------------------

RUNS = Path(__file__).parent.parent / "fixtures" / "runs"


@pytest.mark.parametrize("name", ["0.1-embeddings", "0.1-command", "0.2-embeddings"])
def test_runs_of_earlier_versions_load_and_predict_the_same(name: str, tmp_path: Path):
    expected = {key: np.array(value) for key, value in json.loads((RUNS / f"{name}.expected.json").read_text()).items()}
    inputs, observed = expected["inputs"].astype(np.float32), expected["observed"].astype(np.int8)
    model = LatentLabels.load(RUNS / name)
    for loaded in (model, LatentLabels.load(model.save(tmp_path / "again"))):
        np.testing.assert_allclose(loaded.predict_proba(inputs), expected["marginals"], rtol=0, atol=1e-6)
        np.testing.assert_allclose(loaded.posterior(inputs, observed).marginals, expected["given"], rtol=0, atol=1e-6)
    assert model.space.labels == ("car", "bike", "two doors", "four doors", "striped")
    assert read_run(tmp_path / "again").environment["format"] == FORMAT
