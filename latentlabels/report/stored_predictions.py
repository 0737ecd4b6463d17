"""What a report shows of a fit's images, as a run folder keeps it: `findings.npz` and `evaluation.npz`.

A run folder holds no images. What a report needs of them is worked out while they are at hand (`prediction_summary`), and is
small enough to be kept: prevalences, how many labels are present, which go together, a few images with their probabilities,
and known labels that may be mistakes.
"""

from __future__ import annotations

import tokenize
import zipfile
import zlib
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..writing import replacing

FITTED, EVALUATED = "findings.npz", "evaluation.npz"
SIDE = 96  # pixels of a thumbnail
# that files of earlier versions lack
_NEW = ("names", "place_rows", "place_labels", "place_heat", "place_shapes", "error_rows", "error_labels")
_ROUNDING = 1e-4  # float32 sums of probabilities leave [0, 1] by this much at most


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
