"""The protocol of a connection: uvicorn's, with limits on slow heads and on the number of connections, and problem documents.

uvicorn by itself answers in plain text to what is no HTTP and to connections beyond its limit, and a head may take any time.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from http import HTTPStatus
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from .limits import Limits
from .problems import MEDIA_TYPE, ProblemError, refuse


def protocol_of(limits: Limits) -> type[H11Protocol]:
    """The class of connections with these limits."""
    return type("Connection", (_Connection,), {"limits": limits})


class _Connection(H11Protocol):
    limits: Limits
    _timer: asyncio.TimerHandle | None = None
    _begun = False  # whether bytes of a head have come since the last response

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        if len(self.connections) > self.limits.connections:
            self.app = _too_many
        self._watch()

    def data_received(self, data: bytes) -> None:
        self._begun = True
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._unwatch()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        self._begun = bool(self.conn.trailing_data[0])
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """Say that something is no HTTP; h11 knows why, but its words are for programmers."""
        self._refuse(ProblemError("bad-request", "this is not a valid HTTP request"))

    def _refuse(self, problem: ProblemError) -> None:
        content = json.dumps(problem.document()).encode()
        headers = [
            (b"content-type", MEDIA_TYPE.encode()), (b"content-length", str(len(content)).encode()), (b"connection", b"close"),
        ]  # fmt: skip
        reason = HTTPStatus(problem.status).phrase.encode()
        with suppress(h11.LocalProtocolError):  # a response has begun already
            for event in (
                h11.Response(status_code=problem.status, headers=headers, reason=reason), h11.Data(data=content),
                h11.EndOfMessage(),
            ):  # fmt: skip
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    # --- slow heads -------------------------------------------------------------------------------------

    def _watch(self) -> None:
        """Begin to wait for a head, or stop waiting where one has come."""
        waiting = self.cycle is None or self.cycle.response_complete
        if waiting and self._timer is None:
            self._timer = self.loop.call_later(self.limits.head_seconds, self._too_slow)
        elif not waiting:
            self._unwatch()

    def _unwatch(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None

    def _too_slow(self) -> None:
        self._timer = None
        if (self.cycle is not None and not self.cycle.response_complete) or self.transport.is_closing():
            return
        if self._begun and self.conn.our_state is h11.IDLE:
            seconds = self.limits.head_seconds
            self._refuse(
                ProblemError("too-slow", f"the head of the request did not arrive within {seconds:g} s; send it again")
            )
        else:
            self.transport.close()


async def _too_many(scope: Any, receive: Any, send: Any) -> None:
    """Answers connections beyond the limit."""
    await refuse(ProblemError("busy", "too many connections are open; try again in a moment"), send)
