"""Pascal VOC: XML files and the lists of the classification task."""

from __future__ import annotations

from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np
import pytest
from stated import IMAGES, NAMES, content, meaning, read, refused, said

from latentlabels.errors import DataError
from latentlabels.observed.formats import Labelled, find, recognise
from latentlabels.space import LabelSpace

VOC = find("voc")


def xml(filename: str | None, *objects: tuple[str, int | None], more: str = "") -> str:
    """As the files of the challenge are written."""
    name = "" if filename is None else f"\t<filename>{escape(filename)}</filename>\n"
    parts = [
        f"\t<object>\n\t\t<name>{escape(label)}</name>\n\t\t<pose>Frontal</pose>\n"
        + ("" if difficult is None else f"\t\t<difficult>{difficult}</difficult>\n")
        + "\t\t<bndbox><xmin>1</xmin><ymin>2</ymin><xmax>3</xmax><ymax>4</ymax></bndbox>\n"
        "\t\t<part>\n\t\t\t<name>head</name>\n\t\t</part>\n\t</object>\n"
        for label, difficult in objects
    ]
    return f"<annotation>\n\t<folder>VOC2012</folder>\n{name}{more}{''.join(parts)}</annotation>\n"


def save(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def files(root: Path) -> Path:
    save(root / "Annotations" / "2007_01.xml", xml("2007_01.jpg", ("person", 0), ("person", 1), ("dog", 1)))
    save(root / "Annotations" / "2007_02.xml", xml("2007_02.jpg"))
    save(root / "Annotations" / "2007_03.xml", xml("2007_03.jpg", ("cat", None), ("cat", 0)))
    return root


def lists(root: Path) -> Path:
    main = root / "ImageSets" / "Main"
    save(main / "dog_train.txt", "2008_01 -1\n2008_02  1\n")
    save(main / "dog_val.txt", "2008_03  0\n")
    save(main / "dog_trainval.txt", "2008_01 -1\n2008_02  1\n2008_03  0\n")
    save(main / "potted_plant_trainval.txt", "2008_01  1\n2008_02 -1\n2008_03 -1\n")
    save(main / "train.txt", "2008_01\n2008_02\n")
    save(main / "val.txt", "2008_03\n")
    save(main / "trainval.txt", "2008_01\n2008_02\n2008_03\n")
    return root


FILES = {"2007_01.jpg": {"person": 1, "dog": -1}, "2007_02.jpg": {}, "2007_03.jpg": {"cat": 1}}
LISTS = {
    "2008_01": {"dog": 0, "potted_plant": 1},
    "2008_02": {"dog": 1, "potted_plant": 0},
    "2008_03": {"dog": -1, "potted_plant": 0},
}


@pytest.mark.parametrize("given", ["VOCdevkit", "VOCdevkit/VOC2012", "VOCdevkit/VOC2012/Annotations"])
def test_xml_files(tmp_path: Path, given: str) -> None:
    files(tmp_path / "VOCdevkit" / "VOC2012")
    found = read(tmp_path / given, "voc")
    assert said(found) == FILES  # a part of an object is no label; objects that are difficult alone are unknown
    assert found.unlisted is None and found.extra == {}


def test_one_xml_file(tmp_path: Path) -> None:
    files(tmp_path)
    assert said(read(tmp_path / "Annotations" / "2007_03.xml", "voc")) == {"2007_03.jpg": {"cat": 1}}


@pytest.mark.parametrize("given", ["VOCdevkit", "VOCdevkit/VOC2012", "VOCdevkit/VOC2012/ImageSets/Main"])
def test_lists(tmp_path: Path, given: str) -> None:
    lists(tmp_path / "VOCdevkit" / "VOC2012")
    found = read(tmp_path / given, "voc")
    assert said(found) == LISTS and found.unlisted == "unknown"
    assert len(found.value) == 6  # trainval repeats train and val
    assert found.extra == {"split": ("train", "train", "val")}


def test_lists_before_files_and_that_is_said(tmp_path: Path) -> None:
    found = read(files(lists(tmp_path)), "voc")
    assert said(found) == LISTS and "Annotations" in dict(found.reading)["XML files"]


def test_contradicting_lists_are_kept_for_later(tmp_path: Path) -> None:
    save(lists(tmp_path) / "ImageSets" / "Main" / "dog_trainval.txt", "2008_01 1\n")
    found = read(tmp_path, "voc")
    dog = [v for i, k, v in zip(found.image, found.label, found.value.tolist(), strict=True) if (i, k) == (0, 0)]
    assert sorted(dog) == [0, 1]


def test_xml_beside_the_images_of_each_split(tmp_path: Path) -> None:
    """As Roboflow exports Pascal VOC."""
    for folder, name in (("train", "a_jpg.rf.1"), ("valid", "b_jpg.rf.2"), ("test", "c_jpg.rf.3")):
        save(tmp_path / folder / f"{name}.xml", xml(f"{name}.jpg", ("cat", 0)))
        save(tmp_path / folder / f"{name}.jpg", "")
    found = read(tmp_path, "voc")
    assert said(found) == {f"{one}.jpg": {"cat": 1} for one in ("test/c_jpg.rf.3", "train/a_jpg.rf.1", "valid/b_jpg.rf.2")}
    assert found.extra == {"split": ("test", "train", "val")}


def test_a_file_name_that_several_files_give_is_not_taken(tmp_path: Path) -> None:
    for name in ("a", "b"):
        save(tmp_path / f"{name}.xml", xml("image.jpg", ("cat", 0)))
    save(tmp_path / "c.xml", xml(None, ("dog", 0)))
    found = read(tmp_path, "voc")
    assert said(found) == {"a": {"cat": 1}, "b": {"cat": 1}, "c": {"dog": 1}}
    assert "3 images" in dict(found.reading)["image names of some"]


def test_names_that_mean_something_elsewhere(tmp_path: Path) -> None:
    for number, name in enumerate(IMAGES):
        image = name.rsplit("/", 1)[-1]
        save(tmp_path / f"{number}.xml", xml(image, *[(label, 0) for label in NAMES]))
    found = read(tmp_path, "voc")
    assert tuple(found.labels) == NAMES
    assert tuple(found.images) == tuple(name.rsplit("/", 1)[-1] for name in IMAGES)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (xml("a.jpg", ("cat", 0))[:150], "a.xml:8: not valid XML"),
        (xml("a.jpg", (" ", 0)), "object 1 has no <name>"),
        (xml("a.jpg", ("cat", 0), ("cat", 7)), 'object 2: <difficult> is "7"'),
        ("<annotations><image/></annotations>", "the root is <annotations>"),
        ("", "a.xml:1: not valid XML"),
        ('<!DOCTYPE x [<!ENTITY a "aaaa">]><annotation><filename>&b;</filename></annotation>', "not valid XML"),
    ],
)
def test_an_xml_file_that_is_wrong_is_named(tmp_path: Path, text: str, expected: str) -> None:
    save(tmp_path / "Annotations" / "a.xml", text)
    assert expected in refused(tmp_path, "voc")


@pytest.mark.parametrize("line", ["2008_01", "2008_01 2", "2008_01,1", "1"])
def test_a_line_that_is_wrong_is_named(tmp_path: Path, line: str) -> None:
    path = save(lists(tmp_path) / "ImageSets" / "Main" / "dog_val.txt", f"2008_03  0\n{line}\n")
    with pytest.raises(DataError) as caught:
        read(tmp_path)
    assert f"{path}:2: expected the name of an image and 1, -1 or 0" in str(caught.value)


def test_two_years_are_asked_for(tmp_path: Path) -> None:
    files(tmp_path / "VOC2007"), files(tmp_path / "VOC2012")
    assert "holds VOC2007, VOC2012; give one of them" in refused(tmp_path, "voc")


def test_a_folder_without_any(tmp_path: Path) -> None:
    assert not VOC.recognise(tmp_path, b"")
    assert "neither Annotations/*.xml nor ImageSets/Main/LABEL_SET.txt" in refused(tmp_path, "voc")
    assert "not found" in refused(tmp_path / "none", "voc")


def test_other_folders_and_files_are_not_taken_for_it(tmp_path: Path) -> None:
    save(tmp_path / "cats" / "1_a.txt", "a text about cats\n"), save(tmp_path / "x.xml", "<svg/>")
    assert not any(VOC.recognise(one, b"<svg/>") for one in (tmp_path, tmp_path / "cats", tmp_path / "x.xml"))
    assert recognise(files(tmp_path / "voc")).NAME == "voc"


@pytest.mark.parametrize("seed", range(3))
def test_known_labels_come_back(tmp_path: Path, seed: int) -> None:
    labels = tuple(name for name in NAMES if "/" not in name and len(name) < 200)
    one = content(np.random.default_rng(seed).integers(-1, 2, (8, len(labels))).tolist(), labels=labels)
    VOC.write(tmp_path / "out", one)
    found = read(tmp_path / "out", "voc")
    assert {name: {k: v for k, v in row.items() if v != -1} for name, row in said(found).items()} == meaning(one)


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (content(probabilities=[[0.5] * 3]), "no probabilities"),
        (content([[1]], labels=("a/b",)), "cannot be part of a file name"),
        (content([[1]], labels=("n" * 300,)), "cannot be part of a file name"),
        (content([[1, 1]], labels=("Cat", "cat")), "differ only in case"),
        (Labelled(("a\nb",), LabelSpace.free(["x"]), np.ones((1, 1), np.int8)), "line break"),
    ],
)
def test_what_lists_cannot_hold_is_refused(tmp_path: Path, one: Labelled, expected: str) -> None:
    with pytest.raises(DataError, match=expected):
        VOC.write(tmp_path / "out", one)
    assert not (tmp_path / "out").exists()


def test_a_folder_is_not_overwritten(tmp_path: Path) -> None:
    save(tmp_path / "out" / "mine.txt", "x")
    with pytest.raises(DataError, match="already"):
        VOC.write(tmp_path / "out", content([[1, 0, -1]]))
    assert [one.name for one in (tmp_path / "out").iterdir()] == ["mine.txt"]
