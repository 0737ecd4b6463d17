"""What a report is made from: a run folder and what was found with it, read."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import objectives
from ..checks import Finding, Verdict, fit_warnings, verdict_of
from ..checks.advice import advise
from ..checks.prevalence_baseline import stored_prevalence
from ..errors import DataError, LabelSpaceError, RunError
from ..fitting.run_folder import Run, read_run
from ..metrics import CalibrationCurve
from ..words import finite
from .stored_predictions import EVALUATED, FITTED, StoredPredictions


@dataclass(frozen=True)
class Contents:
    """What a report is made from.

    Attributes:
        folder: the run folder.
        run: what is in it.
        fitted: predictions on the images that it was fitted on, if those were kept.
        evaluated: predictions on completely labelled images.
        metrics: against their labels; empty if there are none.
        curve: calibration on them.
        warnings: what the reader should be told first.
    """

    folder: Path
    run: Run
    fitted: StoredPredictions | None
    evaluated: StoredPredictions | None
    metrics: dict[str, Any]
    curve: CalibrationCurve | None
    warnings: list[str] = field(default_factory=list)

    @property
    def counts(self) -> dict[str, tuple[int, int]]:
        """Label -> images that it is known to be present in, and absent from; empty if the run does not say."""
        given = self.run.diagnostics.get("known_counts")
        if not isinstance(given, dict):
            return {}
        pairs = {str(label): [finite(n) for n in pair] for label, pair in given.items() if isinstance(pair, list)}
        return {
            label: (int(p[0]), int(p[1])) for label, p in pairs.items() if len(p) == 2 and p[0] is not None and p[1] is not None
        }

    @property
    def prior(self) -> NDArray[np.float64] | None:
        """(K,) prevalence before training; None if the run does not say."""
        return stored_prevalence(self.run.diagnostics, self.run.space)

    @property
    def best_epoch(self) -> int | None:
        """The epoch that was kept."""
        best = finite(self.run.diagnostics.get("best_epoch"))
        return int(best) if best is not None and best >= 0 else None

    @property
    def num_images(self) -> int | None:
        """How many images the run was fitted on, if it says."""
        found = finite(self.run.diagnostics.get("num_images"))
        return None if found is None else int(found)

    @property
    def value(self) -> tuple[str, str]:
        """What the values of an epoch are, and in which unit."""
        value = objectives.of_run(self.run.config).value()
        return value.name, value.detail

    @cached_property
    def advice(self) -> list[Finding]:
        """What the numbers of the fit say, the most pressing first."""
        found = self.fitted
        prevalence = {} if found is None else dict(zip(self.run.space.labels, found.prevalence.tolist(), strict=True))
        return advise(self.run.diagnostics, self.run.history, self.run.config, self.metrics, prevalence)

    @cached_property
    def verdict(self) -> Verdict:
        """How good the fit is, beside a prediction that never looks at an image, and its weakest labels."""
        return verdict_of(self.run.diagnostics, self.metrics, self.run.history)


def gather(folder: Path) -> Contents:
    """Read a run folder.

    Raises:
        RunError: no run folder, or a damaged one.
    """
    try:
        run = read_run(folder, unfinished=True)
    except LabelSpaceError as error:
        raise RunError(f"{folder}: damaged ({error}); fit again, or restore the folder") from error
    if not isinstance(run.config, dict):
        raise RunError(f"{folder}: damaged (config.yaml holds no settings); fit again, or restore the folder")
    warnings = fit_warnings(run.diagnostics)
    metrics, curve = _metrics(folder / "evaluation.json", warnings)
    fitted, evaluated = (_findings(folder / name, run, warnings) for name in (FITTED, EVALUATED))
    return Contents(folder, run, fitted, evaluated, metrics, curve, warnings)


def _findings(path: Path, run: Run, warnings: list[str]) -> StoredPredictions | None:
    if not path.exists():
        return None
    try:
        return StoredPredictions.read(path, run.space.num_labels)
    except DataError as error:
        warnings.append(str(error))
        return None


def _metrics(path: Path, warnings: list[str]) -> tuple[dict[str, Any], CalibrationCurve | None]:
    if not path.exists():
        return {}, None
    try:
        metrics = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(metrics, dict):
            raise ValueError("it holds no table of metrics")
        given = metrics.get("calibration")
        curve = None if given is None else CalibrationCurve(*(tuple(given[key]) for key in ("predicted", "frequency", "count")))
        if curve is not None and not len(curve.predicted) == len(curve.frequency) == len(curve.count):
            raise ValueError("the columns of its calibration curve differ in length")
        if curve is not None:
            float(curve.error), int(sum(curve.count))  # numbers, or an error here
    except (OSError, ValueError, KeyError, TypeError) as error:
        warnings.append(f"evaluation.json could not be read: {error}")
        return {}, None
    return metrics, curve
