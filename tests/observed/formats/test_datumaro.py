"""Datumaro's JSON, of one subset or of all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from stated import IMAGES, NAMES, content, cut_off, read, refused, said

from latentlabels.errors import DataError
from latentlabels.observed.formats import find
from latentlabels.space import Free, LabelSpace, OneOf


def document(items: list[dict[str, Any]], labels: tuple[str, ...] = ("cat", "dog"), **more: Any) -> dict[str, Any]:
    """As version 1.13 of the library writes it."""
    described = {
        "labels": [{"name": name, "parent": "", "attributes": []} for name in labels],
        "label_groups": [],
        "attributes": [],
    }
    return {"dm_format_version": "1.0", "media_type": 2, "infos": {}, "categories": {"label": described | more}, "items": items}


def item(name: str, *annotations: dict[str, Any], path: str | None = None) -> dict[str, Any]:
    path = f"{name}.jpg" if path is None else path
    return {"id": name, "annotations": [*annotations], "image": {"path": path, "size": [4, 5]}}


def label(number: int | None, kind: str = "label", **attributes: Any) -> dict[str, Any]:
    shape = {"z_order": 0, "bbox": [0.0, 0.0, 1.0, 2.0]} if kind == "bbox" else {}
    return {"id": 0, "type": kind, "attributes": attributes, "group": 0, "label_id": number, **shape}


ITEMS = [item("a", label(0), label(1)), item("dir/b", label(1, "bbox"), label(1, "bbox"), label(None, "bbox")), item("c")]
SAID = {"a.jpg": {"cat": 1, "dog": 1}, "dir/b.jpg": {"dog": 1}, "c.jpg": {}}


def save(path: Path, what: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(what, ensure_ascii=False), encoding="utf-8")
    return path


def test_one_file(tmp_path: Path) -> None:
    found = read(save(tmp_path / "train.json", document(ITEMS)), "datumaro")
    assert said(found) == SAID and found.unlisted is None and found.space is None and found.extra == {}
    assert found.where is not None and found.where.tolist() == [1, 1, 2] and found.unit == "item"
    assert dict(found.reading)["annotations without a label"].startswith("1,")


def test_as_cvat_writes_it(tmp_path: Path) -> None:
    one = document(ITEMS)
    del one["dm_format_version"], one["media_type"], one["categories"]["label"]["label_groups"]
    one = {"info": {}, "categories": {**one["categories"], "points": {"items": []}}, "items": one["items"]}
    assert said(read(save(tmp_path / "default.json", one), "datumaro")) == SAID


@pytest.mark.parametrize("given", [".", "annotations"])
def test_all_subsets_of_a_folder(tmp_path: Path, given: str) -> None:
    save(tmp_path / "annotations" / "train.json", document(ITEMS[:2]))
    save(tmp_path / "annotations" / "val.json", document([item("c", label(0)), item("a", label(1))], ("dog", "bus")))
    found = read(tmp_path / given, "datumaro")
    assert said(found) == {
        "train/a.jpg": {"cat": 1, "dog": 1},  # of that name there are two
        "dir/b.jpg": {"dog": 1},
        "c.jpg": {"dog": 1},
        "val/a.jpg": {"bus": 1},
    }
    assert tuple(found.labels) == ("cat", "dog", "bus") and found.extra == {"split": ("train", "train", "val", "val")}


def test_without_a_path_the_id_is_the_name(tmp_path: Path) -> None:
    one = [item("a", label(0), path=""), {"id": "b", "annotations": []}]
    assert said(read(save(tmp_path / "x.json", document(one)), "datumaro")) == {"a": {"cat": 1}, "b": {}}


def test_exclusive_groups_and_parents(tmp_path: Path) -> None:
    one = document([], ("red", "blue", "car", "2-doors", "4-doors", "loose"))
    for entry, parent in zip(one["categories"]["label"]["labels"], ("", "", "", "car", "car", ""), strict=True):
        entry["parent"] = parent
    one["categories"]["label"]["label_groups"] = [
        {"name": "colour", "group_type": "exclusive", "labels": ["red", "blue"]},
        {"name": "doors", "group_type": "exclusive", "labels": ["2-doors", "4-doors"]},
        {"name": "other", "group_type": "exclusive", "labels": ["loose"]},
        {"name": "any", "group_type": "restricted", "labels": ["car", "loose"]},
    ]
    found = read(save(tmp_path / "x.json", one), "datumaro")
    assert (
        found.space is not None
        and found.space.groups
        == LabelSpace(
            [
                OneOf("colour", ["red", "blue"], True),
                OneOf("doors", ["2-doors", "4-doors"], True, "car"),
                Free("car"),
                Free("loose"),
            ]
        ).groups
    )
    one["categories"]["label"]["label_groups"][1]["labels"] = ["red", "4-doors"]  # groups that overlap are no label space
    assert read(save(tmp_path / "x.json", one), "datumaro").space is None


def test_names_that_mean_something_elsewhere(tmp_path: Path) -> None:
    items = [item(f"{n}", *map(label, range(len(NAMES))), path=name) for n, name in enumerate(IMAGES)]
    found = read(save(tmp_path / "x.json", document(items, NAMES)), "datumaro")
    assert tuple(found.images) == IMAGES and tuple(found.labels) == NAMES
    assert len(found.value) == len(IMAGES) * len(NAMES)


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        (document([item("a", label(2))]), 'item "a": label_id 2 is none of the 2 labels (0 to 1)'),
        (document([item("a", label(-1))]), 'item "a": label_id -1'),
        (document([item("a", label(0, score=0.5))]), "predictions are not known labels"),
        (document([item("a"), item("b", path="a.jpg")]), 'item 2: "a.jpg" is there twice'),
        (document([item("a"), {"annotations": []}]), 'item 2: no "id"'),
        (document([item("")]), "item 1"),
        (document([], ("cat", "cat")), "cat occurs more than once"),
        ({**document([]), "items": {}}, '"items": expected a list'),
        ({**document([]), "categories": {}}, "there are no labels"),
        ({"items": []}, 'no "categories"'),
        ([], "expected an object"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, what: Any, expected: str) -> None:
    if what == document([item("")]):
        what["items"][0]["image"]["path"] = ""
    assert expected in refused(save(tmp_path / "x.json", what), "datumaro")


def test_files_that_are_cut_off_or_not_there(tmp_path: Path) -> None:
    path = cut_off(lambda p: p.write_text(json.dumps(document(ITEMS))), tmp_path / "x.json", 0.6)
    assert "not valid JSON" in refused(path, "datumaro")
    assert "not found" in refused(tmp_path / "no.json", "datumaro")
    (tmp_path / "empty").mkdir()
    assert "holds no annotations/*.json" in refused(tmp_path / "empty", "datumaro")


def test_it_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="write coco"):
        find("datumaro").write(tmp_path / "x.json", content([[1, 0, -1]]))
