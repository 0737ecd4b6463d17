"""`latentlabels report`: made anew, of images that folders or tables label, or of none; and what is wrong use."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from command import TINY, Done, image_folder, latentlabels, picture

from latentlabels import LatentLabels
from latentlabels.fitting.run_folder import write_manifest
from latentlabels.observed import Observed
from latentlabels.report.prediction_summary import find
from latentlabels.report.stored_predictions import StoredPredictions
from latentlabels.show.pixels import thumbnail


@pytest.fixture
def copy(run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(run, tmp_path / "run"))


def _said(run: Path) -> str:
    return " ".join((run / "report.html").read_text().split())


def test_the_report_is_made_anew(copy: Path) -> None:
    (copy / "report.html").unlink()
    latentlabels("report", copy)
    before = (copy / "report.html").read_bytes()
    done = latentlabels("report", copy)
    assert (done.code, done.out.strip()) == (0, str(copy / "report.html"))
    assert (copy / "report.html").read_bytes() == before
    document = latentlabels("report", copy, "--json").document
    assert document == {
        "run": str(copy), "report": str(copy / "report.html"), "num_images": None, "num_pictures": None, "size": len(before)
    }  # fmt: skip


def test_two_runs_are_compared(run: Path, copy: Path, tmp_path: Path) -> None:
    done = latentlabels("report", copy, run, "-o", tmp_path / "new" / "page.html")
    assert done.code == 0, done.err
    assert done.out.strip().endswith(str(tmp_path / "new" / "page.html"))
    assert "differs: nothing in the settings" in done.out
    assert (tmp_path / "new" / "page.html").exists()
    found = latentlabels("report", copy, run, "--json").document
    assert found["report"] == str(copy / "comparison.html")
    assert found["runs"] == [str(copy), str(run)]
    assert [one["level"] for one in found["verdicts"]] == [found["verdicts"][0]["level"]] * 2
    assert all(one["gain"] == 0 and not one["clear"] for one in found["labels"])
    assert found["differs"] == []


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["nowhere"], "nowhere: run folder not found"),
        (["OTHER", "--images", "x"], "leave them out to compare two"),
        (["-o", "page.html"], "--out is for the comparison of two runs"),
    ],
)
def test_what_is_no_comparison(copy: Path, run: Path, args: list[str], said: str) -> None:
    done = latentlabels("report", copy, *(str(run) if arg == "OTHER" else arg for arg in args))
    assert done.code == 2
    assert said in done.err


def test_a_folder_by_label_is_read_as_fit_reads_it(copy: Path, scenes: Path) -> None:
    before = StoredPredictions.read(copy / "findings.npz", 21)
    assert not str(before.source)
    done = latentlabels("report", copy, "--images", scenes / "images-by-label", "--json")
    assert (done.code, done.document["num_images"]) == (0, 60)
    found = StoredPredictions.read(copy / "findings.npz", 21)
    assert str(found.source) == str(scenes / "images-by-label")
    assert found.num_known.tolist() == [60, 60]
    np.testing.assert_allclose(found.prevalence, before.prevalence, atol=1e-6)
    assert f"All 60 images of {scenes / 'images-by-label'}." in _said(copy)


def test_a_folder_of_whatever_images(copy: Path, tmp_path: Path) -> None:
    image_folder(tmp_path / "new", holiday=3, red=2)
    done = latentlabels("report", copy, "--images", tmp_path / "new")
    assert done.code == 0
    assert "with predictions on 5 images" in done.out
    assert "No labels of these images are known." in _said(copy)
    one = latentlabels("report", copy, "--images", picture(tmp_path / "one.png"), "--json")
    assert one.document["num_images"] == 1


def test_a_table_says_what_is_known(copy: Path, scenes: Path, tmp_path: Path) -> None:
    names = [str(file.relative_to(scenes / "images-by-label")) for file in sorted((scenes / "images-by-label").rglob("*.png"))][
        :8
    ]
    table = tmp_path / "known.csv"
    table.write_text("image,label,value\n" + "".join(f"{name},red,0\n{name},night,1\n" for name in names))
    done = latentlabels("report", copy, "--images", scenes / "images-by-label", "--observed", table, "--json")
    assert (done.code, done.document["num_images"]) == (0, 8), done.err
    found = StoredPredictions.read(copy / "findings.npz", 21)
    assert found.num_known.tolist() == [16, 16]
    model = LatentLabels.load(copy)
    assert model.space is not None
    observed = np.full((8, 21), -1, np.int8)
    observed[:, [model.space.index("red"), model.space.index("night")]] = 0, 1
    expected = model.posterior([scenes / "images-by-label" / name for name in names], observed).marginals.mean(0)
    np.testing.assert_allclose(found.prevalence, expected, atol=1e-5)


def test_embeddings_with_what_is_known_of_them(vector_run: Path, vectors: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(vector_run, tmp_path / "run"))
    assert latentlabels("report", run, "--embeddings", vectors).code == 0
    found = StoredPredictions.read(run / "findings.npz", 4)
    assert found.num_known.tolist() == [40, 40]
    assert str(found.suspect_images[0]).startswith("shop/")
    assert "Embeddings have no pictures." in _said(run)
    bare = tmp_path / "bare.npy"
    np.save(bare, np.load(vectors)["embeddings"])
    assert latentlabels("report", run, "--embeddings", bare, "--json").document["num_images"] == 40
    assert StoredPredictions.read(run / "findings.npz", 4).num_known.tolist() == [0, 0]


def test_a_run_on_embeddings_shows_pictures_by_their_names(vector_run: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(vector_run, tmp_path / "run"))
    before = StoredPredictions.read(run / "findings.npz", 4)
    for row in range(0, 40, 2):
        picture(tmp_path / "photos" / "shop" / f"{row:02d}.png", seed=row)
    (tmp_path / "photos" / "shop" / "00.png").write_bytes(b"no picture")
    done = latentlabels("report", run, "--images", tmp_path / "photos", "--json")
    assert done.code == 0, done.err
    found = StoredPredictions.read(run / "findings.npz", 4)
    np.testing.assert_array_equal(found.marginals, before.marginals)
    files = [tmp_path / "photos" / str(name).replace(".jpg", ".png") for name in found.names]
    shown = [file for file in files if file.exists() and file.stem != "00"]
    assert 0 < len(shown) < len(files)
    assert done.document["num_pictures"] == len(shown)
    for file, pixels in zip(files, found.pictures_of(np.arange(len(files))), strict=True):
        assert (pixels is not None) == (file in shown)
        if pixels is not None:
            np.testing.assert_array_equal(pixels.transpose(1, 2, 0), thumbnail(file, 96))
    page = _said(run)
    assert "Embeddings have no pictures." not in page and "data:image/jpeg" in page and "shop/39.jpg" in page


def test_a_run_that_was_saved_without_images_gets_them(copy: Path, scenes: Path) -> None:
    (copy / "findings.npz").unlink()
    latentlabels("report", copy)
    assert "<code>latentlabels report RUN --images DIR</code>" in _said(copy)
    latentlabels("report", copy, "--images", scenes / "images-by-label")
    assert "latentlabels report RUN" not in _said(copy)


def _one_message(done: Done, code: int, *said: object) -> None:
    assert done.code == code
    assert not done.out
    assert done.err.startswith("error: ")
    assert len(done.err.splitlines()) == 1
    for part in said:
        assert str(part) in done.err


def test_wrong_use_is_one_message(run: Path, vector_run: Path, vectors: Path, scenes: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    _one_message(latentlabels("report", tmp_path / "nothing"), 2, "run folder not found", tmp_path / "nothing")
    _one_message(latentlabels("report", tmp_path / "file"), 2, "a file, not a run folder")
    _one_message(latentlabels("report", tmp_path / "empty"), 1, "not a complete run folder")
    _one_message(latentlabels("report", run, "--images", vectors), 2, "embeddings, but this run takes images")
    _one_message(latentlabels("report", vector_run, "--images", scenes), 1, "none of its", 'for example "shop/0')
    bare = Path(shutil.copytree(vector_run, tmp_path / "bare"))
    (bare / "findings.npz").unlink()
    _one_message(latentlabels("report", bare, "--images", scenes), 1, "no predictions that name images")
    table = scenes / "truth.csv"
    _one_message(latentlabels("report", vector_run, "--images", scenes, "--observed", table), 2, "--observed needs embeddings")
    _one_message(latentlabels("report", run, "--images", tmp_path / "nowhere"), 2, "file or folder not found")
    _one_message(latentlabels("report", run, "--images", tmp_path / "empty"), 1, "no images found")
    _one_message(
        latentlabels("report", run, "--observed", scenes / "truth.csv"),
        2,
        "--observed needs the folder of its images",
    )
    broken = tmp_path / "broken" / "1.png"
    broken.parent.mkdir()
    broken.write_bytes(b"no image")
    _one_message(latentlabels("report", run, "--images", broken.parent), 1, "the image cannot be read")


def test_an_interrupted_fit_and_the_command_that_goes_on_with_it(scenes: Path, tmp_path: Path) -> None:
    run = tmp_path / "a run"
    args = ("--images", scenes / "images-by-label", "--labels", scenes / "labels.yaml", *TINY, "--out", run)
    assert latentlabels("fit", *args).code == 0
    for file in [
        *run.glob("*.json"),
        *run.glob("*.jsonl"),
        *run.glob("*.npz"),
        run / "weights.safetensors",
        run / "report.html",
    ]:
        file.unlink()  # what is left after an epoch
    assert latentlabels("report", run).code == 0
    assert "interrupted after 1 epoch" in _said(run)
    hint = f"latentlabels fit --resume --out &#39;{run}&#39;"
    assert hint in _said(run)
    done = latentlabels("report", run, "--images", scenes / "images-by-label")
    _one_message(done, 1, "its fit is not finished", "latentlabels fit --resume")
    assert latentlabels("fit", "--resume", "--out", run, "--set", "fit.epochs=2").code == 0
    assert "interrupted" not in _said(run)
    for file in (run / "checkpoints").glob("last.*"):
        file.unlink()
    (run / "weights.safetensors").unlink()
    assert latentlabels("report", run).code == 0
    assert f"latentlabels fit &#39;{run / 'checkpoints' / 'config.yaml'}&#39; --out NEW" in _said(run)
    assert latentlabels("fit", run / "checkpoints" / "config.yaml", "--out", tmp_path / "NEW").code == 0


def test_copies_in_several_folders_are_images_as_in_the_fit(copy: Path, tmp_path: Path) -> None:
    image_folder(tmp_path / "by-label", red=2, night=1)
    shutil.copy(tmp_path / "by-label" / "red" / "0.png", tmp_path / "by-label" / "night" / "0.png")
    assert latentlabels("report", copy, "--images", tmp_path / "by-label", "--json").document["num_images"] == 2
    stored = yaml.safe_load((copy / "config.yaml").read_text())
    stored["annotation"] = {"kind": "per-label-search"}
    (copy / "config.yaml").write_text(yaml.safe_dump(stored))
    write_manifest(copy)
    assert latentlabels("report", copy, "--images", tmp_path / "by-label", "--json").document["num_images"] == 3


def test_the_figures_of_a_fit_are_those_of_find(run: Path, scenes: Path) -> None:
    stored = StoredPredictions.read(run / "findings.npz", 21)
    model = LatentLabels.load(run)
    observed = Observed.from_folder(scenes / "images-by-label", model.space)
    found = find(model, [scenes / "images-by-label" / name for name in observed.images or ()], observed)
    np.testing.assert_allclose(stored.prevalence, found.prevalence, atol=1e-5)
    assert len(json.loads((run / "diagnostics.json").read_text())["prior"]) == 21
