"""`Service`: what the interface answers from: a run, its images, what the model says of them, and what people answered."""

from __future__ import annotations

import io
import threading
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .. import __version__
from ..checks import movements, shared_by
from ..errors import DataError, LabelSpaceError, LatentLabelsError, ObservationError
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
from .collection import Collection, open_collection
from .documents import MovedLabel, OneImage, PosteriorOfImage, PosteriorRequest, RefitState, UnmovedGroup
from .limits import Limits
from .predicting import Predictor
from .problems import ProblemError
from .refitting import Refit
from .sentences import sentence_of
from .uploads import Uploads

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
            beside.mkdir(parents=True, exist_ok=True)
            self.files = beside
            self._held.callback(_remove_if_empty, beside)
            self._held.enter_context(holding(beside, "answering"))
            self.shown = self._show(source.run)
            self.answering = Answering(answers, self.shown.collection.names, self.shown.space)
            self.uploads = Uploads(self.limits)
            self._held.callback(self.uploads.close)
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
        with suppress(ProblemError, LatentLabelsError):
            self.uploads.predict_again(new.predictor)
        old.predictor.stop()

    def settled(self) -> NDArray[np.bool_]:
        """Labels that nobody needs to be asked for: known, answered, implied by both, or skipped: bool (N, K)."""
        return np.asarray((self.answering.closed(self.shown.collection.known) != -1) | self.answering.asked)

    def start_refit(self) -> RefitState:
        """Fit again with the answers, in the background; the new run is shown when it is there.

        Raises:
            ProblemError: a refit is running, or nothing was answered.
        """
        return self.refit.start(self.shown.run, self.shown.collection, self.answering)

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
        shown = self.shown
        rows = [self.row(one) for one in images if not one.startswith("u")]
        found = iter(shown.predictor.rows(rows)) if rows else iter(())
        flat = np.stack([self.uploads.get(one).flat if one.startswith("u") else next(found) for one in images])
        return shown.predictor.posterior(flat, [self.name(one) for one in images])

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

    # --- conditioning -----------------------------------------------------------------------------------

    def conditioned(self, asked: PosteriorRequest) -> list[PosteriorOfImage]:
        """The posterior of images given stated labels.

        Raises:
            ProblemError: unknown labels, or labels that contradict each other.
        """
        before, space = self.posterior(asked.images), self.shown.space
        present, absent = list(dict.fromkeys(asked.present)), list(dict.fromkeys(asked.absent))
        after, stated = before, {}
        if present or absent:
            try:
                stated = self._stated(present, absent)
                after = before.given(present, absent)  # also says what is impossible together
                if asked.annotation == "picked":
                    row = np.full(space.num_labels, -1, np.int8)
                    row[[space.index(label) for label in stated]] = list(stated.values())
                    after = before.observing(np.tile(row, (len(before), 1)), self.shown.model.conditions_by)
                return self._conditioned(asked, before, after, stated)
            except LabelSpaceError as error:
                raise ProblemError("unknown-label", str(error)) from None
            except ObservationError as error:
                raise ProblemError("contradiction", str(error)) from None
        return self._conditioned(asked, before, after, stated)

    def _stated(self, present: Sequence[str], absent: Sequence[str]) -> dict[str, int]:
        """The labels that are stated, the empty outcomes of groups among them."""
        space = self.shown.space
        stated = {space.labels[space.index(label)]: 0 for label in absent}
        for label in present:
            columns, value = space.stated(label)
            stated |= {space.labels[k]: value for k in columns}
        return stated

    def _conditioned(
        self, asked: PosteriorRequest, before: Posterior, after: Posterior, stated: dict[str, int]
    ) -> list[PosteriorOfImage]:  # fmt: skip
        space, marginals, counts = self.shown.space, after.marginals, after.count_probs()
        shared = shared_by(before.distribution, after.distribution)
        out = []
        for row, image in enumerate(asked.images):
            found = movements(space, before.marginals[row].tolist(), marginals[row].tolist(), {}, stated, shared)
            moved = [one for group in found for one in group.moved if one.label not in stated]
            moved.sort(key=lambda one: -abs(one.after - one.before))
            out.append(
                PosteriorOfImage(
                    id=image,
                    marginals=dict(zip(space.labels, map(float, marginals[row]), strict=True)),
                    count=[float(share) for share in counts[row]],
                    moved=[MovedLabel(**asdict(one)) for one in moved],
                    unmoved=[UnmovedGroup(group=one.group, reason=one.reason) for one in found if not one.moved and stated],
                    sentence=sentence_of(marginals[row], space),
                )
            )
        return out

    # --- answers ----------------------------------------------------------------------------------------

    def answer(self, image: str, label: str | None, group: str | None, value: int | str | None) -> int:
        """Keep an answer; it is on the disk when this returns. The picture of an upload is kept with the table.

        Returns:
            The number of lines in the table.
        """
        name = self.name(image)
        if image.startswith("u"):
            name = self._place(image)
        return self.answering.add(name, label, group, value)

    def _place(self, image: str) -> str:
        """Keep the picture of an upload beside the table of answers; returns its name there."""
        with self._lock:
            if image not in self._placed:
                upload = self.uploads.get(image)
                content = upload.file.read_bytes()
                number = len(list(self.files.glob("upload-*")))
                while True:
                    target = self.files / f"upload-{number}{upload.file.suffix}"
                    if not target.exists():
                        write_bytes(target, content)  # on the disk before the answer is
                        break
                    number += 1
                self._placed[image] = str(target.resolve())
            return self._placed[image]

    @property
    def about(self) -> dict[str, Any]:
        """What /v1/health says."""
        shown = self.shown
        return {
            "status": "ok", "version": __version__, "run": str(shown.run), "num_images": len(shown.collection),
            "num_labels": shown.space.num_labels, "num_predicted": shown.predictor.num_done,
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
