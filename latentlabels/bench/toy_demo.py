"""The demo: toy scenes with one known label each, fitted by ours and, side by side, by what people try first."""

from __future__ import annotations

import json
import os
import shutil
import time
import warnings
from collections.abc import Callable
from concurrent.futures import as_completed
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import objectives
from ..annotation import UniformPositive
from ..checks import verdict_of
from ..checks.prevalence_baseline import evaluation_document, skill_figures, without_image
from ..datasets.street_scenes import TOY_SPACE, ToyScenes, render_scenes, write_scenes
from ..errors import DataError
from ..estimator import LatentLabels
from ..fitting.run_folder import read_run
from ..metrics import Metrics
from ..program.starting_point import derive_prior
from ..space import OneOf
from ..words import percent_of
from ..writing import clear_leftovers, replacing, write_json, write_text
from .workers import in_one_thread, workers

WITHOUT_IMAGE = "without-image"
OBJECTIVES = {
    "assume-negative": "assume that unknown labels are absent (BCE)",
    "revealed-group": "softmax within the group of the known label",
    "unknown-class": 'an "unknown" class in every group',
    "collapsed": "latentlabels: average over unknown labels",
    "full-labels": "ceiling: BCE on complete labels",
}
WHAT = {WITHOUT_IMAGE: "without looking at the image: prevalences", **OBJECTIVES}
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
        ``{"rows": [...], "num_images": n, "run": path, "picture": path, "seconds": s}``: a row of metrics, on n test scenes,
        for the prediction that never looks at an image, and for each objective.
    """
    started = time.perf_counter()
    out = Path(out)
    begun = out / _BEGUN
    if out.exists() and any(out.iterdir()) and not ((out / "results.json").exists() or begun.exists()):
        raise DataError(f"{out}: not empty, and not the folder of an earlier demo; give another folder with --out")
    out.mkdir(parents=True, exist_ok=True)
    write_text(begun, "The demo that was begun here has not come to its end; run it again.\n")
    clear_leftovers(out)
    for name in ("scenes", "run"):
        shutil.rmtree(out / name, ignore_errors=True)
    log(
        f"rendering {train_size:,} training scenes with one known label each and {test_size:,} test scenes with complete labels"
    )
    scenes, test = (render_scenes(number, _SEED + i, size=_SIZE) for i, number in enumerate((train_size, test_size)))
    write_scenes(_first(scenes, 600), out / "scenes")
    cores = os.cpu_count() or 1
    number = min(len(OBJECTIVES), cores)
    log(f"fitting the same small network with {len(OBJECTIVES)} objectives, {number} at a time")
    rows: dict[str, dict[str, Any]] = {}
    with workers(number) as pool:
        fits = {
            pool.submit(in_one_thread, _fit, name, scenes, test, epochs, out if name == objectives.DEFAULT else None): name
            for name in OBJECTIVES
        }
        for fit in as_completed(fits):
            row = fit.result()
            rows[fits[fit]] = row
            log(f"{row['what']}: mAP {percent_of(row['map'] / 100, test_size)}, {row['seconds']:.0f} s")
    verdict = _judge(out / "run", rows["full-labels"])
    result = {
        "rows": [_without_image(scenes, test), *(rows[name] for name in OBJECTIVES)],
        "num_images": test_size,
        "verdict": verdict,
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
        chosen = objectives.find(objective)
        warnings.simplefilter("default" if chosen.is_likelihood else "ignore", UserWarning)
        model.fit(scenes.images, scenes.observed, truth=scenes.truth if chosen.needs_truth else None)
    posterior = model.posterior(test.images)
    metrics = posterior.evaluate(test.truth, TOY_SPACE)
    if out is not None:
        _write(model, metrics, scenes, test, out)
    seconds = round(time.perf_counter() - started, 1)
    return {"objective": objective, "what": OBJECTIVES[objective], "seconds": seconds, **_figures(metrics)}


def _judge(run: Path, full: dict[str, Any]) -> dict[str, Any]:
    """The verdict on the run, beside the fit on complete labels, which its evaluation and its report then know of."""
    from ..report import write_report

    path = run / "evaluation.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    figures = {"map": full["map"] / 100, "nll": full["nll"], "brier": full["brier"]}
    document["full_labels"] = figures | skill_figures(figures, document["without_image"])
    fitted = read_run(run)
    document["verdict"] = verdict_of(fitted.diagnostics, document, fitted.history).to_dict()
    write_json(path, document)
    write_report(run)
    return dict(document["verdict"])


def _without_image(scenes: ToyScenes, test: ToyScenes) -> dict[str, Any]:
    """The row of the prediction that is the same for every scene: prevalences, from the known labels of the training scenes."""
    prior = derive_prior(TOY_SPACE, scenes.observed, UniformPositive())
    metrics = without_image(test.truth, TOY_SPACE, prior.prevalence)
    return {"objective": WITHOUT_IMAGE, "what": WHAT[WITHOUT_IMAGE], "seconds": 0.0, **_figures(metrics)}


def _figures(metrics: Metrics) -> dict[str, float | None]:
    """What the table shows, in percent but for the negative log-likelihood."""
    nll = metrics.nll
    return {
        "map": round(100 * (metrics.map or 0.0), 1),
        "calibration_error": round(100 * metrics.calibration_error, 1),
        "f1": round(100 * metrics.f1, 1),
        "group_accuracy": None if metrics.group_accuracy is None else round(100 * metrics.group_accuracy, 1),
        "nll": None if nll is None or not np.isfinite(nll) else round(nll, 2),
        "brier": round(metrics.brier, 5),
    }


def _first(scenes: ToyScenes, count: int) -> ToyScenes:
    boxes = None if scenes.boxes is None else scenes.boxes[:count]
    return ToyScenes(scenes.images[:count], scenes.truth[:count], scenes.observed[:count], scenes.space, boxes)


def _write(model: LatentLabels, metrics: Metrics, scenes: ToyScenes, test: ToyScenes, out: Path) -> None:
    from matplotlib.figure import Figure

    from ..report import write_report
    from ..report.prediction_summary import find
    from ..report.stored_predictions import EVALUATED
    from ..show.plots import posterior_gallery

    run = model.save(out / "run")
    write_json(run / "evaluation.json", evaluation_document(metrics, model.diagnostics_, TOY_SPACE, test.truth))
    marginals = model.predict_proba(test.images)
    shown = _varied(test, marginals, 6)
    figure = Figure()
    posterior_gallery(marginals[shown], test.space, test.images[shown], truth=test.truth[shown], limit=12, ax=figure)
    with replacing(out / "picture.png") as temporary:
        figure.savefig(temporary, dpi=110)
    find(model, test.images, truth=test.truth).write(run / EVALUATED)
    write_report(run, model, scenes.images, scenes.observed)


def _varied(test: ToyScenes, marginals: NDArray[np.float32], count: int) -> list[int]:
    """Scenes of different kinds, by day and by night: the first of each kind whose groups are all predicted correctly.

    The picture shows what a correct prediction looks like; how often predictions are correct, the table says.
    """
    wanted = ["car", "bike", "truck", "cone", "bus", "ball"]
    right = _groups_right(test, marginals)
    found: list[int] = []
    for number, label in enumerate(wanted[:count]):
        night = test.truth[:, test.space.index("night")] == number % 2
        fits = (test.truth[:, test.space.index(label)] == 1) & night
        rows = np.flatnonzero(fits & right) if (fits & right).any() else np.flatnonzero(fits)
        found.append(int(rows[0]) if len(rows) else number)
    return found


def _groups_right(test: ToyScenes, marginals: NDArray[np.float32]) -> NDArray[np.bool_]:
    """(N,) whether the most probable label of every group, or none of its labels, is what the scene shows."""
    right = np.ones(len(marginals), bool)
    for group in test.space.groups:
        if isinstance(group, OneOf):
            columns = test.space.columns(group)
            predicted, shown = marginals[:, columns], test.truth[:, columns]
            predicted, shown = (np.column_stack([part, 1 - part.sum(1)]) for part in (predicted, shown))
            right &= predicted.argmax(1) == shown.argmax(1)
    return right
