"""`latentlabels complete`: unknown entries filled, known ones kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from command import latentlabels, picture

from latentlabels import LatentLabels, Observed
from latentlabels.datasets.street_scenes import TOY_SPACE


@pytest.fixture
def known(scenes: Path, tmp_path: Path) -> Path:
    """Three scenes: one label known, one known absent, nothing known."""
    names = sorted(f"{path.parent.name}/{path.name}" for path in (scenes / "images-by-label").rglob("*.png"))
    path = tmp_path / "known.csv"
    path.write_text(f"image,label,value\n{names[0]},car,1\n{names[1]},striped,0\n{names[1]},red,1\n{names[2]},,\n")
    return path


def test_the_unknown_is_the_posterior_given_the_known(run: Path, scenes: Path, known: Path, tmp_path: Path) -> None:
    root, out = scenes / "images-by-label", tmp_path / "out.csv"
    done = latentlabels("complete", run, "--observed", known, "--images", root, "-o", out)
    assert (done.code, done.out) == (0, "")
    assert f"{out}: 3 images, 60 unknown entries filled, 3 known ones kept" in done.err
    frame = pd.read_csv(out, index_col="image")
    assert list(frame.columns) == list(TOY_SPACE.labels)
    observed = Observed.from_table(known, TOY_SPACE, unlisted="unknown")
    assert list(frame.index) == list(observed.images or ())
    first, second = frame.iloc[0], frame.iloc[1]
    assert (first["car"], first["bike"]) == (1, 0)
    assert first["2-doors"] + first["4-doors"] == pytest.approx(1, abs=1e-5)
    assert (second["striped"], second["red"], second["blue"]) == (0, 1, 0)
    # under the run's annotation, not merely given the labels: one known positive is one of the present ones
    posterior = LatentLabels.load(run).posterior([root / name for name in observed.images or ()], observed)
    assert frame.to_numpy() == pytest.approx(posterior.marginals, abs=1e-5)
    plain = LatentLabels.load(run).posterior([root / name for name in observed.images or ()])
    assert frame.iloc[0]["night"] < plain.given(["car"]).marginals[0, TOY_SPACE.index("night")]


def test_the_images_are_those_of_the_fit_where_none_are_given(run: Path, known: Path) -> None:
    done = latentlabels("complete", run, "--observed", known)
    assert done.code == 0, done.err
    assert len(done.rows) == 3


def test_json(run: Path, known: Path, tmp_path: Path) -> None:
    done = latentlabels("complete", run, "--observed", known, "--json")
    found = done.document
    assert (found["num_images"], found["known"], found["filled"], found["unreadable"]) == (3, 3, 60, [])
    assert found["images"][0]["probabilities"]["car"] == 1
    found = latentlabels("complete", run, "--observed", known, "-o", tmp_path / "out.jsonl", "--json").document
    assert found["output"] == str(tmp_path / "out.jsonl")
    assert "images" not in found


def test_what_the_table_leaves_open_is_unknown_or_absent(run: Path, known: Path) -> None:
    done = latentlabels("complete", run, "--observed", known, "--unlisted", "absent")
    assert done.code == 1
    assert 'all labels of group "colour" are known to be absent' in done.err
    done = latentlabels("complete", run, "--observed", known, "--unlisted", "maybe")
    assert done.code == 2
    assert '--unlisted maybe: expected "unknown" or "absent"' in done.err


def test_noise_in_the_annotation_leaves_the_known_as_it_was(vectors: Path, tmp_path: Path) -> None:
    args = ("--set", "annotation.noise=0.2", "--set", "fit.epochs=1", "--out", tmp_path / "run")
    assert latentlabels("fit", "--embeddings", vectors, *args).code == 0
    (tmp_path / "known.csv").write_text("image,red\nshop/00.jpg,1\n")
    model = LatentLabels.load(tmp_path / "run")
    observed = Observed.from_table(tmp_path / "known.csv", model.space, unlisted="unknown")
    posterior = model.posterior(np.load(vectors)["embeddings"][:1], observed)
    assert posterior.marginals[0, 0] < 0.999  # the known label may be a mistake
    args = ("complete", tmp_path / "run", "--observed", tmp_path / "known.csv")
    done = latentlabels(*args)
    assert (done.code, done.out) == (2, "")  # whether the other labels are to be filled is not for us to say
    assert "give --unlisted unknown" in done.err
    assert latentlabels(*args, "--unlisted", "unknown").rows[0]["red"] == "1"


def test_embeddings(vector_run: Path, vectors: Path, tmp_path: Path) -> None:
    (tmp_path / "known.csv").write_text("image,red,car\n03.jpg,1,\nshop/05.jpg,,0\n")
    done = latentlabels("complete", vector_run, "--observed", tmp_path / "known.csv", "--embeddings", vectors)
    assert done.code == 0, done.err
    first, second = done.rows
    assert (first["red"], first["blue"], second["car"]) == ("1", "0", "0")
    everything = latentlabels("complete", vector_run, "--embeddings", vectors)  # the array `observed` in it
    assert len(everything.rows) == 40


def test_unreadable_and_lost_images_are_reported(run: Path, tmp_path: Path) -> None:
    picture(tmp_path / "images" / "a.png")
    (tmp_path / "images" / "b.png").write_bytes(b"no picture")
    (tmp_path / "known.csv").write_text("image,label\nb.png,car\na.png,car\nc.png,car\n")
    args = ("complete", run, "--observed", tmp_path / "known.csv", "--images", tmp_path / "images", "--unlisted", "unknown")
    done = latentlabels(*args)
    assert [row["image"] for row in done.rows] == ["b.png", "a.png"]
    assert {label: value for label, value in done.rows[0].items() if value} == {"image": "b.png", "car": "1"}
    assert all(done.rows[1].values())
    assert "left out: c.png" in done.err
    assert "1 of 2 images cannot be read" in done.err
    assert latentlabels(*args, "--json").document["unreadable"] == ["b.png"]
    done = latentlabels(*args, "--strict")
    assert (done.code, done.out) == (1, "")


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("image,label\nx.png,carr\n", 1, 'known.csv:2: the label space has no label "carr"; did you mean "car"?'),
        ("image,carr\nx.png,1\n", 2, 'known.csv:1: the label space has no label "carr"; did you mean "car"?'),
        ("image,label\nx.png,car\nx.png,bike\n", 1, '"car" and "bike" exclude each other (group "vehicle")'),
        ("image,car\nx.png,2\n", 2, 'known.csv:2, column "car": expected 1 (present), 0 (absent), -1 or empty'),
        ("place,car\nx.png,1\n", 2, "known.csv:1: no column `image`"),
        ("", 1, "known.csv: empty"),
        (None, 2, "known.csv: table of labels not found"),
    ],
)
def test_tables_that_cannot_be_used(run: Path, tmp_path: Path, text: str | None, code: int, said: str) -> None:
    picture(tmp_path / "x.png")
    if text is not None:
        (tmp_path / "known.csv").write_text(text)
    done = latentlabels("complete", run, "--observed", tmp_path / "known.csv", "--images", tmp_path, "--unlisted", "unknown")
    assert (done.code, done.out) == (code, "")
    assert said in done.err


def test_what_must_be_given(run: Path, vector_run: Path, known: Path, image: Path, tmp_path: Path) -> None:
    for args, said in (
        ((run,), "no table to fill; give --observed TABLE"),
        ((run, "--observed", known, "--images", tmp_path / "none"), "none: folder not found"),
        ((run, "--observed", known, "--images", image), "is not a folder; give the folder of the images in"),
        ((run, "--images", tmp_path), "no table of labels; give --observed TABLE"),
        ((run, "--observed", known, "-o", tmp_path / "out.doc"), "unknown file ending"),
        ((vector_run, "--observed", known, "--images", tmp_path), "this run was fitted on embeddings"),
    ):
        done = latentlabels("complete", *args)
        assert (done.code, done.out) == (2, ""), done.err
        assert said in done.err
