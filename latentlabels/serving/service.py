"""`Service`: what the interface answers from: a run, its images, what the model says of them, and what people answered."""

from __future__ import annotations

import io
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .. import __version__
from ..errors import DataError, LatentLabelsError
from ..estimator import LatentLabels
from ..inputs.image_file import read_picture, scaled
from ..inputs.levels import Levels
from ..kind import Kind
from ..locking import holding
from ..posterior import Posterior
from ..show.card import image_document
from ..space import LabelSpace
from ..words import quoted
from ..writing import write_bytes
from .answering import Answering
from .collection import Collection, images_of_fit, open_collection
from .conditioning import Conditioner
from .documents import AnswerRequest, OneImage, PosteriorOfImage, PosteriorRequest, RefitState, Saved
from .limits import Limits
from .predicting import Predictor
from .problems import ProblemError, saving
from .refitting import Refit
from .sampling import sample_rows
from .sentences import sentence_of
from .uploads import Uploads
from .usefulness import Usefulness

ANSWERS = "answers.csv"


@dataclass(frozen=True)
class Source:
    """Where a service's run and images are.

    Attributes:
        run: the run folder.
        images: a folder of images, or pictures of a run on embeddings; None for the images of the fit.
        embeddings: for a run on embeddings, the file; None for that of the fit.
        answers: the table of answers; None for `answers.csv` in the run folder.
    """

    run: Path
    images: Path | None = None
    embeddings: Path | None = None
    answers: Path | None = None


@dataclass(frozen=True, eq=False)
class Shown:
    """A run as it is shown, and replaced as a whole after a refit.

    Attributes:
        run: the run folder.
        model: its estimator.
        collection: the images.
        predictor: puts them through the model.
    """

    run: Path
    model: LatentLabels
    collection: Collection
    predictor: Predictor

    @property
    def space(self) -> LabelSpace:
        """The K labels."""
        return self.model.space_

    @cached_property
    def sample(self) -> tuple[int, ...]:
        """Rows of the random sample that is labelled completely."""
        return sample_rows(self.run, self.collection)

    @cached_property
    def images_of_fit(self) -> Collection | None:
        """The images that the run was fitted on; None where they are not there any more."""
        return self.collection if self.collection.of_the_fit else images_of_fit(self.run, self.model)

    @cached_property
    def gains(self) -> Usefulness:
        """What answers about the images would tell."""
        return Usefulness(len(self.collection))


class Service:
    """Everything behind the interface. Made once for a process; close it at the end.

    Args:
        source: of the run and its images.
        limits: of requests.

    Raises:
        RunError, DataError: what cannot be shown.
    """

    def __init__(self, source: Source, limits: Limits | None = None):
        self.source, self.limits = source, limits or Limits()
        self._held = ExitStack()
        with ExitStack() as undone:
            undone.push(self._held)
            answers = source.answers or source.run / ANSWERS
            if answers.suffix.lower() != ".csv":
                raise DataError(f"{answers}: the table of answers should end in .csv")
            beside = answers.with_suffix(".files")
            try:
                beside.mkdir(parents=True, exist_ok=True)
                self._held.callback(_remove_if_empty, beside)
                self._held.enter_context(holding(beside, "answering"))
            except OSError as error:
                raise DataError(
                    f"{answers}: answers cannot be kept there ({error.strerror}); give another file by --answers FILE"
                ) from None
            self.files = beside
            self.shown = self._show(source.run)
            self.answering = Answering(answers, self.shown.collection.names, self.shown.space)
            self.uploads = Uploads(self.limits)
            self._held.callback(self.uploads.close)
            self._conditioner = Conditioner()
            self._held.callback(self._conditioner.close)
            undone.pop_all()
        self.refit = Refit(self.show)
        self._placed: dict[str, str] = {}
        self._lock = threading.Lock()

    def _show(self, run: Path) -> Shown:
        model = LatentLabels.load(run)
        collection = open_collection(run, model, self.source.images, self.source.embeddings)
        return Shown(run, model, collection, Predictor(model, collection.stream, self.limits))

    def start(self) -> None:
        """Begin to look at the collection."""
        self.shown.predictor.start()
        self.settled()  # kept, so that the first list of images need not wait for it

    def close(self) -> None:
        """Stop, and let go of the table of answers."""
        self.refit.cancel()
        self.shown.predictor.stop()
        self._held.close()

    def show(self, run: Path) -> None:
        """Show another run of the same labels in place of this one; what waits for the old model is still answered."""
        old, new = self.shown, self._show(run)
        if new.space != old.space or new.collection.names != old.collection.names:
            raise DataError(
                f"{run}: has other labels or images than {old.run}; begin again: latentlabels explore {quoted(run)}"
            )
        new.predictor.start()
        self.shown = new
        self.answering.forget_closed()
        self.settled()
        with suppress(ProblemError, LatentLabelsError):
            self.uploads.predict_again(new.predictor)
        old.predictor.stop()

    def settled(self, rows: NDArray[np.int64] | None = None) -> NDArray[np.bool_]:
        """Labels that nobody needs to be asked for: known, answered, implied by both, or skipped: bool (N, K).

        Args:
            rows: (B,) of some images; None for all.
        """
        closed, asked = self.answering.closed(self.shown.collection.known), self.answering.asked
        return np.asarray((closed != -1) | asked) if rows is None else np.asarray((closed[rows] != -1) | asked[rows])

    def usefulness(self) -> NDArray[np.float64]:
        """What an answer about each image would tell at most, in nats (N,); 0 where the model has not looked."""
        return self.shown.gains.values(self.shown.predictor.found, self.answering.revision, self.settled)

    def start_refit(self) -> RefitState:
        """Fit again with the answers, in the background; the new run is shown when it is there.

        Raises:
            ProblemError: a refit is running, or nothing was answered.
        """
        return self.refit.start(self.shown.run, self.shown.model, self.shown.collection, self.answering)

    # --- images -----------------------------------------------------------------------------------------

    def name(self, image: str) -> str:
        """What an image is called, by its id.

        Raises:
            ProblemError: there is none.
        """
        if image.startswith("u"):
            return self._placed.get(image) or self.uploads.get(image).file.name
        return self.shown.collection.names[self.row(image)]

    def row(self, image: str) -> int:
        """The row of an image of the collection, by its id.

        Raises:
            ProblemError: there is none.
        """
        size = len(self.shown.collection)
        if not (image.isascii() and image.isdigit() and int(image) < size):
            raise ProblemError("not-found", f'no image "{image}"; the ids of images go from 0 to {size - 1}')
        return int(image)

    def known(self, image: str) -> NDArray[np.int8]:
        """What the run's table says: int8 (K,)."""
        if image.startswith("u"):
            return np.full(self.shown.space.num_labels, -1, np.int8)
        return self.shown.collection.known[self.row(image)]

    def posterior(self, images: Sequence[str]) -> Posterior:
        """The posterior of images by their ids, from the pictures alone."""
        predictor = self.shown.predictor
        return predictor.posterior(self._logits(images, predictor), [self.name(one) for one in images])

    def _logits(self, images: Sequence[str], predictor: Predictor) -> NDArray[np.float32]:
        """What the model says of images by their ids: (B, F)."""
        rows = [self.row(one) for one in images if not one.startswith("u")]
        found = iter(predictor.rows(rows) if rows else ())
        return np.stack([self.uploads.get(one).flat if one.startswith("u") else next(found) for one in images])

    def picture(self, image: str, size: int) -> bytes:
        """A picture as JPEG, its larger side at most `size` pixels.

        Raises:
            ProblemError: there is none.
        """
        if image.startswith("u"):
            file: Any = self.uploads.get(image).file
        else:
            row, pictures = self.row(image), self.shown.collection.pictures
            file = pictures[row] if len(pictures) else None
            if file is None:
                raise ProblemError("not-found", "this run has embeddings without pictures; give their folder by --images DIR")
        try:
            found = _picture(file, size, self.shown.model.fitted_.levels)
        except DataError as error:
            raise ProblemError("not-found", f"{error}") from None
        found.thumbnail((size, size), Image.Resampling.BILINEAR)
        out = io.BytesIO()
        found.save(out, "JPEG", quality=85)
        return out.getvalue()

    def upload(self, content: bytes) -> OneImage:
        """Keep a picture and say what it shows.

        Raises:
            ProblemError: it cannot be read, or the run takes embeddings.
        """
        if self.shown.model.kind is Kind.EMBEDDINGS:
            raise ProblemError("conflict", "this run was fitted on embeddings, so it takes no pictures")
        return self.one(self.uploads.add(content, self.shown.predictor).id)

    def one(self, image: str) -> OneImage:
        """All about one image."""
        posterior, name, space = self.posterior([image]), self.name(image), self.shown.space
        return OneImage(
            id=image,
            name=name,
            sentence=sentence_of(posterior.marginals[0], space),
            card=image_document(posterior),
            known=_named(self.known(image), space),
            answers=_named(self.answering.of(name), space),
        )

    def at_hand(self, images: Sequence[str]) -> bool:
        """Whether the model has looked at all of these images, by their ids."""
        done = self.shown.predictor.found.done
        return all(one.startswith("u") or done[self.row(one)] for one in images)

    def conditioned(self, asked: PosteriorRequest) -> Future[list[PosteriorOfImage]]:
        """The posterior of images given stated labels; requests that wait together are worked out together.

        Raises:
            ProblemError: unknown labels, or labels that contradict each other.
        """
        predictor = self.shown.predictor
        return self._conditioner.ask(asked, self._logits(asked.images, predictor), predictor)

    # --- answers ----------------------------------------------------------------------------------------

    def answer(self, given: AnswerRequest) -> Saved:
        """Keep an answer; it is on the disk when this returns. The picture of an upload is kept with the table.

        Raises:
            ProblemError: an answer that does not fit, or that cannot be saved.
        """
        uploaded = given.image.startswith("u")
        name = self._place(given.image) if uploaded else self.name(given.image)
        decision = given.decision or ""
        number = self.answering.add(name, given.label, given.group, given.value, given.kind, decision)
        return Saved(number=number, saved=True, in_refit=not uploaded and self.in_refit([name])[0])

    def in_refit(self, names: Sequence[str]) -> list[bool]:
        """Whether a refit uses answers about images of these names: those that the run was fitted on."""
        own = self.shown.images_of_fit
        return [False] * len(names) if own is None else [row is not None for row in own.rows_of_fit(names)]

    def _place(self, image: str) -> str:
        """Keep the picture of an upload beside the table of answers; returns its name, by the folder of the table."""
        with self._lock:
            if image not in self._placed:
                upload = self.uploads.get(image)
                number = len(list(self.files.glob("upload-*")))
                while (target := self.files / f"upload-{number}{upload.file.suffix}").exists():
                    number += 1
                with saving("the picture"):
                    write_bytes(target, upload.file.read_bytes())  # on the disk before the answer is
                self._placed[image] = f"{self.files.name}/{target.name}"
            return self._placed[image]

    @property
    def about(self) -> dict[str, Any]:
        """What /v1/health says."""
        shown = self.shown
        return {
            "status": "ok", "version": __version__, "run": str(shown.run), "num_images": len(shown.collection),
            "num_labels": shown.space.num_labels, "num_predicted": shown.predictor.num_done,
            "has_pictures": len(shown.collection.pictures) > 0, "takes_pictures": shown.model.kind is not Kind.EMBEDDINGS,
        }  # fmt: skip


def _picture(file: Any, size: int, levels: Levels | None) -> Image.Image:
    """As `read_image`, whose filter of warnings is not for several threads."""
    picture = read_picture(file, (size, size)).picture
    if isinstance(picture, Image.Image) and levels is None:
        return picture
    return Image.fromarray(np.ascontiguousarray(scaled(picture, levels).transpose(1, 2, 0)))


def _named(row: NDArray[np.int8], space: LabelSpace) -> dict[str, int]:
    return {space.labels[k]: int(row[k]) for k in np.flatnonzero(row != -1).tolist()}


def _remove_if_empty(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()
