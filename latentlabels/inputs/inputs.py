"""`Inputs`: everything that a model is given, as one value. It is made at the door, and everything below takes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from ..kind import Kind
from ..observed import Observed
from ..observed.known_table import KnownTable
from ..observed.packed import PackedImage
from .arrays import PixelFormat
from .augmentation import Augment
from .batches import Batches, InMemory, Rows, Streamed
from .completed import Completed
from .copies import Copies
from .feature_source import Featured, FeatureSource
from .image_file import read_image
from .images import LeftOut
from .levels import Levels
from .looks import PixelNote
from .rgb import Interpolation, Size, resized
from .stated import Stated

Pictures = Sequence[Path | PackedImage] | NDArray[np.uint8] | Dataset[Tensor]


@dataclass(frozen=True)
class Wanted:
    """What a model takes, by which inputs are read.

    Attributes:
        kind: images or embeddings.
        size: (height, width) that images are resized to. None: that of the arrays, or of a Dataset whose pictures agree;
            for files, the one that the encoder's weights were trained with.
        format: what the encoder takes for a picture.
        num_features: D of the embeddings that a model was fitted on; None for any.
        workers: processes that read images which do not fit into memory.
        augment: how images are changed at random while they are trained on.
        columns: names of the columns of the embeddings that a model was fitted on; None where they had none.
        levels: black and white of the images that a model was fitted on; None to find them.
        features: what computes and keeps the features of an encoder that is not trained; None to read pixels.
    """

    kind: Kind
    size: Size | None = None
    format: PixelFormat = field(default_factory=PixelFormat)
    num_features: int | None = None
    workers: int = 0
    augment: Augment = True
    columns: tuple[str, ...] | None = None
    levels: Levels | None = None
    features: FeatureSource | None = None


@dataclass(frozen=True, eq=False)
class Inputs:
    """N images or embeddings, their names, and their known labels. Immutable.

    Attributes:
        kind: images or embeddings.
        items: the inputs themselves: `items.inputs(rows)` is float (B, 3, H, W) in [0, 1], or (B, D). Of images they may be
            the features of an encoder, `Featured`.
        names: N names; their numbers where they have none.
        rows: (N,) which of the things that were given these are: all but those that could not be read or were not asked for.
            Where a table selects from a folder, its rows are what was given.
        size: (height, width) in pixels; None for embeddings.
        levels: which values of what was given are black and white; None for embeddings.
        observed: the known labels of these N; None where nothing was said.
        truth: int8 (N, K) complete labels; None where they were not given.
        pictures: N pictures to show, before resizing: paths of files, an array (N, 3, H, W), or a Dataset; None for
            embeddings.
        shapes: (N, 2) height and width of the files' own pictures, where they are in memory.
        left_out: images that could not be read, and why.
        named: whether `names` are names that somebody gave.
        columns: names of the embeddings' columns, in their order; None where they have none.
        stated: what a user states about the held-out part; None where nothing is stated.
        given: how many things were given; None for as many as there are.
        copies: which of these are copies of each other; None where nobody looked.
        notes: what is doubtful about the pixels.
        features: what the items are the features of; None where they are pixels or embeddings.
        completed: what a table of complete images said of them; None without one.
        answers: answers to questions about some of them, (N, K) of 1, 0, -1; None without any. See `annotation.asked`.
    """

    kind: Kind
    items: Batches
    names: tuple[str, ...]
    rows: NDArray[np.int64]
    size: Size | None = None
    levels: Levels | None = None
    observed: Observed | None = None
    truth: NDArray[np.int8] | None = None
    pictures: Pictures | None = None
    shapes: NDArray[np.int64] | None = None
    left_out: tuple[LeftOut, ...] = ()
    named: bool = False
    columns: tuple[str, ...] | None = None
    stated: Stated | None = None
    given: int | None = None
    copies: Copies | None = None
    notes: tuple[PixelNote, ...] = ()
    features: FeatureSource | None = None
    completed: Completed | None = None
    answers: KnownTable | None = None

    def __len__(self) -> int:
        return len(self.names)

    @property
    def num_features(self) -> int | None:
        """D of embeddings; None for images."""
        return None if self.kind is Kind.IMAGES else int(self.items.inputs(torch.arange(1)).shape[1])

    @property
    def num_given(self) -> int:
        """How many things were given, those included that could not be read."""
        return len(self) if self.given is None else self.given

    @property
    def table_names(self) -> tuple[str, ...]:
        """The names that the table of known labels gives, where it gives any."""
        return self.names if self.observed is None or self.observed.images is None else self.observed.images

    def take(self, rows: Rows) -> Inputs:
        """Some of them, in the order of `rows`."""
        index = np.asarray(rows, dtype=np.int64)
        return replace(
            self,
            items=self.items.take(index),
            names=tuple(self.names[row] for row in index),
            rows=self.rows[index],
            observed=None if self.observed is None else self.observed.take(index),
            truth=None if self.truth is None else self.truth[index],
            pictures=_some(self.pictures, index),
            shapes=None if self.shapes is None else self.shapes[index],
            stated=None if self.stated is None else self.stated.take(index),
            copies=None if self.copies is None else self.copies.take(index),
            answers=None if self.answers is None else self.answers.take(index),
        )

    def labelled(self, observed: Observed | None, truth: NDArray[np.int8] | None = None) -> Inputs:
        """The same with other known labels, row by row."""
        return replace(self, observed=observed, truth=truth)

    def in_columns(self, names: tuple[str, ...] | None, order: Sequence[int] | None) -> Inputs:
        """The same embeddings with their columns in another order, of these names; None to leave them as they are."""
        if order is None:
            return self
        assert isinstance(self.items, InMemory)
        return replace(self, items=InMemory(self.items.values[:, list(order)]), columns=names)

    @property
    def encoded_by(self) -> str | None:
        """Of which encoder the items are features, as `Kept.key` has it; None where they are pixels or embeddings."""
        return self.items.kept.key if isinstance(self.items, Featured) else None

    def at_size(self, size: Size, interpolation: Interpolation = "bilinear") -> Inputs:
        """The same images at another size; what was given is resized, not what was resized before, where it is at hand."""
        if self.size is None or self.size == size:
            return self
        items: Batches
        if isinstance(self.items, InMemory):
            given = self.pictures if isinstance(self.pictures, np.ndarray) else self.items.values.numpy()
            items = InMemory(torch.from_numpy(resized(given, size, interpolation)), self.items.augment)
        else:
            assert isinstance(self.items, Streamed)
            items = Streamed(Resized(self.items.pictures, size, interpolation), self.items.workers, self.items.augment)
        return replace(self, items=items, size=size)

    def picture(self, row: int) -> Image.Image:
        """An image to show, in its own proportions. Of files in memory nothing is decoded again.

        Raises:
            DataError: a file that is not there any more.
        """
        if self.shapes is not None and isinstance(self.items, InMemory):
            height, width = (int(side) for side in self.shapes[row])
            image = Image.fromarray(np.ascontiguousarray(self.items.values[row].numpy().transpose(1, 2, 0)))
            side = max(image.size)
            larger = max(height, width)
            return image.resize((max(1, round(side * width / larger)), max(1, round(side * height / larger))))
        assert self.pictures is not None
        found = self.pictures[row]
        if isinstance(found, Path | PackedImage):
            return read_image(found, levels=self.levels)
        return Image.fromarray(np.ascontiguousarray(np.asarray(found).transpose(1, 2, 0)))


def concatenated(parts: Sequence[Inputs]) -> Inputs:
    """Embeddings of several files as one; without labels.

    Raises:
        ValueError: images, which one call of the door reads together.
    """
    values = [part.items.values for part in parts if isinstance(part.items, InMemory)]
    if len(values) < len(parts) or any(part.kind is not Kind.EMBEDDINGS for part in parts):
        raise ValueError("only embeddings can be concatenated")
    names = tuple(name for part in parts for name in part.names)
    return Inputs(Kind.EMBEDDINGS, InMemory(torch.cat(values)), names, np.arange(len(names)), named=all(p.named for p in parts))


class Resized(Dataset[Tensor]):
    """Pictures of any size at one size.

    Args:
        pictures: uint8 tensors (3, H, W).
        size: (height, width).
        interpolation: how.
    """

    def __init__(self, pictures: Dataset[Tensor], size: Size, interpolation: Interpolation = "bilinear"):
        self.pictures, self.size, self.interpolation = pictures, size, interpolation

    def __len__(self) -> int:
        return len(self.pictures)  # type: ignore[arg-type]

    def __getitem__(self, row: int) -> Tensor:
        picture = self.pictures[row]
        return torch.from_numpy(resized(picture.numpy()[None], self.size, self.interpolation)[0])


class SomePictures(Dataset[Tensor]):
    """Some of the pictures of a Dataset."""

    def __init__(self, pictures: Dataset[Tensor], rows: NDArray[np.int64]):
        self.pictures, self.rows = pictures, rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, row: int) -> Tensor:
        return self.pictures[int(self.rows[row])]


def _some(pictures: Pictures | None, rows: NDArray[np.int64]) -> Pictures | None:
    if pictures is None or isinstance(pictures, np.ndarray):
        return None if pictures is None else pictures[rows]
    if isinstance(pictures, Dataset):
        return SomePictures(pictures, rows)
    return [pictures[int(row)] for row in rows]
