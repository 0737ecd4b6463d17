"""A refit with the answers: it learns them, says how far it is, can be cancelled, and its run is shown."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from served import HEADERS, TOKEN, Fitted
from starlette.testclient import TestClient

from latentlabels.serving.app import make_app
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
