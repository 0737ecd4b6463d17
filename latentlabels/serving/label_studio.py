"""An ML backend of Label Studio: predictions for the choices of a labelling config.

Label Studio asks /health, then /setup with the labelling config, and /predict with tasks; see https://labelstud.io/guide/ml.
It sends the token as the password of basic authentication.

A task names its picture by a URL. The service fetches from one place alone, the Label Studio that it was started for, so that
nobody can make it ask other machines. Pictures of the collection are recognised by their names, and nothing is fetched.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np
from fastapi import APIRouter
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from ..observed import match_names
from .documents import LIMITS
from .label_studio_config import Control, How, controls_of
from .problems import ProblemError
from .service import Service

_STAMP = re.compile(r"^[0-9a-f]{8}-")  # what Label Studio puts before the name of an uploaded file
_SECONDS = 20.0


@dataclass(frozen=True)
class Home:
    """The Label Studio that asks.

    Attributes:
        address: such as "http://localhost:8080"; None to fetch nothing.
        key: an access token of one of its users; None for one that asks for none.
    """

    address: str | None = None
    key: str | None = field(default=None, repr=False)


class Task(BaseModel):
    """A task of Label Studio; only its data are read."""

    data: dict[str, Any]


class PredictRequest(BaseModel):
    """Tasks, and the labelling config of their project."""

    tasks: Annotated[list[Task], Field(max_length=LIMITS.tasks)]
    label_config: Annotated[str, Field(max_length=500_000)]


class SetupRequest(BaseModel):
    """The labelling config of a project."""

    label_config: Annotated[str, Field(max_length=500_000, validation_alias="schema")] = ""


class SetupDocument(BaseModel):
    """Which model answers."""

    model_version: str


class Prediction(BaseModel):
    """What the model would choose for one task; `score` is the probability of the least certain choice."""

    result: list[dict[str, Any]]
    score: float
    model_version: str


class Predictions(BaseModel):
    """One for each task, in the order of the request."""

    results: list[Prediction]
    model_version: str


class Up(BaseModel):
    """That the backend runs."""

    status: str
    model_class: str


def router(service: Service, home: Home) -> APIRouter:
    """The addresses that Label Studio asks."""
    out = APIRouter()

    def version() -> str:
        return f"latentlabels {service.shown.run.name}"

    @out.get("/health")
    def up() -> Up:
        return Up(status="UP", model_class="latentlabels")

    @out.post("/setup")
    def setup(asked: SetupRequest) -> SetupDocument:
        if asked.label_config:
            controls_of(asked.label_config, service.shown.space)
        return SetupDocument(model_version=version())

    @out.post("/predict")
    def predict(asked: PredictRequest) -> Predictions:
        controls = controls_of(asked.label_config, service.shown.space)
        images = [_image(service, home, task, controls[0].key) for task in asked.tasks]
        found = [one for one in images if one is not None]
        if images and not found:
            raise ProblemError(
                "invalid",
                "no picture could be had; --label-studio ADDRESS says from where they are fetched",
            )
        rows = iter(service.posterior(found).marginals if found else ())
        results = [_prediction(None if one is None else next(rows), controls, version()) for one in images]
        return Predictions(results=results, model_version=version())

    return out


def _prediction(row: NDArray[np.float32] | None, controls: Sequence[Control], version: str) -> Prediction:
    result, certain = [], 1.0
    if row is None:
        return Prediction(result=[], score=0.0, model_version=version)
    for control in controls:
        p = [float(row[choice.column]) for choice in control.choices]
        if control.how is How.SINGLE:
            best, none = int(np.argmax(p)), max(1 - sum(p), 0.0)
            certain = min(certain, max(p[best], none))
            chosen = [best] if p[best] > none else []
        else:
            certain = min([certain, *(max(one, 1 - one) for one in p)])
            chosen = [number for number, one in enumerate(p) if one > 0.5]
        if chosen:
            paths = [control.choices[number].path for number in chosen]
            result.append(_result(control, paths, min(p[number] for number in chosen)))
    return Prediction(result=result, score=certain, model_version=version)


def _result(control: Control, paths: Sequence[tuple[str, ...]], score: float) -> dict[str, Any]:
    """What is chosen in one control, as Label Studio writes annotations."""
    kind = "choices"
    value: list[Any] = [path[-1] for path in paths]
    if control.how is How.TREE:  # a path says that all on its way apply
        longest = [list(path) for path in paths if not any(path == other[: len(path)] != other for other in paths)]
        kind, value = "taxonomy", longest
    return {"from_name": control.name, "to_name": control.to_name, "type": kind, "value": {kind: value}, "score": score}


def _image(service: Service, home: Home, task: Task, key: str) -> str | None:
    """The id of a task's picture; None where it is not to be had."""
    place = task.data.get(key)
    if not isinstance(place, str) or not place:
        return None
    try:
        if place.startswith("data:"):
            return service.upload(_decoded(place)).id
        row = match_names([_name(place)], service.shown.collection.names)[0]
        if row is not None:
            return str(row)
        content = _fetched(place, home, service.limits.upload_bytes)
        return None if content is None else service.upload(content).id
    except ProblemError as problem:
        if problem.kind == "busy":
            raise
        return None  # Label Studio shows this task without a prediction, and the others with theirs


def _name(place: str) -> str:
    """The name of a file by its URL."""
    parts = urlsplit(place)
    inside = parse_qs(parts.query).get("d")  # local files are served as ?d=PATH
    path = inside[0] if inside else unquote(parts.path)
    folder, sign, name = path.lstrip("/").rpartition("/")
    return _STAMP.sub("", name) if parts.path.startswith("/data/upload/") else f"{folder}{sign}{name}"


def _decoded(place: str) -> bytes:
    head, _, content = place.partition(",")
    try:
        return base64.b64decode(content, validate=True) if head.endswith(";base64") else unquote(content).encode("latin-1")
    except (binascii.Error, UnicodeEncodeError):
        raise ProblemError("not-an-image", "the data URL cannot be decoded") from None


def _fetched(place: str, home: Home, most: int) -> bytes | None:
    """A picture from Label Studio; None where it lies elsewhere, or cannot be had."""
    if home.address is None:
        return None
    base, parts = urlsplit(home.address), urlsplit(place)
    if (parts.scheme or parts.netloc) and (parts.scheme, parts.netloc) != (base.scheme, base.netloc):
        return None
    address = f"{base.scheme}://{base.netloc}{parts.path}" + (f"?{parts.query}" if parts.query else "")
    request = urllib.request.Request(address)
    try:
        if home.key is not None:
            request.add_header("Authorization", _authorization(f"{base.scheme}://{base.netloc}", home.key))
        with _OPENER.open(request, timeout=_SECONDS) as answer:
            content: bytes = answer.read(most + 1)
    except (urllib.error.URLError, OSError, ValueError, KeyError, TypeError):
        return None
    return content if len(content) <= most else None


def _authorization(base: str, key: str) -> str:
    """The header for a key: a personal access token, of three parts, is first exchanged for one that lasts minutes."""
    if key.count(".") != 2:
        return f"Token {key}"
    body, head = json.dumps({"refresh": key}).encode(), {"Content-Type": "application/json"}
    with _OPENER.open(urllib.request.Request(f"{base}/api/token/refresh/", body, head), timeout=_SECONDS) as answer:
        return f"Bearer {json.loads(answer.read(100_000))['access']}"


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: Any, **more: Any) -> None:
        return None


_OPENER = urllib.request.build_opener(_NoRedirect, urllib.request.ProxyHandler({}))
