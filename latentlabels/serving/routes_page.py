"""The page itself: files of the package, none from elsewhere."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Response

from .page import page_file
from .problems import ProblemError

_TYPES = {".js": "text/javascript", ".css": "text/css", ".html": "text/html"}


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
    found = page_file(name)
    if found is None:
        raise ProblemError("not-found", "no such file of the page")
    kind = _TYPES[found.suffix]
    return Response(found.read_bytes(), media_type=kind, headers={"cache-control": "no-cache"})
