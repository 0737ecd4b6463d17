"""Which images are asked about: the sample that the command names, and questions that say where they come from."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from command import latentlabels
from served import HEADERS, TOKEN, Fitted, png
from starlette.testclient import TestClient

from latentlabels.serving import asking
from latentlabels.serving.app import make_app
from latentlabels.serving.sampling import sample_rows
from latentlabels.serving.service import Service, Source


def names(service: Service) -> list[str]:
    """Of the images of the random sample, in its order."""
    return [service.shown.collection.names[row] for row in service.shown.sample]


def drawn(*args: object) -> list[str]:
    """What `latentlabels sample-complete` names."""
    done = latentlabels("sample-complete", *args, "--json")
    assert done.code == 0, done.err
    return [str(name) for name in json.loads(done.out)["images"]]


def test_the_sample_is_the_one_that_the_command_names(client: TestClient, service: Service, fitted: Fitted) -> None:
    assert names(service) == drawn(fitted.run / "config.yaml", "-n", 60)
    assert names(service)[:7] == drawn(fitted.run / "config.yaml", "-n", 7)
    first = client.get("/v1/complete/next").json()
    assert client.get(f"/v1/images/{first['image']}").json()["name"] == names(service)[0]


def test_the_sample_of_other_images_is_as_well(fitted: Fitted, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    for seed in range(9):
        (other / f"{seed}.png").write_bytes(png(seed) if seed else b"no picture")
    service = Service(Source(fitted.run, other, answers=tmp_path / "answers.csv"))
    try:
        assert names(service) == drawn(other, "--labels", fitted.images.parent / "labels.yaml", "-n", 8)
        assert "0.png" not in names(service) and len(names(service)) == 8
    finally:
        service.close()


def test_images_of_the_table_of_complete_labels_are_not_drawn_again(service: Service, fitted: Fitted, tmp_path: Path) -> None:
    done = drawn(fitted.run / "config.yaml", "-n", 3)
    labels = latentlabels("sample-complete", fitted.run / "config.yaml", "-n", 1).out.splitlines()[0]
    cells = "".join(",1" if label == "red" else ",0" for label in labels.split(",")[1:])
    table = tmp_path / "complete.csv"
    table.write_text(labels + "\n" + "".join(f"{name}{cells}\n" for name in done))
    text = re.sub("(?m)^  complete:.*$", f"  complete: {table}", (fitted.run / "config.yaml").read_text())
    (tmp_path / "config.yaml").write_text(text)
    rows = sample_rows(tmp_path, service.shown.collection)
    found = [service.shown.collection.names[row] for row in rows]
    assert not {*found} & {*done} and len(found) == 57
    assert found == drawn(tmp_path / "config.yaml", "-n", 57)
    service.close()


def test_questions_say_where_they_come_from(looked: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    found = looked.get("/v1/next").json()
    assert (found["num_considered"], found["num_images"], found["chosen_from"]) == (60, 60, "all 60 images")
    monkeypatch.setattr(asking, "_CELLS", 0)
    monkeypatch.setattr(asking, "_LEAST", 10)
    monkeypatch.setattr(asking, "_RANDOM_SHARE", 0.1)
    found = looked.get("/v1/next?n=10").json()
    words = "10 of all 60 images: the 5 with the most uncertain label, and 5 drawn at random"
    assert (found["num_considered"], found["chosen_from"]) == (10, words)
    assert len(found["questions"]) == 10 == len({one["id"] for one in found["questions"]})
    assert [one["random"] for one in found["questions"]] == [False] * 9 + [True]


def test_kind_and_decision_are_kept(looked: TestClient, service: Service, fitted: Fitted, tmp_path: Path) -> None:
    looked.post("/v1/answers", json={"image": "0", "label": "smoke", "value": 0, "kind": "random"})
    looked.post("/v1/answers", json={"image": "1", "label": "smoke", "value": 1, "kind": "mistake", "decision": "keep"})
    made = looked.post("/v1/uploads", content=png(), headers={"content-type": "image/png"}).json()
    assert looked.post("/v1/answers", json={"image": "1", "label": "night", "value": 1}).json()["in_refit"]
    assert not looked.post("/v1/answers", json={"image": made["id"], "label": "night", "value": 1}).json()["in_refit"]
    lines = looked.get("/v1/answers").json()["answers"]
    assert [one["in_refit"] for one in lines] == [True, True, True, False]
    expected = [("random", None), ("mistake", "keep"), ("question", None), ("question", None)]
    assert [(one["kind"], one["decision"]) for one in lines] == expected
    text = (tmp_path / "answers.csv").read_text()
    assert text.startswith("image,label,value,kind,decision\n") and "answers.files/upload-0.png,night,1,question,\n" in text
    assert (tmp_path / "answers.files" / "upload-0.png").read_bytes() == png()
    app = make_app(Service(Source(fitted.run, answers=tmp_path / "again.csv")), TOKEN)
    (tmp_path / "again.csv").write_text(text.replace("question", "a kind of some other program"))
    with TestClient(app, "http://127.0.0.1:8000", headers=HEADERS) as client:
        pass
    app = make_app(Service(Source(fitted.run, answers=tmp_path / "again.csv")), TOKEN)
    with TestClient(app, "http://127.0.0.1:8000", headers=HEADERS) as client:
        assert client.get("/v1/answers").json()["answers"][2]["kind"] == "a kind of some other program"
