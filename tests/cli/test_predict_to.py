"""`latentlabels predict --to`: files that other tools import, with what their documentation asks for."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from command import latentlabels, picture

from latentlabels import LatentLabels, Observed
from latentlabels.inputs import stream
from latentlabels.observed import formats
from latentlabels.observed.formats.probabilities import probabilities_in

TOOLS = ["coco", "fiftyone", "label-studio", "open-images"]


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The 40 embeddings are four blocks."""
    monkeypatch.setattr(stream, "_MOST", 12)


def cleanlab_inputs(path: Path) -> tuple[list[list[int]] | None, Any, list[str], list[str]]:
    """`labels` and `pred_probs` as cleanlab takes them, images and classes; as docs/result-tables.md says."""
    if path.suffix == ".json":
        found = json.loads(path.read_text(encoding="utf-8"))
        return found.get("labels"), np.array(found["pred_probs"]), found["images"], found["classes"]
    with np.load(path) as data:  # without pickles, which numpy refuses by default
        labels = None if "labels" not in data else [row[row >= 0].tolist() for row in data["labels"]]
        return labels, data["pred_probs"], data["images"].tolist(), data["classes"].tolist()


@pytest.mark.parametrize("tool", TOOLS)
def test_the_file_is_what_convert_makes_of_the_table(vector_run: Path, vectors: Path, tmp_path: Path, tool: str) -> None:
    table, direct, by_table = tmp_path / "table.parquet", tmp_path / "direct.json", tmp_path / "by_table.json"
    latentlabels("predict", vector_run, vectors, "-o", table)
    done = latentlabels("predict", vector_run, vectors, "--to", tool, "-o", direct)
    assert (done.code, done.out) == (0, ""), done.err
    assert f"{direct}: 40 images, 4 labels" in done.err
    content = probabilities_in(table, LatentLabels.load(vector_run).space_)
    assert content is not None
    formats.find(tool).write(by_table, content)
    assert direct.read_bytes() == by_table.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["by_table.json", "direct.json", "table.parquet"]


@pytest.mark.parametrize("ending", [".npz", ".json"])
def test_cleanlab_gets_probabilities_that_have_not_seen_the_given_labels(
    vector_run: Path, vectors: Path, tmp_path: Path, ending: str
) -> None:
    with np.load(vectors) as data:
        observed, names, vectors_of = data["observed"], data["images"].tolist(), data["embeddings"]
    observed[3] = -1
    observed[5] = [0, 1, 1, -1]
    model = LatentLabels.load(vector_run)
    table = tmp_path / "given.csv"
    Observed(observed, model.space_, images=names).write(table)
    out = tmp_path / f"cleanlab{ending}"
    done = latentlabels("predict", vector_run, vectors, "--to", "cleanlab", "--observed", table, "-o", out, "--json")
    assert done.code == 0, done.err
    assert done.document["format"] == "cleanlab" and done.document["num_images"] == 40
    labels, pred_probs, images, classes = cleanlab_inputs(out)
    assert labels is not None
    assert (images, classes) == (names, list(model.space_.labels))
    assert labels == [np.flatnonzero(row == 1).tolist() for row in observed]
    assert labels[3] == [] and len(labels[5]) == 2
    assert all(type(number) is int and 0 <= number < 4 for row in labels for number in row)
    assert pred_probs.shape == (40, 4) and pred_probs.dtype.kind == "f"
    assert ((pred_probs >= 0) & (pred_probs <= 1)).all()
    np.testing.assert_allclose(pred_probs, model.posterior(vectors_of).marginals, atol=1e-6)
    assert not np.allclose(pred_probs, model.posterior(vectors_of, observed).marginals, atol=1e-2)


def test_cleanlab_of_one_given_label_each_has_a_column_of_them(vector_run: Path, vectors: Path, tmp_path: Path) -> None:
    """Which is what cleanlab takes where each image has one class."""
    with np.load(vectors) as data:
        observed, names = data["observed"], data["images"].tolist()
    Observed(observed, LatentLabels.load(vector_run).space_, images=names).write(tmp_path / "given.csv")
    out = tmp_path / "one.npz"
    latentlabels("predict", vector_run, vectors, "--to", "cleanlab", "--observed", tmp_path / "given.csv", "-o", out)
    with np.load(out) as data:
        assert data["labels"].dtype == np.int64
        assert data["labels"].tolist() == observed.argmax(1)[:, None].tolist()


def test_cleanlab_without_given_labels_has_probabilities_alone(vector_run: Path, vectors: Path, tmp_path: Path) -> None:
    for ending in (".npz", ".json"):
        assert latentlabels("predict", vector_run, vectors, "--to", "cleanlab", "-o", tmp_path / f"p{ending}").code == 0
        labels, pred_probs, images, _ = cleanlab_inputs(tmp_path / f"p{ending}")
        assert labels is None and pred_probs.shape == (40, 4) and len(images) == 40


def test_images_that_cannot_be_read_are_left_out(run: Path, tmp_path: Path) -> None:
    for number in range(3):
        picture(tmp_path / "new" / f"{number}.png", number)
    (tmp_path / "new" / "broken.png").write_bytes(b"no picture")
    out = tmp_path / "labels.json"
    done = latentlabels("predict", run, tmp_path / "new", "--to", "fiftyone", "-o", out)
    assert done.code == 0 and "1 of 4 images cannot be read; they are left out" in done.err
    assert sorted(json.loads(out.read_text())["labels"]) == [str(tmp_path / "new" / str(n)) for n in range(3)]
    done = latentlabels("predict", run, tmp_path / "new", "--to", "cleanlab", "-o", tmp_path / "c.json", "--json")
    assert done.document["unreadable"] == [str(tmp_path / "new" / "broken.png")]
    assert [Path(name).name for name in cleanlab_inputs(tmp_path / "c.json")[2]] == ["0.png", "1.png", "2.png"]


@pytest.mark.parametrize("tool", ["fiftyone", "cleanlab"])
def test_an_interrupted_command_continues(
    vector_run: Path, vectors: Path, tmp_path: Path, tool: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, out = tmp_path / "whole.json", tmp_path / "out.json"
    latentlabels("predict", vector_run, vectors, "--to", tool, "-o", whole)
    original, seen = LatentLabels._posterior, [0]

    def posterior(self: LatentLabels, *args: Any) -> Any:
        seen[0] += 1
        if seen[0] == 3:
            raise KeyboardInterrupt
        return original(self, *args)

    monkeypatch.setattr(LatentLabels, "_posterior", posterior)
    assert latentlabels("predict", vector_run, vectors, "--to", tool, "-o", out).code == 130
    assert not out.exists()
    done = latentlabels("predict", vector_run, vectors, "--to", tool, "-o", out)
    assert done.code == 0 and "24 images already done; continuing" in done.err
    assert out.read_bytes() == whole.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.json", "whole.json"]


def test_what_one_format_cannot_hold_another_one_continues(run: Path, tmp_path: Path) -> None:
    """FiftyOne names images without their endings; what was computed is not lost."""
    picture(tmp_path / "new" / "a.png", 0)
    picture(tmp_path / "new" / "a.jpg", 1)
    out = tmp_path / "out.json"
    done = latentlabels("predict", run, tmp_path / "new", "--to", "fiftyone", "-o", out)
    assert done.code == 1 and "FiftyOne names images without the ending of the file" in done.err and str(out) in done.err
    done = latentlabels("predict", run, tmp_path / "new", "--to", "coco", "-o", out)
    assert done.code == 0 and "2 images already done; continuing" in done.err
    assert len(json.loads(out.read_text())["images"]) == 2


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
def test_a_pipe_gets_the_whole_file(vector_run: Path, vectors: Path, tmp_path: Path) -> None:
    latentlabels("predict", vector_run, vectors, "--to", "fiftyone", "-o", tmp_path / "file.json")
    pipe, got = tmp_path / "pipe.json", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()
    done = latentlabels("predict", vector_run, vectors, "--to", "fiftyone", "-o", pipe)
    reader.join(timeout=60)
    assert done.code == 0 and got == [(tmp_path / "file.json").read_bytes()]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--to", "cleanlb", "-o", "x.npz"), 'predictions are not written as "cleanlb"; did you mean "cleanlab"?'),
        (("--to", "voc", "-o", "x.json"), 'predictions are not written as "voc"'),
        (("--to", "fiftyone"), "--to fiftyone writes a file; name it with -o FILE"),
        (("--to", "cleanlab", "-o", "x.csv"), "-o x.csv: a file for cleanlab ends in .npz or .json"),
        (("--to", "coco", "-o", "nowhere/x.json"), "folder nowhere not found; create it first"),
        (("--to", "coco", "-o", "."), "is a folder; give the name of a file"),
        (("--observed", "x.csv", "-o", "x.csv"), "--observed goes with --to cleanlab"),
    ],
)
def test_wrong_use_is_refused_before_anything_is_computed(
    vector_run: Path, vectors: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: tuple[str, ...], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    done = latentlabels("predict", vector_run, vectors, *more)
    assert done.code == 2 and message in done.err
    assert not [*tmp_path.iterdir()]


def test_given_labels_belong_to_one_folder(vector_run: Path, vectors: Path, tmp_path: Path) -> None:
    pd.DataFrame({"image": ["x"], "car": [1]}).to_csv(tmp_path / "t.csv", index=False)
    more = ("--to", "cleanlab", "--observed", tmp_path / "t.csv", "-o", tmp_path / "x.npz")
    done = latentlabels("predict", vector_run, vectors, vectors, *more)
    assert done.code == 2 and "--observed takes one folder of images, or one file of embeddings" in done.err


@pytest.mark.parametrize("mark, decimal", [(";", ","), (";", "."), (",", ".")])
def test_probabilities_as_a_spreadsheet_saves_them(tmp_path: Path, mark: str, decimal: str) -> None:
    """Semicolons, decimal commas, a mark at the start and CRLF; names that hold a comma are quoted where it is needed."""
    rows = [["image", "a", "b"], ["Foto 1.png", "0.25", "1"], ["Foto 2.png", "0.5", "0.125"]]
    lines = (mark.join(cell.replace(".", decimal) if number else cell for number, cell in enumerate(row)) for row in rows)
    path = tmp_path / "p.csv"
    path.write_bytes("".join(line + "\r\n" for line in lines).encode("utf-8-sig"))
    found = probabilities_in(path)
    assert found is not None
    assert (found.images, found.space.labels) == (("Foto 1.png", "Foto 2.png"), ("a", "b"))
    assert found.probabilities is not None
    assert found.probabilities.tolist() == [[0.25, 1.0], [0.5, 0.125]]
