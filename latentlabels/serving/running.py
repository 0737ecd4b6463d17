"""Runs the service: a socket, a token, uvicorn, and a browser if wanted."""

from __future__ import annotations

import secrets
import socket
import threading
import webbrowser
from collections.abc import Callable
from dataclasses import dataclass

import uvicorn

from ..errors import DataError
from .app import make_app
from .label_studio import Home
from .protocol import protocol_of
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
    app = make_app(service, token, (place.host,), place.page, place.home)
    config = uvicorn.Config(
        app, http=protocol_of(limits), ws="none", log_level="error", access_log=False, server_header=False,
        timeout_keep_alive=int(limits.head_seconds), timeout_graceful_shutdown=5,
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
