"""What a fit makes of images, small enough to be kept in a run folder: `findings.npz` and `evaluation.npz`, for the report.

A run folder holds no images. So what a report shows of them is worked out while they are at hand: prevalences, how many
labels are present, which go together, a few images with their probabilities, and known labels that may be mistakes.
"""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import DataError, DataWarning, ObservationError
from .evaluation import surprising_labels
from .posterior import Posterior

if TYPE_CHECKING:
    from .estimator import LatentLabels

FITTED, EVALUATED = "findings.npz", "evaluation.npz"
_LIMIT = 2000  # images that are looked at
_THUMBNAIL = 96  # pixels
_EXAMPLES, _SURPRISES = 6, 12
_SHEET_LABELS, _SHEET_IMAGES = 8, 7
_TOGETHER = 24  # labels in the table of what goes together


@dataclass(frozen=True)
class Findings:
    """What was found in N of the images; K labels.

    Attributes:
        num_images: N, and of how many: (2,).
        prevalence: (K,) mean posterior probability of presence, given what is known of each image.
        count_probs: (n + 1,) posterior distribution of the number of labels, the mean over the images.
        together_labels: (L,) columns of the labels that are most often present.
        together: (L, L) how often two of them are present at once.
        pictures: (P, 3, 96, 96) uint8 thumbnails; of none for embeddings.
        marginals: (P, K) of these images, from the image alone.
        observed: (P, K) what was known of them, 1, 0, -1.
        truth: (P, K) their complete labels; empty where they are not known.
        examples: rows of the P images to show as they are.
        sheet_labels: columns of labels to show by their most probable images.
        sheet_shares: (S,) mean probability of these labels in the N images, from the images alone.
        sheet: rows of the P images that these are chosen from.
        surprise_rows: rows of the P images with the known labels that are least probable, which are given by
        surprise_labels: their columns,
        surprise_values: what is known, 1 or 0,
        surprise_probabilities: the probability of that, and
        surprise_instead: columns of the labels that are more probable there, -1 where there is none.
        surprise_others: the probabilities of these, NaN where there is none.
        surprise_images: the images' names.
        truth_prevalence: (K,) share of the N images; empty where complete labels are not known.
        truth_counts: (m + 1,) share of the N images with as many labels; as well.
    """

    num_images: NDArray[Any]
    prevalence: NDArray[Any]
    count_probs: NDArray[Any]
    together_labels: NDArray[Any]
    together: NDArray[Any]
    pictures: NDArray[Any]
    marginals: NDArray[Any]
    observed: NDArray[Any]
    truth: NDArray[Any]
    examples: NDArray[Any]
    sheet_labels: NDArray[Any]
    sheet_shares: NDArray[Any]
    sheet: NDArray[Any]
    surprise_rows: NDArray[Any]
    surprise_labels: NDArray[Any]
    surprise_values: NDArray[Any]
    surprise_probabilities: NDArray[Any]
    surprise_instead: NDArray[Any]
    surprise_others: NDArray[Any]
    surprise_images: NDArray[Any]
    truth_prevalence: NDArray[Any]
    truth_counts: NDArray[Any]

    def write(self, path: str | Path) -> Path:
        """Write them as an .npz, which holds no pickle."""
        path = Path(path)
        np.savez_compressed(path, **{field.name: getattr(self, field.name) for field in fields(self)})
        return path

    @classmethod
    def read(cls, path: str | Path, num_labels: int) -> Findings:
        """Read what `write` wrote.

        Raises:
            DataError: a file that is damaged, or of another label space.
        """
        path = Path(path)
        try:
            with np.load(path, allow_pickle=False) as file:
                found = cls(**{field.name: file[field.name] for field in fields(cls)})
            columns = {array.shape[-1] for array in (found.prevalence, found.marginals)}
            if columns != {num_labels}:
                raise ValueError(f"it is about {found.prevalence.shape[-1]} labels, but the run has {num_labels}")
        except (OSError, EOFError, ValueError, KeyError, TypeError, IndexError, zipfile.BadZipFile) as error:
            raise DataError(f"{path.name} could not be read: {error}") from error
        return found


def find(model: LatentLabels, images: Any, observed: Any = None, truth: Any = None, *, limit: int = _LIMIT) -> Findings:
    """Look at images through a fitted model.

    Args:
        model: the fitted estimator.
        images: N of them as for `LatentLabels.fit`, but for a folder: files, an array, a Dataset, embeddings.
        observed: (N, K) what is known of them, `Observed` or an array; None for nothing.
        truth: (N, K) their complete labels, if they are known.
        limit: images to look at, evenly spaced among all.

    Raises:
        NotFittedError, DataError: as `LatentLabels.posterior`.
    """
    total = len(images)
    rows = np.unique(np.linspace(0, total - 1, min(limit, total)).round().astype(int)) if total else np.arange(0)
    chosen = _take(images, rows)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)  # the fit has named the images that it could not read
        posterior = model.posterior(chosen)
    answered = _answered(chosen, posterior)
    chosen, rows = _take(chosen, answered), rows[answered]
    known, complete = (
        None if table is None else np.asarray(getattr(table, "values", table))[rows] for table in (observed, truth)
    )
    p = posterior.marginals
    known = np.full(p.shape, -1, np.int8) if known is None else known
    given = _given(model, posterior, known)
    prevalence = given.marginals.mean(0)
    common = np.argsort(-prevalence, kind="stable")
    together = np.sort(common[:_TOGETHER])
    sheet_labels = np.sort(common[:_SHEET_LABELS])
    space = posterior.space
    surprises = surprising_labels(known, p, space, limit=_SURPRISES)
    examples = np.unique(np.linspace(0, len(p) - 1, min(_EXAMPLES, len(p))).round().astype(int))
    sheet = {int(row) for k in sheet_labels for row in np.argsort(-p[:, k], kind="stable")[:_SHEET_IMAGES]}
    shown = sorted({*examples.tolist(), *sheet, *(found.row for found in surprises)})
    place = {row: number for number, row in enumerate(shown)}
    names = [posterior.images[found.row] for found in surprises]
    return Findings(
        num_images=np.array([len(p), total]),
        prevalence=prevalence,
        count_probs=given.count_probs().mean(0),
        together_labels=together,
        together=given.co_occurrence([space.labels[k] for k in together]),
        pictures=_thumbnails(chosen, shown, model.encoder != "embedding"),
        marginals=p[shown],
        observed=known[shown],
        truth=np.empty((0, p.shape[1])) if complete is None else complete[shown],
        examples=np.array([place[int(row)] for row in examples], int),
        sheet_labels=sheet_labels,
        sheet_shares=p[:, sheet_labels].mean(0),
        sheet=np.array(sorted(place[row] for row in sheet), int),
        surprise_rows=np.array([place[found.row] for found in surprises], int),
        surprise_labels=np.array([space.index(found.label) for found in surprises], int),
        surprise_values=np.array([found.value for found in surprises], int),
        surprise_probabilities=np.array([found.probability for found in surprises], float),
        surprise_instead=np.array([-1 if f.instead is None else space.index(f.instead) for f in surprises], int),
        surprise_others=np.array([found.instead_probability for found in surprises], float),
        surprise_images=np.array(names, dtype=str),
        truth_prevalence=np.empty(0) if complete is None else complete.mean(0),
        truth_counts=np.empty(0) if complete is None else np.bincount(complete.sum(1).astype(int)) / len(p),
    )


def _take(images: Any, rows: NDArray[Any]) -> Any:
    if isinstance(images, list | tuple):
        return [images[int(row)] for row in rows]
    if hasattr(images, "shape"):
        return images[rows]
    from torch.utils.data import Subset

    return Subset(images, rows.tolist())


def _answered(images: Any, posterior: Posterior) -> NDArray[np.int64]:
    """The rows of which there is a posterior: all but the files that could not be read; their order is kept."""
    if not isinstance(images, list) or not images or not isinstance(images[0], str | Path):
        return np.arange(len(posterior))
    names = iter(posterior.images)
    wanted = next(names, None)
    rows = []
    for row, file in enumerate(images):
        if wanted == str(file):
            rows.append(row)
            wanted = next(names, None)
    return np.asarray(rows, np.int64)


def _given(model: LatentLabels, posterior: Posterior, known: NDArray[np.int8]) -> Posterior:
    if (known == -1).all():
        return posterior
    try:
        return posterior.observing(known, model.conditions_by)
    except ObservationError:  # another objective's label space may contradict what is known
        return posterior


def _thumbnails(images: Any, rows: Sequence[int], on_images: bool) -> NDArray[np.uint8]:
    """uint8 (P, 3, 96, 96), whole images on white; none for embeddings."""
    if not on_images:
        return np.empty((0, 3, _THUMBNAIL, _THUMBNAIL), np.uint8)
    return np.stack([_thumbnail(images[row]) for row in rows]) if rows else np.empty((0, 3, _THUMBNAIL, _THUMBNAIL), np.uint8)


def _thumbnail(image: Any) -> NDArray[np.uint8]:
    from PIL import Image, ImageOps

    from .data.images import read_image

    if isinstance(image, str | Path):
        picture = read_image(image, (_THUMBNAIL, _THUMBNAIL))
    else:
        pixels = _pixels(image[0] if isinstance(image, tuple) else image)
        picture = Image.fromarray(pixels)
    padded = ImageOps.pad(picture.convert("RGB"), (_THUMBNAIL, _THUMBNAIL), color="white")
    return np.ascontiguousarray(np.asarray(padded, np.uint8).transpose(2, 0, 1))


def _pixels(image: ArrayLike) -> NDArray[np.uint8]:
    """uint8 (H, W, 3)."""
    pixels = np.asarray(image)
    if pixels.shape[0] == 3 and pixels.shape[-1] != 3:
        pixels = pixels.transpose(1, 2, 0)
    if pixels.dtype != np.uint8:
        pixels = (255 * np.clip(pixels.astype(np.float64), 0, 1)).round().astype(np.uint8)
    return np.ascontiguousarray(pixels)
