"""`latentlabels calibrate`: the run is changed in one step, and says what was found; what cannot be used."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from command import latentlabels

from latentlabels import LatentLabels
from latentlabels.cli.calibrate import logit_names
from latentlabels.decisions.decisions import FILE

LABELS = ["red", "blue", "car", "striped"]


@pytest.fixture
def copy(vector_run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(vector_run, tmp_path / "run"))


@pytest.fixture
def other(vectors: Path, tmp_path: Path) -> Path:
    """Embeddings with truth that the fit did not see."""
    found = dict(np.load(vectors))
    rng = np.random.default_rng(5)
    found["embeddings"] = found["embeddings"] + 0.1 * rng.normal(size=found["embeddings"].shape)
    path = tmp_path / "other.npz"
    np.savez(path, **found)
    return path


def table(path: Path, vectors: Path, change: dict[tuple[int, str], object] | None = None, rows: int = 40) -> Path:
    found = np.load(vectors)
    frame = pd.DataFrame(found["truth"].astype(object), columns=LABELS)
    frame.insert(0, "image", found["images"])
    for (row, label), value in (change or {}).items():
        frame.loc[row, label] = value
    frame[:rows].to_csv(path, index=False)
    return path


def test_a_run_is_calibrated(copy: Path, other: Path, vectors: Path, tmp_path: Path) -> None:
    before = {path.name: path.read_bytes() for path in copy.iterdir() if path.is_file()}
    done = latentlabels("calibrate", copy, "--complete", table(tmp_path / "c.csv", vectors), "--embeddings", other, "--json")
    assert done.code == 0, done.err
    found = done.document
    assert (found["num_images"], found["aim"], found["labels_that_no_image_shows"]) == (40, "f1-micro", [])
    changed = {name for name, content in before.items() if (copy / name).read_bytes() != content}
    assert changed == {FILE}
    model, data = LatentLabels.load(copy), np.load(other)
    own = LatentLabels.load(copy).calibrate(data["embeddings"], data["truth"])
    assert found["changed"] is own.decisions_.calibration.changes is True
    assert found["temperature"] == own.decisions_.calibration.temperature
    assert list(found["bias"]) == ["red", "blue", "car", "striped"] == logit_names(model.space_)
    assert found["thresholds"] == dict(zip(LABELS, model.thresholds_.tolist(), strict=True))
    np.testing.assert_array_equal(model.predict_proba(data["embeddings"]), own.predict_proba(data["embeddings"]))
    assert model.posterior(data["embeddings"]).sets(0.9).shape == (40, 4)
    assert "report.html: made before this calibration" in done.err


def test_in_words(copy: Path, other: Path) -> None:
    done = latentlabels("calibrate", copy, "--embeddings", other, "--aim", "recall=0.9")
    assert done.code == 0, done.err
    for said in ("complete images", "nats per image)", "temperature", "thresholds", "for recall=0.9", "expected recall"):
        assert said in done.out
    assert [line.split()[0] for line in done.out.splitlines()[-4:]] == LABELS
    done = latentlabels("calibrate", copy, "--embeddings", other, "--aim", "f1", "--thresholds-by", "images")
    assert "found from 40 complete images" in done.out
    assert "one threshold for all labels: 0." in done.out


def test_a_table_of_the_training_images(copy: Path, vectors: Path, tmp_path: Path) -> None:
    done = latentlabels("calibrate", copy, "--complete", table(tmp_path / "c.csv", vectors))
    assert done.code == 0, done.err
    assert f"{vectors}: the fit used images from there, too" in done.err


def test_rows_that_are_not_complete_are_left_out(copy: Path, other: Path, vectors: Path, tmp_path: Path) -> None:
    path = table(tmp_path / "c.csv", vectors, {(3, "car"): "", (4, "red"): ""})
    done = latentlabels("calibrate", copy, "--complete", path, "--embeddings", other, "--json")
    assert done.code == 0, done.err
    assert done.document["num_images"] == 38
    assert "2 images of 40 left out of the calibration: not every label is known" in done.err


def test_a_run_that_stops_in_the_middle_is_as_before(copy: Path, other: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {path.name: path.read_bytes() for path in copy.iterdir() if path.is_file()}

    def stop(source: Path, target: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", stop)
        assert latentlabels("calibrate", copy, "--embeddings", other).code == 130
    assert {path.name: path.read_bytes() for path in copy.iterdir() if path.is_file() and path.name[0] != "."} == before
    LatentLabels.load(copy)


def test_an_older_run_is_calibrated(tmp_path: Path) -> None:
    import json

    runs = Path(__file__).parent.parent / "fixtures" / "runs"
    for name in ("0.1-embeddings", "0.2-embeddings"):
        copy = Path(shutil.copytree(runs / name, tmp_path / name))
        inputs = np.array(json.loads((runs / f"{name}.expected.json").read_text())["inputs"], np.float32)
        truth = LatentLabels.load(copy).posterior(inputs).mode()
        labels = np.array(LatentLabels.load(copy).space_.labels)
        np.savez(tmp_path / "x.npz", embeddings=inputs, truth=truth, labels=labels)
        done = latentlabels("calibrate", copy, "--embeddings", tmp_path / "x.npz", "--json")
        assert done.code == 0, done.err
        again = LatentLabels.load(copy)
        assert again.thresholds_.tolist() == list(done.document["thresholds"].values())
        assert again.decisions_.thresholds.source.kind == "posterior"


def test_decisions_of_other_weights_are_refused(copy: Path, vector_run: Path, run: Path) -> None:
    shutil.copy(run / FILE, copy / FILE)
    done = latentlabels("query", copy, "x.npz#0")
    assert done.code == 1
    assert f"{FILE} belongs to other weights" in done.err


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        ({(2, "red"): 1, (2, "blue"): 1}, 1, "exclude each other"),
        ({(row, "car"): "" for row in range(40)}, 1, "none of 40 images has all 4 labels known (at most 3 are)"),
        ({(2, "red"): 7}, 2, 'column "red": expected 1 (present), 0 (absent)'),
    ],
)
def test_tables_that_cannot_be_used(
    copy: Path, other: Path, vectors: Path, tmp_path: Path, change: dict, code: int, said: str
) -> None:
    path = table(tmp_path / "c.csv", vectors, change)
    before = (copy / FILE).read_bytes()
    done = latentlabels("calibrate", copy, "--complete", path, "--embeddings", other)
    assert (done.code, done.out) == (code, ""), done.err
    assert said in done.err
    assert (copy / FILE).read_bytes() == before


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--aim", "f9"), 'unknown aim "f9"'),
        (("--thresholds-by", "me"), '--thresholds-by me: expected "posterior" or "images"'),
        (("--complete", "nowhere.csv"), "nowhere.csv: table of labels not found"),
    ],
)
def test_wrong_use(copy: Path, other: Path, args: tuple[str, ...], said: str) -> None:
    done = latentlabels("calibrate", copy, "--embeddings", other, *args)
    assert (done.code, done.out) == (2, "")
    assert said in done.err


def test_no_complete_labels(run: Path, copy: Path, tmp_path: Path) -> None:
    done = latentlabels("calibrate", run)
    assert done.code == 2
    assert "no complete labels; give --complete TABLE" in done.err
    np.save(tmp_path / "x.npy", np.zeros((3, 6), np.float32))
    done = latentlabels("calibrate", copy, "--embeddings", tmp_path / "x.npy")
    assert done.code == 2
    assert "has no array `truth`; give --complete TABLE" in done.err


def test_images(run: Path, scenes: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(run, tmp_path / "run"))
    args = ("--complete", scenes / "truth.csv", "--images", scenes / "images-by-label")
    done = latentlabels("calibrate", copy, *args, "--aim", "macro-f1")
    assert done.code == 0, done.err
    assert "... and 9 more labels; --json has all of them" in done.out
    assert LatentLabels.load(copy).decisions_.conformal.known.shape == (60, 21)
