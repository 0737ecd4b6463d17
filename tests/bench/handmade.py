"""Rows of a comparison, made by hand."""

from __future__ import annotations

from typing import Any

from latentlabels.bench.fits import Row

FIGURES = {
    "epoch": 3, "score": 0.5, "epochs_run": 5, "mAP": 0.6, "nll": 2.0, "brier": 0.05, "ece": 0.02, "f1": 0.7,
    "count_error": 0.5, "group_accuracy": None, "count": 1.5, "seconds": 1.0, "peak_mb": 900.0,
}  # fmt: skip


def row(objective: str, seed: int = 0, **more: Any) -> Row:
    """A row of data "d", figures of no account but for those given."""
    key = {"data": "d", "objective": objective, "start": "prior", "learning_rate": 1e-3, "seed": seed, "rule": "likelihood"}
    return key | FIGURES | more


def rows(objective: str, mAP: list[float], **more: Any) -> list[Row]:
    """A row for each seed."""
    return [row(objective, seed, mAP=value, **more) for seed, value in enumerate(mAP)]
