"""The ML backend of Label Studio: its protocol, and that nothing is fetched from elsewhere."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import numpy as np
import pytest
from served import HEADERS, TOKEN, Fitted, png
from starlette.testclient import TestClient

from latentlabels import Observed
from latentlabels.datasets.street_scenes import TOY_SPACE
from latentlabels.serving.app import make_app
from latentlabels.serving.label_studio import Home, _fetched, _prediction
from latentlabels.serving.label_studio_config import controls_of
from latentlabels.serving.limits import Limits
from latentlabels.serving.service import Service, Source

CONFIG = """<View><Image name="img" value="$photo"/>
<Choices name="vehicle" toName="img" choice="single"><Choice value="Car"/><Choice value="bike"/><Choice value="boat"/></Choices>
<Choices name="other" toName="img" choice="multiple"><Choice value="night"/><Choice value="headlights"/></Choices></View>"""


class _Photos(BaseHTTPRequestHandler):
    asked: list[tuple[str, str | None]] = []  # noqa: RUF012

    def do_GET(self) -> None:
        self.asked.append((self.path, self.headers.get("Authorization")))
        found = self.path.startswith("/data/upload/")
        self.send_response(200 if found else 302)
        if not found:
            self.send_header("Location", "http://127.0.0.1:1/elsewhere")
        self.end_headers()
        if found:
            self.wfile.write(png(5))

    def do_POST(self) -> None:
        key = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["refresh"]
        self.send_response(200 if self.path == "/api/token/refresh/" and key == "a.b.c" else 401)
        self.end_headers()
        self.wfile.write(json.dumps({"access": "short"}).encode())

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def photos() -> Iterator[str]:
    """A Label Studio that serves pictures."""
    server = HTTPServer(("127.0.0.1", 0), _Photos)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    _Photos.asked.clear()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def backend(fitted: Fitted, tmp_path: Path, photos: str) -> Iterator[TestClient]:
    service = Service(Source(fitted.run, answers=tmp_path / "answers.csv"))
    with TestClient(
        make_app(service, TOKEN, page=False, home=Home(photos, "key")), "http://localhost:9090", headers=HEADERS
    ) as found:
        yield found


def test_the_protocol(backend: TestClient, photos: str, fitted: Fitted) -> None:
    assert backend.get("/health", headers={"authorization": ""}).json()["status"] == "UP"
    version = backend.post("/setup", json={"project": "1.2", "schema": CONFIG, "hostname": photos}).json()["model_version"]
    name = sorted(fitted.images.glob("*/*.png"))[0]
    places = [
        f"/data/local-files/?d=photos/{name.parent.name}/{name.name}",
        f"/data/upload/3/0123abcd-{name.name}.new.png",
        "data:image/png;base64," + base64.b64encode(png(6)).decode(),
        "http://127.0.0.1:1/data/upload/elsewhere.png",
        "http://169.254.169.254/latest/meta-data",
        f"{photos}/moved",
        "file:///etc/passwd",
        None,
    ]
    asked = {"tasks": [{"id": k, "data": {"photo": place}} for k, place in enumerate(places)], "label_config": CONFIG}
    results = backend.post("/predict", json={**asked, "project": "1.2", "params": {"context": None}}).json()["results"]
    assert len(results) == len(places)
    assert [bool(one["score"]) for one in results] == [True, True, True, False, False, False, False, False]
    assert all(one["model_version"] == version for one in results)
    for part in (part for one in results for part in one["result"]):
        assert part["type"] == "choices" and part["to_name"] == "img" and part["from_name"] in ("vehicle", "other")
        assert set(part["value"]["choices"]) <= {"Car", "bike", "night", "headlights"}
    assert [path for path, _ in _Photos.asked] == [places[1], "/moved"]
    assert all(key == "Token key" for _, key in _Photos.asked)


def test_a_personal_access_token_is_exchanged_first(photos: str) -> None:
    assert _fetched("/data/upload/1/x.png", Home(photos, "a.b.c"), 10_000_000) == png(5)
    assert _Photos.asked == [("/data/upload/1/x.png", "Bearer short")]
    assert _fetched("/data/upload/1/x.png", Home(photos, "a.b.d"), 10_000_000) is None
    assert _fetched("/data/upload/1/x.png", Home(photos, "a.b.c"), 10) is None


def test_the_choices_are_those_of_the_posterior(backend: TestClient) -> None:
    name = backend.get("/v1/images/3").json()["name"]
    p = backend.post("/v1/posterior", json={"images": ["3"]}).json()["images"][0]["marginals"]
    config = '<View><Image name="i" value="$u"/><Choices name="c" toName="i">{}</Choices></View>'.format(
        "".join(f'<Choice value="{label}"/>' for label in ("red", "yellow", "green", "blue", "purple", "white"))
    )
    found = backend.post("/predict", json={"tasks": [{"data": {"u": f"/x/{name}"}}], "label_config": config}).json()["results"][
        0
    ]
    best = max(("red", "yellow", "green", "blue", "purple", "white"), key=p.__getitem__)
    assert found["result"][0]["value"] == {"choices": [best]}
    assert found["score"] == pytest.approx(p[best], abs=1e-6) == found["result"][0]["score"]


TREE = """<View><Image name="i" value="$u"/><Taxonomy name="t" toName="i"><Choice value="Vehicles">
<Choice value="car"><Choice value="2-doors"/><Choice value="4-doors" alias="4D"/></Choice><Choice value="bike"/></Choice>
<Choice value="sky"><Choice value="night" alias="dark"/></Choice></Taxonomy>
<Choices name="c" toName="i" choice="multiple">
<View><Choice value="Dark" alias="night"/><Choice value="rain" alias="wet"/></View>
</Choices><Choices name="r" toName="i" perRegion="true"><Choice value="rain"/></Choices></View>"""


def test_taxonomies_and_aliases() -> None:
    found = controls_of(TREE, TOY_SPACE)
    paths = [[(choice.path, TOY_SPACE.labels[choice.column]) for choice in one.choices] for one in found]
    assert [one.name for one in found] == ["t", "c"]  # a choice about a region needs the region
    assert paths[0] == [
        (("Vehicles", "car"), "car"), (("Vehicles", "car", "2-doors"), "2-doors"), (("Vehicles", "car", "4D"), "4-doors"),
        (("Vehicles", "bike"), "bike"), (("sky", "dark"), "night"),
    ]  # fmt: skip
    assert paths[1] == [(("night",), "night"), (("wet",), "rain")]
    row = np.zeros(TOY_SPACE.num_labels, np.float32)
    for label, p in {"car": 0.9, "4-doors": 0.75, "2-doors": 0.125, "night": 0.625, "rain": 0.25}.items():
        row[TOY_SPACE.index(label)] = p
    prediction = _prediction(row, found, "v")
    tree = {"taxonomy": [["Vehicles", "car", "4D"], ["sky", "dark"]]}
    assert prediction.result == [
        {"from_name": "t", "to_name": "i", "type": "taxonomy", "value": tree, "score": 0.625},
        {"from_name": "c", "to_name": "i", "type": "choices", "value": {"choices": ["night"]}, "score": 0.625},
    ]
    assert prediction.score == 0.625


def test_what_is_sent_back_is_an_annotation_that_the_package_reads(backend: TestClient, tmp_path: Path) -> None:
    """Predictions have the shape of Label Studio's annotations, which it exports and `Observed` reads."""
    name = backend.get("/v1/images/3").json()["name"]
    asked = {"tasks": [{"id": 1, "data": {"photo": f"/x/{name}"}}], "label_config": CONFIG}
    found = backend.post("/predict", json=asked).json()
    assert found["model_version"] == found["results"][0]["model_version"]
    task = {"id": 1, "data": {"photo": name}, "annotations": [{"id": 1, "result": found["results"][0]["result"]}]}
    (tmp_path / "export.json").write_text(json.dumps([task]))
    chosen = {label.lower() for one in found["results"][0]["result"] for label in one["value"]["choices"]}
    if chosen:
        read = Observed.read(tmp_path / "export.json")
        assert {label.lower() for k, label in enumerate(read.space.labels) if read.values[0, k] == 1} == chosen


def test_a_task_may_hold_a_large_picture(backend: TestClient) -> None:
    picture = "data:image/png;base64," + base64.b64encode(png(1, 800)).decode()
    assert len(picture) > Limits().json_bytes
    found = backend.post("/predict", json={"tasks": [{"data": {"photo": picture}}], "label_config": CONFIG})
    assert found.status_code == 200 and found.json()["results"][0]["score"]


@pytest.mark.parametrize(
    "config",
    ["", "<View>", "<View/>",
     '<View><Image name="i" value="$u"/><Choices name="c" toName="i"><Choice value="boat"/></Choices></View>',
     '<!DOCTYPE v [<!ENTITY a "aaaa">]><View>&a;</View>'],
)  # fmt: skip
def test_configs_that_cannot_be_used(backend: TestClient, config: str) -> None:
    found = backend.post("/predict", json={"tasks": [], "label_config": config})
    assert found.status_code == 422 and found.headers["content-type"] == "application/problem+json"


def test_a_token_is_needed(backend: TestClient) -> None:
    basic = base64.b64encode(f"label-studio:{TOKEN}".encode()).decode()
    body = {"project": "1", "schema": CONFIG}
    assert backend.post("/setup", json=body, headers={"authorization": f"Basic {basic}"}).status_code == 200
    assert backend.post("/setup", json=body, headers={"authorization": ""}).status_code == 401
    assert backend.post("/predict", json={}, headers={"authorization": ""}).status_code == 401
