"""`latentlabels fit` and `inspect` with a split of the user's own, and with copies among the images."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from command import latentlabels
from PIL import Image

TINY = ["--set", "model.encoder=tiny", "--set", "model.image_size=32", "--set", "fit.epochs=1"]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Forty photos with a table: half of cats and dogs, some held out, some for a test, several by patient."""
    rng, folder = np.random.default_rng(0), tmp_path / "photos"
    folder.mkdir()
    lines = ["file_name,label,split,fold,patient"]
    for row in range(40):
        Image.fromarray(rng.integers(0, 256, (32, 32, 3), np.uint8)).save(folder / f"{row:02d}.png")
        part = ("train", "train", "val", "train", "test")[row % 5]
        lines.append(f"{row:02d}.png,{('cat', 'dog')[row % 2]},{part},{row % 4},p{row // 4}")
    (tmp_path / "labels.csv").write_text("\n".join(lines) + "\n")
    return folder


def given(photos: Path, *more: str) -> list[str]:
    table = ["data.image_column=file_name", "data.label_columns=[label]", "data.ignore=[split, fold, patient]"]
    sets = [part for one in (f"data.images={photos}", f"data.observed={photos.parent / 'labels.csv'}", "data.unlisted=unknown",
                             *table, *more) for part in ("--set", one)]  # fmt: skip
    return [*sets, *TINY]


def ignoring(*left: str) -> str:
    return f"data.ignore=[{', '.join(left)}]"


def held_out(run: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((run / "diagnostics.json").read_text())["held_out"]
    return found


def test_a_column_of_the_table_decides(photos: Path, tmp_path: Path) -> None:
    options = given(photos, ignoring("fold", "patient"), "data.split=split")
    done = latentlabels("fit", *options, "--out", tmp_path / "run")
    assert done.code == 0, done.err
    line = 'held out            8 of 32 images, by column "split"; 8 images for a test left out of the fit'
    assert " ".join(line.split()) in " ".join(done.out.split())
    found = held_out(tmp_path / "run")
    assert (found["num_held_out"], found["num_training"], found["num_test"]) == (8, 24, 8)
    assert 'Held out: 8 of 32 images, by column "split"' in (tmp_path / "run" / "report.html").read_text().replace("&#34;", '"')
    looked = latentlabels("inspect", *options, "--json")
    assert looked.code == 0, looked.err
    assert json.loads(looked.out)["held_out"]["num_held_out"] == 8
    again = latentlabels("fit", tmp_path / "run" / "config.yaml", "--out", tmp_path / "again")  # a run repeats its split
    assert again.code == 0, again.err
    assert held_out(tmp_path / "again") == found


def test_a_fold_and_patients(photos: Path, tmp_path: Path) -> None:
    asked = latentlabels("fit", *given(photos, ignoring("split", "patient"), "data.split=fold"), "--out", tmp_path / "run")
    assert asked.code == 2
    assert "holds numbers (0, 1, 2, 3), which may be folds" in asked.err and "data.split: fold=3" in asked.err
    done = latentlabels("fit", *given(photos, ignoring("split", "patient"), "data.split=fold=3"), "--out", tmp_path / "run")
    assert done.code == 0, done.err
    assert held_out(tmp_path / "run")["num_held_out"] == 10
    options = given(photos, ignoring("split", "fold"), "data.together=patient", "fit.held_out=0.2")
    done = latentlabels("fit", *options, "--out", tmp_path / "patients")
    assert done.code == 0, done.err
    assert held_out(tmp_path / "patients") | {"num_held_out": 8, "num_together": 10} == held_out(tmp_path / "patients")
    assert 'images of equal column "patient" kept together' in " ".join(done.out.split())


def test_contradictory_statements_are_refused_with_both_lines(photos: Path, tmp_path: Path) -> None:
    config = tmp_path / "fit.yaml"
    config.write_text(
        f"data:\n  images: {photos}\n  observed: labels.csv\n  unlisted: unknown\n  image_column: file_name\n"
        "  label_columns: [label]\n  ignore: [fold, patient]\n  split: split\nmodel: {encoder: tiny, image_size: 32}\n"
        "fit:\n  held_out: 0\n"
    )
    done = latentlabels("fit", config, "--out", tmp_path / "run")
    assert done.code == 2
    assert f"{config}:11: fit.held_out: 0 holds out no image, but {config}:8: data.split holds out 8" in done.err


def test_a_split_beside_its_config(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "parts.csv").write_text("image,part\n" + "".join(f"{row:02d}.png,{row % 4}\n" for row in range(40)))
    config = tmp_path / "fit.yaml"
    config.write_text(
        f"data:\n  images: {photos}\n  observed: labels.csv\n  unlisted: unknown\n  image_column: file_name\n"
        "  label_columns: [label]\n  ignore: [fold, patient, split]\n  split: parts.csv=2\n"
        "model: {encoder: tiny, image_size: 32}\nfit: {epochs: 1}\n"
    )
    done = latentlabels("fit", config, "--out", tmp_path / "run")
    assert done.code == 0, done.err
    assert held_out(tmp_path / "run")["num_held_out"] == 10
    assert str(held_out(tmp_path / "run")["chosen_by"]).endswith("parts.csv = 2")


def test_inspect_lists_copies_and_what_they_contradict(photos: Path, tmp_path: Path) -> None:
    root, image = tmp_path / "sorted", Image.open(photos / "00.png")
    for label, row, ending in (("cat", 1, "png"), ("dog", 2, "bmp"), ("owl", 3, "ppm")):
        (root / label).mkdir(parents=True)
        Image.open(photos / f"{row:02d}.png").save(root / label / "own.png")
        image.save(root / label / f"missing.{ending}")
    space = tmp_path / "labels.yaml"
    space.write_text("- {name: animal, one_of: [cat, dog, owl]}\n")
    options = ["--labels", str(space), *TINY]
    done = latentlabels("inspect", root, *options, "--json")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert found["num_images"] == 4
    assert [one["labels"] for one in found["read_as"]["contradictions"]] == [["cat", "dog", "owl"]]
    assert any("2 images merged with an image of the same pixels" in remark for remark in found["remarks"])
    refused = latentlabels("fit", "--images", root, *options, "--out", tmp_path / "run")
    assert refused.code == 1 and "copies of one image" in refused.err and "exclude each other" in refused.err
    taken = latentlabels("inspect", root, *options, "--set", "data.contradictions=unknown", "--json")
    assert len(json.loads(taken.out)["read_as"]["contradictions"]) == 1
    done = latentlabels("fit", "--images", root, *options, "--set", "data.contradictions=unknown", "--out", tmp_path / "run")
    assert done.code == 0 and "1 contradiction between copies of one image count as unknown" in done.err
