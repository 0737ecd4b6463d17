"""The application: addresses, what answers them, and how errors are told."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from .. import __version__
from ..errors import LatentLabelsError
from . import label_studio, routes_answers, routes_images, routes_page
from .documents import Problem
from .guard import OPEN, Guard
from .label_studio import Home
from .problems import MEDIA_TYPE, ProblemError, kind_of_status
from .service import Service

_LOG = logging.getLogger(__name__)


def make_app(
    service: Service, token: str, hosts: tuple[str, ...] = (), page: bool = True, home: Home | None = None
) -> Guard:  # fmt: skip
    """The ASGI application of a service.

    Args:
        service: what answers; it is started and closed with the application.
        token: that requests have to bear.
        hosts: further host names under which the service may be asked.
        page: whether the page is served, or the JSON interface alone.
        home: the Label Studio that may ask; None to fetch no pictures from it.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        service.start()
        yield
        service.close()

    app = FastAPI(
        title="latentlabels", version=__version__, docs_url=None, redoc_url=None, lifespan=lifespan,
        description="What a fitted model says of images, conditioned on what is known; questions, and answers that are kept.",
    )  # fmt: skip
    app.add_exception_handler(ProblemError, _problem)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(LatentLabelsError, _own)
    app.add_exception_handler(Exception, _unexpected)
    app.include_router(routes_images.router(service))
    app.include_router(routes_answers.router(service))
    app.include_router(label_studio.router(service, home or Home()))
    if page:
        app.include_router(routes_page.router())
    app.openapi = partial(_openapi, app)  # type: ignore[method-assign]
    app.openapi()  # worked out before there are threads
    return Guard(app, token, hosts, service.limits)


def _response(problem: ProblemError) -> JSONResponse:
    return JSONResponse(problem.document(), problem.status, media_type=MEDIA_TYPE)


async def _problem(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ProblemError)
    return _response(error)


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    parts = [str(part) for part in first["loc"][1:]]
    place = ".".join(part for part in parts if not part.startswith("constrained-")) or str(first["loc"][0])
    if first["type"] == "json_invalid":
        return _response(ProblemError("bad-request", f"the body is not JSON: {first.get('ctx', {}).get('error', '')}"))
    return _response(ProblemError("invalid", f"{place[:200]}: {first['msg']}"))


async def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    problem = ProblemError(kind_of_status(error.status_code), f"{request.method} {request.url.path[:200]}: {error.detail}")
    headers: Mapping[str, str] | None = error.headers
    return JSONResponse(problem.document(), problem.status, headers=headers, media_type=MEDIA_TYPE)


async def _own(request: Request, error: Exception) -> JSONResponse:
    return _response(ProblemError("invalid", str(error)))


async def _unexpected(request: Request, error: Exception) -> JSONResponse:
    _LOG.error("%s %s", request.method, request.url.path, exc_info=error)
    return _response(ProblemError("internal", "the service goes on; its log says more"))


def _openapi(app: FastAPI) -> dict[str, Any]:
    """The description of the interface, with errors as they are: problem documents."""
    if app.openapi_schema is not None:
        return app.openapi_schema
    found = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    schemas = found.setdefault("components", {}).setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    schemas["Problem"] = Problem.model_json_schema()
    found["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for path, methods in found["paths"].items():
        for method, operation in methods.items():
            statuses = [400, 404, 408, 413, 421, 422, 500] + ([] if path in OPEN else [401])
            statuses += [] if method == "get" else [409, 415, 503, 507]
            for status in statuses:
                operation["responses"][str(status)] = {"description": "A problem", "content": content}
            if path not in OPEN:
                operation["security"] = [{"token": []}]
    app.openapi_schema = found
    return found
