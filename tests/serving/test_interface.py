"""The interface: what it answers, and that the numbers are the package's own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from served import HEADERS, TOKEN, Fitted, png
from starlette.testclient import TestClient

from latentlabels import LatentLabels
from latentlabels.serving.app import make_app
from latentlabels.serving.service import Service, Source


def test_the_posterior_is_that_of_the_model(looked: TestClient, fitted: Fitted) -> None:
    names = [one["name"] for one in looked.get("/v1/images?sort=name").json()["images"]]
    model = LatentLabels.load(fitted.run)
    expected = model.posterior([fitted.images / names[4]])
    image = next(one for one in looked.get("/v1/images?sort=name").json()["images"] if one["name"] == names[4])
    asked = {"images": [image["id"]], "present": ["car"], "absent": ["night"]}
    found = looked.post("/v1/posterior", json=asked).json()["images"][0]
    after = expected.given(["car"], ["night"])
    assert list(found["marginals"].values()) == pytest.approx(after.marginals[0].tolist(), abs=1e-5)
    assert found["count"] == pytest.approx(after.count_probs()[0].tolist(), abs=1e-5)
    picked = looked.post("/v1/posterior", json={**asked, "absent": [], "annotation": "picked"}).json()["images"][0]
    row = np.full((1, model.space_.num_labels), -1, np.int8)
    row[0, model.space_.index("car")] = 1
    by_annotation = expected.observing(row, model.conditions_by)
    assert list(picked["marginals"].values()) == pytest.approx(by_annotation.marginals[0].tolist(), abs=1e-5)


def test_what_moved_and_what_did_not(looked: TestClient) -> None:
    asked = {"images": ["3"], "present": ["car"]}
    found = looked.post("/v1/posterior", json=asked).json()["images"][0]
    moved = {one["label"] for one in found["moved"]}
    unmoved = {one["group"]: one["reason"] for one in found["unmoved"]}
    assert "4-doors" in moved and "bike" in moved and "car" not in moved
    assert all(unmoved.values()) and not {label for label in unmoved if label in moved}
    assert "vehicle" not in unmoved and "doors" not in unmoved


def test_images_are_listed_page_by_page(looked: TestClient) -> None:
    whole = looked.get("/v1/images?limit=500").json()
    assert whole["total"] == 60 and len({one["id"] for one in whole["images"]}) == 60
    parts = [looked.get(f"/v1/images?offset={k}&limit=25").json()["images"] for k in (0, 25, 50)]
    assert [one for part in parts for one in part] == whole["images"]
    useful = [one["usefulness"] for one in whole["images"]]
    assert useful == sorted(useful, reverse=True)
    named = looked.get("/v1/images?search=RED/").json()
    assert named["total"] and all(one["name"].startswith("red/") for one in named["images"])
    likely = looked.get("/v1/images", params={"label": "headlights", "at_least": 0.0}).json()
    assert likely["total"] == 60
    assert looked.get("/v1/images", params={"label": "car", "at_least": 1.0}).json()["total"] == 0


def test_pictures_are_small_jpegs(looked: TestClient) -> None:
    found = looked.get("/v1/images/0/picture?size=96")
    assert found.status_code == 200 and found.headers["content-type"] == "image/jpeg" and found.content[:2] == b"\xff\xd8"
    assert looked.get("/v1/images/0/picture?size=97").status_code == 422


def test_an_upload_is_asked_as_other_images_are(looked: TestClient) -> None:
    made = looked.post("/v1/uploads", content=png(), headers={"content-type": "image/png"})
    assert made.status_code == 201
    found = made.json()
    assert found["id"] == "u1" and found["sentence"] and found["known"] == {}
    assert looked.get("/v1/images/u1/picture?size=320").status_code == 200
    after = looked.post("/v1/posterior", json={"images": ["u1", "0"], "present": ["bus"]}).json()
    assert [one["id"] for one in after["images"]] == ["u1", "0"]
    assert all(one["marginals"]["bus"] == pytest.approx(1) for one in after["images"])


def test_answers_are_asked_kept_and_not_asked_again(looked: TestClient) -> None:
    first = looked.get("/v1/next?n=5").json()["questions"]
    assert len(first) == 5 and len({one["image"] for one in first}) == 5
    for question in first:
        about = {"label": question["label"]} if question["label"] else {"group": question["group"]}
        value = 0 if question["label"] else None
        made = looked.post("/v1/answers", json={"image": question["image"], **about, "value": value})
        assert made.status_code == 201 and made.json()["saved"]
    again = {one["id"] for one in looked.get("/v1/next?n=60").json()["questions"]}
    assert not again & {one["id"] for one in first}
    assert len(looked.get("/v1/answers").json()["answers"]) >= 5


def test_mistakes_are_those_that_the_run_keeps(own: Fitted, tmp_path: Path) -> None:
    from latentlabels.review import Mistakes, PossibleMistake, write_mistakes

    names = sorted(path.relative_to(own.images).as_posix() for path in own.images.glob("*/*.png"))
    rows = [PossibleMistake(0, names[5], names[5].split("/")[0], 1, 0.9, None, float("nan"))]
    write_mistakes(own.run, Mistakes(3.5, 1, 6, rows, (0.1, 0.05, 0.2), 1.0, 60, 60, 2))
    app = make_app(Service(Source(own.run, answers=tmp_path / "answers.csv")), TOKEN)
    with TestClient(app, "http://127.0.0.1:8000", headers=HEADERS) as client:
        found = client.get("/v1/mistakes").json()
        assert (found["expected"], found["low"], found["high"]) == (3.5, 1, 6) and found["unseen"] is True
        assert found["can_tell"] is True and found["reason"] is None
        one = found["mistakes"][0]
        assert one["name"] == names[5] and one["probability"] == pytest.approx(0.1) and one["instead"] is None
        decided = {"image": one["image"], "label": one["label"], "value": 0, "kind": "mistake", "decision": "change"}
        assert client.post("/v1/answers", json=decided).status_code == 201
        assert client.get("/v1/mistakes").json()["mistakes"] == []


def test_where_nobody_can_tell_there_is_no_number_and_a_reason(own: Fitted, tmp_path: Path) -> None:
    from latentlabels.review import Mistakes, PossibleMistake, write_mistakes

    name = sorted(path.relative_to(own.images).as_posix() for path in own.images.glob("*/*.png"))[5]
    rows = [PossibleMistake(0, name, name.split("/")[0], 1, 0.9, None, float("nan"))]
    write_mistakes(own.run, Mistakes(30.5, 0, 60, rows, (0.1, 0.05, 0.2), 1.0, 60, 60, 2, 4, can_tell=False, gain=-0.01))
    app = make_app(Service(Source(own.run, answers=tmp_path / "answers.csv")), TOKEN)
    with TestClient(app, "http://127.0.0.1:8000", headers=HEADERS) as client:
        found = client.get("/v1/mistakes").json()
        assert found["can_tell"] is False and "cannot tell" in found["reason"]
        assert [found[name] for name in ("expected", "low", "high", "mistakes")] == [None, None, None, []]
        assert client.get("/v1/images?show=mistakes").json()["total"] == 0


def test_a_confusion_counts_images_and_leads_to_them(looked: TestClient, fitted: Fitted) -> None:
    model = LatentLabels.load(fitted.run)
    names = sorted(path.relative_to(fitted.images).as_posix() for path in fitted.images.glob("*/*.png"))
    p = model.posterior([fitted.images / name for name in names]).marginals.astype(np.float64)
    space = model.space_
    row = {one["name"]: one["id"] for one in looked.get("/v1/images?limit=100").json()["images"]}
    looked.post("/v1/answers", json={"image": row[names[0]], "group": "vehicle", "value": "none"})
    groups = {one["group"]: one for one in looked.get("/v1/confusion").json()["groups"]}
    assert set(groups) == {"colour", "vehicle", "doors", "shape"}
    assert groups["vehicle"]["outcomes"] == ["car", "bike", "bus", "truck", "none of these"]
    assert groups["colour"]["outcomes"] == list(space.groups[0].labels)  # every image has a colour
    for group in ("colour", "vehicle"):
        outcomes = groups[group]["outcomes"]
        own = p[:, [space.index(label) for label in outcomes if label in space.labels]]
        likeliest = np.column_stack([own, 1 - own.sum(1)])[:, : len(outcomes)].argmax(1)
        want: dict[tuple[int, int], set[str]] = {}
        for number, name in enumerate(names):
            folder = name.split("/")[0]  # of one known label each; doors imply a car
            known = "car" if folder.endswith("doors") and group == "vehicle" else folder
            known = "none of these" if group == "vehicle" and number == 0 else known
            if known in outcomes:
                want.setdefault((outcomes.index(known), int(likeliest[number])), set()).add(name)
        found = {(one["known"], one["shown"]): one["count"] for one in groups[group]["cells"]}
        assert found == {cell: len(images) for cell, images in want.items()}
        for (known, shown), images in want.items():
            asked = {"group": group, "known": known, "shown": shown, "limit": 100}
            listed = looked.get("/v1/confusion/images", params=asked).json()
            assert listed["total"] == len(images) and {one["name"] for one in listed["images"]} == images
            assert all(one["top"][0][0] == outcomes[shown] for one in listed["images"])


def test_labels_and_mistakes_and_the_sample(looked: TestClient) -> None:
    labels = looked.get("/v1/labels").json()["labels"]
    assert len(labels) == 21 and sum(one["known"] for one in labels) == 60
    for which in ("likely", "borderline", "wrong"):
        assert looked.get(f"/v1/labels/car?which={which}&limit=5").status_code == 200
    mistakes = looked.get("/v1/mistakes").json()
    assert mistakes["low"] <= mistakes["expected"] <= mistakes["high"] and mistakes["unseen"] is False
    before = looked.get("/v1/complete/next").json()
    assert before["done"] == 0 and before["of"] == 60
    for group, value in {"colour": "red", "vehicle": "none", "shape": "ball"}.items():
        answer = {"image": before["image"], "group": group, "value": value, "kind": "complete"}
        looked.post("/v1/answers", json=answer)
    for label in ("striped", "headlights", "smoke", "night", "rain", "tree"):
        looked.post("/v1/answers", json={"image": before["image"], "label": label, "value": 0, "kind": "complete"})
    after = looked.get("/v1/complete/next").json()
    assert after["done"] == 1 and after["image"] != before["image"]
