"""Embeddings: files and arrays of vectors, and the labels that an .npz may hold beside them."""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..errors import DataError, LabelSpaceError, ObservationError
from ..observed import Observed
from ..space import LabelSpace
from ..words import listed

SUFFIXES = (".npz", ".npy")


def is_embeddings(path: str | Path) -> bool:
    """Whether a file holds embeddings, by its name."""
    return Path(path).suffix.lower() in SUFFIXES


@dataclass(frozen=True, eq=False)
class Stored:
    """What a file of embeddings holds.

    Attributes:
        path: the file.
        embeddings: float32 (N, D).
        images: N names, or None.
        labels: the names of the K columns of `observed` and `truth`, or None.
        observed: (N, K) as the file has it, or None.
        truth: (N, K), or None.
    """

    path: Path
    embeddings: NDArray[np.float32]
    images: tuple[str, ...] | None
    labels: tuple[str, ...] | None
    observed: NDArray[np.generic] | None
    truth: NDArray[np.generic] | None

    @property
    def names(self) -> tuple[str, ...]:
        """The images' names; those without one are called ``file#row``."""
        return self.images or tuple(f"{self.path}#{row}" for row in range(len(self.embeddings)))

    def has(self, array: str) -> bool:
        """Whether there is an array `observed`, or `truth`."""
        return (self.truth if array == "truth" else self.observed) is not None

    def space(self) -> LabelSpace | None:
        """Its labels, all free; None where they have no names."""
        return None if self.labels is None else LabelSpace.free(self.labels)

    def known(self, space: LabelSpace, array: str = "observed") -> Observed:
        """The array `observed` (or `truth`) in the columns of `space`; what it has no column for is unknown.

        Raises:
            DataError: no such array, or columns of another number.
            ObservationError: columns that the space lacks, values other than 1, 0 and -1, known labels that contradict it.
        """
        values = self.truth if array == "truth" else self.observed
        if values is None:
            raise DataError(f"{self.path}: has no array `{array}`; give a table of labels")
        own = space.labels if self.labels is None else self.labels
        if values.shape[1] != len(own):
            raise DataError(
                f"{self.path}: {array} has shape {values.shape}, but there are {len(own)} labels; give (N, {len(own)})"
            )
        try:
            read = Observed.from_array(values, LabelSpace.free(own)).values  # checks the values in the file's own columns
            table = np.full((len(values), space.num_labels), -1, dtype=np.int8)
            for column, label in enumerate(own):
                table[:, space.index(label)] = read[:, column]
            return Observed.from_array(table, space, self.images)
        except (LabelSpaceError, ObservationError) as error:
            raise ObservationError(f"{self.path}: {error}") from None

    def complete(self, space: LabelSpace) -> NDArray[np.int8] | None:
        """The array `truth` in the columns of `space`; None if it is missing or lacks some of these labels."""
        if self.truth is None:
            return None
        own = space.labels if self.labels is None else self.labels
        if not set(space.labels) <= set(own) or self.truth.shape[1] != len(own):
            return None  # it is for other labels, and few objectives read it
        values = np.asarray(self.truth[:, [own.index(label) for label in space.labels]], dtype=np.int8)
        return values if np.isin(values, (0, 1)).all() else None


def vectors_of(values: Tensor) -> Tensor:
    """Embeddings as float32, checked.

    Args:
        values: (N, D).

    Raises:
        DataError: another shape, NaN or infinity; the rows are named.
    """
    if values.dim() != 2:
        raise DataError(f'encoder "embedding" takes embeddings (N, D), not an array of shape {tuple(values.shape)}')
    if not values.shape[1]:
        raise DataError(f"embeddings are empty: the array has shape {tuple(values.shape)}; give (N, D) with D of at least 1")
    values = values.detach().cpu().float()
    wrong = ~torch.isfinite(values).all(1)
    if bool(wrong.any()):
        rows = wrong.nonzero().flatten().tolist()
        raise DataError(
            f"{len(rows)} of {len(values)} embeddings hold NaN or infinity (rows {listed(rows)}); "
            "leave those images out, or compute them again"
        )
    return values


def load_embeddings(path: str | Path) -> Stored:
    """An ``.npz`` or ``.npy`` of embeddings.

    An .npz holds ``embeddings`` (N, D), and may hold ``observed`` (N, K), ``truth`` (N, K), ``labels`` (K,) and
    ``images`` or ``image`` (N,), names.

    Raises:
        DataError: no such file, no array of embeddings, sizes that differ, or NaN; the rows are named.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            loaded = np.load(file, allow_pickle=False)
            single = isinstance(loaded, np.ndarray)
            arrays = {"embeddings": loaded} if single else {name: loaded[name] for name in loaded.files}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        hint = "; save arrays of numbers or text, not of objects" if "pickle" in str(error) else ""
        raise DataError(f"{path}: cannot be read as .npz or .npy ({error}){hint}") from None
    if "embeddings" not in arrays:
        raise DataError(f"{path}: has no array `embeddings` (arrays: {', '.join(arrays)})")
    vectors = arrays["embeddings"]
    if vectors.ndim != 2 or vectors.dtype.kind not in "fiu" or not vectors.size:
        raise DataError(f"{path}: embeddings must be numbers of shape (N, D), not {vectors.dtype} of shape {vectors.shape}")
    with np.errstate(over="ignore"):  # what float32 cannot hold is infinite, and named below
        vectors = vectors.astype(np.float32)
    wrong = np.flatnonzero(~np.isfinite(vectors).all(1))
    if len(wrong):
        raise DataError(
            f"{path}: {len(wrong)} of {len(vectors)} embeddings hold NaN or infinity (rows {listed(list(wrong))}); "
            "leave those images out, or compute them again"
        )
    names = arrays.get("images", arrays.get("image"))
    labels = arrays.get("labels")
    shapes = {"labels": "(K,)", "images": "(N,)", "observed": "(N, K)", "truth": "(N, K)"}
    for name, shape in shapes.items():
        array = names if name == "images" else arrays.get(name)
        if array is None:
            continue
        if array.ndim != len(shape.split()):
            raise DataError(f"{path}: {name} must be an array {shape}, not of shape {array.shape}")
        if name != "labels" and len(array) != len(vectors):
            raise DataError(f"{path}: {len(vectors)} embeddings, but {len(array)} rows of {name}")
        if array.ndim == 2 and labels is not None and array.shape[1] != len(labels):
            raise DataError(f"{path}: {len(labels)} labels, but {array.shape[1]} columns of {name}")
    images, columns = (None if array is None else tuple(str(one) for one in array) for array in (names, labels))
    return Stored(path, vectors, images, columns, arrays.get("observed"), arrays.get("truth"))
