"""Features in place of pixels: what an encoder that is not trained offers to whoever reads images, and the batches of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader

from ..kind import Kind
from .batches import Batch, Batches, Order, Rows, loader_of_vectors
from .content import Stamp
from .copies import Print
from .known_rows import LabelRows
from .looks import Look
from .rgb import Size


class Facts(NamedTuple):
    """What a picture is, apart from its pixels.

    Attributes:
        shape: height and width.
        look: its values.
        print: what it is recognised by; None where nobody asked.
    """

    shape: Size
    look: Look
    print: Print | None


class ContentIndex(Protocol):
    """What is remembered of image files by their content, whatever the encoder. It may forget anything at any time."""

    def digests(self, stamps: Mapping[Path, Stamp]) -> dict[Path, bytes]:
        """The contents of those files that are known not to have changed since they were read."""
        ...

    def facts(self, contents: Sequence[bytes], side: int) -> dict[bytes, Facts]:
        """What is known of some contents, decoded for pictures of `side` pixels."""
        ...

    def remember(self, read: Mapping[Path, tuple[Stamp, bytes]], facts: Mapping[bytes, Facts], side: int) -> None:
        """Keep what was found out about files and contents."""
        ...


class Sample(Protocol):
    """Some of the pictures of a data set."""

    def contents(self) -> list[bytes]:
        """What names the pictures, one for each: equal for equal pictures, of equal lengths."""
        ...

    def pixels(self) -> NDArray[np.uint8]:
        """The pictures: uint8 (n, 3, H, W)."""
        ...


class Learnt(NamedTuple):
    """What an encoder has learned from a sample before it computed features.

    Attributes:
        of: which encoder it is, at which size, without what it has learned.
        tensors: by name.
    """

    of: str
    tensors: Mapping[str, Tensor]


class Kept(Protocol):
    """Features that can be read by number."""

    @property
    def learnt(self) -> Learnt | None:
        """What the encoder had learned when it computed them; None of one that learns nothing."""
        ...

    @property
    def key(self) -> str:
        """Of which encoder they are, at which size; features of one key may stand side by side."""
        ...

    def rows(self, numbers: NDArray[np.int64]) -> NDArray[np.float32]:
        """The features of some numbers: float32 (B, D)."""
        ...


class Features(Protocol):
    """The features that one encoder computes of pictures of one size, and those that it has computed before."""

    @property
    def kept(self) -> Kept:
        """What the numbers mean that are found and added."""
        ...

    @property
    def contents(self) -> ContentIndex:
        """What is remembered of image files."""
        ...

    def find(self, contents: Sequence[bytes]) -> NDArray[np.int64]:
        """(N,) the numbers under which features are kept, -1 where there are none."""
        ...

    def add(self, contents: Sequence[bytes], pixels: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Compute and keep features of uint8 pictures (N, 3, H, W); their numbers, (N,)."""
        ...


class FeatureSource(Protocol):
    """An encoder that is not trained, whose features are computed once."""

    @property
    def computed(self) -> int:
        """Of how many pictures it has computed features."""
        ...

    def meet(self, size: Size, sample: Sample) -> None:
        """Show it some pictures of a size, before the first `at` of it: there are encoders that have to see a few."""
        ...

    def adopt(self, size: Size, learnt: Learnt | None) -> None:
        """Let it know what other features were computed with, in place of a sample, if they are those of this encoder."""
        ...

    def at(self, size: Size) -> Features:
        """Its features of pictures of one size, (height, width)."""
        ...


class Featured(Batches):
    """Features of N images, which stay where they are kept until they are asked for.

    Args:
        kept: features of an encoder.
        numbers: (N,) theirs.
    """

    kind = Kind.EMBEDDINGS
    augment = False

    def __init__(self, kept: Kept, numbers: NDArray[np.int64]):
        self.kept, self.numbers = kept, numbers

    def __len__(self) -> int:
        return len(self.numbers)

    def loader(
        self, rows: Tensor, observed: LabelRows, truth: Tensor | None, batch_size: int, order: Order | None = None
    ) -> DataLoader[Batch]:
        """Reads whole batches, in this process."""
        return loader_of_vectors(self, rows, observed, truth, batch_size, order)

    def inputs(self, rows: Tensor) -> Tensor:
        """The features of some rows: float (B, D)."""
        return torch.from_numpy(self.kept.rows(self.numbers[rows.numpy()]))

    def take(self, rows: Rows) -> Featured:
        """Some of them; none is read."""
        return Featured(self.kept, self.numbers[np.asarray(rows, dtype=np.int64)])
