"""A refit with the answers: it learns them, says how far it is, can be cancelled, and its run is shown."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from command import TINY, latentlabels
from served import HEADERS, TOKEN, Fitted, png
from starlette.testclient import TestClient

from latentlabels.serving.app import make_app
from latentlabels.serving.documents import AnswerRequest
from latentlabels.serving.problems import ProblemError
from latentlabels.serving.refit_material import Material, material_for
from latentlabels.serving.service import Service, Source


@pytest.fixture
def asked(own: Fitted) -> Iterator[TestClient]:
    """A client of a run of its own, whose answers are kept in the run folder."""
    app = make_app(Service(Source(own.run)), TOKEN)
    with TestClient(app, "http://127.0.0.1:8000", headers=HEADERS, raise_server_exceptions=False) as found:
        yield found


def _ended(client: TestClient, seconds: float = 240) -> dict[str, Any]:
    until = time.monotonic() + seconds
    while True:
        found = client.get("/v1/refit").json()
        if found["state"] != "running":
            return dict(found)
        assert 0 <= found["progress"] < 1 and time.monotonic() < until
        time.sleep(0.2)


def test_a_refit_reads_the_answers_and_its_run_is_shown(asked: TestClient, own: Fitted) -> None:
    assert asked.get("/v1/refit").json()["state"] == "idle"
    assert asked.post("/v1/refit").status_code == 409  # nothing was answered
    names = [one["name"] for one in asked.get("/v1/images?sort=name&limit=500").json()["images"]]
    ids = {one["name"]: one["id"] for one in asked.get("/v1/images?limit=500").json()["images"]}
    for name in names[:8]:
        absent = {"image": ids[name], "label": "smoke", "value": 0}
        assert asked.post("/v1/answers", json=absent).status_code == 201
    # an answer against a known label takes its place
    red = next(name for name in names if name.startswith("red/"))
    assert asked.post("/v1/answers", json={"image": ids[red], "group": "colour", "value": "blue"}).status_code == 201
    begun = asked.post("/v1/refit")
    assert begun.status_code == 202 and begun.json()["state"] == "running"
    assert asked.post("/v1/refit").status_code == 409
    assert asked.get("/v1/images/0").status_code == 200  # the service goes on
    found = _ended(asked)
    assert found["state"] == "done", found
    assert found["before"]["level"] and found["after"]["level"]
    new = own.run.with_name("run-2")
    assert asked.get("/v1/health").json()["run"] == str(new) and (new / "weights.safetensors").exists()
    assert asked.get("/v1/images/0").status_code == 200
    assert asked.get("/v1/verdict").json() == found["after"]


def test_a_refit_is_cancelled(asked: TestClient, own: Fitted) -> None:
    asked.post("/v1/answers", json={"image": "0", "label": "smoke", "value": 0})
    assert asked.post("/v1/refit").status_code == 202
    assert asked.delete("/v1/refit").json()["state"] == "idle"
    assert asked.get("/v1/health").json()["run"] == str(own.run)
    assert asked.get("/v1/refit").json()["message"].startswith("The refit was cancelled")


def test_a_refit_that_fails_says_why(asked: TestClient, own: Fitted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked.post("/v1/answers", json={"image": "0", "label": "smoke", "value": 0})
    fails = tmp_path / "fails"
    fails.write_text("#!/bin/sh\necho 'error: the disk is full' >&2\nexit 1\n")
    fails.chmod(0o755)
    monkeypatch.setattr("latentlabels.serving.refitting.sys.executable", str(fails))
    assert asked.post("/v1/refit").status_code == 202
    found = _ended(asked)
    assert found["state"] == "failed" and found["message"] == "the disk is full"
    assert asked.get("/v1/health").json()["run"] == str(own.run)


def test_what_a_refit_is_given_where_other_images_are_shown(own: Fitted, tmp_path: Path) -> None:
    other = tmp_path / "other" / "red"
    other.mkdir(parents=True)
    shared = sorted((own.images / "red").glob("*.png"))[:2]
    for file in shared:
        (other / file.name).write_bytes(file.read_bytes())
    (other / "new.png").write_bytes(png(1))
    service = Service(Source(own.run, other.parent, answers=tmp_path / "answers.csv"))
    try:
        service.start()
        collection = service.shown.collection
        ids = {name: str(row) for row, name in enumerate(collection.names)}

        def material() -> Material:
            return material_for(own.run, service.shown.model, collection, service.answering)

        with pytest.raises(ProblemError, match="nothing was answered"):
            material()
        service.answer(AnswerRequest(image=ids["red/new.png"], label="smoke", value=0))
        with pytest.raises(ProblemError, match="none of its|none of the"):
            material()
        upload = service.uploads.add(png(2), service.shown.predictor)
        service.answer(AnswerRequest(image=upload.id, label="smoke", value=0))
        service.answer(AnswerRequest(image=ids[f"red/{shared[0].name}"], group="doors", value="none"))
        found = material()
        assert found.unused == (
            "Not used: 1 answer about uploaded pictures and 1 answer about images that are not among those of the fit."
        )
        assert f"data.images={own.images.resolve()}" in found.options and str(tmp_path / "answers.csv") in found.options
        (other / shared[0].name).write_bytes(png(3))  # another picture of the same name
        with pytest.raises(ProblemError, match="only share their names"):
            material()
    finally:
        service.close()


def test_a_refit_takes_the_images_of_the_run(own: Fitted, tmp_path: Path) -> None:
    other = tmp_path / "other"
    for colour in ("red", "blue"):
        shutil.copytree(own.images / colour, other / colour)
    (other / "red" / "new.png").write_bytes(png(1))
    app = make_app(Service(Source(own.run, other, answers=tmp_path / "answers.csv")), TOKEN)
    with TestClient(app, "http://127.0.0.1:8000", headers=HEADERS, raise_server_exceptions=False) as client:
        for one in client.get("/v1/images?limit=500").json()["images"]:
            made = client.post("/v1/answers", json={"image": one["id"], "label": "smoke", "value": 0})
            assert made.status_code == 201
        assert client.post("/v1/refit").status_code == 202
        found = _ended(client)
        assert found["state"] == "done", found
        assert found["message"].endswith("Not used: 1 answer about images that are not among those of the fit.")
        assert client.get("/v1/health").json()["run"] == str(own.run.with_name("run-2"))
    config = yaml.safe_load((own.run.with_name("run-2") / "config.yaml").read_text())
    assert Path(config["data"]["images"]).resolve() == own.images.resolve()


def test_a_fit_reads_answers_about_odd_names_and_not_about_images_that_its_table_leaves_out(
    fitted: Fitted, tmp_path: Path
) -> None:
    odd, flat = [" lead.png", "\u2028b.png", "unlisted.png"], tmp_path / "flat"
    flat.mkdir()
    lines = ["image,label"]
    for number, file in enumerate(sorted(fitted.images.glob("*/*.png"))):
        name = odd[number] if number < len(odd) else f"{number}.png"
        shutil.copy(file, flat / name)
        lines += [f"{name},{file.parent.name}"] if name != "unlisted.png" else []
    (tmp_path / "known.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    known = ["--observed", tmp_path / "known.csv", "--unlisted", "unknown", "--labels", fitted.images.parent / "labels.yaml"]
    run = tmp_path / "run"
    done = latentlabels("fit", "--images", flat, *known, *TINY, "--set", "fit.epochs=1", "--out", run)
    assert done.code == 0, done.err
    app = make_app(Service(Source(run)), TOKEN)
    with TestClient(app, "http://127.0.0.1:8000", headers=HEADERS) as client:
        ids = {one["name"]: one["id"] for one in client.get("/v1/images?limit=100").json()["images"]}
        about = [{"image": ids[name], "label": "tree", "value": 1} for name in odd]
        assert [client.post("/v1/answers", json=one).json()["in_refit"] for one in about] == [True, True, False]
        assert [one["in_refit"] for one in client.get("/v1/answers").json()["answers"]] == [True, True, False]
    done = latentlabels("fit", "--from", run, "--answers", run / "answers.csv", "--out", tmp_path / "again")
    assert done.code == 0, done.err
    assert "2 labels of 2 images, known by an answer" in done.out + done.err
    assert "no such image: unlisted.png" in done.out + done.err
