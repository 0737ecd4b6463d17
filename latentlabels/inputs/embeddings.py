"""Embeddings: files and arrays of vectors, and the labels that an .npz may hold beside them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..errors import AmbiguousError, DataError, LabelSpaceError, ObservationError
from ..observed import Observed
from ..observed.arrays import known_values
from ..observed.options import ReadOptions
from ..space import LabelSpace
from ..words import listed
from .array_files import StoredArray, open_arrays

SUFFIXES = (".npz", ".npy")


def is_embeddings(path: str | Path) -> bool:
    """Whether a file holds embeddings, by its name."""
    return Path(path).suffix.lower() in SUFFIXES


@dataclass(frozen=True, eq=False)
class Stored:
    """What a file of embeddings holds. Its numbers are read when they are asked for.

    Attributes:
        path: the file.
        vectors: (N, D) numbers, in the file.
        images: N names, or None.
        labels: the names of the K columns of `observed` and `truth`, or None.
        tables: `observed` and `truth`, (N, K), in the file, where it has them.
    """

    path: Path
    vectors: StoredArray
    images: tuple[str, ...] | None
    labels: tuple[str, ...] | None
    tables: Mapping[str, StoredArray]

    def __len__(self) -> int:
        return len(self.vectors)

    @cached_property
    def embeddings(self) -> NDArray[np.float32]:
        """All vectors, float32 (N, D)."""
        return self.rows(np.arange(len(self)))

    def rows(self, index: NDArray[np.int64]) -> NDArray[np.float32]:
        """Some vectors, by number, float32 (B, D)."""
        return self.vectors.rows(index).astype(np.float32)

    @property
    def observed(self) -> NDArray[np.generic] | None:
        """(N, K) as the file has it, or None."""
        return self.tables["observed"].all() if "observed" in self.tables else None

    @property
    def truth(self) -> NDArray[np.generic] | None:
        """(N, K) as the file has it, or None."""
        return self.tables["truth"].all() if "truth" in self.tables else None

    @property
    def names(self) -> tuple[str, ...]:
        """The images' names; those without one are called ``file#row``."""
        return self.images or tuple(f"{self.path}#{row}" for row in range(len(self)))

    def has(self, array: str) -> bool:
        """Whether there is an array `observed`, or `truth`."""
        return array in self.tables

    def space(self) -> LabelSpace | None:
        """Its labels, all free; None where they have no names."""
        return None if self.labels is None else LabelSpace.free(self.labels)

    def known(self, space: LabelSpace, array: str = "observed", options: ReadOptions | None = None) -> Observed:
        """The array `observed` (or `truth`) in the columns of `space`; what it has no column for is unknown.

        Args:
            space: the label space.
            array: "observed" or "truth".
            options: what the user states about the values; None for the convention 1, 0 and -1.

        Raises:
            DataError: no such array, or columns of another number.
            ObservationError: columns that the space lacks, values other than 1, 0 and -1, known labels that contradict it.
        """
        stored = self.tables.get(array)
        if stored is None:
            raise DataError(f"{self.path}: has no array `{array}`; give a table of labels")
        own = space.labels if self.labels is None else self.labels
        if stored.shape[1] != len(own):
            raise DataError(
                f"{self.path}: {array} has shape {stored.shape}, but there are {len(own)} labels; give (N, {len(own)})"
            )
        try:
            given = LabelSpace.free(own)
            columns = [space.index(label) for label in own]
            stated = ReadOptions() if options is None else options
            clear = array == "truth" or bool(stated.present or stated.absent or stated.unknown)
            each = replace(stated, complete=True)  # what is in doubt is asked once, of the whole
            table = np.full((len(self), space.num_labels), -1, dtype=np.int8)
            for start, values in stored.blocks():
                table[start : start + len(values), columns] = known_values(values, given, each, start)
                clear = clear or (values.dtype.kind == "f" and bool(np.isnan(values).any()))  # NaN is unknown, so -1 is not
            whole = replace(stated, present=(), absent=(), unknown=(), complete=clear)
            return Observed.from_array(table, space, self.images, options=whole)
        except AmbiguousError as error:
            raise AmbiguousError(f"{self.path}: {error.what}", error.choices) from None
        except (LabelSpaceError, ObservationError) as error:
            raise ObservationError(f"{self.path}: {error}") from None

    def complete(self, space: LabelSpace) -> NDArray[np.int8] | None:
        """The array `truth` in the columns of `space`; None if it is missing or lacks some of these labels."""
        truth = self.truth
        if truth is None:
            return None
        own = space.labels if self.labels is None else self.labels
        if not set(space.labels) <= set(own) or truth.shape[1] != len(own):
            return None  # it is for other labels, and few objectives read it
        values = np.asarray(truth[:, [own.index(label) for label in space.labels]], dtype=np.int8)
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
    arrays = open_arrays(path)
    if "embeddings" not in arrays:
        raise DataError(f"{path}: has no array `embeddings` (arrays: {', '.join(arrays)})")
    vectors = arrays["embeddings"]
    if len(vectors.shape) != 2 or vectors.dtype.kind not in "fiu" or 0 in vectors.shape:
        raise DataError(f"{path}: embeddings must be numbers of shape (N, D), not {vectors.dtype} of shape {vectors.shape}")
    _check_finite(path, vectors)
    names, labels = arrays.get("images", arrays.get("image")), arrays.get("labels")
    shapes = {"labels": "(K,)", "images": "(N,)", "observed": "(N, K)", "truth": "(N, K)"}
    for name, shape in shapes.items():
        array = names if name == "images" else arrays.get(name)
        if array is None:
            continue
        if len(array.shape) != len(shape.split()):
            raise DataError(f"{path}: {name} must be an array {shape}, not of shape {array.shape}")
        if name != "labels" and len(array) != len(vectors):
            raise DataError(f"{path}: {len(vectors)} embeddings, but {len(array)} rows of {name}")
        if len(array.shape) == 2 and labels is not None and array.shape[1] != len(labels):
            raise DataError(f"{path}: {len(labels)} labels, but {array.shape[1]} columns of {name}")
    images, columns = (None if array is None else tuple(_texts(array)) for array in (names, labels))
    return Stored(path, vectors, images, columns, {name: arrays[name] for name in ("observed", "truth") if name in arrays})


def _check_finite(path: Path, vectors: StoredArray) -> None:
    """Refuse vectors that float32 cannot hold."""
    wrong: list[int] = []
    for start, part in vectors.blocks():
        with np.errstate(over="ignore"):  # what float32 cannot hold is infinite
            finite = np.isfinite(part.astype(np.float32)).all(1)
        wrong += (start + np.flatnonzero(~finite)).tolist()
    if wrong:
        raise DataError(
            f"{path}: {len(wrong)} of {len(vectors)} embeddings hold NaN or infinity (rows {listed(wrong)}); "
            "leave those images out, or compute them again"
        )


def _texts(array: StoredArray) -> Iterator[str]:
    for _, part in array.blocks():
        yield from map(str, part.tolist() if part.dtype.kind == "U" else part)
