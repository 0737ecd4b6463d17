"""What is wrong with a request is told by the right status and a problem document, and the service goes on."""

from __future__ import annotations

import base64
import errno
import io
import re
import struct
import zlib
from typing import Any

import pytest
from httpx import Response
from PIL import Image
from served import TOKEN, png
from starlette.testclient import TestClient

from latentlabels.serving.limits import Limits
from latentlabels.serving.service import Service


def problem(found: Response, status: int) -> dict[str, Any]:
    """The problem document of a response with this status."""
    assert found.status_code == status, found.text
    assert found.headers["content-type"] == "application/problem+json"
    document = found.json()
    assert set(document) == {"type", "title", "status", "detail"} and document["status"] == status and document["detail"]
    return dict(document)


@pytest.fixture(autouse=True)
def _it_goes_on(client: TestClient) -> Any:
    yield
    assert client.get("/v1/health").json()["status"] == "ok"
    assert client.post("/v1/uploads", content=png(7), headers={"content-type": "image/png"}).status_code == 201


def bomb(width: int = 60_000, height: int = 60_000) -> bytes:
    """A PNG of a few bytes that says that it has billions of pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(b"\0" * 1000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def jpeg_cut() -> bytes:
    """The first half of a JPEG."""
    out = io.BytesIO()
    Image.open(io.BytesIO(png(1, 200))).save(out, "JPEG")
    return out.getvalue()[: len(out.getvalue()) // 2]


UPLOADS = {
    "empty": (b"", "image/png", 422),
    "a path": (b"/etc/passwd", "image/png", 422),
    "a path as text": (b"/etc/passwd", "text/plain", 415),
    "no type": (png(), "", 415),
    "truncated": (png(1, 300)[:2000], "image/png", 422),
    "truncated jpeg": (jpeg_cut(), "image/jpeg", 422),
    "a bomb": (bomb(), "image/png", 413),
    "a smaller bomb": (bomb(9000, 9000), "image/png", 413),
    "svg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/svg+xml", 422),
    "too large": (b"\0" * (Limits().upload_bytes + 1), "image/png", 413),
}


@pytest.mark.parametrize("name", UPLOADS)
def test_uploads(client: TestClient, name: str) -> None:
    content, kind, status = UPLOADS[name]
    problem(client.post("/v1/uploads", content=content, headers={"content-type": kind}), status)


COLOURS = ["red", "yellow", "green", "blue", "purple", "white"]
POSTERIORS: dict[str, tuple[dict[str, Any], str]] = {
    "unknown label": ({"images": ["0"], "present": ["cart"]}, "car"),
    "contradiction": ({"images": ["0"], "present": ["car", "bike"]}, "exclude"),
    "present and absent": ({"images": ["0"], "present": ["car"], "absent": ["car"]}, "car"),
    "against what is required": ({"images": ["0"], "present": ["2-doors"], "absent": ["car"]}, "requires"),
    "none of an exhaustive group": (
        {"images": ["0"], "absent": ["red", "yellow", "green", "blue", "purple", "white"]},
        "colour",
    ),
    "10,000 labels": ({"images": ["0"], "present": [f"label {k}" for k in range(10_000)]}, "at most"),
    "10,000 images": ({"images": ["0"] * 10_000}, "at most"),
    "no images": ({"images": []}, "at least"),
    "another key": ({"images": ["0"], "labels": []}, "labels"),
    "no such annotation": ({"images": ["0"], "annotation": "guessed"}, "annotation"),
    "numbers for labels": ({"images": ["0"], "present": [1]}, "present"),
    "a path for an image": ({"images": ["../../etc/passwd"]}, "images"),
}


@pytest.mark.parametrize("annotation", ["looked-up", "picked"])
@pytest.mark.parametrize("name", POSTERIORS)
def test_posteriors(client: TestClient, name: str, annotation: str) -> None:
    asked, says = POSTERIORS[name]
    document = problem(client.post("/v1/posterior", json={"annotation": annotation, **asked}), 422)
    assert says in document["detail"]
    assert len(document["detail"]) < 2000


BODIES: dict[str, tuple[bytes, int, str]] = {
    "nothing": (b"", 422, "body"),
    "no end": (b"{", 400, "not JSON"),
    "a list": (b"[]", 422, "body"),
    "null": (b"null", 422, "body"),
    "invalid UTF-8": (b'{"images": ["0"], "present": ["\xff"]}', 400, "UTF-8"),
    "UTF-16": ('{"images": ["0"]}'.encode("utf-16"), 400, "UTF-8"),
    "a lone surrogate": (b'{"images": ["0"], "present": ["\\ud800"]}', 422, "present"),
    "NaN": (b'{"images": ["0"], "present": [NaN]}', 400, "NaN"),
    "minus infinity": (b'{"images": ["0"], "present": [-Infinity]}', 400, "Infinity"),
    "a key twice": (b'{"images": ["0"], "present": ["car"], "present": ["bus"]}', 400, '"present" is given twice'),
    "deep nesting": (b"[" * 100_000 + b"]" * 100_000, 400, "nested too deeply"),
    "deep nesting of objects": (b'{"a":' * 50_000 + b"1" + b"}" * 50_000, 400, "nested too deeply"),
    "a number without end": (b'{"images": [' + b"9" * 100_000 + b"]}", 400, "100,000 digits"),
}


@pytest.mark.parametrize("name", BODIES)
def test_bodies_that_are_no_such_document(client: TestClient, name: str) -> None:
    content, status, says = BODIES[name]
    found = client.post("/v1/posterior", content=content, headers={"content-type": "application/json"})
    assert says in problem(found, status)["detail"]


def test_an_answer_that_contradicts_itself_is_not_kept(client: TestClient) -> None:
    content = b'{"image": "0", "label": "car", "value": 1, "value": 0}'
    problem(client.post("/v1/answers", content=content, headers={"content-type": "application/json"}), 400)
    assert client.get("/v1/answers").json()["answers"] == []


@pytest.mark.parametrize("kind", ["text/plain", "", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
def test_json_is_sent_as_json(client: TestClient, kind: str) -> None:
    """A page of another site can send these without asking first."""
    for path in ("/v1/posterior", "/v1/answers", "/predict", "/setup"):
        problem(client.post(path, content=b'{"images": ["0"]}', headers={"content-type": kind}), 415)
    kinds = ("application/json; charset=utf-8", "application/vnd.something+json")
    for other in kinds:
        assert client.post("/v1/posterior", content=b'{"images": ["0"]}', headers={"content-type": other}).status_code == 200


def test_other_methods(client: TestClient) -> None:
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"):
        found = client.request(method, "/v1/images")
        problem(found, 405)
        assert found.headers["allow"] == "GET"
    for path in ("/v1/health", "/v1/images", "/v1/images/0/picture"):
        assert client.head(path).status_code == 200
    assert client.head("/v1/images", headers={"authorization": ""}).status_code == 401
    assert client.head("/v1/nothing").status_code == 404


def test_other_sites_may_not_ask(client: TestClient) -> None:
    asks = {"origin": "http://evil.example", "access-control-request-method": "POST", "authorization": ""}
    refused = client.options("/v1/answers", headers=asks)
    assert refused.status_code == 401
    for found in (refused, client.get("/v1/health", headers={"origin": "http://evil.example"})):
        assert not [name for name in found.headers if name.startswith("access-control-")]


def test_a_full_disk_is_told(client: TestClient, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    def read_only(*args: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    upload = client.post("/v1/uploads", content=png(3), headers={"content-type": "image/png"}).json()["id"]
    body = {"image": "0", "label": "smoke", "value": 0}
    for fails, status in ((full, 507), (read_only, 503)):
        with monkeypatch.context() as patched:
            patched.setattr("latentlabels.serving.answer_file.write_text", fails)
            patched.setattr("latentlabels.serving.service.write_bytes", fails)
            patched.setattr("latentlabels.serving.uploads.Path.write_bytes", fails)
            problem(client.post("/v1/answers", json=body), status)
            problem(client.post("/v1/answers", json={**body, "image": upload}), status)
            problem(client.post("/v1/uploads", content=png(4), headers={"content-type": "image/png"}), status)
        assert client.get("/v1/answers").json()["answers"] == [] and not (service.answering.of("0") != -1).any()
    assert client.post("/v1/answers", json=body).status_code == 201


def test_a_body_that_is_too_large_is_not_read(client: TestClient) -> None:
    content = b'{"images": ["' + b"0" * Limits().json_bytes + b'"]}'
    problem(client.post("/v1/posterior", content=content, headers={"content-type": "application/json"}), 413)


@pytest.mark.parametrize(
    "path, status",
    [("/v1/images/60", 404), ("/v1/images/u9", 404), ("/v1/images/x", 422), ("/v1/images/60/picture", 404),
     ("/v1/nothing", 404),
     ("/v1/labels/cart", 404), ("/v1/images?label=cart", 422), ("/v1/images?limit=100000", 422), ("/v1/next?n=0", 422),
     ("/v1/images?offset=-1", 422), ("/v1/images?sort=size", 422), ("/v1/images/%00", 422),
     ("/v1/images?at_least=nan", 422), ("/v1/confusion/images?group=striped&known=0&shown=0", 404),
     ("/v1/confusion/images?group=colour&known=6&shown=0", 422), ("/v1/confusion/images?group=colour&known=-1&shown=0", 422),
     ("/v1/confusion/images?group=colour", 422)],
)  # fmt: skip
def test_addresses(client: TestClient, path: str, status: int) -> None:
    problem(client.get(path), status)


@pytest.mark.parametrize(
    "answer, status",
    [({"image": "0", "label": "cart", "value": 1}, 422), ({"image": "0", "value": 1}, 422),
     ({"image": "99", "label": "car", "value": 1}, 404),
     ({"image": "0", "label": "car", "group": "vehicle", "value": 1}, 422), ({"image": "0", "label": "car", "value": 2}, 422),
     ({"image": "0", "label": "car", "value": True}, 422), ({"image": "0", "label": "car", "value": "yes"}, 422),
     ({"image": "0", "group": "vehicle", "value": "red"}, 422), ({"image": "0", "group": "vehicle", "value": 1}, 422),
     ({"image": "0", "label": "car", "value": 0.5}, 422)],
)  # fmt: skip
def test_answers(client: TestClient, answer: dict[str, Any], status: int) -> None:
    problem(client.post("/v1/answers", json=answer), status)
    assert client.get("/v1/answers").json()["answers"] == []


def test_tokens(client: TestClient) -> None:
    for headers in (
        {"authorization": ""},
        {"authorization": "Bearer wrong"},
        {"authorization": f"Bearer {TOKEN}x"},
        {"authorization": "Basic !!"},
        {"authorization": "Bearer \xff"},
    ):
        found = client.get("/v1/images", headers=[(k.encode(), v.encode("latin-1")) for k, v in headers.items()])
        assert problem(found, 401) and found.headers["www-authenticate"]
    anonymous = {"authorization": ""}
    assert client.get(f"/v1/images/0/picture?token={TOKEN}", headers=anonymous).status_code == 200
    problem(client.post(f"/v1/posterior?token={TOKEN}", json={"images": ["0"]}, headers=anonymous), 401)
    basic = base64.b64encode(f"anyone:{TOKEN}".encode()).decode()
    assert client.get("/v1/images", headers={"authorization": f"Basic {basic}"}).status_code == 200
    assert client.get("/v1/health", headers=anonymous).status_code == 200
    for path in ("/v1/space", "/v1/next", "/v1/answers", "/v1/refit", "/v1/verdict", "/v1/mistakes", "/v1/labels"):
        problem(client.get(path, headers=anonymous), 401)


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "", "localhost.evil.example", "127.0.0.1.nip.io"])
def test_other_host_names_are_refused(client: TestClient, host: str) -> None:
    for path in ("/v1/images", "/v1/health", "/"):
        problem(client.get(path, headers={"host": host}), 421)


@pytest.mark.parametrize("host", ["localhost:8000", "127.0.0.1", "[::1]:8000", "LOCALHOST", "192.168.1.7:80"])
def test_own_host_names_are_not(client: TestClient, host: str) -> None:
    assert client.get("/v1/health", headers={"host": host}).status_code == 200


def test_headers_let_nothing_in_from_elsewhere(client: TestClient) -> None:
    for path in ("/", "/v1/health", "/v1/images", "/v1/nothing", "/v1/images/0/picture"):
        headers = client.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy and "http" not in policy and "*" not in policy and "unsafe-eval" not in policy
        assert headers["x-content-type-options"] == "nosniff" and headers["referrer-policy"] == "no-referrer"
    assert client.get("/v1/images").headers["cache-control"] == "no-store"


@pytest.mark.parametrize("name", ["../app.py", "..%2fapp.py", "__init__.py", "/etc/passwd", "page", ".", "%2e%2e/app.py"])
def test_only_files_of_the_page_are_served(client: TestClient, name: str) -> None:
    problem(client.get(f"/page/{name}"), 404)


def test_the_page_is_served_from_the_package(client: TestClient) -> None:
    page = client.get("/", headers={"authorization": ""})
    assert page.status_code == 200 and page.headers["content-type"].startswith("text/html")
    for name in re.findall(r'(?:src|href)="/page/([^"]+)"', page.text):
        assert client.get(f"/page/{name}").status_code == 200, name
    assert not re.findall(r"(?:src|href)=.https?:", page.text)


def test_old_uploads_are_forgotten(client: TestClient, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    first = client.post("/v1/uploads", content=png(1), headers={"content-type": "image/png"}).json()["id"]
    monkeypatch.setattr(service.uploads, "_limits", Limits(uploads=2))
    for seed in (2, 3):
        assert client.post("/v1/uploads", content=png(seed), headers={"content-type": "image/png"}).status_code == 201
    problem(client.get(f"/v1/images/{first}"), 404)
