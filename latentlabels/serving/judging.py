"""The verdict on a run, as the interface gives it."""

from __future__ import annotations

import importlib
import importlib.util
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..checks.advice import advise, poor
from ..checks.sentences import warning
from ..fitting.run_folder import Run, read_run
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
    name = "latentlabels.checks.verdict"
    if importlib.util.find_spec(name) is None:
        return _plain(found, metrics)
    verdict = importlib.import_module(name).verdict_of(found.diagnostics, metrics, found.history)
    weakest = [WeakLabel(label=one.label, reason=one.reason, todo=one.todo) for one in verdict.weakest[:_MOST]]
    level = getattr(verdict.level, "value", verdict.level)
    return VerdictDocument(level=level, sentence=verdict.sentence, weakest=weakest)


def _plain(run: Run, metrics: dict[str, Any] | None) -> VerdictDocument:
    bad = poor(advise(run.diagnostics, run.history, run.config, metrics))
    if bad is None:
        return VerdictDocument(level="unknown", sentence="Nothing says that the model is no better than a guess.", weakest=[])
    return VerdictDocument(level="weak", sentence=warning(bad), weakest=[])
