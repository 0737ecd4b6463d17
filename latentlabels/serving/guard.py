"""What every request passes before the interface sees it: host name, token, size and time of its body; and headers after it."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
import ipaddress
import socket
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qs

from .limits import Limits
from .problems import ProblemError, refuse
from .strict_json import check_json

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

OPEN = ("/v1/health", "/health", "/openapi.json")
"""Addresses that need no token: they tell nothing about images or labels."""
UPLOADS = "/v1/uploads"
_READING = ("GET", "HEAD", "OPTIONS")
_DRAINED = 4  # of the largest upload: bytes of a refused request that are taken in
_GUARDED = ("/v1/", "/setup", "/predict")
_HEADERS = (
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
        b"font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
)


class Guard:
    """Stands before an ASGI application.

    Args:
        app: what answers.
        token: that requests have to bear: in the header `Authorization` (Bearer, or the password of Basic), or as `?token=`
            of a GET.
        hosts: names under which the service may be asked, beside IP addresses and localhost. Others are refused: a page of
            another site could have its own name point here (DNS rebinding).
        limits: of bodies.
    """

    def __init__(self, app: App, token: str, hosts: tuple[str, ...], limits: Limits):
        self.app, self.limits = app, limits
        self._token = token.encode()
        self._hosts = {"localhost", socket.gethostname().lower(), *(host.lower() for host in hosts)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or hand it on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        sender = _Sender(send, private=scope["path"].startswith("/v1/"))
        incoming = _Incoming(receive)
        try:
            headers = {name.lower(): value for name, value in scope["headers"]}
            self._check_host(headers.get(b"host", b""))
            self._check_token(scope, headers)
            body = await self._body(scope, headers, incoming)
            if body and scope["path"] != UPLOADS and scope["path"].startswith(_GUARDED) and scope["method"] not in _READING:
                _check_type(headers.get(b"content-type", b""))
                check_json(body)
        except ProblemError as problem:
            await refuse(problem, sender, more=True)
            await incoming.drain(_DRAINED * self.limits.upload_bytes, self.limits.body_seconds / 4)
            await sender({"type": "http.response.body", "body": b""})
            return
        if body is None:  # the client has gone
            return
        if scope["method"] == "HEAD":  # what a GET would answer; the server leaves out the body
            scope = {**scope, "method": "GET"}
        await self.app(scope, _replay(body, receive), sender)

    def _check_host(self, host: bytes) -> None:
        try:
            text = host.decode("ascii")
        except UnicodeDecodeError:
            text = ""
        name = text[1 : text.find("]")] if text.startswith("[") else text.partition(":")[0]
        if name.lower() in self._hosts:
            return
        try:
            ipaddress.ip_address(name)
        except ValueError:
            raise ProblemError(
                "host", f'asked as "{name[:100]}", which is not a name of this service; use the address it printed'
            ) from None

    def _check_token(self, scope: Scope, headers: dict[bytes, bytes]) -> None:
        path = scope["path"]
        if path in OPEN or not path.startswith(_GUARDED):
            return
        given = _credentials(headers.get(b"authorization", b""))
        if not given and scope["method"] in ("GET", "HEAD"):
            query = parse_qs(scope["query_string"].decode("latin-1"))
            given = query.get("token", [""])[0].encode("utf-8", "replace")
        if not hmac.compare_digest(given, self._token):
            what = "wrong" if given else "missing"
            raise ProblemError(
                "unauthorized",
                f"the token is {what}; use the printed address, or send Authorization: Bearer TOKEN",
            )

    async def _body(self, scope: Scope, headers: dict[bytes, bytes], incoming: _Incoming) -> bytes | None:
        """The whole body; None if the client went away.

        Raises:
            ProblemError: a body that is too large, or arrives too slowly.
        """
        large = scope["path"] in (UPLOADS, "/predict")  # tasks of Label Studio may hold pictures
        most = self.limits.upload_bytes if large else self.limits.json_bytes
        too_large = ProblemError("too-large", f"the body has more than {most:,} bytes; send less at once")
        stated = headers.get(b"content-length", b"0")
        if not stated.isdigit():
            raise ProblemError("bad-request", "the header Content-Length is not a number")
        if b"transfer-encoding" in headers and b"content-length" in headers:
            raise ProblemError(
                "bad-request", "the headers Content-Length and Transfer-Encoding contradict each other; send one"
            )
        if int(stated) > most:
            raise too_large
        parts: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(self.limits.body_seconds):
                while not incoming.ended:
                    part = await incoming.part()
                    if part is None:
                        return None
                    size += len(part)
                    if size > most:
                        raise too_large
                    parts.append(part)
                return b"".join(parts)
        except TimeoutError:
            raise ProblemError(
                "too-slow", f"the body did not arrive within {self.limits.body_seconds:g} s; send it again"
            ) from None


class _Incoming:
    """The body of a request, part by part."""

    def __init__(self, receive: Receive):
        self._receive = receive
        self.ended = False

    async def part(self) -> bytes | None:
        """The next part; None where the client has gone."""
        message = await self._receive()
        gone = message["type"] == "http.disconnect"
        self.ended = gone or not message.get("more_body", False)
        return None if gone else message.get("body", b"")

    async def drain(self, most: int, seconds: float) -> None:
        """Take in what still comes of a request that was refused: a client that finds its connection closed reads no answer."""
        size = 0
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not self.ended and size <= most:
                    size += len(await self.part() or b"")


class _Sender:
    """Adds the headers of every response."""

    def __init__(self, send: Send, private: bool):
        self._send, self._private = send, private

    async def __call__(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            given = list(message.get("headers", ()))
            names = {name.lower() for name, _ in given}
            given += [one for one in _HEADERS if one[0] not in names]
            if self._private and b"cache-control" not in names:
                given.append((b"cache-control", b"no-store"))
            message = {**message, "headers": given}
        await self._send(message)


def _check_type(header: bytes) -> None:
    kind = header.partition(b";")[0].strip().lower()
    if kind != b"application/json" and not kind.endswith(b"+json"):
        given = kind[:100].decode("ascii", "replace")
        raise ProblemError("media-type", f'the body is of type "{given}"; send JSON as application/json')


def _credentials(header: bytes) -> bytes:
    scheme, _, value = header.partition(b" ")
    if scheme.lower() == b"bearer":
        return value.strip()
    if scheme.lower() == b"basic":
        try:
            return base64.b64decode(value.strip(), validate=True).partition(b":")[2]
        except binascii.Error:
            return b""
    return b""


def _replay(body: bytes, receive: Receive) -> Receive:
    sent = False

    async def replay() -> MutableMapping[str, Any]:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay
