"""The demo: toy scenes with one known label each, fitted by ours and, side by side, by what people try first."""

from __future__ import annotations

import os
import shutil
import time
import warnings
from collections.abc import Callable
from concurrent.futures import as_completed
from pathlib import Path
from typing import Any

import numpy as np

from ..datasets.street_scenes import TOY_SPACE, ToyScenes, render_scenes, write_scenes
from ..errors import DataError
from ..estimator import LatentLabels
from ..metrics import Metrics
from ..writing import clear_leftovers, replacing, write_json, write_text
from .workers import in_one_thread, workers

OBJECTIVES = {
    "assume-negative": "assume-negative BCE: what is not known is absent",
    "revealed-group": "softmax inside the revealed group",
    "unknown-class": 'an "unknown" class in every group',
    "collapsed": "latentlabels: unknown labels are summed over",
    "full-labels": "full labels: BCE on all labels, the ceiling",
}
_BEGUN = "unfinished.txt"
_SEED = 1
_SIZE = 48  # pixels: the small network sees more of the scene than at 64, and is faster


def run_demo(
    out: str | Path,
    log: Callable[[str], None] = print,
    epochs: int = 14,
    train_size: int = 3000,
    test_size: int = 1000,
) -> dict[str, Any]:
    """Render toy scenes, fit every objective on one known label per image, and write a run folder and a picture.

    Args:
        out: a new folder, or one that an earlier demo wrote.
        log: takes a line of progress.
        epochs: of every fit.
        train_size: scenes to train on.
        test_size: scenes to measure on, with complete labels.

    Returns:
        ``{"rows": [...], "run": path, "picture": path, "seconds": s}``, a row of metrics for each objective.
    """
    started = time.perf_counter()
    out = Path(out)
    begun = out / _BEGUN
    if out.exists() and any(out.iterdir()) and not ((out / "results.json").exists() or begun.exists()):
        raise DataError(f"{out}: not empty, and no earlier demo; give another folder with --out")
    out.mkdir(parents=True, exist_ok=True)
    write_text(begun, "The demo that was begun here has not come to its end; run it again.\n")
    clear_leftovers(out)
    for name in ("scenes", "run"):
        shutil.rmtree(out / name, ignore_errors=True)
    log(f"rendering {train_size:,} scenes with one known label each, and {test_size:,} with all labels to measure on")
    scenes, test = (render_scenes(number, _SEED + i, size=_SIZE) for i, number in enumerate((train_size, test_size)))
    write_scenes(_first(scenes, 600), out / "scenes")
    cores = os.cpu_count() or 1
    number = min(len(OBJECTIVES), cores)
    log(f"fitting the same small network with {len(OBJECTIVES)} objectives, {number} at a time")
    rows: dict[str, dict[str, Any]] = {}
    with workers(number) as pool:
        fits = {
            pool.submit(in_one_thread, _fit, name, scenes, test, epochs, out if name == "collapsed" else None): name
            for name in OBJECTIVES
        }
        for fit in as_completed(fits):
            row = fit.result()
            rows[fits[fit]] = row
            log(f"{row['what']}: mAP {row['map']:.1f}, {row['seconds']:.0f} s")
    result = {
        "rows": [rows[name] for name in OBJECTIVES],
        "run": str(out / "run"),
        "picture": str(out / "picture.png"),
        "scenes": str(out / "scenes"),
        "seconds": round(time.perf_counter() - started, 1),
    }
    write_json(out / "results.json", result)
    begun.unlink()
    return result


def _fit(objective: str, scenes: ToyScenes, test: ToyScenes, epochs: int, out: Path | None) -> dict[str, Any]:
    """One fit and its row of the table, in a process of its own; a run folder and a picture where `out` is given."""
    started = time.perf_counter()
    model = LatentLabels(
        TOY_SPACE, encoder="tiny", objective=objective, epochs=epochs, learning_rate=3e-3, patience=epochs, seed=0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("default" if objective == "collapsed" else "ignore", UserWarning)
        model.fit(scenes.images, scenes.observed, truth=scenes.truth if objective == "full-labels" else None)
    posterior = model.posterior(test.images)
    metrics = posterior.evaluate(test.truth, TOY_SPACE)
    if out is not None:
        _write(model, metrics, scenes, test, out)
    seconds = round(time.perf_counter() - started, 1)
    return {"objective": objective, "what": OBJECTIVES[objective], "seconds": seconds, **_figures(metrics)}


def _figures(metrics: Metrics) -> dict[str, float | None]:
    """What the table shows, in percent but for the negative log-likelihood."""
    nll = metrics.nll
    return {
        "map": round(100 * (metrics.map or 0.0), 1),
        "calibration_error": round(100 * metrics.calibration_error, 1),
        "f1": round(100 * metrics.f1, 1),
        "group_accuracy": None if metrics.group_accuracy is None else round(100 * metrics.group_accuracy, 1),
        "nll": None if nll is None or not np.isfinite(nll) else round(nll, 2),
    }


def _first(scenes: ToyScenes, count: int) -> ToyScenes:
    return ToyScenes(scenes.images[:count], scenes.truth[:count], scenes.observed[:count], scenes.space)


def _write(model: LatentLabels, metrics: Metrics, scenes: ToyScenes, test: ToyScenes, out: Path) -> None:
    from matplotlib.figure import Figure

    from ..report import write_report
    from ..report.findings import EVALUATED, find
    from ..show.plots import posterior_gallery

    run = model.save(out / "run")
    write_json(run / "evaluation.json", metrics.to_dict(), compact=True)
    shown = _varied(test, 6)
    posterior = model.posterior(test.images[shown])
    figure = Figure()
    posterior_gallery(posterior.marginals, test.space, test.images[shown], truth=test.truth[shown], limit=12, ax=figure)
    with replacing(out / "picture.png") as temporary:
        figure.savefig(temporary, dpi=110)
    find(model, test.images, truth=test.truth).write(run / EVALUATED)
    write_report(run, model, scenes.images, scenes.observed)


def _varied(test: ToyScenes, count: int) -> list[int]:
    """Scenes that show different kinds of object, day and night: the first of each vehicle and shape."""
    wanted = ["car", "bike", "truck", "cone", "bus", "ball"]
    found: list[int] = []
    for number, label in enumerate(wanted[:count]):
        night = test.truth[:, test.space.index("night")] == number % 2
        rows = np.flatnonzero((test.truth[:, test.space.index(label)] == 1) & night)
        found.append(int(rows[0]) if len(rows) else number)
    return found
