"""WebDataset: labels in tar shards."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import pytest
from packed_files import png, write_tar
from stated import NAMES, read, refused, said

from latentlabels.errors import AmbiguousError, DataError
from latentlabels.observed.formats import recognise, webdataset
from latentlabels.observed.formats.registry import Labelled
from latentlabels.observed.options import ReadOptions
from latentlabels.space import LabelSpace

CLASSES = ("cat", "dog", "bus")


def shards(tmp_path: Path) -> Path:
    for number in range(2):
        files: dict[str, bytes | str] = {}
        for row in range(3):
            files |= {f"{number}{row}.png": png(row), f"{number}{row}.cls": f"{(row + number) % 3}\n"}
        write_tar(tmp_path / f"s-{number}.tar", files)
    return tmp_path / "s-{0..1}.tar"


def test_class_numbers_get_the_names_that_are_stated(tmp_path: Path):
    found = read(shards(tmp_path), "webdataset", classes=CLASSES)
    expected = {"00": "cat", "01": "dog", "02": "bus", "10": "dog", "11": "bus", "12": "cat"}
    assert said(found) == {f"{key}.png": {label: 1} for key, label in expected.items()}
    assert found.labels == list(CLASSES) and found.unlisted is None
    assert ("names of classes", "data.classes") in found.reading and ("labels", "in .cls") in found.reading
    assert found.at(int(found.where[4])) == f"{tmp_path / 's-1.tar'}, sample 11"  # type: ignore[index]


def test_a_class_that_no_sample_has_is_a_label_all_the_same(tmp_path: Path):
    assert read(shards(tmp_path), classes=(*CLASSES, "car")).labels == [*CLASSES, "car"]


def test_class_numbers_without_names_are_asked_about(tmp_path: Path):
    message = refused(shards(tmp_path), "webdataset")
    assert '"cls" holds class numbers (0, 1, 2)' in message and 'classes="NAME,NAME,..."' in message


def test_a_dataset_card_beside_the_shards_names_the_classes(tmp_path: Path):
    path = shards(tmp_path)
    card = "dataset_info:\n  features:\n  - name: cls\n    dtype:\n      class_label:\n        names:\n"
    names = "".join(f"          '{number}': {name}\n" for number, name in enumerate(("no", "1", "bus")))
    (tmp_path / "README.md").write_text(f"---\n{card}{names}---\n# Data\n")
    assert read(path).labels == ["no", "1", "bus"]


def test_a_class_number_without_a_class_is_named_with_its_sample(tmp_path: Path):
    with pytest.raises(ValueError, match=r"s-0\.tar, sample 02.*class 2, but there are 2 classes \(0 to 1"):
        webdataset.read(shards(tmp_path), ReadOptions(classes=("cat", "dog")))


@pytest.mark.parametrize(
    "value, labels",
    [
        ({"label": "cat"}, {"cat"}),
        ({"tags": ["cat", "a,b"], "width": 3}, {"cat", "a,b"}),
        ({"labels": [0, 2]}, {"cat", "bus"}),
        ({"objects": {"bbox": [[1, 2, 3, 4]] * 2, "categories": [1, 1]}}, {"dog"}),
        ({"objects": [{"category": "dog"}, {"category": "bus"}]}, {"dog", "bus"}),
        (["cat", "bus"], {"cat", "bus"}),
        ("cat", {"cat"}),
        (1, {"dog"}),
    ],
)
def test_labels_in_json(value: object, labels: set[str], tmp_path: Path):
    path = write_tar(tmp_path / "x.tar", {"a.png": png(), "a.json": json.dumps(value), "b.png": png(1)})
    found = said(read(path, classes=CLASSES))
    assert found == {"a.png": dict.fromkeys(labels, 1), "b.png": {}}


def test_keys_of_json_that_hold_no_known_labels_are_asked_about(tmp_path: Path):
    path = write_tar(tmp_path / "x.tar", {"a.png": png(), "a.json": json.dumps({"colour": "red", "caption": "x"})})
    with pytest.raises(AmbiguousError, match='label_columns="colour"'):
        webdataset.read(path, ReadOptions())
    assert said(read(path, label_columns=("colour",))) == {"a.png": {"red": 1}}
    with pytest.raises(ValueError, match='no .json has a key "colours"'):
        webdataset.read(path, ReadOptions(label_columns=("colours",)))


def test_texts_may_be_captions_and_are_asked_about(tmp_path: Path):
    path = write_tar(tmp_path / "x.tar", {"a.png": png(), "a.txt": "cat\ndog\n", "b.png": png(1), "b.txt": "dog"})
    with pytest.raises(AmbiguousError, match="labels or captions"):
        webdataset.read(path, ReadOptions(ambiguous="refuse"))
    expected = {"a.png": {"cat": 1, "dog": 1}, "b.png": {"dog": 1}}
    assert said(read(path, label_columns=("txt",))) == expected
    assert said(read(path)) == expected


def test_several_labels_in_a_line_by_a_separator(tmp_path: Path):
    path = write_tar(tmp_path / "x.tar", {"a.png": png(), "a.txt": "cat;dog", "b.png": png(1), "b.txt": ""})
    assert said(read(path, label_columns=("txt",), separator=";")) == {"a.png": {"cat": 1, "dog": 1}, "b.png": {}}


def test_a_split_in_json_goes_along(tmp_path: Path):
    files = {}
    for row, part in enumerate(("train", "test", "train")):
        files |= {f"{row}.png": png(row), f"{row}.json": json.dumps({"label": "cat", "split": part})}
    found = read(write_tar(tmp_path / "x.tar", files), split="split")
    assert list(found.extra["split"]) == ["train", "test", "train"]


def test_samples_without_an_image_are_left_out_and_counted(tmp_path: Path):
    path = write_tar(tmp_path / "x.tar", {"a.png": png(), "a.cls": "0", "b.cls": "1", "c.cls": "0"})
    found = read(path, classes=CLASSES)
    assert said(found) == {"a.png": {"cat": 1}}
    assert list(found.left_out) == ["2 samples without an image left out"]


def test_names_that_mean_something_elsewhere(tmp_path: Path):
    files: dict[str, bytes | str] = {}
    for row, name in enumerate(NAMES):
        files |= {f"{row}.png": png(row), f"{row}.json": json.dumps({"label": [name]})}
    found = said(read(write_tar(tmp_path / "x.tar", files)))
    assert [*found.values()] == [{unicodedata.normalize("NFC", name): 1} for name in NAMES]


@pytest.mark.parametrize(
    "files, message",
    [
        ({"a.png": b"x"}, "its samples have no labels"),
        ({"a.cls": "1"}, "no sample has an image"),
        ({"a.png": b"x", "a.json": '{"label": '}, "a.json: not valid JSON"),
        ({"a.png": b"x", "a.cls": b"\xff\xfe1"}, "a.cls: not UTF-8 text"),
        ({}, "holds no samples"),
    ],
)
def test_bad_shards_are_refused_in_one_message(files: dict[str, bytes | str], message: str, tmp_path: Path):
    assert message in refused(write_tar(tmp_path / "x.tar", files), "webdataset", classes=CLASSES)


def test_tars_are_recognised_by_their_header(tmp_path: Path):
    path = shards(tmp_path)
    (tmp_path / "s-0.tar").rename(tmp_path / "renamed")
    assert recognise(tmp_path / "renamed").NAME == "webdataset"
    with pytest.raises(DataError, match=r"1 of 2 shards not found: s-0\.tar"):
        recognise(path)


def test_it_is_not_written(tmp_path: Path):
    with pytest.raises(DataError, match="write a table"):
        webdataset.write(tmp_path / "x.tar", Labelled((), LabelSpace.free(["a"])))
    assert not (tmp_path / "x.tar").exists() and not webdataset.WRITES
