"""Runs the service: a socket, a token, uvicorn, and a browser if wanted."""

from __future__ import annotations

import asyncio
import secrets
import socket
import threading
import webbrowser
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from ..errors import DataError
from .app import make_app
from .label_studio import Home
from .service import Service


@dataclass(frozen=True)
class Place:
    """Where the service listens.

    Attributes:
        host: an address of this machine.
        port: 0 for any that is free.
        token: that requests have to bear; None for a random one.
        page: whether the page is served.
        browser: whether a browser is opened.
        home: the Label Studio that may ask.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    token: str | None = None
    page: bool = True
    browser: bool = False
    home: Home | None = None


class _Patient(H11Protocol):
    """Closes connections whose head does not arrive: uvicorn has no limit of its own for that."""

    head_seconds = 10.0

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._unwatch()
        super().connection_lost(exc)

    def _watch(self) -> None:
        """Begin to wait for a head, or stop waiting where one has come."""
        waiting = self.cycle is None or self.cycle.response_complete
        timer: asyncio.TimerHandle | None = getattr(self, "_timer", None)
        if waiting and timer is None:
            self._timer: asyncio.TimerHandle | None = self.loop.call_later(self.head_seconds, self._too_slow)
        elif not waiting:
            self._unwatch()

    def _unwatch(self) -> None:
        timer: asyncio.TimerHandle | None = getattr(self, "_timer", None)
        if timer is not None:
            timer.cancel()
        self._timer = None

    def _too_slow(self) -> None:
        self._timer = None
        if (self.cycle is None or self.cycle.response_complete) and not self.transport.is_closing():
            self.transport.close()


def start_serving(service: Service, place: Place, say: Callable[[str, str], None]) -> None:
    """Serve until the process is told to end.

    Args:
        service: what answers.
        place: where it listens.
        say: is told the address with the token, and the token.

    Raises:
        DataError: the port is taken, or the address is none of this machine.
    """
    token = place.token or secrets.token_urlsafe(24)
    listening = _listen(place.host, place.port)
    port = listening.getsockname()[1]
    host = f"[{place.host}]" if ":" in place.host else place.host
    address = f"http://{host}:{port}/?token={token}" if place.page else f"http://{host}:{port}/"
    limits = service.limits
    protocol = type("Patient", (_Patient,), {"head_seconds": limits.head_seconds})
    app = make_app(service, token, (place.host,), place.page, place.home)
    config = uvicorn.Config(
        app, http=protocol, ws="none", log_level="warning", access_log=False, server_header=False,
        limit_concurrency=limits.connections, timeout_keep_alive=int(limits.head_seconds), timeout_graceful_shutdown=5,
    )  # fmt: skip
    say(address, token)
    if place.browser:
        threading.Timer(0.5, webbrowser.open, [address]).start()
    uvicorn.Server(config).run([listening])


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        out = socket.socket(family, kind, protocol)  # asyncio sends at once (TCP_NODELAY) where the protocol is said to be TCP
        out.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        out.bind(address)
        out.listen(128)
    except OSError as error:
        raise DataError(
            f"cannot listen on {host}, port {port} ({error.strerror}); give another --port, or --port 0 for any free one"
        ) from None
    return out
