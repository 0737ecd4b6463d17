"""A service in a process of its own: killed while it takes answers, asked slowly, and ended."""

from __future__ import annotations

import signal
import socket
import struct
import threading
import time
from pathlib import Path

import httpx
import pytest
from served import HEADERS, Fitted, png, running

from latentlabels.serving.answer_file import AnswerFile
from latentlabels.serving.limits import Limits


def test_nothing_that_was_acknowledged_is_lost_when_the_process_is_killed(own: Fitted) -> None:
    saved: list[list[tuple[str, int]]] = [[], [], []]
    with running(own) as one:
        names = {
            image["id"]: image["name"]
            for image in httpx.get(f"{one.base}/v1/images?limit=500", headers=HEADERS).json()["images"]
        }

        def work(part: int) -> None:
            with httpx.Client(headers=HEADERS, base_url=one.base) as client:
                for row in range(part, 60, 3):
                    try:
                        value = row % 2
                        made = client.post("/v1/answers", json={"image": str(row), "label": "smoke", "value": value})
                    except httpx.HTTPError:
                        return
                    if made.status_code == 201:
                        saved[part].append((names[str(row)], value))

        threads = [threading.Thread(target=work, args=(part,)) for part in range(3)]
        for thread in threads:
            thread.start()
        while sum(map(len, saved)) < 12:
            time.sleep(0.001)
        one.process.send_signal(signal.SIGKILL)
        for thread in threads:
            thread.join()
        one.process.wait()
    found = {(entry.image, entry.value) for entry in AnswerFile(own.run / "answers.csv").entries}
    acknowledged = {answer for part in saved for answer in part}
    assert len(acknowledged) >= 12 and acknowledged <= found
    with (own.run / "answers.csv").open("a") as file:
        file.write("torn/line.png,smo")
    with running(own) as again:  # also takes over the lock that the killed process left
        lines = httpx.get(f"{again.base}/v1/answers", headers=HEADERS).json()["answers"]
        assert {(line["image"], line["value"]) for line in lines} == found


def test_slow_clients_are_let_go_and_others_are_served(own: Fitted) -> None:
    with running(own) as one:
        host, port = one.base.removeprefix("http://").split(":")
        silent, half = socket.create_connection((host, int(port))), socket.create_connection((host, int(port)))
        half.sendall(b"GET /v1/health HT")
        body = socket.create_connection((host, int(port)))
        token = HEADERS["Authorization"]
        head = f"POST /v1/uploads HTTP/1.1\r\nHost: {host}\r\nAuthorization: {token}\r\nContent-Type: image/png\r\n"
        body.sendall(f"{head}Content-Length: 5000\r\n\r\n".encode() + png()[:100])
        with httpx.Client(headers=HEADERS, base_url=one.base) as client:
            assert client.get("/v1/health").status_code == 200
            assert client.post("/v1/uploads", content=png(), headers={"content-type": "image/png"}).status_code == 201
            for connection in (silent, half):
                connection.settimeout(30)
            assert silent.recv(1000) == b""
            assert half.recv(1000).startswith(b"HTTP/1.1 408")
            body.settimeout(40)
            assert body.recv(1000).startswith(b"HTTP/1.1 408")
            assert client.get("/v1/health").status_code == 200
        for connection in (silent, half, body):
            connection.close()


def test_two_services_do_not_share_a_table_of_answers(own: Fitted, tmp_path: Path) -> None:
    with running(own, "--answers", tmp_path / "answers.csv"):
        other = running(own, "--answers", tmp_path / "answers.csv")
        with pytest.raises(AssertionError, match="answering there"):
            other.__enter__()


def test_what_is_no_http_is_told_and_refused_bodies_are_taken_in(own: Fitted) -> None:
    with running(own) as one:
        host, port = one.base.removeprefix("http://").split(":")
        bad = [
            b"\x16\x03\x01\x02\x00\x01\r\n\r\n",  # the beginning of TLS
            b"GET / HTTP/1.1\r\nHost localhost\r\n\r\n",
            b"GET /v1/health HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
            b"GET /v1/health HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 100_000,  # without an end
            b"POST /v1/posterior HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
            f"POST /setup HTTP/1.1\r\nHost: {host}\r\nAuthorization: {HEADERS['Authorization']}\r\nContent-Length: 3\r\n"
            "Transfer-Encoding: chunked\r\n\r\n3\r\n{} \r\n0\r\n\r\n".encode(),
        ]
        for content in bad:
            with socket.create_connection((host, int(port))) as connection:
                connection.settimeout(30)
                connection.sendall(content)
                answer = connection.recv(10_000)
            assert answer.startswith(b"HTTP/1.1 400") and b"application/problem+json" in answer, (content[:80], answer[:80])
        large = b"\0" * (30 << 20)  # beyond the limit, and beyond what the systems on both sides hold back
        kind = {"content-type": "image/png"}
        with httpx.Client(base_url=one.base, timeout=60) as client:
            assert client.post("/v1/uploads", content=large, headers={**HEADERS, **kind}).status_code == 413
            assert client.post("/v1/uploads", content=large[: 15 << 20], headers=kind).status_code == 401
            chunks = (large[:100_000] for _ in range(300))
            assert client.post("/v1/uploads", content=chunks, headers={**HEADERS, **kind}).status_code == 413
            assert client.get("/v1/health").status_code == 200
        pipelined = f"GET /v1/health HTTP/1.1\r\nHost: {host}\r\n\r\n".encode() * 20
        with socket.create_connection((host, int(port))) as connection:
            connection.settimeout(30)
            connection.sendall(pipelined)
            answers = b""
            while answers.count(b"HTTP/1.1 200") < 20:
                part = connection.recv(100_000)
                assert part
                answers += part


def test_clients_that_hang_up_and_too_many_of_them(own: Fitted) -> None:
    with running(own) as one:
        host, port = one.base.removeprefix("http://").split(":")
        head = f"POST /v1/uploads HTTP/1.1\r\nHost: {host}\r\nAuthorization: {HEADERS['Authorization']}\r\n"
        head += "Content-Type: image/png\r\nContent-Length: 50000\r\n\r\n"
        for _ in range(30):
            with socket.create_connection((host, int(port))) as connection:
                connection.sendall(head.encode() + png()[:1000])
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        idle = [socket.create_connection((host, int(port))) for _ in range(Limits().connections)]
        refused = httpx.get(f"{one.base}/v1/health", timeout=30)
        assert refused.status_code == 503 and refused.headers["content-type"] == "application/problem+json"
        for connection in idle:
            connection.close()
        until = time.monotonic() + 30
        while httpx.get(f"{one.base}/v1/health", timeout=30).status_code != 200:
            assert time.monotonic() < until
            time.sleep(0.1)
