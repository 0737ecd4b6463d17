"""COCO objects, labels of whole images, and LVIS."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stated import IMAGES, NAMES, content, cut_off, meaning, random_content, read, refused, said

from latentlabels.errors import AmbiguousError, DataError
from latentlabels.observed import Observed
from latentlabels.observed.formats import find
from latentlabels.observed.options import ReadOptions

COCO = find("coco")


def instances(**more: Any) -> dict[str, Any]:
    """As the files of cocodataset.org are written."""
    return {
        "info": {"description": "COCO 2017 Dataset", "year": 2017},
        "licenses": [{"url": "http://x", "id": 1, "name": "CC"}],
        "images": [
            {"license": 4, "file_name": "000000397133.jpg", "coco_url": "http://i.org/val2017/000000397133.jpg", "id": 397133},
            {"license": 1, "file_name": "000000037777.jpg", "coco_url": "http://i.org/val2017/000000037777.jpg", "id": 37777},
            {"license": 1, "file_name": "000000252219.jpg", "coco_url": "http://i.org/val2017/000000252219.jpg", "id": 252219},
        ],
        "annotations": [
            {"segmentation": [[5.5, 1, 2]], "iscrowd": 0, "image_id": 397133, "bbox": [1, 2, 3, 4],
             "category_id": 44, "id": 82445},
            {"segmentation": [[1, 1, 2]], "iscrowd": 0, "image_id": 397133, "bbox": [1, 2, 3, 4],
             "category_id": 44, "id": 82446},
            {"segmentation": {"counts": [1, 2], "size": [3, 4]}, "iscrowd": 1, "image_id": 37777, "bbox": [1, 2, 3, 4],
             "category_id": 1, "id": 900100037777},
        ],
        "categories": [
            {"supercategory": "person", "id": 1, "name": "person"},
            {"supercategory": "kitchen", "id": 44, "name": "bottle"},
            {"supercategory": "indoor", "id": 90, "name": "toothbrush"},
        ],
        **more,
    }  # fmt: skip


def lvis() -> dict[str, Any]:
    """As the files of lvisdataset.org are written: no file names, and what was checked."""
    images = [
        {"coco_url": "http://images.cocodataset.org/train2017/000000391895.jpg", "id": 391895, "height": 360, "width": 640,
         "neg_category_ids": [2, 3], "not_exhaustive_category_ids": [1, 4]},
        {"coco_url": "http://images.cocodataset.org/val2017/000000522418.jpg", "id": 522418,
         "neg_category_ids": [], "not_exhaustive_category_ids": []},
    ]  # fmt: skip
    names = ["aerosol_can", "air_conditioner", "airplane", "alarm_clock"]
    return {
        "categories": [{"id": k, "name": name, "synset": f"{name}.n.01", "frequency": "f"} for k, name in enumerate(names, 1)],
        "images": images,
        "annotations": [{"id": 1, "image_id": 391895, "category_id": 1, "bbox": [1, 2, 3, 4], "segmentation": [[1, 2]]}],
    }


def save(folder: Path, document: Any, **how: Any) -> Path:
    path = folder / "labels.json"
    path.write_text(json.dumps(document, ensure_ascii=False, **how), encoding="utf-8")
    return path


@pytest.mark.parametrize("indent", [None, 1])
def test_instances(tmp_path: Path, indent: int | None) -> None:
    found = read(save(tmp_path, instances(), indent=indent), "coco")
    assert said(found) == {
        "000000397133.jpg": {"bottle": 1},
        "000000037777.jpg": {"person": 1},  # a crowd is there as well
        "000000252219.jpg": {},
    }
    assert found.labels == ["person", "bottle", "toothbrush"]  # a supercategory is no label
    assert found.unlisted is None  # the file does not say, so the user has to
    assert found.where is not None and found.where.tolist() == [82445, 900100037777] and found.unit == "annotation"
    facts = dict(found.reading)
    assert "absent" in facts["other labels"] and "kitchen" in facts["supercategories"]


@pytest.mark.parametrize("first", ["info", "images", "annotations", "categories", "licenses"])
def test_recognised_whatever_comes_first(tmp_path: Path, first: str) -> None:
    document = instances()
    long = [dict(document["annotations"][0], segmentation=[[0.25] * 3000])]
    ordered = {first: document[first], **document, "annotations": long}
    path = save(tmp_path, {first: ordered[first], **ordered})
    assert read(path, "coco").labels == ["person", "bottle", "toothbrush"]


def test_labels_of_whole_images(tmp_path: Path) -> None:
    plain = [{"id": 1, "image_id": 37777, "category_id": 90}, {"id": 2, "image_id": 37777, "category_id": 1}]
    found = read(save(tmp_path, instances(annotations=plain)), "coco")
    assert said(found)["000000037777.jpg"] == {"toothbrush": 1, "person": 1}
    assert "whole images" in dict(found.reading)["present labels"]


def test_lvis(tmp_path: Path) -> None:
    found = read(save(tmp_path, lvis()), "coco")
    assert said(found) == {
        "train2017/000000391895.jpg": {"aerosol_can": 1, "air_conditioner": 0, "airplane": 0, "alarm_clock": -1},
        "val2017/000000522418.jpg": {},
    }
    assert found.unlisted == "unknown"  # the format says so
    assert found.unit == "image id" and found.where is not None and {*found.where.tolist()} == {391895}


def test_contradictions_are_kept_for_later(tmp_path: Path) -> None:
    document = lvis()
    document["images"][0]["neg_category_ids"].append(1)
    found = read(save(tmp_path, document), "coco")
    about = [(k, v) for i, k, v in zip(found.image, found.label, found.value.tolist(), strict=True) if i == 0 and k == 0]
    assert sorted(value for _, value in about) == [0, 1]


def test_the_supercategory_that_roboflow_writes_first_is_no_label(tmp_path: Path) -> None:
    categories = [{"id": 0, "name": "animals", "supercategory": "none"}, {"id": 1, "name": "cat", "supercategory": "animals"}]
    document = instances(
        categories=categories, annotations=[{"id": 0, "image_id": 37777, "category_id": 1, "bbox": [0, 0, 1, 1]}]
    )
    found = read(save(tmp_path, document), "coco")
    assert found.labels == ["cat"] and "animals" in found.left_out[0]
    document["annotations"].append({"id": 1, "image_id": 37777, "category_id": 0})  # it is used, so it is one
    assert said(read(save(tmp_path, document), "coco"))["000000037777.jpg"] == {"cat": 1, "animals": 1}


def test_texts_as_ids_and_windows_paths(tmp_path: Path) -> None:
    document = {
        "images": [{"id": "a", "file_name": "dir\\1.jpg"}, {"id": "b", "file_name": "./2.jpg"}],
        "annotations": [{"image_id": "b", "category_id": "k"}],
        "categories": [{"id": "k", "name": " cat "}],
    }
    found = read(save(tmp_path, document), "coco")
    assert said(found) == {"dir/1.jpg": {}, "2.jpg": {"cat": 1}}
    assert found.where is not None and found.where.tolist() == [1]  # its number, since it has no id


def test_two_entries_of_one_file_are_joined_and_said(tmp_path: Path) -> None:
    document = instances()
    document["images"][1]["file_name"] = document["images"][0]["file_name"]
    found = read(save(tmp_path, document), "coco")
    assert said(found)["000000397133.jpg"] == {"bottle": 1, "person": 1}
    assert "000000397133.jpg" in found.left_out[0]


def test_names_that_mean_something_elsewhere(tmp_path: Path) -> None:
    document = {
        "images": [{"id": n, "file_name": name} for n, name in enumerate(IMAGES)],
        "annotations": [{"id": n, "image_id": n % len(IMAGES), "category_id": n} for n in range(len(NAMES))],
        "categories": [{"id": n, "name": name} for n, name in enumerate(NAMES)],
    }
    found = read(save(tmp_path, document), "coco")
    assert tuple(found.images) == IMAGES and tuple(found.labels) == NAMES


def broken(**changes: Any) -> dict[str, Any]:
    document = instances()
    for key, change in changes.items():
        change(document[key])
    return document


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (broken(annotations=lambda a: a[2].update(image_id=5)), ['entry 3: image_id 5 is not in "images"']),
        (broken(annotations=lambda a: a[1].update(category_id=7)), ['entry 2: category_id 7 is not in "categories"']),
        (broken(annotations=lambda a: a[1].pop("category_id")), ['annotations, entry 2: no "category_id"']),
        (broken(annotations=lambda a: a[1].update(image_id=[1])), ["entry 2", "image_id", "not [1]"]),
        (broken(annotations=lambda a: a.append(None)), ["annotations, entry 4: expected an object"]),
        (broken(annotations=lambda a: a[0].update(score=0.4)), ["score", "predictions are not known labels"]),
        (broken(annotations=lambda a: a[0].update(segments_info=[])), ["panoptic"]),
        (broken(images=lambda i: i[1].update(id=397133)), ["images: id 397133 occurs more than once"]),
        (broken(images=lambda i: [i[2].pop("file_name"), i[2].pop("coco_url")]), ['images, entry 3: no "file_name"']),
        (broken(images=lambda i: i[2].update(file_name=3)), ['images, entry 3: "file_name" is 3']),
        (broken(categories=lambda c: c[1].update(id=1)), ["categories: id 1 occurs more than once"]),
        (broken(categories=lambda c: c[1].update(name="")), ["categories, entry 2: the name is empty"]),
        (broken(categories=lambda c: c.clear()), ["there are no labels"]),
        ({**instances(), "annotations": {}}, ['"annotations": expected a list']),
        ({k: v for k, v in instances().items() if k != "categories"}, ['no "categories"', "captions"]),
        ({k: v for k, v in instances().items() if k != "annotations"}, ['no "annotations"']),
        ([instances()], ["expected an object"]),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(tmp_path: Path, document: Any, expected: list[str]) -> None:
    message = refused(save(tmp_path, document), "coco")
    assert all(text in message for text in expected), message


def test_an_absence_of_no_category(tmp_path: Path) -> None:
    document = lvis()
    document["images"][1]["neg_category_ids"] = [9]
    assert "images, entry 2: neg_category_ids: 9 is not in" in refused(save(tmp_path, document), "coco")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_file_that_is_cut_off(tmp_path: Path, share: float) -> None:
    path = cut_off(lambda p: p.write_text(json.dumps(instances())), tmp_path / "x.json", share)
    assert "ends in the middle" in refused(path, "coco") or "not valid JSON" in refused(path, "coco")


def test_an_empty_file_and_one_of_another_format(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text("")
    with pytest.raises(DataError, match="empty"):
        read(path)
    path.write_text("image,cat\n1.jpg,1\n")
    assert "not valid JSON" in refused(path, "coco")


@pytest.mark.parametrize("seed", range(3))
def test_known_labels_come_back(tmp_path: Path, seed: int) -> None:
    one = random_content(seed)
    COCO.write(tmp_path / "x.json", one)
    found = read(tmp_path / "x.json", "coco")
    assert said(found) == meaning(one) and tuple(found.labels) == NAMES and found.unlisted == "unknown"


def test_probabilities_are_scores_of_annotations(tmp_path: Path) -> None:
    COCO.write(tmp_path / "x.json", content(probabilities=[[0.25, 0.5, 1], [0, 0.125, 1e-9]]))
    document = json.loads((tmp_path / "x.json").read_text())
    scores = np.zeros((2, 3))
    for one in document["annotations"]:
        scores[one["image_id"] - 1, one["category_id"] - 1] = one["score"]
    assert scores == pytest.approx(np.asarray([[0.25, 0.5, 1], [0, 0.125, 1e-9]]))
    assert [one["name"] for one in document["categories"]] == ["cat", "dog", "bus"]
    assert document["info"]["description"] == "model 1"
    assert "predictions are not known labels" in refused(tmp_path / "x.json", "coco")


def test_with_both_only_unknown_labels_have_a_score(tmp_path: Path) -> None:
    COCO.write(tmp_path / "x.json", content([[1, 0, -1]], [[1, 0, 0.5]]))
    document = json.loads((tmp_path / "x.json").read_text())
    assert document["images"][0]["neg_category_ids"] == [2]
    assert [(one["category_id"], one.get("score")) for one in document["annotations"]] == [(1, None), (3, 0.5)]


def test_what_predictions_mean_can_be_stated(tmp_path: Path) -> None:
    document = instances()
    document["annotations"][0]["score"] = 0.25
    document["annotations"][2]["score"] = 1.0
    path = save(tmp_path, document)
    with pytest.raises(AmbiguousError) as caught:
        read(path)
    assert [choice.settings for choice in caught.value.choices] == [{"unknown": "predictions"}, {"present": "predictions"}]
    rest = {"000000037777.jpg": {}, "000000252219.jpg": {}}
    assert said(read(path, unknown=("predictions",))) == {"000000397133.jpg": {"bottle": 1}, **rest}  # of which one has none
    both = {**rest, "000000037777.jpg": {"person": 1}}
    assert said(read(path, present=("predictions",))) == {"000000397133.jpg": {"bottle": 1}, **both}
    del document["annotations"][0]["score"]  # a score of 1 alone is what tools write for people
    assert said(read(save(tmp_path, document)))["000000037777.jpg"] == {"person": 1}


def test_labels_of_whole_images_beside_those_of_objects(tmp_path: Path) -> None:
    """``pos_category_ids``, as data sets of image-level labels in LVIS's form have them."""
    document = lvis()
    document["images"][1]["pos_category_ids"] = [4]
    document["images"][1]["not_exhaustive_category_ids"] = [4, 2]
    found = read(save(tmp_path, document), "coco")
    assert said(found)["val2017/000000522418.jpg"] == {"alarm_clock": 1, "air_conditioner": -1}
    for one in document["images"]:
        del one["neg_category_ids"]
    assert read(save(tmp_path, document), "coco").unlisted is None


def test_pycocotools_reads_the_same(tmp_path: Path) -> None:
    api = pytest.importorskip("pycocotools.coco")
    one = random_content(5)
    COCO.write(tmp_path / "x.json", one)
    coco = api.COCO(tmp_path / "x.json")
    for entry in coco.loadImgs(coco.getImgIds()):
        present = {coco.loadCats(a["category_id"])[0]["name"] for a in coco.loadAnns(coco.getAnnIds(entry["id"]))}
        assert present == {label for label, value in meaning(one)[entry["file_name"]].items() if value == 1}


def test_the_question_about_unlisted_labels_proposes_what_is_usual(tmp_path: Path) -> None:
    path = save(tmp_path, instances())
    with pytest.raises(AmbiguousError) as caught:
        Observed.read(path, ReadOptions())
    first, second = caught.value.choices
    assert first.settings == {"unlisted": "absent"} and "list every object" in first.meaning
    assert second.settings == {"unlisted": "unknown"}
    assert Observed.read(path, ReadOptions(unlisted="absent")).values.tolist() == [[0, 1, 0], [1, 0, 0], [0, 0, 0]]
