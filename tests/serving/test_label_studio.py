"""The ML backend of Label Studio: its protocol, and that nothing is fetched from elsewhere."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from served import HEADERS, TOKEN, Fitted, png
from starlette.testclient import TestClient

from latentlabels.serving.app import make_app
from latentlabels.serving.label_studio import Home, _fetched
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
