"""`latentlabels predict`: the table in every format, and from folders, globs and embeddings."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from command import latentlabels, picture

from latentlabels import LatentLabels
from latentlabels.datasets.street_scenes import TOY_SPACE


def test_csv_on_stdout_is_the_posterior(run: Path, image: Path) -> None:
    done = latentlabels("predict", run, image)
    assert (done.code, done.err) == (0, "")
    [row] = done.rows
    assert list(row) == ["image", *TOY_SPACE.labels]
    assert row.pop("image") == str(image)
    expected = LatentLabels.load(run).predict_proba([image])[0]
    assert [float(value) for value in row.values()] == pytest.approx(expected.tolist(), rel=1e-5)
    assert sum(float(row[colour]) for colour in TOY_SPACE.groups[0].labels) == pytest.approx(1, abs=1e-4)


def test_folders_globs_and_files_each_image_once(run: Path, scenes: Path) -> None:
    root = scenes / "images-by-label"
    night = sorted((root / "night").iterdir())
    done = latentlabels("predict", run, root / "night", root / "night" / "*.png", night[0])
    assert [row["image"] for row in done.rows] == [str(path) for path in night]
    assert len(latentlabels("predict", run, root).rows) == 60


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".parquet", ".jsonl", ".ndjson"])
def test_a_file_by_its_ending(run: Path, image: Path, tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"out{ending}"
    done = latentlabels("predict", run, image, "-o", path)
    assert (done.code, done.out) == (0, "")
    assert f"{path}: 1 image, 21 labels" in done.err
    if ending == ".parquet":
        frame = pd.read_parquet(path)
    elif ending in (".jsonl", ".ndjson"):
        frame = pd.DataFrame([json.loads(line) for line in path.read_text().splitlines()])
    else:
        frame = pd.read_csv(path, sep="\t" if ending == ".tsv" else ",")
    assert list(frame.columns) == ["image", *TOY_SPACE.labels]
    expected = LatentLabels.load(run).predict_proba([image])
    assert np.allclose(frame[list(TOY_SPACE.labels)].to_numpy(float), expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("out.xlsx", 'unknown file ending ".xlsx" (known: .csv, .tsv, .parquet, .jsonl, .ndjson)'),
        ("out.parqet", 'did you mean ".parquet"?'),
        ("nowhere/out.csv", "create it first"),
    ],
)
def test_a_file_that_cannot_be_written_is_refused_before_anything_is_computed(
    run: Path, image: Path, tmp_path: Path, name: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("latentlabels.cli.predict.load_run", lambda folder: pytest.fail("the run was loaded"))
    done = latentlabels("predict", run, image, "-o", tmp_path / name)
    assert done.code == 2
    assert said in done.err
    assert not list(tmp_path.iterdir())


def test_json(run: Path, image: Path, tmp_path: Path) -> None:
    found = latentlabels("predict", run, image, "--json").document
    assert (found["run"], found["num_images"], found["unreadable"], found["output"]) == (str(run), 1, [], None)
    [answer] = found["images"]
    assert answer["image"] == str(image)
    assert list(answer["probabilities"]) == found["labels"] == list(TOY_SPACE.labels)
    assert all(math.isfinite(value) and 0 <= value <= 1 for value in answer["probabilities"].values())
    found = latentlabels("predict", run, image, "-o", tmp_path / "out.csv", "--json").document
    assert found["output"] == str(tmp_path / "out.csv")
    assert "images" not in found  # they are in the file
    assert (tmp_path / "out.csv").exists()


def test_unreadable_images_are_named_and_have_empty_rows_and_are_an_error_with_strict(run: Path, tmp_path: Path) -> None:
    good, bad = picture(tmp_path / "b.png"), tmp_path / "a.png"
    bad.write_bytes(b"no picture")
    done = latentlabels("predict", run, tmp_path)
    assert [row["image"] for row in done.rows] == [str(bad), str(good)]
    assert [{*row.values()} - {row["image"]} == {""} for row in done.rows] == [True, False]
    assert "warning: 1 of 2 images cannot be read; their rows have empty cells" in done.err
    assert str(bad) in done.err
    found = latentlabels("predict", run, tmp_path, "--json").document
    assert found["unreadable"] == [str(bad)]
    assert [one["probabilities"] is None for one in found["images"]] == [True, False]
    done = latentlabels("predict", run, tmp_path, "--strict")
    assert (done.code, done.out) == (1, "")
    assert f"1 of 2 images cannot be read: {bad}" in done.err
    done = latentlabels("predict", run, bad)
    assert (done.code, done.out) == (1, "")
    assert "the image cannot be read" in done.err


def test_nothing_there(run: Path, tmp_path: Path) -> None:
    done = latentlabels("predict", run, tmp_path / "none.png")
    assert (done.code, f"{tmp_path / 'none.png'}: file or folder not found" in done.err) == (2, True)
    done = latentlabels("predict", run, tmp_path)
    assert (done.code, f"{tmp_path}: no images found" in done.err) == (1, True)
    done = latentlabels("predict", run, tmp_path / "*.png")
    assert (done.code, "no image file matches" in done.err) == (1, True)


def test_embeddings_by_the_names_of_their_images_or_numbered(vector_run: Path, vectors: Path, tmp_path: Path) -> None:
    rows = latentlabels("predict", vector_run, vectors).rows
    assert [row["image"] for row in rows] == [f"shop/{row:02d}.jpg" for row in range(40)]
    np.save(tmp_path / "plain.npy", np.load(vectors)["embeddings"][:3])
    plain = latentlabels("predict", vector_run, tmp_path / "plain.npy").rows
    assert [row.pop("image") for row in plain] == [f"{tmp_path / 'plain.npy'}#{row}" for row in range(3)]
    assert [list(row.values()) for row in plain] == [list(row.values())[1:] for row in rows[:3]]
    assert len(latentlabels("predict", vector_run, vectors, tmp_path / "plain.npy").rows) == 43


def test_inputs_of_another_kind(run: Path, vector_run: Path, vectors: Path, image: Path, tmp_path: Path) -> None:
    done = latentlabels("predict", run, vectors)
    assert (done.code, 'embeddings, but this run takes images (its encoder is "tiny")' in done.err) == (2, True)
    done = latentlabels("predict", vector_run, image)
    assert (done.code, "this run was fitted on embeddings; give an .npz or .npy" in done.err) == (2, True)
    np.save(tmp_path / "short.npy", np.zeros((2, 5)))
    done = latentlabels("predict", vector_run, tmp_path / "short.npy")
    assert (done.code, "the embeddings have 5 numbers each, but the run was fitted on 6" in done.err) == (1, True)
    np.save(tmp_path / "nan.npy", np.full((2, 6), np.nan))
    done = latentlabels("predict", vector_run, tmp_path / "nan.npy")
    assert (done.code, "2 of 2 embeddings hold NaN or infinity" in done.err) == (1, True)
    np.savez(tmp_path / "none.npz", vectors=np.zeros((2, 6)))
    done = latentlabels("predict", vector_run, tmp_path / "none.npz")
    assert (done.code, "no array `embeddings`" in done.err) == (1, True)


# --- hard labels ----------------------------------------------------------------------------------------


def test_hard_labels_are_those_of_the_runs_thresholds(vector_run: Path, vectors: Path) -> None:
    model = LatentLabels.load(vector_run)
    inputs = np.load(vectors)["embeddings"]
    done = latentlabels("predict", vector_run, vectors, "--hard")
    assert done.code == 0, done.err
    labels = model.space_.labels
    found = np.array([[int(row[label]) for label in labels] for row in done.rows])
    np.testing.assert_array_equal(found, model.predict(inputs))
    assert "decided by thresholds for f1-micro, found from the posterior of 40 images" in done.err
    for aim in ("mode", "recall=0.9", "macro-f1"):
        done = latentlabels("predict", vector_run, vectors, "--hard", "--aim", aim)
        found = np.array([[int(row[label]) for label in labels] for row in done.rows])
        np.testing.assert_array_equal(found, model.predict(inputs, aim))
    document = latentlabels("predict", vector_run, vectors, "--hard", "--json").document
    assert document["aim"] == "f1-micro"
    assert list(document["thresholds"].values()) == model.thresholds_.tolist()
    assert {*document["images"][0]["decided"].values()} <= {0, 1}


def test_hard_labels_of_another_aim_do_not_continue_a_table(vector_run: Path, vectors: Path, tmp_path: Path) -> None:
    from latentlabels.cli.hard import Decide

    model = LatentLabels.load(vector_run)
    identities = {Decide.of(model, aim).identity() for aim in (None, "mode", "recall=0.9", "precision=0.7")}
    assert len(identities) == 4


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (("--aim", "f1"), 2, "--aim goes with --hard"),
        (("--hard", "--aim", "f3"), 2, 'unknown aim "f3"'),
        (("--hard", "--to", "coco", "-o", "x.json"), 2, "--hard goes with a table"),
    ],
)
def test_hard_labels_that_cannot_be_had(vector_run: Path, vectors: Path, args: tuple[str, ...], code: int, said: str) -> None:
    done = latentlabels("predict", vector_run, vectors, *args)
    assert (done.code, done.out) == (code, "")
    assert said in done.err


def test_hard_labels_of_an_older_run_say_that_nothing_is_known(tmp_path: Path) -> None:
    runs = Path(__file__).parent.parent / "fixtures" / "runs"
    np.save(tmp_path / "x.npy", np.array(json.loads((runs / "0.2-embeddings.expected.json").read_text())["inputs"], np.float32))
    done = latentlabels("predict", runs / "0.2-embeddings", tmp_path / "x.npy", "--hard")
    assert done.code == 0
    assert "decided at 0.5: this run is older than thresholds" in done.err
    done = latentlabels("predict", runs / "0.2-embeddings", tmp_path / "x.npy", "--hard", "--aim", "f1")
    assert done.code == 2
    assert "--aim f1: this run is too old to hold" in done.err
