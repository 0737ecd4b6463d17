"""The verdict on a run, as the interface gives it."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..checks.verdict import verdict_of
from ..fitting.run_folder import read_run
from .documents import VerdictDocument, WeakLabel

_MOST = 20


def verdict_on(run: Path) -> VerdictDocument:
    """What a run is worth, by what its fit and its evaluation have found.

    Raises:
        RunError: the folder is no complete run.
    """
    found = read_run(run)
    metrics: dict[str, Any] | None = None
    with suppress(OSError, ValueError):
        metrics = json.loads((run / "evaluation.json").read_text(encoding="utf-8"))
    verdict = verdict_of(found.diagnostics, metrics, found.history)
    weakest = [WeakLabel(label=one.label, reason=one.reason, todo=one.todo) for one in verdict.weakest[:_MOST]]
    return VerdictDocument(level=verdict.level.value, sentence=verdict.sentence, weakest=weakest)
