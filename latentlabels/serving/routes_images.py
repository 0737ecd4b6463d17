"""Addresses about the run and its images."""

from __future__ import annotations

import asyncio
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.concurrency import run_in_threadpool

from ..show import card
from . import confusing, labels, listing
from .documents import (
    LIMITS,
    Confusions,
    Health,
    ImageList,
    LabelList,
    Mistakes,
    OneImage,
    PosteriorRequest,
    Posteriors,
)
from .problems import ProblemError
from .service import Service
from .suspecting import mistakes_of

Id = Annotated[str, Path(pattern=r"^u?[0-9]{1,9}$", description='"17" is row 17 of the collection, "u3" the third upload.')]
Label = Annotated[str, Path(min_length=1, max_length=1000)]
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_UPLOAD = {
    "requestBody": {
        "required": True,
        "content": dict.fromkeys(("image/jpeg", "image/png", "application/octet-stream"), _BINARY),
    }
}


def router(service: Service) -> APIRouter:
    """Addresses that read, and uploads."""
    out = APIRouter()

    @out.get("/v1/health")
    def health() -> Health:
        return Health(**service.about)

    @out.get("/v1/space")
    def space() -> dict[str, object]:
        return card.space_document(service.shown.space)

    @out.get("/v1/images")
    def images(
        offset: Annotated[int, Query(ge=0, le=10**9)] = 0,
        limit: Annotated[int, Query(ge=0, le=LIMITS.page)] = 100,
        sort: listing.Sort = "useful",
        show: listing.Which = "all",
        label: Annotated[str | None, Query(max_length=1000)] = None,
        at_least: Annotated[float, Query(ge=0, le=1)] = 0.5,
        search: Annotated[str, Query(max_length=1000)] = "",
    ) -> ImageList:
        return listing.images(service, offset, limit, sort, show, label, at_least, search)

    @out.get("/v1/images/{image}")
    def one(image: Id) -> OneImage:
        return service.one(image)

    @out.get(
        "/v1/images/{image}/picture",
        response_class=Response,
        responses={200: {"description": "The picture", "content": {"image/jpeg": _BINARY}}},
    )
    def picture(image: Id, size: Literal["96", "320", "1024"] = "320") -> Response:
        content = service.picture(image, int(size))
        return Response(content, media_type="image/jpeg", headers={"cache-control": "private, max-age=3600"})

    @out.post("/v1/uploads", status_code=201, openapi_extra=_UPLOAD)
    async def upload(request: Request) -> OneImage:
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if not (kind.startswith("image/") or kind == "application/octet-stream"):
            raise ProblemError(
                "media-type",
                f'the body is of type "{kind[:100]}"; send the bytes of a picture, as image/jpeg or alike',
            )
        return await run_in_threadpool(service.upload, await request.body())

    @out.post("/v1/posterior", response_model=Posteriors)
    async def posterior(asked: PosteriorRequest) -> Response:
        if service.at_hand(asked.images):
            waiting = service.conditioned(asked)
        else:  # the model has to look at a picture first, and others are served meanwhile
            waiting = await run_in_threadpool(service.conditioned, asked)
        found = Posteriors(images=await asyncio.wrap_future(waiting))
        return Response(found.model_dump_json(), media_type="application/json")  # not checked a second time

    @out.get("/v1/mistakes")
    def mistakes() -> Mistakes:
        return mistakes_of(service)

    @out.get("/v1/labels")
    def all_labels() -> LabelList:
        return labels.all_labels(service)

    @out.get("/v1/labels/{label:path}")
    def of_label(
        label: Label,
        which: labels.Which = "likely",
        limit: Annotated[int, Query(ge=1, le=LIMITS.page)] = 50,
    ) -> ImageList:
        return labels.of_label(service, label, which, limit)

    @out.get("/v1/confusion")
    def confusion() -> Confusions:
        return confusing.confusions(service)

    @out.get("/v1/confusion/images")
    def of_cell(
        group: Annotated[str, Query(min_length=1, max_length=1000)],
        known: Annotated[int, Query(ge=0, le=10**6, description="The number of the outcome that is known.")],
        shown: Annotated[int, Query(ge=0, le=10**6, description="The number of the outcome that the model finds likeliest.")],
        limit: Annotated[int, Query(ge=1, le=LIMITS.page)] = 50,
    ) -> ImageList:
        return confusing.images_of_cell(service, group, known, shown, limit)

    return out
