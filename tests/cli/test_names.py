"""Names that mean something to YAML, CSV, a shell, a spreadsheet or a page go through every verb, table and page."""

from __future__ import annotations

import csv
import html
import io
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from command import latentlabels, picture

from latentlabels import LatentLabels
from latentlabels.observed import Observed, name_column
from latentlabels.posterior import Posterior
from latentlabels.space import LabelSpace
from latentlabels.words import printable

NAMES = [
    "yes", "null", "1", "-1", "1.0", "nan", "=cmd|' /C calc'!A0", "+1", "@x", "a,b", "a;b", 'say "hi"', "two\nlines",
    "cr\rhere", "tab\tx", "l" * 300, "שלום", "\u202egnp", "<b>bold</b>", "{{ 1 + 1 }}", "$(rm x)", "back\\slash", "e\u0301",
    "%s", "image", "file_name", "Image_Name", "label", "value", "#1", "a: b", "🚗",
]  # fmt: skip
"""Labels, and images as well."""


@pytest.fixture(scope="module")
def vectors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """64 embeddings of these labels, whose images are called so too."""
    rng = np.random.default_rng(0)
    truth = (rng.random((64, len(NAMES))) < 0.3).astype(np.int8)
    truth[np.arange(64), np.arange(64) % len(NAMES)] = 1
    observed = np.full_like(truth, -1)
    observed[np.arange(64), np.arange(64) % len(NAMES)] = 1
    images = np.array(NAMES + [f"{name}-{row:03d}.jpg" for row, name in enumerate(NAMES)])
    path = tmp_path_factory.mktemp("names") / "vectors.npz"
    np.savez(
        path, embeddings=rng.normal(size=(64, 5)), truth=truth, observed=observed, images=images, labels=np.array(NAMES)
    )  # fmt: skip
    return path


@pytest.fixture(scope="module")
def run(vectors: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("names") / "run"
    args = ("--embeddings", vectors, "--set", "fit.epochs=1", "--set", "fit.accelerator=cpu", "--out", run)
    done = latentlabels("fit", *args)
    assert done.code == 0, done.err
    return run


@pytest.fixture(scope="module")
def images(vectors: Path) -> list[str]:
    return np.load(vectors)["images"].tolist()


def rows_of(path: Path) -> tuple[list[str], list[list[str]]]:
    """The header and the rows of a table of any format."""
    if path.suffix == ".parquet":
        frame = pd.read_parquet(path)
        frame = frame if frame.index.name is None else frame.reset_index()
        return list(frame.columns), frame.astype(object).to_numpy().tolist()
    if path.suffix == ".jsonl":
        objects = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]
        return list(objects[0]), [list(one.values()) for one in objects]
    with path.open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file, delimiter="\t" if path.suffix == ".tsv" else ",", strict=True)
    return header, rows


# --- the column of names --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "labels, name",
    [
        (["cat"], "image"),
        (["image"], "file_name"),
        (["Image "], "file_name"),
        (["image", "file_name", "cat"], "filename"),
        (["image", "file_name", "filename", "image_name"], "image_name_2"),
        (["image", "file_name", "filename", "image_name", "image_name_2"], "image_name_3"),
    ],
)
def test_the_column_of_names_is_none_of_the_labels(labels: Sequence[str], name: str) -> None:
    assert name_column(labels) == name


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_known_labels_with_a_label_image_are_written_and_read(tmp_path: Path, ending: str) -> None:
    space = LabelSpace.free(["image", "cat", "path"])
    known = Observed.from_array([[1, 0, -1], [-1, 1, 1]], space, images=["a.png", "b.png"])
    assert known.to_frame().index.name == "file_name"
    assert list(known.to_frame().reset_index().columns) == ["file_name", "image", "cat", "path"]
    path = known.write(tmp_path / f"known.{ending}")
    read = Observed.from_table(path, space, unlisted="unknown")
    assert read.values.tolist() == known.values.tolist()
    assert read.images == known.images
    assert Observed.from_frame(known.to_frame(), space).values.tolist() == known.values.tolist()


def test_a_posterior_with_a_label_image_is_a_frame(run: Path, vectors: Path) -> None:
    frame = LatentLabels.load(run).posterior(vectors).to_frame()
    assert isinstance(LatentLabels.load(run).posterior(vectors), Posterior)
    assert frame.index.name == "filename"  # labels are called image, file_name and image_name
    assert list(frame.reset_index().columns) == ["filename", *NAMES]


# --- every verb -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "parquet"])
@pytest.mark.parametrize("verb", ["predict", "complete"])
def test_tables_hold_every_name(run: Path, vectors: Path, images: list[str], tmp_path: Path, verb: str, ending: str) -> None:
    out = tmp_path / f"out.{ending}"
    done = latentlabels(verb, run, *((vectors,) if verb == "predict" else ("--images", vectors)), "-o", out)
    assert done.code == 0, done.err
    header, rows = rows_of(out)
    assert header == ["filename", *NAMES]
    assert [row[0] for row in rows] == images
    expected = LatentLabels.load(run).posterior(vectors).marginals
    if verb == "predict":
        assert np.array([row[1:] for row in rows], float) == pytest.approx(expected, rel=1e-5)
    assert ("8 image names begin with =, +, - or @;" in done.err) == (ending in ("csv", "tsv"))


def test_a_table_that_predict_wrote_can_be_read_as_known_labels(
    run: Path, vectors: Path, images: list[str], tmp_path: Path
) -> None:
    complete = pd.DataFrame(np.load(vectors)["truth"], index=pd.Index(images, name="filename"), columns=NAMES)
    known = Observed.from_frame(complete, LabelSpace.free(NAMES))
    path = known.write(tmp_path / "truth.csv")
    header, rows = rows_of(path)
    assert header == ["filename", *NAMES]
    assert [row[0] for row in rows] == images
    assert [list(map(int, row[1:])) for row in rows] == known.values.tolist()


def test_json_holds_every_name(run: Path, vectors: Path, images: list[str]) -> None:
    found = latentlabels("predict", run, vectors, "--json").document
    assert found["labels"] == NAMES
    assert [one["image"] for one in found["images"]] == images
    assert list(found["images"][0]["probabilities"]) == NAMES
    for row in (0, 6, 12, 16, 40):
        found = latentlabels("query", run, f"{vectors}#{row}", "--given", "=cmd|' /C calc'!A0", "--json").document
        assert found["image"] == images[row]
        assert {one["label"] for one in found["labels"]} == {*NAMES}


def test_evaluate_and_the_report_hold_every_name(run: Path, vectors: Path) -> None:
    done = latentlabels("evaluate", run, "--images", vectors, "--json")
    assert done.code == 0, done.err
    assert list(done.document["per_label_ap"]) == NAMES
    assert json.loads((run / "evaluation.json").read_text())["per_label_ap"] == done.document["per_label_ap"]
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "<b>bold</b>" not in page
    assert html.escape("<b>bold</b>") in page
    assert "{{ 1 + 1 }}" in page
    assert latentlabels("evaluate", run, "--images", vectors).code == 0


def test_what_a_run_keeps_holds_every_name(run: Path) -> None:
    assert LatentLabels.load(run).space_.labels == tuple(NAMES)
    assert {*json.loads((run / "diagnostics.json").read_text(encoding="utf-8"))["prior"]} == {*NAMES}
    assert isinstance(yaml.safe_load((run / "config.yaml").read_text(encoding="utf-8")), dict)


def test_a_terminal_gets_no_sign_that_turns_or_breaks_its_lines(run: Path, vectors: Path, images: list[str]) -> None:
    asked = [("inspect", vectors), ("evaluate", run, "--images", vectors)]
    asked += [("query", run, f"{vectors}#{row}", "--given", "two\nlines", "--top", 40) for row in (12, 13, 17)]
    for args in asked:
        done = latentlabels(*args)
        assert done.code == 0, done.err
        assert not {"\u202e", "\r", "\x1b"} & {*done.out}, args
        assert "two\nlines" not in done.out
        assert r"two\nlines" in done.out or args[0] == "evaluate"  # which lists some of the labels


# --- names of files that are no UTF-8 -------------------------------------------------------------------

BYTES = [b"caf\xe9.png", b"\xff\xfe.png", "caf\u00e9.png".encode()]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems refuse such names")
@pytest.mark.parametrize("ending", [None, "csv", "tsv", "jsonl", "parquet"])
def test_file_names_that_are_no_utf8_are_written_with_their_bytes(
    fitted_scenes: Path, tmp_path: Path, ending: str | None
) -> None:
    folder = tmp_path / "photos"
    for seed, name in enumerate(BYTES):
        picture(Path(os.fsdecode(os.path.join(os.fsencode(folder), name))), seed)
    shown = sorted(str(folder / printable(os.fsdecode(name))) for name in BYTES)
    assert str(folder / "caf\\xe9.png") in shown
    if ending is None:
        done = latentlabels("predict", fitted_scenes, folder)
        found = [row["image"] for row in done.rows]
        document = latentlabels("predict", fitted_scenes, folder, "--json").document
        assert sorted(one["image"] for one in document["images"]) == shown
    else:
        out = tmp_path / f"out.{ending}"
        done = latentlabels("predict", fitted_scenes, folder, "-o", out)
        found = [row[0] for row in rows_of(out)[1]]
    assert done.code == 0, done.err
    assert sorted(found) == shown
    assert r"note: 2 image names are not UTF-8; their invalid bytes are written as \xNN" in done.err


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems refuse such names")
def test_known_labels_of_such_files_are_written_and_read(tmp_path: Path) -> None:
    space = LabelSpace.free("ab")
    names = [os.fsdecode(name) for name in BYTES]
    known = Observed.from_array([[1, 0], [0, 1], [1, 1]], space, images=names)
    for ending in ("csv", "jsonl", "parquet"):
        _, rows = rows_of(known.write(tmp_path / f"known.{ending}"))
        assert [row[0] for row in rows] == [printable(name) for name in names]


@pytest.fixture(scope="module")
def fitted_scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on small pictures."""
    folder = tmp_path_factory.mktemp("photos")
    for label in ("cat", "dog"):
        for number in range(4):
            picture(folder / "images" / label / f"{label}{number}.png", seed=number + 10 * (label == "dog"))
    args = ("--set", "model.encoder=tiny", "--set", "model.image_size=32", "--set", "fit.epochs=1")
    done = latentlabels("fit", "--images", folder / "images", *args, "--out", folder / "run")
    assert done.code == 0, done.err
    return folder / "run"


def test_csv_of_python_reads_what_is_written_with_carriage_returns() -> None:
    from latentlabels.cli.tables import Separated

    table = Separated(["cr\rhere", "b"], ",")
    text = (table.head() + table.rows(["x\ry", 'q"'], np.zeros((2, 2), np.float32))).decode()
    assert list(csv.reader(io.StringIO(text, newline=""))) == [["image", "cr\rhere", "b"], ["x\ry", "0", "0"], ['q"', "0", "0"]]
