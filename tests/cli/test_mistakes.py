"""`latentlabels mistakes`: of images and of embeddings, its table, its document, and the report."""

from __future__ import annotations

import csv
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest
from command import latentlabels

from latentlabels.review import read_mistakes


@pytest.fixture(scope="module")
def copy(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(run, tmp_path_factory.mktemp("mistakes") / "run"))


def _said(run: Path) -> str:
    return " ".join((run / "report.html").read_text().split())


def test_of_the_images_of_the_run(copy: Path, tmp_path: Path) -> None:
    assert "a fit remembers some of its mistakes" in _said(copy) or latentlabels("report", copy).code == 0
    assert "latentlabels mistakes RUN" in _said(copy)
    done = latentlabels("mistakes", copy, "--at-least", "0", "-o", tmp_path / "found.csv", "--json")
    assert done.code == 0, done.err
    document = done.document
    assert (document["num_known"], document["folds"], len(document["mistakes"])) == (60, 2, document["num_judged"])
    # two epochs on 60 scenes: the fits know nothing, and the command says so
    assert (document["can_tell"], document["expected"]) == (False, None)
    assert (document["low"], document["high"], document["repeats"]) == (0, document["num_judged"], 4)
    rows = list(csv.DictReader((tmp_path / "found.csv").read_text().splitlines()))
    assert [row["label"] for row in rows] == [one["label"] for one in document["mistakes"]]
    assert all(row["image"].endswith(".png") for row in rows)
    kept = read_mistakes(copy)
    assert kept is not None
    assert (kept.can_tell, kept.gain) == (False, document["gain"])
    said = _said(copy)
    assert "The fits cannot tell which of" in said
    assert "in 2 parts, in 4 different ways" in said
    assert said.count("probably wrong:") >= 24
    assert "latentlabels mistakes RUN" not in said


def test_of_images_that_are_given(copy: Path, scenes: Path) -> None:
    done = latentlabels("mistakes", copy, "--images", scenes / "images-by-label", "--folds", "3", "--repeats", "1")
    assert done.code == 0, done.err
    assert "The fits cannot tell which of" in " ".join(done.out.split())
    assert str(copy / "mistakes.csv") in done.out
    assert (copy / "mistakes.csv").read_text().startswith("image,label,known,probability_wrong,")


def test_strict_stops_at_an_image_that_cannot_be_read(copy: Path, scenes: Path, tmp_path: Path) -> None:
    images = Path(shutil.copytree(scenes / "images-by-label", tmp_path / "images"))
    broken = sorted(images.glob("*/*.png"))[0].with_name("broken.png")
    broken.write_text("no image")
    done = latentlabels("mistakes", copy, "--images", images, "--repeats", "1", "--strict")
    assert done.code == 1
    assert "broken.png: cannot be read as an image" in done.err
    done = latentlabels("mistakes", copy, "--images", images, "--repeats", "1", "--json")
    assert done.code == 0, done.err
    assert done.document["num_known"] == 60
    assert "broken.png" in done.err


def test_packed_images_need_their_labels(copy: Path, image: Path, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "images.tar", "w") as packed:
        packed.add(image, "0.png")
    done = latentlabels("mistakes", copy, "--images", tmp_path / "images.tar")
    assert done.code == 1
    assert "its samples have no labels" in done.err


def test_of_embeddings(vectors: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    labels = vectors.parent / "labels.yaml"
    done = latentlabels("fit", "--embeddings", vectors, "--labels", labels, "--set", "fit.epochs=3", "--out", run)
    assert done.code == 0, done.err
    done = latentlabels("mistakes", run, "--json")
    assert done.code == 0, done.err
    names = {one["image"] for one in done.document["mistakes"]}
    assert names <= {f"shop/{row:02d}.jpg" for row in range(40)}
    assert "The labels that are most probably wrong" not in _said(run)
    assert "known labels are wrong" in _said(run)
    again = latentlabels("mistakes", run, "--embeddings", vectors, "--json").document
    assert again["mistakes"] == done.document["mistakes"]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["-o", "found.xlsx"], 'unknown file ending ".xlsx"'),
        (["-o", "nowhere/found.csv"], "folder nowhere not found"),
        (["--observed", "labels.csv"], "--observed needs the images of its rows"),
        (["--images", "nowhere"], "folder not found"),
        (["--folds", "1"], "folds"),
        (["--repeats", "0"], "repeats"),
    ],
)
def test_wrong_use(copy: Path, args: list[str], message: str) -> None:
    done = latentlabels("mistakes", copy, *args)
    assert done.code == 2
    assert message in done.err


def test_no_run(tmp_path: Path) -> None:
    done = latentlabels("mistakes", tmp_path / "nothing")
    assert (done.code, "run folder not found" in done.err) == (2, True)


def test_a_damaged_file_is_said_in_the_report(copy: Path) -> None:
    np.savez(copy / "mistakes.npz", weights=np.array("other"))
    assert latentlabels("report", copy).code == 0  # of other weights: out of date
    (copy / "mistakes.npz").write_bytes(b"nothing")
    assert latentlabels("report", copy).code == 0
    assert "could not be read" in _said(copy)
