"""What columns are: asked where a column can be two things, with choices that work; ordinary tables are not asked about."""

from __future__ import annotations

from pathlib import Path

import pytest
from asking import asked, readings

from latentlabels.errors import AmbiguousError, DataWarning, ObservationError
from latentlabels.observed import Observed
from latentlabels.space import LabelSpace, OneOf


def table(tmp_path: Path, *lines: str) -> Path:
    path = tmp_path / "t.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("heading", ["image", "file_name", "filename", "path", "ImageID", "IMAGE", "Img"])
def test_the_column_of_images(tmp_path: Path, heading: str) -> None:
    read = Observed.from_table(table(tmp_path, f"cat,{heading},dog", "1,a.png,0", "0,b.png,1"))
    assert read.images == ("a.png", "b.png") and read.space.labels == ("cat", "dog")


def test_a_column_of_another_name_is_proposed(tmp_path: Path) -> None:
    path = table(tmp_path, "Bilddatei,cat,dog", "a.png,1,0", "b.png,0,1")
    found = list(readings(path))
    assert [stated for stated, _ in found] == [{"image_column": "Bilddatei"}]
    assert found[0][1].images == ("a.png", "b.png")


def test_two_columns_that_could_name_the_images(tmp_path: Path) -> None:
    path = table(tmp_path, "id_,image_id,file_name,cat", "u,7,a.png,1", "v,8,b.png,0")
    question = asked(path)
    assert question is not None
    assert [choice.settings for choice in question.choices] == [{"image_column": "image_id"}, {"image_column": "file_name"}]
    assert {read.images for _, read in readings(path, ignore=["id_"]) if read.space.num_labels == 1} == {
        ("7", "8"),
        ("a.png", "b.png"),
    }


@pytest.mark.parametrize("label", ["image", "path"])
def test_a_label_may_be_called_as_a_column_of_images_is(tmp_path: Path, label: str) -> None:
    read = Observed.from_table(table(tmp_path, f"file_name,{label},text", "a.png,1,0", "b.png,0,1"))
    assert read.images == ("a.png", "b.png") and read.space.labels == (label, "text")
    for ending in ("csv", "parquet", "jsonl"):
        again = Observed.from_table(read.write(tmp_path / f"again.{ending}"))
        assert again.images == read.images and again.values.tolist() == read.values.tolist()


@pytest.mark.parametrize("number", [2, 12])
@pytest.mark.parametrize("heading, cells", [("is_valid", "01"), ("fold", "01234"), ("site", "AB"), ("annotator", "xy")])
def test_columns_that_are_no_labels_are_asked_about(tmp_path: Path, number: int, heading: str, cells: str) -> None:
    labels = [f"label {k}" for k in range(number)]
    rows = [
        f"{row}.png,{','.join(str((row + k) % 3 % 2) for k in range(number))},{cells[row % len(cells)]}" for row in range(30)
    ]
    path = table(tmp_path, ",".join(["image", *labels, heading]), *rows)
    found = list(readings(path))
    assert {"ignore": [heading]} in [stated for stated, _ in found]
    for stated, read in found:
        assert list(read.space.labels) == ([*labels, heading] if "label_columns" in stated else labels)
        assert (heading in read.extra) == ("split" in stated or "together" in stated)
    with pytest.warns(DataWarning, match="Left out for now"):
        assert list(Observed.from_table(path).space.labels) == labels


def test_a_split_beside_names_of_labels(tmp_path: Path) -> None:
    path = table(tmp_path, "image,label,split,annotator", "a,cat,train,me", "b,dog,val,me")
    found = [(stated, read) for stated, read in readings(path, unlisted="unknown")]
    assert [sorted({*stated} - {"unlisted"}) for stated, _ in found] == [["split"], ["ignore"]]
    assert found[0][1].extra == {"split": ("train", "val")}
    assert all(read.space.labels == ("cat", "dog") for _, read in found)


def test_a_column_for_each_group(tmp_path: Path) -> None:
    path = table(tmp_path, "image,colour,vehicle", "a,red,car", "b,blue,none", "c,,bike", "d,red,")
    read = next(read for stated, read in readings(path) if stated.get("label_columns") == ["colour", "vehicle"])
    assert read.space == LabelSpace([OneOf("colour", ["red", "blue"]), OneOf("vehicle", ["car", "bike"], optional=True)])
    assert read.values.tolist() == [[1, -1, 1, -1], [-1, 1, 0, 0], [-1, -1, -1, 1], [1, -1, -1, -1]]
    again = Observed.from_table(path, read.space)
    assert again.values.tolist() == read.values.tolist()


def test_one_name_in_two_groups_is_two_labels(tmp_path: Path) -> None:
    path = table(tmp_path, "image,top,bottom", "a,red,blue", "b,blue,red", "c,green,none")
    read = Observed.from_table(path, label_columns=["top", "bottom"])
    assert read.space.labels == ("top: red", "top: blue", "green", "bottom: blue", "bottom: red")
    assert read.values.tolist() == [[1, -1, -1, 1, -1], [-1, 1, -1, -1, 1], [-1, -1, 1, 0, 0]]
    assert Observed.from_table(path, read.space).values.tolist() == read.values.tolist()


def test_one_column_of_words_holds_names_of_labels(tmp_path: Path) -> None:
    path = table(tmp_path, "image,species", "a,cat", "a,dog", "b,dog")
    with pytest.warns(DataWarning, match="Read for now as: names of labels"):
        read = Observed.from_table(path, unlisted="unknown")
    assert read.values.tolist() == [[1, 1], [-1, 1]]  # an image may have both
    assert {tuple(sorted(stated)) for stated, _ in readings(path)} == {("label_columns", "unlisted")}


def test_values_in_a_column_called_label(tmp_path: Path) -> None:
    path = table(tmp_path, "image,label", "a,1", "b,0")
    found = [read.space.labels for _, read in readings(path)]
    assert found == [("label",), ("1", "0"), ("1", "0")]


def test_numbers_that_are_no_labels(tmp_path: Path) -> None:
    path = table(tmp_path, "image,cat,dog", *(f"{row},0.{row},0.5" for row in range(10, 20)))
    with pytest.raises(AmbiguousError, match=r':2, column "cat": expected 1 .* not "0.10", and 9 other values'):
        Observed.from_table(path)


def test_star_stands_for_the_columns_that_look_like_labels(tmp_path: Path) -> None:
    path = table(tmp_path, "image,a,b,is_valid,site", "x,1,0,1,A", "y,0,1,0,B")
    read = Observed.from_table(path, label_columns=["*", "is_valid"])
    assert read.space.labels == ("a", "b", "is_valid")


def test_names_that_are_not_there(tmp_path: Path) -> None:
    path = table(tmp_path, "image,cat,dog", "x,1,0", "y,0,1")
    for name, value in (("image_column", "imgae"), ("label_columns", ["cta"])):
        with pytest.raises(ObservationError, match=f"which {name} names; did you mean"):
            Observed.from_table(path, **{name: value})
