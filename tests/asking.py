"""Ambiguous input: the choices of a question, tried one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from latentlabels.errors import AmbiguousError
from latentlabels.observed import Observed
from latentlabels.observed.options import stated_options


def asked(path: Path, **stated: Any) -> AmbiguousError | None:
    """The question about a table where what can mean two things is refused."""
    try:
        Observed.read(path, stated_options(**stated, ambiguous="refuse"))
    except AmbiguousError as error:
        return error
    return None


def readings(path: Path, depth: int = 4, **stated: Any) -> Iterator[tuple[dict[str, Any], Observed]]:
    """What a table is read as by each choice of every question: each has to lead to a reading, or to other questions."""
    question = asked(path, **stated)
    if question is None:
        yield stated, Observed.read(path, stated_options(**stated, ambiguous="refuse"))
        return
    assert depth, f"asked again and again: {question}"
    assert question.choices, question
    for choice in question.choices:
        yield from readings(path, depth - 1, **_joined(stated, choice.settings))


def _joined(stated: dict[str, Any], more: Any) -> dict[str, Any]:
    out = dict(stated)
    for name, value in more.items():
        values = [value] if isinstance(value, str) else list(value)
        many = name in ("present", "absent", "unknown", "ignore", "label_columns")
        out[name] = [*out.get(name, []), *values] if many else value
    return out
