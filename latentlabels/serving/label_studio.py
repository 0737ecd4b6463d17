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
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np
from fastapi import APIRouter
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from ..observed import match_names
from ..space import LabelSpace
from .documents import LIMITS
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

    tasks: Annotated[list[Task], Field(max_length=LIMITS.images)]
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


class Up(BaseModel):
    """That the backend runs."""

    status: str
    model_class: str


@dataclass(frozen=True)
class Control:
    """A control of a labelling config with choices that the label space knows.

    Attributes:
        name: of the control.
        to_name: of the picture that it is about.
        key: of the task's data that holds the picture.
        single: whether one choice is made.
        choices: the value of each choice, and the column of its label.
    """

    name: str
    to_name: str
    key: str
    single: bool
    choices: tuple[tuple[str, int], ...]


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
        return Predictions(results=results)

    return out


def controls_of(config: str, space: LabelSpace) -> list[Control]:
    """The controls whose choices are labels of the space.

    Raises:
        ProblemError: the config is no XML, or has no such control.
    """
    if "<!" in re.sub(r"<!--.*?-->", "", config, flags=re.DOTALL):
        raise ProblemError("invalid", "the labelling config declares a document type or entities, which are not read")
    try:
        tree = ET.fromstring(config)
    except ET.ParseError as error:
        raise ProblemError("invalid", f"the labelling config is no XML: {error}") from None
    keys = {one.get("name", ""): one.get("value", "").removeprefix("$") for one in tree.iter("Image")}
    columns = {label.casefold(): k for k, label in enumerate(space.labels)}
    found = []
    for one in tree.iter("Choices"):
        values = [choice.get("value", "") for choice in one.iter("Choice")]
        choices = tuple((value, columns[value.casefold()]) for value in values if value.casefold() in columns)
        to_name = one.get("toName", "")
        if choices and to_name in keys:
            single = one.get("choice", "single") != "multiple"
            found.append(Control(one.get("name", ""), to_name, keys[to_name], single, choices))
    if not found:
        raise ProblemError(
            "invalid",
            "the labelling config has no <Choices> about an <Image> whose <Choice value=...> is a label of this run "
            f"({', '.join(space.labels[:10])}{', ...' if len(space.labels) > 10 else ''})",
        )
    return found


def _prediction(row: NDArray[np.float32] | None, controls: Sequence[Control], version: str) -> Prediction:
    result, certain = [], 1.0
    if row is None:
        return Prediction(result=[], score=0.0, model_version=version)
    for control in controls:
        p = [float(row[k]) for _, k in control.choices]
        best = int(np.argmax(p))
        none = max(1 - sum(p), 0.0)
        if control.single:
            certain = min(certain, max(p[best], none))
            chosen = [best] if p[best] > none else []
        else:
            certain = min([certain, *(max(one, 1 - one) for one in p)])
            chosen = [number for number, one in enumerate(p) if one > 0.5]
        if chosen:
            value = {"choices": [control.choices[number][0] for number in chosen]}
            score = min(p[number] for number in chosen)
            result.append(
                {"from_name": control.name, "to_name": control.to_name, "type": "choices", "value": value, "score": score}
            )
    return Prediction(result=result, score=certain, model_version=version)


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
