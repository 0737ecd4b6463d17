"""The fits of a comparison, a row at a time, in processes of their own; what was done before is not done again."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..config.sections import FitConfig, ModelConfig, Section
from ..errors import DataError, RunError
from ..locking import LOCK, holding
from ..writing import append_text, clear_leftovers, is_leftover, temporary, write_bytes, write_json
from .fits import Job, Row, fit, plain, rules_of
from .tasks import Task
from .variants import reads_truth
from .workers import in_one_thread
from .workers import workers as processes

VERSION = 1
ROWS, FOLDER = "rows.jsonl", "bench.json"
_FREE = {"accelerator", "devices", "strategy", "workers", "seed", "learning_rate", "stop", "objective", "start"}


@dataclass(frozen=True)
class Grid:
    """What is fitted: every objective with every start, learning rate and seed, on every task.

    Attributes:
        objectives: by name.
        starts: "prior", "own".
        learning_rates: the same for every objective, that none is tuned more than another.
        seeds: of the split, the initialisation and the order.
    """

    objectives: tuple[str, ...]
    starts: tuple[str, ...] = ("prior",)
    learning_rates: tuple[float, ...] = (3e-4, 1e-3, 3e-3)
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)

    def jobs(self, tasks: Sequence[Task]) -> list[Job]:
        """All fits, every objective with the first seed before any with the second; oracles only where there is truth."""
        return [
            Job(task.name, objective, start, rate, seed)
            for seed in self.seeds
            for start in self.starts
            for task in tasks
            for rate in self.learning_rates
            for objective in self.objectives
            if task.truth is not None or not reads_truth(objective)
        ]


def run_grid(
    tasks: Sequence[Task], grid: Grid, out: str | Path, workers: int | None = None, log: Callable[[str], None] = print
) -> list[Row]:
    """Do the fits that a folder does not hold yet, and append their rows to it as they come.

    Args:
        tasks: data sets with names that differ.
        grid: what is fitted on each.
        out: a new folder, or that of an earlier run of the same tasks; other objectives, seeds or rates may be asked for.
        workers: processes of one thread each; one for each core if None; 0 to fit in this one.
        log: takes a line of progress.

    Returns:
        The rows of all fits in the grid: one for each stopping rule, or one with `error`.

    Raises:
        RunError: a folder that is none of a comparison, or of other data or settings, or at which another process works.
        DataError: no tasks, two of one name, or truth missing that all of the objectives need.
    """
    folder = Path(out)
    jobs = grid.jobs(tasks)
    if len({task.name for task in tasks}) < len(tasks):
        raise DataError(
            f"two data sets have one name ({', '.join(task.name for task in tasks)}); give each its own, bench.name"
        )
    if not jobs:
        raise DataError("nothing to fit: every objective asked for learns from complete labels, and there are none")
    check_folder(folder, tasks)
    folder.mkdir(parents=True, exist_ok=True)
    with holding(folder, "comparing objectives", log):
        clear_leftovers(folder)
        open_folder(folder, tasks)
        return _run(jobs, tasks, folder, workers, log)


def _run(
    jobs: Sequence[Job], tasks: Sequence[Task], folder: Path, workers: int | None, log: Callable[[str], None]
) -> list[Row]:
    by_name = {task.name: task for task in tasks}
    rows = read_rows(folder)
    rules = {task.name: rules_of(task) for task in tasks}
    todo = [job for job in jobs if any((job, rule) not in rows for rule in rules[job.data])]
    log(
        f"{len(jobs):,} fits, {len(jobs) - len(todo):,} of them done before" if len(todo) < len(jobs) else f"{len(jobs):,} fits"
    )
    first, failures = 0.0, dict[Job, Row]()
    for number, (job, found) in enumerate(_done(by_name, todo, workers, folder), 1):
        # in one piece: a fit is in the file as a whole, or not at all
        append_text(folder / ROWS, "".join(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in plain(found)))
        for row in found:
            if "error" in row:
                failures[job] = row
            else:
                rows[job, row["rule"]] = row
        first = first or time.perf_counter()
        left = "" if number in (1, len(todo)) else _left((time.perf_counter() - first) / (number - 1) * (len(todo) - number))
        log(f"[{len(jobs) - len(todo) + number}/{len(jobs)}] {job}: {_said(found)}{left}")
    whole = [rows[job, rule] for job in jobs for rule in rules[job.data] if (job, rule) in rows]
    return whole + [failures[job] for job in jobs if job in failures]


def _said(rows: Sequence[Row]) -> str:
    first = rows[0]
    if "error" in first:
        return f"failed: {first['error'].splitlines()[0]}"
    best = "" if first["mAP"] is None else f"mAP {100 * first['mAP']:.1f} %, "
    return f"{best}NLL {first['nll']:.2f}, {first['seconds']:.0f} s"


def _left(seconds: float) -> str:
    return f" (about {seconds / 60:.0f} min left)" if seconds > 90 else f" (about {seconds:.0f} s left)"


# --- processes ------------------------------------------------------------------------------------------


@lru_cache(1)
def _tasks(path: Path) -> dict[str, Task]:
    """Of a worker process, which reads them once."""
    with path.open("rb") as file:
        found: dict[str, Task] = pickle.load(file)
    return found


def _work(path: Path, job: Job) -> list[Row]:
    return fit(_tasks(path)[job.data], job)


def _done(tasks: dict[str, Task], jobs: Sequence[Job], workers: int | None, folder: Path) -> Iterator[tuple[Job, list[Row]]]:
    """Each job with its rows, as they come; the processes find their data in a temporary file in `folder`."""
    if not jobs:
        return
    if workers == 0:
        for job in jobs:
            yield job, fit(tasks[job.data], job)
        return
    number = min(len(jobs), cores() if workers is None else workers)
    with temporary(folder / "tasks") as path, processes(number) as pool:
        path.write_bytes(pickle.dumps(tasks))
        futures: dict[Future[list[Row]], Job] = {pool.submit(in_one_thread, _work, path, job): job for job in jobs}
        try:
            for future in as_completed(futures):
                yield futures.pop(future), future.result()
        except BrokenProcessPool:
            raise RunError(
                "a process that fitted has died, most likely for lack of memory; what was finished is kept: run the same "
                f"command again, with fewer processes (--workers {max(number // 2, 1)})"
            ) from None


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


# --- the folder -----------------------------------------------------------------------------------------


def check_folder(folder: Path, tasks: Iterable[Task]) -> dict[str, str]:
    """See that a folder is new, or that of a comparison of the same data and settings.

    Returns:
        The hash of each task, those of earlier ones too.

    Raises:
        RunError: it is not, or is no such folder.
    """
    stored: dict[str, str] = {}
    if folder.exists() and (not folder.is_dir() or any(not _is_ours(path.name) for path in folder.iterdir())):
        try:
            found = json.loads((folder / FOLDER).read_text(encoding="utf-8"))
            stored, version = dict(found["tasks"]), int(found["version"])
        except (OSError, ValueError, KeyError, TypeError):
            raise RunError(
                f"{folder}: not empty, and no folder of an earlier bench; nothing is overwritten: give another --out"
            ) from None
        if version > VERSION:
            raise RunError(f"{folder}: written by a later version of latentlabels; update it, or give another --out")
    hashes = {task.name: task_hash(task) for task in tasks}
    for name, digest in hashes.items():
        if stored.get(name, digest) != digest:
            raise RunError(
                f'{folder}: its fits of "{name}" are of other data or settings (labels, annotation, model or fit have changed '
                "since); give another --out, or change them back"
            )
    return stored | hashes


def _is_ours(name: str) -> bool:
    """Whether a file is what a process left that was killed as it began."""
    return name == LOCK or is_leftover(name)


def open_folder(folder: Path, tasks: Iterable[Task]) -> None:
    """Write down which tasks the folder of a comparison is of; see `check_folder`."""
    write_json(folder / FOLDER, {"version": VERSION, "tasks": check_folder(folder, tasks)})


def read_rows(folder: Path) -> dict[tuple[Job, str], Row]:
    """The rows of a folder by fit and stopping rule, the latest ones; those of failures are left out.

    A last line without an end, which a loss of power may leave, is cut off.

    Raises:
        RunError: a line that is no row.
    """
    path = folder / ROWS
    rows: dict[tuple[Job, str], Row] = {}
    if not path.exists():
        return rows
    text = path.read_bytes()
    whole = text[: text.rfind(b"\n") + 1]
    if len(whole) < len(text):
        write_bytes(path, whole)
    for number, line in enumerate(whole.decode("utf-8").splitlines(), 1):
        try:
            row: Row = json.loads(line)
            job = Job(**{key: row[key] for key in Job.__dataclass_fields__})
            if "error" in row:
                continue
            rows[job, row["rule"]] = {
                k: float(v) if v in ("inf", "-inf") and k not in asdict(job) else v for k, v in row.items()
            }
        except (ValueError, KeyError, TypeError) as error:
            raise RunError(
                f"{path}:{number}: no row of a bench ({error}); remove the line: its fit is then done again"
            ) from None
    return rows


def _stated(settings: Mapping[str, Any], default: Section) -> dict[str, Any]:
    """What differs from the default, so that a key of a later version does not make another task of an old one."""
    known = default.model_dump()
    return {key: value for key, value in settings.items() if key not in _FREE and (key not in known or known[key] != value)}


def task_hash(task: Task) -> str:
    """Of all that the rows of a task depend on, but for what the grid varies."""
    digest = hashlib.sha256()
    settings: dict[str, Any] = {
        "space": task.space.to_config(),
        "annotation": task.annotation.to_config(),
        "model": _stated(task.model, ModelConfig()),
        "fit": _stated(task.fit, FitConfig()),
    }
    digest.update(json.dumps(settings, sort_keys=True, default=str).encode())
    for values in (task.observed, task.truth, task.test_truth, task.train, task.test):
        if isinstance(values, torch.Tensor):
            values = values.numpy()
        if isinstance(values, np.ndarray):
            digest.update(f"{values.dtype}{values.shape}".encode())
            digest.update(np.ascontiguousarray(values).data)
        elif isinstance(values, list | tuple):
            digest.update("\n".join(str(value) for value in values).encode("utf-8", "surrogateescape"))
        else:
            digest.update(str(values).encode())
    return digest.hexdigest()


__all__ = ["Grid", "cores", "open_folder", "read_rows", "run_grid", "task_hash"]
