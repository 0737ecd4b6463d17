"""`Refit`: a fit with the answers, in a process of its own, while the service goes on with the present run."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, Literal

from ..config import read_config
from ..estimator import LatentLabels
from ..fitting.run_folder import CHECKPOINTS
from ..words import quoted
from ..writing import scratch
from .answering import Answering
from .collection import Collection
from .documents import RefitState, VerdictDocument
from .judging import verdict_on
from .problems import ProblemError
from .refit_material import material_for

_BEGUN, _FITTED = 0.05, 0.9  # progress when training begins, and when it has ended
_POLL, _GRACE = 0.3, 10.0  # seconds


class Refit:
    """One fit at a time.

    Args:
        done: is told of the new run, and shows it.
    """

    def __init__(self, done: Callable[[Path], None]):
        self._done, self._lock = done, threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread: threading.Thread | None = None
        self._cancelled, self._unused = False, ""
        self._state = RefitState(state="idle", progress=0.0, message="No refit was started.")

    @property
    def state(self) -> RefitState:
        """How it stands."""
        return self._state

    def start(self, run: Path, model: LatentLabels, collection: Collection, answering: Answering) -> RefitState:
        """Begin; returns at once.

        Raises:
            ProblemError: one is running, nothing was answered about an image of the fit, or its images are not there any more.
        """
        with self._lock:
            if self._state.state == "running":
                raise ProblemError("conflict", "a refit is running; wait for it, or cancel it (DELETE /v1/refit)")
            material = material_for(run, model, collection, answering)
            before = verdict_on(run)
            out = next(new for n in range(2, 10_000) if not (new := run.with_name(f"{run.name}-{n}")).exists())
            command = [sys.executable, "-m", "latentlabels", "fit", "--from", str(run), "--out", str(out), *material.options]
            log = scratch()
            self._cancelled, self._unused = False, material.unused
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
            self._say("running", 0.0, _joined("reading the images", material.unused), before)
            self._thread = threading.Thread(target=self._watch, args=(self._process, log, out, before), daemon=True)
            self._thread.start()
            return self._state

    def cancel(self) -> RefitState:
        """End a fit that is running; what it has written stays, so that `fit --resume` can continue it."""
        with self._lock:
            process, thread = self._process, self._thread
            self._cancelled = self._state.state == "running"
        if process is not None and process.poll() is None:
            process.terminate()
            try:
                process.wait(_GRACE)
            except subprocess.TimeoutExpired:
                process.kill()
        if thread is not None and thread is not threading.current_thread():
            thread.join(_GRACE)
        return self._state

    def _watch(self, process: subprocess.Popen[bytes], log: IO[bytes], out: Path, before: VerdictDocument) -> None:
        epochs = _epochs_of(out)
        with log:
            while process.poll() is None:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(_POLL)
                num, most = epochs()
                if num is not None:
                    share = _BEGUN + (_FITTED - _BEGUN) * min(num / max(most, 1), 1.0)
                    self._say("running", share, f"epoch {num} of at most {most}", before)
            log.seek(0)
            said = log.read().decode("utf-8", "replace")
        if self._cancelled:
            resume = f"latentlabels fit --resume --out {quoted(out)}"
            self._say("idle", 0.0, f"The refit was cancelled. To continue it: {resume}", before)
        elif process.returncode:
            errors = [line for line in said.splitlines() if line.startswith("error: ")]
            why = errors[-1].removeprefix("error: ") if errors else f"the fit ended with exit code {process.returncode}"
            self._say("failed", 0.0, why[:2000], before)
        else:
            self._finish(out, before)

    def _finish(self, out: Path, before: VerdictDocument) -> None:
        try:
            self._say("running", 0.95, "showing the new run", before)
            after = verdict_on(out)
            self._done(out)
            self._say("done", 1.0, _joined(f"The new run is {out}.", self._unused), before, after)
        except Exception as error:
            self._say("failed", 0.0, f"The new run {out} cannot be shown: {error}", before)

    def _say(
        self, state: Literal["idle", "running", "done", "failed"], progress: float, message: str, before: VerdictDocument,
        after: VerdictDocument | None = None,
    ) -> None:  # fmt: skip
        self._state = RefitState(state=state, progress=progress, message=message, before=before, after=after)


def _joined(message: str, unused: str) -> str:
    return f"{message} {unused}".strip()


def _epochs_of(out: Path) -> Callable[[], tuple[int | None, int]]:
    """What tells how many epochs a fit has finished, and how many it may take."""
    most = 0

    def epochs() -> tuple[int | None, int]:
        nonlocal most
        try:
            if not most:
                most = int(read_config(out / CHECKPOINTS / "config.yaml").fit.epochs)
            return len(json.loads((out / CHECKPOINTS / "last.json").read_text(encoding="utf-8"))), most
        except Exception:  # not there yet, or being written
            return (None, 1) if not most else (0, most)

    return epochs
