"""Addresses about answers: questions, what was answered, and the random sample of complete labels."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query

from . import asking
from .answer_file import Entry
from .documents import LIMITS, AnswerLine, AnswerRequest, Answers, CompleteNext, Questions, RefitState, Saved, VerdictDocument
from .judging import verdict_on
from .service import Service


def router(service: Service) -> APIRouter:
    """Addresses that ask, and take answers."""
    out = APIRouter()

    @out.get("/v1/next")
    def next_questions(
        n: Annotated[int, Query(ge=1, le=LIMITS.images)] = 20, per: Literal["image", "label"] = "image"
    ) -> Questions:
        return asking.questions(service, n, per == "label")

    @out.post("/v1/answers", status_code=201)
    def answer(given: AnswerRequest) -> Saved:
        return service.answer(given)

    @out.get("/v1/answers")
    def answers() -> Answers:
        entries = service.answering.entries
        used = service.in_refit([one.image for one in entries])
        return Answers(answers=[_line(number, *one) for number, one in enumerate(zip(entries, used, strict=True), 1)])

    @out.get("/v1/complete/next")
    def complete_next() -> CompleteNext:
        return asking.complete_next(service)

    @out.post("/v1/refit", status_code=202)
    def start_refit() -> RefitState:
        return service.start_refit()

    @out.get("/v1/refit")
    def refit() -> RefitState:
        return service.refit.state

    @out.delete("/v1/refit")
    def cancel_refit() -> RefitState:
        return service.refit.cancel()

    @out.get("/v1/verdict")
    def verdict() -> VerdictDocument:
        return verdict_on(service.shown.run)

    return out


def _line(number: int, one: Entry, used: bool) -> AnswerLine:
    return AnswerLine(
        number=number, image=one.image, label=one.label, value=one.value, kind=one.kind or None, decision=one.decision or None,
        in_refit=used,
    )  # fmt: skip
