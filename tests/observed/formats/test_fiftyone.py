"""FiftyOne's labels.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stated import IMAGES, NAMES, content, cut_off, read, refused, said

from latentlabels.errors import DataError
from latentlabels.observed.formats import Labelled, find
from latentlabels.space import LabelSpace

FIFTYONE = find("fiftyone")
BOX = {"label": 1, "bounding_box": [0.1, 0.2, 0.3, 0.4]}


def save(path: Path, what: Any, **how: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(what, ensure_ascii=False, **how), encoding="utf-8")
    return path


@pytest.mark.parametrize("indent", [None, 4])
@pytest.mark.parametrize(
    ("value", "labels"),
    [
        (0, {"cat": 1}),
        ([0, 2], {"cat": 1, "bus": 1}),
        ({"label": 1, "attributes": {"colour": "red"}}, {"dog": 1}),
        ([{"label": 1, "confidence": 1.0}, {"label": 0}], {"dog": 1, "cat": 1}),
        ([BOX, BOX, {**BOX, "label": 2}], {"dog": 1, "bus": 1}),
        (None, {}),
        ([], {}),
    ],
)
def test_with_classes(tmp_path: Path, indent: int | None, value: Any, labels: dict[str, int]) -> None:
    what = {"classes": ["cat", "dog", "bus"], "labels": {"a": value, "dir/b": 2}}
    path = save(tmp_path / "labels.json", what, indent=indent)
    for given in (path, tmp_path):
        found = read(given, "fiftyone")
        assert said(found) == {"a": labels, "dir/b": {"bus": 1}}
        assert tuple(found.labels) == ("cat", "dog", "bus") and found.unlisted is None


def test_without_classes_labels_are_texts(tmp_path: Path) -> None:
    for start in ({"classes": None}, {}):
        path = save(tmp_path / "labels.json", {**start, "labels": {"a": "cat", "b": ["dog", "cat"], "c": None}})
        assert said(read(path, "fiftyone")) == {"a": {"cat": 1}, "b": {"dog": 1, "cat": 1}, "c": {}}


def test_many_classes_are_recognised_too(tmp_path: Path) -> None:
    classes = [f"class number {number}" for number in range(1000)]
    found = read(save(tmp_path / "x.json", {"classes": classes, "labels": {"a": 999}}), "fiftyone")
    assert said(found) == {"a": {"class number 999": 1}}


def test_names_that_mean_something_elsewhere(tmp_path: Path) -> None:
    what = {"classes": list(NAMES), "labels": {name: list(range(len(NAMES))) for name in IMAGES}}
    found = read(save(tmp_path / "x.json", what), "fiftyone")
    assert tuple(found.images) == IMAGES and tuple(found.labels) == NAMES


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        ({"classes": ["cat"], "labels": {"a": 1}}, 'labels: "a": expected a number from 0 to 0, not 1'),
        ({"classes": ["cat"], "labels": {"a": [True]}}, 'labels: "a": expected a number from 0 to 0, not true'),
        ({"classes": ["cat"], "labels": {"a": "dog"}}, 'not "dog"'),
        ({"labels": {"a": 1}}, 'labels: "a": expected the name of a label, not 1'),
        ({"labels": {"a": {"confidence": 1}}}, 'labels: "a": expected the name of a label'),
        ({"labels": {"a": [{"label": "cat", "confidence": 0.75}]}}, "predictions are not known labels"),
        ({"classes": ["cat", "cat"], "labels": {}}, "cat occurs more than once"),
        ({"classes": ["cat", 3], "labels": {}}, "classes, entry 2: expected the name of a label, not 3"),
        ({"classes": {}, "labels": {}}, "classes: expected a list"),
        ({"classes": ["cat"]}, 'no "labels"'),
        ({"classes": ["cat"], "labels": [1]}, '"labels": expected an object'),
        ({"classes": ["cat"], "labels": {"a/b": 0, "a\\b": 0}}, "there twice"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, what: Any, expected: str) -> None:
    assert expected in refused(save(tmp_path / "x.json", what), "fiftyone")


def test_an_image_that_is_there_twice(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text('{"classes": ["cat"], "labels": {"a": 0, "a": null}}')
    assert '"a" occurs twice' in refused(path, "fiftyone")


def test_a_file_that_is_cut_off(tmp_path: Path) -> None:
    path = cut_off(lambda p: save(p, {"classes": ["cat"], "labels": {"a": 0, "b": 0}}), tmp_path / "x.json", 0.8)
    assert "not valid JSON" in refused(path, "fiftyone")


@pytest.mark.parametrize(
    "head", [b'{"labels": [{"name": "cat"}]}', b'{"classes": ["a"], "images": []}', b"{}", b"[]", b"classes,labels\n"]
)
def test_other_files_are_not_taken_for_it(tmp_path: Path, head: bytes) -> None:
    assert not FIFTYONE.recognise(tmp_path / "labels.json", head) and not FIFTYONE.recognise(tmp_path, b"")


def test_probabilities_are_confidences(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).random((len(IMAGES), len(NAMES)), dtype=np.float32)
    FIFTYONE.write(tmp_path / "x.json", Labelled(IMAGES, LabelSpace.free(NAMES), None, rows))
    document = json.loads((tmp_path / "x.json").read_text(encoding="utf-8"))
    assert document["classes"] == list(NAMES)
    assert list(document["labels"])[:3] == ["=cmd", "a b", "dir/\u00fc,1"]
    found = np.asarray([[one["confidence"] for one in many] for many in document["labels"].values()])
    assert np.abs(found - rows).max() < 1e-5
    assert all([one["label"] for one in many] == list(range(len(NAMES))) for many in document["labels"].values())
    assert "predictions are not known labels" in refused(tmp_path / "x.json", "fiftyone")


def test_what_predictions_mean_can_be_stated(tmp_path: Path) -> None:
    what = {
        "classes": ["cat", "dog"],
        "labels": {"a": {"label": 0, "confidence": 0.75}, "b": [1, {"label": 0, "confidence": 0.5}]},
    }
    path = save(tmp_path / "x.json", what)
    assert said(read(path, unknown=("predictions",))) == {"a": {}, "b": {"dog": 1}}
    assert said(read(path, present=("predictions",))) == {"a": {"cat": 1}, "b": {"dog": 1, "cat": 1}}


def test_what_it_cannot_hold_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="with probabilities"):
        FIFTYONE.write(tmp_path / "x.json", content([[1, 0, -1]]))
    twins = Labelled(("a.jpg", "a.png"), LabelSpace.free(["cat"]), None, np.zeros((2, 1), np.float32))
    with pytest.raises(DataError, match="without the ending of the file, and a is"):
        FIFTYONE.write(tmp_path / "x.json", twins)
    assert not (tmp_path / "x.json").exists()
