"""What the benchmarks share: data from a path, one fit with its figures, tables, what machine it was."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from latentlabels import LabelSpace, LatentLabels, Observed
from latentlabels.metrics import evaluate


@dataclass(frozen=True)
class Data:
    """Training inputs with their known labels, and inputs to measure on with complete ones.

    Attributes:
        train: embeddings (N, D).
        observed: int8 (N, K).
        truth: complete labels of the training inputs (N, K); for oracles alone.
        test: embeddings.
        test_truth: complete labels.
        space: the label space.
    """

    train: NDArray[np.float32]
    observed: NDArray[np.int8]
    truth: NDArray[np.int8]
    test: NDArray[np.float32]
    test_truth: NDArray[np.int8]
    space: LabelSpace


def load(folder: str | Path, free: bool = False) -> Data:
    """``embeddings_train.npz``, ``embeddings_val.npz`` and, if it is there, ``labels.yaml`` of a folder.

    Args:
        folder: where they are.
        free: leave the groups out: every label is free.
    """
    folder = Path(folder)
    train, test = np.load(folder / "embeddings_train.npz"), np.load(folder / "embeddings_val.npz")
    labels = [str(label) for label in train["labels"]]
    declared = folder / "labels.yaml"
    space = LabelSpace.free(labels) if free or not declared.exists() else LabelSpace.read(declared)
    order = [labels.index(label) for label in space.labels]
    return Data(
        train["embeddings"].astype(np.float32),
        train["observed"][:, order],
        train["truth"][:, order],
        test["embeddings"].astype(np.float32),
        test["truth"][:, order],
        space,
    )


def fit(data: Data, **settings: Any) -> tuple[LatentLabels, dict[str, float]]:
    """One fit and its figures on the test part, percentages but for nll and the counts."""
    started = time.perf_counter()
    model = LatentLabels(data.space, encoder="embedding", **settings)
    oracle = model.objective in ("full-labels", "one-positive-all-negatives")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(data.train, Observed.from_array(data.observed, data.space), truth=data.truth if oracle else None)
    seconds = time.perf_counter() - started
    posterior = model.posterior(data.test)
    figures = measure(posterior, data.test_truth, data.space)
    return model, figures | {"epochs": float(len(model.history_)), "seconds": seconds}


def measure(posterior: Any, truth: NDArray[np.int8], space: LabelSpace) -> dict[str, float]:
    """The figures of a posterior against complete labels."""
    found = evaluate(
        truth, posterior.marginals, posterior.log_prob(truth), posterior.count_probs(), space, predicted_by=posterior.space
    )
    return {
        "mAP": 100 * (found.map or 0),
        "nll": float("nan") if found.nll is None else found.nll,
        "F1": 100 * found.f1,
        "ECE": 100 * found.calibration_error,
        "groups": float("nan") if found.group_accuracy is None else 100 * found.group_accuracy,
        "count": float(posterior.marginals.sum(1).mean()),
        "true count": float(truth.sum(1).mean()),
    }


def spread(rows: Sequence[dict[str, float]], key: str) -> str:
    """``mean ± standard deviation`` over seeds."""
    values = np.array([row[key] for row in rows])
    digits = 3 if key == "nll" else 2
    if not np.isfinite(values).all():
        return "-" if np.isnan(values).all() else "infinite"
    return f"{values.mean():.{digits}f} ± {values.std(ddof=1):.{digits}f}" if len(values) > 1 else f"{values.mean():.{digits}f}"


def table(rows: Iterable[Sequence[str]], header: Sequence[str]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def machine() -> str:
    """Cores, threads and versions, for the head of a table."""
    try:
        commit = subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        commit = "unknown"
    return (
        f"{os.cpu_count()} cores, {torch.get_num_threads()} thread(s), Python {platform.python_version()}, "
        f"torch {torch.__version__.split('+')[0]}, commit {commit}"
    )


def command() -> str:
    """The command that this is, as typed but for the path of the data."""
    return "python " + " ".join([str(Path(sys.argv[0])), *sys.argv[1:]])


__all__ = ["Data", "command", "fit", "load", "machine", "measure", "spread", "table"]
