"""One fit of a comparison: a training run, and the figures of the weights that each stopping rule kept."""

from __future__ import annotations

import gc
import io
import math
import resource
import sys
import time
import warnings
from collections.abc import Sequence
from contextlib import redirect_stderr
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..errors import LatentLabelsError
from ..estimator import LatentLabels
from ..metrics import best_f1_threshold, expected_f1_threshold, f1_at
from ..objectives import DEFAULT
from ..observed import Observed
from ..posterior import Posterior
from .tasks import Task
from .variants import settings_of

OURS = DEFAULT
HONEST = ("likelihood", "known-map")
GENEROUS = "truth-map"

Row = dict[str, Any]


@dataclass(frozen=True)
class Job:
    """A fit to be done.

    Attributes:
        data: the name of its task.
        objective: by name, or a variant of one; see `variants`.
        start: of the head, "prior" or "own".
        learning_rate: of AdamW.
        seed: of the split, the initialisation and the order.
    """

    data: str
    objective: str
    start: str
    learning_rate: float
    seed: int

    def __str__(self) -> str:
        start = "" if self.start == "prior" else ", own start"
        return f"{self.data}: {self.objective}, learning rate {self.learning_rate:g}, seed {self.seed}{start}"


def rules_of(task: Task) -> tuple[str, ...]:
    """The stopping rules that its labels allow."""
    return HONEST if task.truth is None else (*HONEST, GENEROUS)


def fit(task: Task, job: Job) -> list[Row]:
    """A row for each stopping rule, all from one training run; or a single one with `error`.

    Figures are those of `metrics.Metrics` on the test part, fractions rather than percentages; `nll` is infinite where
    a true label set has no probability. `f1_expected` is F1 at the threshold that maximises the expected F1 under the
    objective's own probabilities, which reads no label; `f1_best` at the one that the test labels ask for. `count` is the
    mean number of labels predicted. `seconds` are of the training run,
    start-up included, which continues while any of the rules improves. `peak_mb` is the highest resident memory of the
    process during the fit, in MiB, with the libraries and the data in it; where the system cannot set that mark back (it
    can on Linux), the highest since the process began, of earlier fits as well.
    """
    key = asdict(job)
    try:
        return [key | row for row in _rows(task, job)]
    except MemoryError:
        return [key | {"error": "out of memory; lower fit.batch_size, or the number of workers"}]
    except (LatentLabelsError, FloatingPointError) as error:
        return [key | {"error": str(error)}]
    except Exception as error:  # one loss that breaks on these data must not end the comparison of the others
        return [key | {"error": f"{type(error).__name__}: {error}"}]


def _rows(task: Task, job: Job) -> list[Row]:
    rules = rules_of(task)
    gc.collect()  # a trainer refers to itself: without this the memory of earlier fits would be counted in
    reset_peak()
    started = time.perf_counter()
    model = LatentLabels(
        task.space,
        task.annotation,
        **{
            **task.model,
            **task.fit,
            **settings_of(job.objective, task),
            "start": job.start,
            "learning_rate": job.learning_rate,
            "seed": job.seed,
            "stop": "likelihood",
        },
    )
    with warnings.catch_warnings(), redirect_stderr(io.StringIO()):  # several fits at a time: their epochs would mix
        warnings.simplefilter("ignore")
        model.fit(task.train, Observed.from_array(task.observed, task.space), truth=task.truth, watch=rules)
        seconds = time.perf_counter() - started
        figures = [(rule, _figures(task, model.use(rule).posterior(task.test))) for rule in rules]
    whole = {"epochs_run": len(model.history_), "seconds": round(seconds, 2), "peak_mb": round(peak_mb(), 1)}
    return [
        {"rule": rule, "epoch": model.kept_[rule].epoch, "score": model.kept_[rule].score} | figure | whole
        for rule, figure in figures
    ]


def _figures(task: Task, posterior: Posterior) -> Row:
    found = posterior.evaluate(task.test_truth, task.space)
    return {
        "mAP": found.map,
        "nll": found.nll,
        "brier": found.brier,
        "ece": found.calibration_error,
        "f1": found.f1,
        "f1_expected": f1_at(task.test_truth, posterior.marginals, expected_f1_threshold(posterior.marginals)),
        "f1_best": f1_at(task.test_truth, posterior.marginals, best_f1_threshold(task.test_truth, posterior.marginals)),
        "count_error": found.count_error,
        "group_accuracy": found.group_accuracy,
        "count": float(posterior.marginals.sum(1).mean()),
    }


def reset_peak() -> None:
    """Set the mark of the highest resident memory back, where the system can."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def peak_mb() -> float:
    """The highest resident memory of this process since `reset_peak`, or since it began, in MiB."""
    try:
        status = Path("/proc/self/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")) / 1024
    except (OSError, StopIteration):
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most / (2**20 if sys.platform == "darwin" else 1024)


def plain(rows: Sequence[Row]) -> list[Row]:
    """Rows as JSON can say them: what is infinite as text, "inf" or "-inf"."""
    return [
        {k: str(v) if isinstance(v, float) and math.isinf(v) else (None if v != v else v) for k, v in row.items()}
        for row in rows
    ]
