"""`Predictor`: one thread that puts pictures through the model: uploads first, several at once, then the collection."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ..errors import LatentLabelsError
from ..estimator import LatentLabels
from ..fitting.batchwise import flat_logits
from ..inputs import Inputs, InputStream, Reading
from ..inputs.door import read_files
from ..posterior import Posterior
from .limits import Limits
from .problems import ProblemError

_CHUNK = 64  # images of the collection that go through the model before uploads are looked for again
_EDGE = 1e-6  # entropies of what is certain


@dataclass(frozen=True, eq=False)
class Predictions:
    """What the model says of N images, as far as they have been looked at.

    Attributes:
        flat: float32 (N, F) what the head gives.
        marginals: float32 (N, K), NaN of images that have not been looked at.
        entropy: float32 (N,) of the label sets in nats, NaN likewise.
        done: bool (N,).
        failed: why images could not be read, by row.
    """

    flat: NDArray[np.float32]
    marginals: NDArray[np.float32]
    entropy: NDArray[np.float32]
    done: NDArray[np.bool_]
    failed: dict[int, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class _Waiting:
    """A file that waits for the model, and where its logits go."""

    file: Path
    answer: Future[NDArray[np.float32]]


class Predictor:
    """Predicts the images of a stream in the background, and uploads as they come.

    Args:
        model: fitted.
        stream: of the N images of a collection.
        limits: of batches and of what may wait.
    """

    def __init__(self, model: LatentLabels, stream: InputStream, limits: Limits):
        self.model, self.stream, self.limits = model, stream, limits
        size, num_labels = len(stream), model.space_.num_labels
        self.found = Predictions(
            np.full((size, model.model.amortizer.head.out_features), np.nan, np.float32),
            np.full((size, num_labels), np.nan, np.float32),
            np.full(size, np.nan, np.float32),
            np.zeros(size, bool),
        )
        self._waiting: queue.Queue[_Waiting | None] = queue.Queue(limits.waiting)
        self._working, self._ended = threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._work, name="predictor", daemon=True)

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """End after what is under way."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()

    @property
    def num_done(self) -> int:
        """How many images of the collection have been looked at."""
        return int(self.found.done.sum())

    def posterior(self, flat: NDArray[np.float32], names: Sequence[str]) -> Posterior:
        """The posterior of images whose logits (B, F) are at hand."""
        with torch.no_grad():
            return Posterior(self.model.model.amortizer.vector(torch.from_numpy(np.ascontiguousarray(flat))), names)

    def rows(self, rows: Sequence[int]) -> NDArray[np.float32]:
        """The logits (B, F) of some images of the collection; those that have not been looked at are, before others.

        Raises:
            ProblemError: an image that cannot be read.
        """
        missing = np.asarray([row for row in rows if not self.found.done[row]], np.int64)
        if len(missing):
            self._predict_rows(missing)
        bad = [row for row in rows if row in self.found.failed]
        if bad:
            raise ProblemError("not-an-image", f"{self.stream.names[bad[0]]}: {self.found.failed[bad[0]]}")
        return self.found.flat[np.asarray(rows, np.int64)]

    def upload(self, file: Path) -> NDArray[np.float32]:
        """The logits (F,) of an image file; files that wait go through the model together.

        Raises:
            ProblemError: too many wait, it takes too long, or the file cannot be read.
        """
        waiting = _Waiting(file, Future())
        try:
            self._waiting.put_nowait(waiting)
        except queue.Full:
            raise ProblemError("busy", f"{self.limits.waiting} pictures wait for the model; try again in a moment") from None
        try:
            return waiting.answer.result(self.limits.answer_seconds)
        except TimeoutError:
            waiting.answer.cancel()
            raise ProblemError("busy", "the model did not get to this picture in time; try again in a moment") from None

    # --- the thread -------------------------------------------------------------------------------------

    def _work(self) -> None:
        missing = 0
        while not self._ended.is_set():
            batch = self._next_batch(wait=missing >= len(self.stream))
            if batch:
                self._answer(batch)
            elif missing < len(self.stream):
                rows = np.arange(missing, min(missing + _CHUNK, len(self.stream)))
                missing += len(rows)
                rows = rows[~self.found.done[rows]]
                if len(rows):
                    self._predict_rows(rows)
        while not self._waiting.empty():
            one = self._waiting.get_nowait()
            if one is not None:
                one.answer.set_exception(ProblemError("busy", "the service is about to end"))

    def _next_batch(self, wait: bool) -> list[_Waiting]:
        """Uploads that wait: the first one, and those that come within moments of it."""
        batch: list[_Waiting] = []
        until = time.monotonic() + (0.2 if wait else 0.0)
        while len(batch) < self.limits.batch:
            left = until - time.monotonic()
            try:
                one = self._waiting.get(timeout=left) if left > 0 else self._waiting.get_nowait()
            except queue.Empty:
                return batch
            if one is None:
                return batch
            if not batch:
                until = time.monotonic() + self.limits.batch_seconds
            if one.answer.set_running_or_notify_cancel():
                batch.append(one)
        return batch

    def _answer(self, batch: Sequence[_Waiting]) -> None:
        try:
            inputs = self._read([one.file for one in batch])
            flat = self._flat(inputs)
            where = {int(row): place for place, row in enumerate(inputs.rows)}
            why = {left.name: left.why for left in inputs.left_out}
            for number, one in enumerate(batch):
                if number in where:
                    one.answer.set_result(flat[where[number]])
                else:
                    text = why.get(str(one.file), "it cannot be read").removeprefix(f"{one.file}: ")
                    one.answer.set_exception(ProblemError("not-an-image", text))
        except Exception as error:
            for one in batch:
                if not one.answer.done():
                    one.answer.set_exception(ProblemError("not-an-image", str(error)) if _is_data(error) else error)

    def _read(self, files: list[Path]) -> Inputs:
        return read_files(files, self.model._as_fitted(), Reading(unreadable="rows"))

    def _flat(self, inputs: Inputs) -> NDArray[np.float32]:
        with self._working, torch.no_grad():
            amortizer = self.model.model.amortizer
            found = flat_logits(amortizer, inputs.items, torch.arange(len(inputs)), self.model.batch_size)
            return found.numpy().astype(np.float32)

    def _predict_rows(self, rows: NDArray[np.int64]) -> None:
        """Look at images of the collection; one that cannot be read has its reason kept."""
        found = self.found
        try:
            inputs = self.stream.block(rows).inputs
            flat = self._flat(inputs)
            good = rows[inputs.rows]
            found.flat[good] = flat
            if len(good):
                posterior = self.posterior(flat, [str(row) for row in good])
                found.marginals[good] = posterior.marginals
                found.entropy[good] = np.maximum(posterior.entropy(), _EDGE)
            why = {left.name: left.why for left in inputs.left_out}
            for row in {*rows.tolist()} - {*good.tolist()}:
                name = self.stream.names[row]
                found.failed[row] = why.get(name, "it cannot be read").removeprefix(f"{name}: ")
        except LatentLabelsError as error:
            for row in rows.tolist():
                found.failed[row] = str(error)
        found.done[rows] = True


def _is_data(error: Exception) -> bool:
    return isinstance(error, LatentLabelsError)
