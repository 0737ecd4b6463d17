"""`latentlabels export`: what it writes and says, the model card, and the lines of code in it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from command import Done, latentlabels
from PIL import Image

from latentlabels import LatentLabels
from latentlabels.export import FORMATS
from latentlabels.space import LabelSpace

NAMES = ["photos.known.onnx", "photos.onnx", "photos.onnx.json", "photos.onnx.md"]


def code_of(card: Path) -> str:
    return card.read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]


@pytest.fixture(scope="module")
def evaluated(run: Path, scenes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the run with figures against complete labels."""
    copy = tmp_path_factory.mktemp("evaluated") / "run"
    shutil.copytree(run, copy)
    done = latentlabels("evaluate", copy, "--images", scenes / "images-by-label", "--truth", scenes / "truth.csv")
    assert done.code == 0, done.err
    return copy


@pytest.fixture(scope="module")
def exported(evaluated: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Done]:
    folder = tmp_path_factory.mktemp("exported")
    done = latentlabels("export", evaluated, "--to", "onnx", "-o", folder / "photos.onnx", "--json")
    assert done.code == 0, done.err
    return folder, done


def test_two_graphs_and_a_card_are_written(exported: tuple[Path, Done], evaluated: Path) -> None:
    folder, done = exported
    assert sorted(path.name for path in folder.iterdir()) == NAMES
    document = done.document
    assert document["run"] == str(evaluated) and document["format"] == "onnx"
    files = [document[key] for key in ("labels_given_known", "labels", "facts", "card")]
    assert files == [str(folder / name) for name in NAMES]
    assert set(document["largest_difference"]) == {"photos.onnx", "photos.known.onnx"}
    assert max(document["largest_difference"].values()) < 1e-5
    assert document["poor"] and document["poor"] in done.err  # a fit of one epoch
    for name in NAMES[:2]:
        stored = {one.key: one.value for one in onnx.load(folder / name).metadata_props}
        assert json.loads(stored["latentlabels.labels"]) == list(LatentLabels.load(evaluated).space_.labels)
    content = (folder / "photos.onnx").read_bytes()
    assert str(Path(__file__).parent.parent.parent).encode() not in content  # no paths of this machine


def test_the_card_has_what_the_run_says(exported: tuple[Path, Done], evaluated: Path) -> None:
    folder, _ = exported
    facts = json.loads((folder / "photos.onnx.json").read_text(encoding="utf-8"))
    model = LatentLabels.load(evaluated)
    figures = json.loads((evaluated / "evaluation.json").read_text())
    assert facts["labels"] == list(model.space_.labels)
    assert LabelSpace.from_config(facts["groups"]).to_config() == model.space_.to_config()
    assert facts["predicted_groups"] == facts["groups"]
    assert facts["inputs"]["images"] == {
        "shape": ["N", 3, 32, 32],
        "type": "float32",
        "range": [0.0, 1.0],
        "channels": "RGB",
        "resize": "whole image, sides scaled separately",
        "interpolation": "bilinear",
        "levels": None,
    }
    assert facts["inputs"]["known"] == {
        "shape": ["N", 21], "type": "int8", "values": {"present": 1, "absent": 0, "unknown": -1}
    }  # fmt: skip
    assert facts["outputs"] == {"probabilities": {"shape": ["N", 21], "type": "float32"}}
    assert facts["thresholds"] == dict(zip(model.space_.labels, model.thresholds_.tolist(), strict=True))
    assert facts["thresholds_for"] == "f1-micro"
    assert facts["thresholds_from"] == str(model.decisions_.thresholds.source)
    assert facts["annotation"]["kind"] == facts["known_labels_enter_by"]["kind"] == "uniform-positive"
    assert facts["encoder"]["encoder"] == "tiny" and facts["objective"] == "collapsed"
    assert facts["training"]["num_images"] == 60
    assert facts["training"]["known_counts"] == model.diagnostics_["known_counts"]
    complete = facts["figures"]["complete_labels"]
    assert {key: complete[key] for key in ("map", "nll", "brier")} == {key: figures[key] for key in ("map", "nll", "brier")}
    assert complete["without_image"]["map"] == figures["without_image"]["map"]
    known = facts["figures"]["known_labels"]
    assert known["held_out_log_likelihood"] == model.diagnostics_["held_out_log_likelihood"]
    assert facts["check"]["tolerance"] == 1e-4
    assert all(facts["versions"][name] for name in ("latentlabels", "torch", "onnx", "onnxruntime"))
    assert facts["poor"]["severity"] == "act"


def test_the_card_in_words(exported: tuple[Path, Done]) -> None:
    folder, _ = exported
    text = (folder / "photos.onnx.md").read_text(encoding="utf-8")
    facts = json.loads((folder / "photos.onnx.json").read_text(encoding="utf-8"))
    assert text.startswith(f"# photos.onnx\n\n**Poor fit.** {facts['poor']['text']}\n\n")
    cuts = facts["thresholds"]
    order = [text.index(f"- {place}: {label} (threshold {cuts[label]:.4g})\n") for place, label in enumerate(facts["labels"])]
    assert "- thresholds are for f1-micro, found from the posterior of 60 images\n" in text
    assert order == sorted(order)
    for said in (
        '- group doors: one of 2-doors, 4-doors (requires "car")',
        "- images: (N, 3, 32, 32), float32; red, green and blue in [0, 1], upright, transparency over white. The whole image "
        "is resized to 32 rows and 32 columns, bilinear",
        "- annotation: uniform-positive: ",
        "- training images: 60, data ",
        "- complete labels of 60 images, in brackets prevalences alone:\n- mAP: ",
        "give NaN in the whole row: a graph cannot raise an error.",
        f"- onnxruntime {facts['versions']['onnxruntime']}\n",
    ):
        assert said in text, said
    assert "not measured" not in text


def test_the_lines_in_the_card_run_and_say_what_the_run_says(
    exported: tuple[Path, Done], evaluated: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On a large JPEG that lies on its side."""
    folder, _ = exported
    rng = np.random.default_rng(0)
    picture = Image.fromarray(rng.integers(0, 256, (12, 20, 3), dtype=np.uint8)).resize((500, 300))
    tag = Image.Exif()
    tag[0x0112] = 6
    monkeypatch.chdir(folder)
    picture.save("photo.jpg", exif=tag)
    try:
        names: dict[str, Any] = {}
        lines = code_of(folder / "photos.onnx.md")
        assert len(lines.strip().splitlines()) < 25
        exec(lines, names)
        model = LatentLabels.load(evaluated)
        wanted = model.posterior(["photo.jpg"])
        (shown,) = capsys.readouterr().out.splitlines()
        said = eval(shown)
        np.testing.assert_allclose([*said.values()], wanted.marginals[0], atol=6e-4)  # printed with three digits
        assert [*said] == list(model.space_.labels)
        known = np.full((1, 21), -1, np.int8)
        known[0, 0] = 1
        np.testing.assert_allclose(names["p"], model.posterior(["photo.jpg"], known).marginals, atol=1e-5)
    finally:
        Path("photo.jpg").unlink(missing_ok=True)


def test_a_run_on_embeddings_leaves_this_package_behind(vector_run: Path, vectors: Path, tmp_path: Path) -> None:
    """The lines of its card run where this package is not."""
    done = latentlabels("export", vector_run, "-o", tmp_path / "vectors.pt2")
    assert done.code == 0, done.err
    assert done.out.splitlines()[0].split() == ["p(label", "|", "image)", str(tmp_path / "vectors.pt2")]
    with np.load(vectors) as data:
        np.save(tmp_path / "embeddings.npy", data["embeddings"])
    code = code_of(tmp_path / "vectors.pt2.md") + "import sys\nassert 'latentlabels' not in sys.modules\nprint(p.tolist())\n"
    ran = subprocess.run([sys.executable, "-I", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    first, last = ran.stdout.splitlines()
    model = LatentLabels.load(vector_run)
    with np.load(vectors) as data:
        known = np.full((40, 4), -1, np.int8)
        known[:, 0] = 1
        np.testing.assert_allclose(json.loads(last), model.posterior(data["embeddings"], known).marginals, atol=1e-5)
        assert [*eval(first)] == list(model.space_.labels)
    facts = json.loads((tmp_path / "vectors.pt2.json").read_text())
    assert facts["inputs"]["embeddings"]["shape"] == ["N", 6]
    assert "complete labels: not measured" in (tmp_path / "vectors.pt2.md").read_text()


def test_files_are_not_overwritten_unasked(exported: tuple[Path, Done], evaluated: Path) -> None:
    folder, _ = exported
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    done = latentlabels("export", evaluated, "-o", folder / "photos.onnx")
    assert done.code == 2
    assert f"{folder / 'photos.onnx'}: is there already; give another name, or overwrite=True (--overwrite)" in done.err
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize(
    ("more", "code", "message"),
    [
        ((), 2, "no file to write; name it with -o FILE"),
        (("-o", "model.bin"), 2, "model.bin: its ending does not say the format; give --to FORMAT (known: onnx (.onnx), "),
        (("-o", "model.onnx", "--to", "onxx"), 2, 'there is no export format "onxx"; did you mean "onnx"?'),
        (("-o", "model.onnx", "--to", "openvino"), 2, "model.onnx: a file of openvino ends in .xml; name it model.xml"),
    ],
)
def test_wrong_use(
    vector_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: Any, code: int, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    done = latentlabels("export", vector_run, *more)
    assert (done.code, done.out) == (code, "") and message in done.err
    assert not [*tmp_path.iterdir()]


def test_a_missing_extra_is_one_error_with_the_command(
    vector_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(FORMATS["onnx"]), "needs", ("onnx", "no_such_library"))
    done = latentlabels("export", vector_run, "-o", tmp_path / "model.onnx")
    assert done.code == 2
    (line,) = done.err.splitlines()
    assert 'needs no_such_library, not installed here; install with: pip install "latentlabels[onnx]"' in line


def test_damaged_figures_are_named(vector_run: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(vector_run, run)
    (run / "evaluation.json").write_text("{")
    done = latentlabels("export", run, "-o", tmp_path / "model.pt2")
    assert done.code == 1 and "evaluation.json: cannot be read" in done.err and "latentlabels evaluate" in done.err
    assert not (tmp_path / "model.pt2").exists()


def test_no_run(tmp_path: Path) -> None:
    done = latentlabels("export", tmp_path / "nothing", "-o", tmp_path / "model.onnx")
    assert done.code == 2 and "run folder not found" in done.err
