"""What a fit makes of images, small enough to be kept in a run folder: `findings.npz` and `evaluation.npz`, for the report.

A run folder holds no images. So what a report shows of them is worked out while they are at hand: prevalences, how many
labels are present, which go together, a few images with their probabilities, and known labels that may be mistakes.
"""

from __future__ import annotations

import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..checks import suspect_labels
from ..errors import DataError, DataWarning, ObservationError
from ..inputs import Inputs
from ..kind import Kind
from ..posterior import Posterior
from ..show.pixels import thumbnail
from ..writing import replacing

if TYPE_CHECKING:
    from ..estimator import LatentLabels
    from ..inputs.alignment import Labels
    from ..inputs.given import Images

FITTED, EVALUATED = "findings.npz", "evaluation.npz"
_LIMIT = 2000  # images that are looked at
SIDE = 96  # pixels of a thumbnail
_EXAMPLES, _SUSPECTS = 6, 12
_PLACES = 2  # labels of an example whose places are shown
_ERRORS = 8  # of either kind
_PER_LABEL = 2  # of them
# that files of earlier versions lack
_NEW = ("names", "place_rows", "place_labels", "place_heat", "place_shapes", "error_rows", "error_labels")
_SHEET_LABELS, _SHEET_IMAGES = 8, 7
_TOGETHER = 24  # labels in the table of what goes together
_ROUNDING = 1e-4  # float32 sums of probabilities leave [0, 1] by this much at most
_PAIRS_WORK, _COUNTS_WORK = 200_000, 50_000_000  # images x labels, images x labels x points: seconds of work
_COUNT_POINTS = 256  # numbers of labels that are worked out, at most, as a rule


@dataclass(frozen=True)
class StoredPredictions:
    """What was found in N of the images; K labels.

    Attributes:
        num_images: N, and of how many: (2,).
        source: where the images come from; "" if the model was fitted on them.
        num_known: how many labels of these images are known, and how many of those are taken into account: (2,). None are
            where the label space contradicts them.
        prevalence: (K,) mean posterior probability of presence, given what is known of each image.
        count_probs: (n + 1,) posterior distribution of the number of labels, the mean over the images.
        together_labels: (L,) columns of the labels that are most often present.
        together: (L, L) how often two of them are present at once.
        num_parts: of how many of the images count_probs is, and together: (2,). Fewer than N where labels are very many.
        pictures: (P, 3, 96, 96) uint8 thumbnails, white throughout where there is no picture; of none for embeddings.
        marginals: (P, K) of these images, from the image alone.
        observed: (P, K) what was known of them, 1, 0, -1.
        truth: (P, K) their complete labels; empty where they are not known.
        examples: rows of the P images to show as they are.
        sheet_labels: columns of labels to show by their most probable images.
        sheet_shares: (S,) mean probability of these labels in the N images, from the images alone.
        sheet: rows of the P images that these are chosen from.
        suspect_rows: rows of the P images with the known labels that are least probable, which are given by
        suspect_labels: their columns,
        suspect_values: what is known, 1 or 0,
        suspect_probabilities: the probability of that, and
        suspect_instead: columns of the labels that are more probable there, -1 where there is none.
        suspect_others: the probabilities of these, NaN where there is none.
        suspect_images: the images' names.
        truth_prevalence: (K,) share of the N images; empty where complete labels are not known.
        truth_counts: (m + 1,) share of the images that count_probs is of with as many labels; as well.
        names: of the P images; none in files of earlier versions.
        place_rows: rows of the P images with a label whose place is shown; of none without regions.
        place_labels: the labels' columns.
        place_heat: (H, h, w) the probability of each place that it shows the label, if that is present.
        place_shapes: (H, 2) height and width of the pictures, whole in the square of their thumbnails.
        error_rows: rows of the P images with the worst errors, where complete labels are known: labels that are absent with the
            largest probabilities, then labels that are present with the smallest ones.
        error_labels: the labels' columns.
    """

    num_images: NDArray[Any]
    source: NDArray[Any]
    num_known: NDArray[Any]
    prevalence: NDArray[Any]
    count_probs: NDArray[Any]
    together_labels: NDArray[Any]
    together: NDArray[Any]
    num_parts: NDArray[Any]
    pictures: NDArray[Any]
    marginals: NDArray[Any]
    observed: NDArray[Any]
    truth: NDArray[Any]
    examples: NDArray[Any]
    sheet_labels: NDArray[Any]
    sheet_shares: NDArray[Any]
    sheet: NDArray[Any]
    suspect_rows: NDArray[Any]
    suspect_labels: NDArray[Any]
    suspect_values: NDArray[Any]
    suspect_probabilities: NDArray[Any]
    suspect_instead: NDArray[Any]
    suspect_others: NDArray[Any]
    suspect_images: NDArray[Any]
    truth_prevalence: NDArray[Any]
    truth_counts: NDArray[Any]
    names: NDArray[Any] = field(default_factory=lambda: np.empty(0, dtype=str))
    place_rows: NDArray[Any] = field(default_factory=lambda: np.empty(0, int))
    place_labels: NDArray[Any] = field(default_factory=lambda: np.empty(0, int))
    place_heat: NDArray[Any] = field(default_factory=lambda: np.empty((0, 1, 1), np.float32))
    place_shapes: NDArray[Any] = field(default_factory=lambda: np.empty((0, 2), int))
    error_rows: NDArray[Any] = field(default_factory=lambda: np.empty(0, int))
    error_labels: NDArray[Any] = field(default_factory=lambda: np.empty(0, int))

    def names_of(self, rows: NDArray[Any]) -> list[str]:
        """Names of some of the P images; none where they are not known."""
        return [str(name) for name in self.names[rows]] if len(self.names) else []

    def pictures_of(self, rows: NDArray[Any]) -> list[NDArray[np.uint8] | None]:
        """Pictures of some of the P images; None where there is none."""
        if not len(self.pictures):
            return [None] * len(rows)
        return [one if (one != 255).any() else None for one in self.pictures[rows]]

    def write(self, path: str | Path) -> Path:
        """Write them as an .npz, which holds no pickle."""
        path = Path(path)
        with replacing(path) as temporary:
            np.savez_compressed(temporary, **{one.name: getattr(self, one.name) for one in fields(self)})
        return path

    @classmethod
    def read(cls, path: str | Path, num_labels: int) -> StoredPredictions:
        """Read what `write` wrote.

        Raises:
            DataError: a file that is damaged, or of another label space.
        """
        path = Path(path)
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:  # closed if it is damaged, too
                named = {one.name: _stored_as(one.name, arrays) for one in fields(cls)}
                found = cls(**{name: arrays[stored] for name, stored in named.items() if stored in arrays or name not in _NEW})
            if found.prevalence.shape != (num_labels,):
                raise ValueError(f"it is about {found.prevalence.size} labels, but the run has {num_labels}")
            found._check()
        except (
            OSError,
            EOFError,
            ValueError,
            KeyError,
            TypeError,
            NotImplementedError,
            zlib.error,
            zipfile.BadZipFile,
            tokenize.TokenError,  # of numpy, where the head of an array is damaged
        ) as error:
            raise DataError(f"{path.name} could not be read: {error}") from error
        return found

    def _check(self) -> None:
        """Refuse arrays that do not fit each other, which a damaged or a foreign file holds."""
        num_labels, num_pictures, num_together = len(self.prevalence), len(self.marginals), len(self.together_labels)
        num_sheet, num_suspects = len(self.sheet_labels), len(self.suspect_rows)
        table = (num_pictures, num_labels)
        shapes: dict[str, set[tuple[int, ...]]] = {
            "num_images": {(2,)}, "source": {()}, "num_known": {(2,)}, "num_parts": {(2,)},
            "count_probs": {(max(self.count_probs.size, 1),)}, "together": {(num_together, num_together)},
            "pictures": {(num, 3, SIDE, SIDE) for num in (0, num_pictures)},
            "marginals": {table}, "observed": {table}, "truth": {table, (0, num_labels)}, "sheet_shares": {(num_sheet,)},
            "names": {(num_pictures,), (0,)},
            "place_labels": {self.place_rows.shape}, "place_shapes": {(self.place_rows.size, 2)},
            "place_heat": {(self.place_rows.size, *self.place_heat.shape[1:3])},
            "truth_prevalence": {(num_labels,), (0,)}, "truth_counts": {(self.truth_counts.size,)},
        }  # fmt: skip
        columns = ("labels", "values", "probabilities", "instead", "others", "images")
        shapes |= {"error_labels": {self.error_rows.shape}}
        shapes |= {f"suspect_{name}": {(num_suspects,)} for name in columns}
        for name, allowed in shapes.items():
            if getattr(self, name).shape not in allowed:
                raise ValueError(f"{name} has shape {getattr(self, name).shape}")
        sizes = dict.fromkeys(("examples", "sheet", "suspect_rows", "place_rows", "error_rows"), num_pictures)
        sizes |= dict.fromkeys(
            ("together_labels", "sheet_labels", "suspect_labels", "suspect_instead", "place_labels", "error_labels"), num_labels
        )
        for name, size in sizes.items():
            numbers = getattr(self, name)
            least = -1 if name == "suspect_instead" else 0
            if numbers.ndim != 1 or numbers.dtype.kind != "i" or not ((numbers >= least) & (numbers < size)).all():
                raise ValueError(f"{name} names what is not there")
        for name in (
            "prevalence",
            "count_probs",
            "together",
            "marginals",
            "sheet_shares",
            "suspect_probabilities",
            "place_heat",
        ):
            values = getattr(self, name)
            if values.dtype.kind != "f" or ((values < -_ROUNDING) | (values > 1 + _ROUNDING)).any():
                raise ValueError(f"{name} holds what are no probabilities")


def _stored_as(name: str, arrays: Any) -> str:
    """The name of an array in a file, where version 0.1 called suspect labels surprises."""
    old = name.replace("suspect", "surprise")
    return name if name in arrays or old not in arrays else old


def find(
    model: LatentLabels,
    images: Images,
    observed: Labels | None = None,
    truth: Labels | None = None,
    *,
    limit: int = _LIMIT,
    source: str = "",
    total: int | None = None,
) -> StoredPredictions:
    """Look at images through a fitted model.

    Args:
        model: the fitted estimator.
        images: N of them as for `LatentLabels.fit`; `Inputs` are not read again.
        observed: (N, K) what is known of them, `Observed`, a DataFrame or an array; None for nothing, or what `Inputs` hold.
        truth: (N, K) their complete labels, likewise.
        limit: images to look at, evenly spaced among all.
        source: where they come from, if they are not those that the model was fitted on.
        total: of how many images they were chosen, where that was done before; see `looked_at`.

    Raises:
        NotFittedError, DataError: as `LatentLabels.posterior`; no images, or tables of another number of rows.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)  # the fit has named the images that it could not read
        inputs = model.read(images, observed, truth)
    total = len(inputs) + len(inputs.left_out) if total is None else total
    rows = _spread(len(inputs), limit)
    chosen = inputs if len(rows) == len(inputs) else inputs.take(rows)
    posterior = model.posterior(chosen)
    known = None if chosen.observed is None else chosen.observed.values
    complete = chosen.truth
    p = posterior.marginals
    known = np.full(p.shape, -1, np.int8) if known is None else known
    given = _given(model, posterior, known)
    prevalence = given.marginals.mean(0)
    common = np.argsort(-prevalence, kind="stable")
    together = np.sort(common[:_TOGETHER])
    sheet_labels = np.sort(common[:_SHEET_LABELS])
    space, size = posterior.space, p.shape[1]
    counted, paired = (
        _spread(len(p), max(work, 1)) for work in (_COUNTS_WORK // (size * min(size, _COUNT_POINTS)), _PAIRS_WORK // size)
    )
    of_counted, of_paired = given[counted], given[paired]
    suspects = suspect_labels(known, p, space, limit=_SUSPECTS)
    examples = _spread(len(p), _EXAMPLES)
    sheet = {int(row) for k in sheet_labels for row in np.argsort(-p[:, k], kind="stable")[:_SHEET_IMAGES]}
    errors = [] if complete is None else worst_errors(complete, p)
    shown = sorted({*examples.tolist(), *sheet, *(found.row for found in suspects), *(row for row, _ in errors)})
    place = {row: number for number, row in enumerate(shown)}
    stated = int((known != -1).sum())
    looks = [(int(row), int(k)) for row in examples for k in np.argsort(-p[row], kind="stable")[:_PLACES]]
    looks = looks if posterior.has_places else []
    return StoredPredictions(
        num_images=np.array([len(p), total]),
        source=np.array(source, dtype=str),
        num_known=np.array([stated, 0 if given is posterior else stated]),
        prevalence=prevalence,
        count_probs=of_counted.count_probs().mean(0),
        together_labels=together,
        together=of_paired.co_occurrence([space.labels[k] for k in together]),
        num_parts=np.array([len(counted), len(paired)]),
        pictures=_thumbnails(chosen, shown),
        names=np.array([chosen.names[row] for row in shown], dtype=str),
        marginals=p[shown],
        observed=known[shown],
        truth=np.empty((0, size)) if complete is None else complete[shown],
        examples=np.array([place[int(row)] for row in examples], int),
        sheet_labels=sheet_labels,
        sheet_shares=p[:, sheet_labels].mean(0),
        sheet=np.array(sorted(place[row] for row in sheet), int),
        suspect_rows=np.array([place[found.row] for found in suspects], int),
        suspect_labels=np.array([space.index(found.label) for found in suspects], int),
        suspect_values=np.array([found.value for found in suspects], int),
        suspect_probabilities=np.array([found.probability for found in suspects], float),
        suspect_instead=np.array([-1 if f.instead is None else space.index(f.instead) for f in suspects], int),
        suspect_others=np.array([found.instead_probability for found in suspects], float),
        suspect_images=np.array([chosen.names[found.row] for found in suspects], dtype=str),
        truth_prevalence=np.empty(0) if complete is None else complete.mean(0),
        truth_counts=np.empty(0) if complete is None else np.bincount(complete[counted].sum(1).astype(int)) / len(counted),
        error_rows=np.array([place[row] for row, _ in errors], int),
        error_labels=np.array([k for _, k in errors], int),
        **_places(posterior, chosen, looks, place),
    )


def _places(
    posterior: Posterior, inputs: Inputs, looks: Sequence[tuple[int, int]], place: Mapping[int, int]
) -> dict[str, NDArray[Any]]:
    """Where labels are in some images; without regions nothing.

    Args:
        posterior: of the N images.
        inputs: the images.
        looks: row and column of an image and a label.
        place: which of the P images a row is.
    """
    if not looks:
        return {}
    rows = sorted({row for row, _ in looks})
    few = posterior[rows]
    heat = [few.where(posterior.space.labels[k])[rows.index(row)] for row, k in looks]
    sizes = {row: inputs.picture(row).size for row in rows}
    return {
        "place_rows": np.array([place[row] for row, _ in looks], int),
        "place_labels": np.array([k for _, k in looks], int),
        "place_heat": np.stack(heat),
        "place_shapes": np.array([sizes[row][::-1] for row, _ in looks], int),
    }


def worst_errors(truth: NDArray[Any], p: NDArray[Any], limit: int = _ERRORS) -> list[tuple[int, int]]:
    """Row and column of the worst errors: false positives, then false negatives, the worst first, so many of each at most.

    Each image is shown once and each label twice at most among them, so that they show what goes wrong, not one image.

    Args:
        truth: (N, K) of 0 and 1.
        p: (N, K) probabilities; decisions are at 0.5.
        limit: of each kind.
    """
    found: list[tuple[int, int]] = []
    for wrong in (np.where(truth == 0, p, -1.0), np.where(truth == 1, 1 - p, -1.0)):
        rows, columns = np.nonzero(wrong > 0.5)
        order = np.argsort(-wrong[rows, columns], kind="stable")
        images: set[int] = set()
        labels: dict[int, int] = {}
        for row, k in zip(rows[order].tolist(), columns[order].tolist(), strict=True):
            if row in images or labels.get(k, 0) >= _PER_LABEL:
                continue
            if len(images) == limit:
                break
            images.add(row)
            labels[k] = labels.get(k, 0) + 1
            found.append((row, k))
    return found


def looked_at(total: int) -> NDArray[np.int64]:
    """Numbers of the images that `find` looks at, of so many."""
    return _spread(total, _LIMIT)


def _spread(total: int, most: int) -> NDArray[np.int64]:
    """At most so many rows, evenly spaced."""
    return np.unique(np.linspace(0, total - 1, min(most, total)).round().astype(np.int64))


def _given(model: LatentLabels, posterior: Posterior, known: NDArray[np.int8]) -> Posterior:
    if (known == -1).all():
        return posterior
    try:
        return posterior.observing(known, model.conditions_by)
    except ObservationError:  # another objective's label space may contradict what is known
        return posterior


def _thumbnails(inputs: Inputs, rows: Sequence[int]) -> NDArray[np.uint8]:
    """uint8 (P, 3, 96, 96), whole images on white; none for embeddings."""
    if inputs.kind is Kind.EMBEDDINGS or not rows:
        return np.empty((0, 3, SIDE, SIDE), np.uint8)
    shown = np.stack([thumbnail(np.asarray(inputs.picture(row)), SIDE) for row in rows])
    return np.ascontiguousarray(shown.transpose(0, 3, 1, 2))
