"""The page itself: files of the package, none from elsewhere."""

from __future__ import annotations

import mimetypes
from importlib.resources import files
from typing import Annotated

from fastapi import APIRouter, Path, Response

from .problems import ProblemError

_TYPES = {".js": "text/javascript", ".css": "text/css", ".html": "text/html", ".svg": "image/svg+xml"}


def router() -> APIRouter:
    """The page, and the files that it loads."""
    out = APIRouter(include_in_schema=False)

    @out.get("/")
    def page() -> Response:
        return _file("page.html")

    @out.get("/page/{name:path}")
    def part(name: Annotated[str, Path(max_length=200)]) -> Response:
        return _file(name)

    return out


def _file(name: str) -> Response:
    parts = name.split("/")
    found = files(f"{__package__}.page")
    for part in parts:
        if part in ("", ".", "..") or "\\" in part or part.startswith(".") or part.endswith(".py"):
            raise ProblemError("not-found", "no such file of the page")
        found = found / part
    if not found.is_file():
        raise ProblemError("not-found", "no such file of the page")
    ending = name[name.rfind(".") :]
    kind = _TYPES.get(ending) or mimetypes.guess_type(name)[0] or "application/octet-stream"
    return Response(found.read_bytes(), media_type=kind, headers={"cache-control": "no-cache"})
