"""What goes wrong in a request, as a value and as a problem document (RFC 9457)."""

from __future__ import annotations

import errno
import json
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
MEDIA_TYPE = "application/problem+json"
_TITLES = {
    "bad-request": (400, "The request cannot be read"),
    "unauthorized": (401, "The token is missing or wrong"),
    "not-found": (404, "Not found"),
    "method-not-allowed": (405, "This address does not take that method"),
    "too-slow": (408, "The request took too long to arrive"),
    "conflict": (409, "That does not fit the present state"),
    "too-large": (413, "The request is too large"),
    "media-type": (415, "That kind of content is not taken here"),
    "host": (421, "This service does not answer to that host name"),
    "invalid": (422, "The request is not valid"),
    "not-an-image": (422, "The content is not a readable image"),
    "unknown-label": (422, "A label is not in the label space"),
    "contradiction": (422, "The labels contradict each other"),
    "internal": (500, "Something went wrong inside the service"),
    "busy": (503, "The service is busy"),
    "not-saved": (503, "That could not be saved"),
    "no-space": (507, "There is no space to save that"),
}


@dataclass
class ProblemError(Exception):
    """What is wrong with a request.

    Attributes:
        kind: one of a fixed list, which gives status and title.
        detail: what is wrong, what was expected, and what mends it.
    """

    kind: str
    detail: str

    @property
    def status(self) -> int:
        """Of HTTP."""
        return _TITLES[self.kind][0]

    def document(self) -> dict[str, Any]:
        """type, title, status and detail."""
        status, title = _TITLES[self.kind]
        return {"type": f"urn:latentlabels:problem:{self.kind}", "title": title, "status": status, "detail": self.detail}


@contextmanager
def saving(what: str) -> Iterator[None]:
    """A block that writes to the disk; nothing is acknowledged where it fails.

    Args:
        what: is saved, for the message: "the answer".

    Raises:
        ProblemError: it could not be written.
    """
    try:
        yield
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        full = error.errno in _FULL
        mend = "free space there" if full else "see that the folder can be written to"
        raise ProblemError(
            "no-space" if full else "not-saved", f"{what} was not saved ({where}{error.strerror}); {mend}, then send it again"
        ) from None


async def refuse(
    problem: ProblemError, send: Callable[[MutableMapping[str, Any]], Awaitable[None]], more: bool = False
) -> None:
    """Send a problem document, in place of what an ASGI application would answer.

    Args:
        problem: what is wrong.
        send: of ASGI.
        more: leave the connection open for the rest of the request; an empty body then ends the response.
    """
    content = json.dumps(problem.document()).encode()
    headers = [
        (b"content-type", MEDIA_TYPE.encode()),
        (b"content-length", str(len(content)).encode()),
        (b"connection", b"close"),
    ]
    if problem.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "http.response.start", "status": problem.status, "headers": headers})
    await send({"type": "http.response.body", "body": content, "more_body": more})


def kind_of_status(status: int) -> str:
    """The kind of problem that a bare HTTP status stands for."""
    for kind, (number, _) in _TITLES.items():
        if number == status:
            return kind
    return "bad-request" if status < 500 else "internal"
