"""`latentlabels convert`: labels and probabilities between formats; nothing is overwritten, guessed or half-written."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from command import Done, image_folder, latentlabels
from stated import IMAGES, NAMES, Said, read, said

from latentlabels.observed.formats import NAMES as FORMATS
from latentlabels.observed.formats import find

COCO: dict[str, Any] = {
    "images": [{"id": n, "file_name": f"{n}.jpg"} for n in range(3)],
    "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
    "annotations": [
        {"id": 1, "image_id": 0, "category_id": 1, "bbox": [0, 0, 1, 1]},
        {"id": 2, "image_id": 1, "category_id": 2, "bbox": [0, 0, 1, 1]},
        {"id": 3, "image_id": 1, "category_id": 1, "bbox": [0, 0, 1, 1]},
    ],
}


@pytest.fixture
def coco(tmp_path: Path) -> Path:
    path = tmp_path / "instances.json"
    path.write_text(json.dumps(COCO))
    return path


@pytest.fixture
def known(tmp_path: Path) -> Path:
    """A table of present, absent and unknown labels."""
    path = tmp_path / "known.csv"
    path.write_text("image,cat,dog\na.jpg,1,0\nb.jpg,,1\nc.jpg,0,\n")
    return path


@pytest.fixture
def predicted(tmp_path: Path) -> Path:
    """A table as `predict` writes it; one image could not be read."""
    path = tmp_path / "probabilities.csv"
    path.write_text("image,red,blue,striped\na.jpg,0.25,0.75,0.125\nb.jpg,,,\ndir/c.jpg,0.875,0.125,0.5\n")
    return path


def nfc(text: str) -> str:
    """Names are compared in one Unicode form."""
    return unicodedata.normalize("NFC", text)


def convert(*args: object, code: int = 0) -> Done:
    done = latentlabels("convert", *args)
    assert done.code == code, done.err
    return done


KNOWN: Said = {"a.jpg": {"cat": 1, "dog": 0}, "b.jpg": {"dog": 1}, "c.jpg": {"cat": 0}}


@pytest.mark.parametrize(
    ("unlisted", "values"), [("absent", [[1, 0], [1, 1], [0, 0]]), ("unknown", [[1, np.nan], [1, 1], [np.nan, np.nan]])]
)
def test_coco_to_a_table(coco: Path, tmp_path: Path, unlisted: str, values: list[list[float]]) -> None:
    out = tmp_path / "known.csv"
    done = convert(coco, out, "--unlisted", unlisted)
    frame = pd.read_csv(out, index_col="image")
    assert list(frame.columns) == ["cat", "dog"] and list(frame.index) == ["0.jpg", "1.jpg", "2.jpg"]
    np.testing.assert_array_equal(frame.to_numpy(), values)
    assert "present labels" in done.out and f"unlisted labels  {unlisted} (stated)" in " ".join(done.out.split(" ")).replace(
        "   ", "  "
    )


def test_what_unlisted_labels_mean_is_asked(coco: Path, tmp_path: Path) -> None:
    done = convert(coco, tmp_path / "known.csv", code=2)
    assert "--unlisted absent" in done.err and "--unlisted unknown" in done.err
    assert done.err.index("--unlisted absent") < done.err.index("--unlisted unknown")  # what is usual comes first
    assert not (tmp_path / "known.csv").exists()


@pytest.mark.parametrize(("name", "file"), [("coco", "x.json"), ("open-images", "x.csv"), ("voc", "x")])
def test_there_and_back(known: Path, tmp_path: Path, name: str, file: str) -> None:
    convert(known, tmp_path / file, "--to", name)
    assert {k: {a: v for a, v in row.items() if v != -1} for k, row in said(read(tmp_path / file, name)).items()} == KNOWN
    convert(tmp_path / file, tmp_path / "back.csv", "--from", name)
    frame = pd.read_csv(tmp_path / "back.csv", index_col="image")[["cat", "dog"]]
    np.testing.assert_array_equal(frame.loc[["a.jpg", "b.jpg", "c.jpg"]].to_numpy(), [[1, 0], [np.nan, 1], [0, np.nan]])


def test_every_format_that_holds_known_labels_keeps_their_names(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).integers(0, 2, (len(IMAGES), len(NAMES)))
    frame = pd.DataFrame(rows, columns=list(NAMES))
    frame.insert(0, "image", IMAGES)
    frame.to_parquet(tmp_path / "in.parquet")
    for name in FORMATS:
        if "known" not in find(name).WRITES or name in ("voc", "celeba"):  # which refuse names that they cannot hold
            continue
        out = tmp_path / f"{name}.csv"
        convert(tmp_path / "in.parquet", out, "--to", name, "--absent", 0)
        convert(out, tmp_path / f"{name}.parquet", "--from", name, "--absent", 0, "--image-column", "image")
        again = pd.read_parquet(tmp_path / f"{name}.parquet").set_index("image")
        assert [nfc(one) for one in again.index] == [*map(nfc, IMAGES)]
        assert [nfc(one) for one in again.columns] == [*map(nfc, NAMES)]
        np.testing.assert_array_equal(again.to_numpy(float), rows)


def test_a_folder_of_labels(tmp_path: Path) -> None:
    image_folder(tmp_path / "photos", cat=2, dog=1)
    convert(tmp_path / "photos", tmp_path / "known.json", "--to", "coco")
    assert sorted(said(read(tmp_path / "known.json", "coco")).items()) == [
        ("cat/0.png", {"cat": 1}), ("cat/1.png", {"cat": 1}), ("dog/0.png", {"dog": 1}),
    ]  # fmt: skip


def test_the_document(coco: Path, tmp_path: Path) -> None:
    out = tmp_path / "known.parquet"
    document = convert(coco, out, "--unlisted", "absent", "--json").document
    assert document["num_images"] == 3 and document["labels"] == ["cat", "dog"]
    assert document["known"] == {"present": 3, "absent": 3, "unknown": 0}
    assert (document["input_format"], document["format"]) == ("coco", "table")
    assert document["input"] == str(coco) and document["output"] == str(out) and "present labels" in document["reading"]


# --- probabilities --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["csv", "tsv", "parquet", "jsonl"])
def test_predictions_for_label_studio(predicted: Path, tmp_path: Path, ending: str) -> None:
    table = tmp_path / f"p.{ending}"
    frame = pd.read_csv(predicted)
    if ending == "parquet":
        frame.to_parquet(table, index=False)
    elif ending == "jsonl":
        frame.to_json(table, orient="records", lines=True)
    else:
        frame.to_csv(table, index=False, sep="\t" if ending == "tsv" else ",")
    (tmp_path / "labels.yaml").write_text("- striped\n- {name: colour, one_of: [red, blue]}\n")
    done = convert(table, tmp_path / "tasks.json", "--to", "label-studio", "--labels", tmp_path / "labels.yaml")
    assert "1 image without probabilities, left out" in done.err
    tasks = json.loads((tmp_path / "tasks.json").read_text())
    assert [one["data"]["image"] for one in tasks] == ["a.jpg", "dir/c.jpg"]
    assert tasks[0]["data"]["probabilities"] == {"striped": 0.125, "red": 0.25, "blue": 0.75}
    assert tasks[0]["predictions"][0]["result"][0]["value"] == {"choices": ["blue"]}


def test_predictions_for_every_format_that_holds_them(predicted: Path, tmp_path: Path) -> None:
    for name in FORMATS:
        if "probabilities" not in find(name).WRITES:
            done = convert(predicted, tmp_path / f"{name}.csv", "--to", name, code=2)
            assert "fiftyone" in done.err and not (tmp_path / f"{name}.csv").exists()
        else:
            document = convert(predicted, tmp_path / f"{name}.csv", "--to", name, "--json").document
            assert document["probabilities"] == 6 and "0.875" in (tmp_path / f"{name}.csv").read_text()


def test_probabilities_are_no_known_labels_and_the_other_way_round(known: Path, predicted: Path, tmp_path: Path) -> None:
    done = convert(known, tmp_path / "x.json", "--to", "label-studio", code=2)
    assert "IN holds known labels" in done.err and "coco" in done.err
    done = convert(predicted, tmp_path / "x", "--to", "voc", code=2)
    assert "IN holds probabilities" in done.err
    assert not (tmp_path / "x").exists() and not (tmp_path / "x.json").exists()


def test_a_table_of_probabilities_of_other_labels(predicted: Path, tmp_path: Path) -> None:
    (tmp_path / "labels.yaml").write_text("[red, blue, striped, dotted]")
    done = convert(predicted, tmp_path / "x.json", "--to", "coco", "--labels", tmp_path / "labels.yaml", code=1)
    assert "no column dotted" in done.err
    (tmp_path / "labels.yaml").write_text("[red, blue, stripes]")
    done = convert(predicted, tmp_path / "x.json", "--to", "coco", "--labels", tmp_path / "labels.yaml", code=1)
    assert 'no label striped; did you mean "stripes"?' in done.err
    predicted.write_text("image,red\na.jpg,0.5\na.jpg,0.25\n")
    assert "a.jpg is there twice" in convert(predicted, tmp_path / "x.json", "--to", "coco", code=1).err


# --- wrong use ------------------------------------------------------------------------------------------------


def test_nothing_is_overwritten_unless_asked(known: Path, tmp_path: Path) -> None:
    out = tmp_path / "x.json"
    out.write_text("mine")
    done = convert(known, out, "--to", "coco", code=2)
    assert "is there already" in done.err and "--overwrite" in done.err and out.read_text() == "mine"
    convert(known, out, "--to", "coco", "--overwrite")
    assert said(read(out, "coco")) == KNOWN


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (("x.json",), "its ending does not say the format; give --to FORMAT"),
        (("x.json", "--to", "coc"), 'unknown format "coc"; did you mean "coco"?'),
        (("x.json", "--to", "table"), 'unknown file ending ".json"'),
        (("x.json", "--to", "cvat"), "is read, but not written"),
        (("no/x.csv",), "create it first"),
        (("x.csv", "--contradictions", "ignore"), "contradictions"),
    ],
)
def test_wrong_use(known: Path, tmp_path: Path, args: tuple[str, ...], expected: str) -> None:
    done = latentlabels("convert", known, tmp_path / args[0], *args[1:])
    assert done.code in (1, 2) and expected in done.err
    assert sorted(one.name for one in tmp_path.iterdir()) == ["known.csv"]


def test_what_is_not_there(tmp_path: Path) -> None:
    assert "no such file or folder" in convert(tmp_path / "no.json", tmp_path / "x.csv", code=2).err
    (tmp_path / "empty").mkdir()
    assert "empty" in convert(tmp_path / "empty", tmp_path / "x.csv", code=1).err


def test_a_writer_that_fails_leaves_nothing(known: Path, tmp_path: Path) -> None:
    done = convert(known, tmp_path / "x.txt", "--to", "celeba", code=1)
    assert "no value for unknown labels" in done.err
    assert sorted(one.name for one in tmp_path.iterdir()) == ["known.csv"]


def test_images_that_are_there(coco: Path, tmp_path: Path) -> None:
    image_folder(tmp_path, pictures=1)
    (tmp_path / "pictures" / "0.png").rename(tmp_path / "pictures" / "1.jpg")
    out = tmp_path / "x.csv"
    done = convert(coco, out, "--unlisted", "absent", "--images", tmp_path / "pictures")
    assert "2 of its 3 images are not in" in done.err
    assert list(pd.read_csv(out)["image"]) == ["1.jpg"]
