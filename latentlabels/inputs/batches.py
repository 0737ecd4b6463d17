"""Batches of (inputs, observed, truth, index), from arrays in memory or from pictures read as training goes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from ..kind import Kind
from ..processes import begin_worker
from .augmentation import AUGMENTATIONS, Augment, augment
from .known_rows import LabelRows

Rows = Sequence[int] | NDArray[np.int64]


class Batch(NamedTuple):
    """What one training step sees.

    Attributes:
        inputs: (B, 3, H, W) float images in [0, 1], or (B, D) embeddings.
        observed: (B, K) int8 of 1, 0, -1.
        truth: (B, K) int8, or None; only oracles and ceilings read it.
        index: (B,) rows of the training table.
        other: (B, 3, H, W) the same pictures as `inputs`, changed at random once more; None where nobody asks for them.
    """

    inputs: Tensor
    observed: Tensor
    truth: Tensor | None
    index: Tensor  # type: ignore[assignment]  # a field hides tuple.index, which nobody misses
    other: Tensor | None = None

    def to(self, device: torch.device) -> Batch:
        """The same on another device."""
        truth = None if self.truth is None else self.truth.to(device)
        other = None if self.other is None else self.other.to(device)
        return Batch(self.inputs.to(device), self.observed.to(device), truth, self.index.to(device), other)


class Draw(NamedTuple):
    """The rows of one batch.

    Attributes:
        rows: (B,).
        seed: of their augmentation; None to leave the inputs as they are.
    """

    rows: Tensor
    seed: int | None


class Steps:
    """Several batches, each gathered when its turn comes.

    Args:
        dataset: gives the batch of some rows.
        draw: all of the rows.
        batch_size: of each.
    """

    def __init__(self, dataset: Dataset[Batch], draw: Draw, batch_size: int):
        self.dataset, self.draw, self.batch_size = dataset, draw, batch_size

    def __iter__(self) -> Iterator[Batch]:
        for part in torch.split(self.draw.rows, self.batch_size):
            yield self.dataset[self.draw._replace(rows=part)]  # type: ignore[index]


class _StepsDataset(Dataset[Steps]):
    def __init__(self, dataset: Dataset[Batch], batch_size: int):
        self.dataset, self.batch_size = dataset, batch_size

    def __getitem__(self, draw: Any) -> Steps:
        return Steps(self.dataset, draw, self.batch_size)


class Order(NamedTuple):
    """How rows to train on are gone through.

    Attributes:
        seed: of the shuffling.
        epoch: the first one; each has an order of its own.
        steps: how many batches may be handed over at once.
        two_views: whether pictures that are changed at random come with a second view.
    """

    seed: int
    epoch: int = 0
    steps: int = 1
    two_views: bool = False


class Batches(ABC):
    """N inputs of one kind, and batches of them. Abstract: `InMemory` and `Streamed` are the two ways.

    Attributes:
        kind: images or embeddings.
        augment: how pictures are changed at random while they are trained on.
    """

    kind: Kind
    augment: Augment

    @abstractmethod
    def __len__(self) -> int:
        """Number of inputs, N."""

    @abstractmethod
    def loader(
        self, rows: Tensor, observed: LabelRows, truth: Tensor | None, batch_size: int, order: Order | None = None
    ) -> DataLoader[Batch]:
        """A loader over `rows`: to train on, shuffled and augmented, where `order` is given, else as they are.

        With ``order.steps > 1`` it may hand over `Steps`, several batches at once.
        """

    @abstractmethod
    def inputs(self, rows: Tensor) -> Tensor:
        """The inputs of some rows, not augmented: float (B, 3, H, W) in [0, 1], or (B, D)."""

    @abstractmethod
    def take(self, rows: Rows) -> Batches:
        """Some of the inputs, as inputs of their own."""


class _BatchSampler(Sampler[Draw]):
    """Rows in batches: whole batches are indexed at once, which a sampler of single rows would not allow."""

    def __init__(self, rows: Tensor, batch_size: int, order: Order | None, augmented: bool):
        # no method set_epoch: Lightning would call it with its own count, which restarts at 0 in a resumed fit
        self.rows, self.batch_size, self.order, self.augmented = rows, batch_size, order, augmented

    def __len__(self) -> int:
        return -(-len(self.rows) // self.batch_size) - self._merges

    @property
    def _merges(self) -> bool:
        # batch normalisation cannot train on one image: it goes with the batch before
        return self.order is not None and len(self.rows) > self.batch_size > 1 and len(self.rows) % self.batch_size == 1

    def __iter__(self) -> Iterator[Draw]:
        rows, seed = self.rows, None
        if self.order is not None:
            seed = self.order.seed * 100_003 + self.order.epoch
            rows = rows[torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed))]
            self.order = self.order._replace(epoch=self.order.epoch + 1)
        for number, part in enumerate(self._parts(rows)):
            # a batch is augmented by seed, epoch and its number alone: whoever reads it, and after a resume, it is the same
            yield Draw(part, (seed * 1_000_003 + number) % 2**63 if seed is not None and self.augmented else None)

    def _parts(self, rows: Tensor) -> Iterator[Tensor]:
        if self._merges:
            yield from torch.split(rows[: -1 - self.batch_size], self.batch_size) if len(rows) > self.batch_size + 1 else ()
            yield rows[-1 - self.batch_size :]
        elif len(rows):  # nothing splits into one empty batch
            yield from torch.split(rows, self.batch_size)


class _BatchDataset(Dataset[Batch]):
    """Inputs with their observations, a whole batch for each index."""

    def __init__(self, source: Batches, observed: LabelRows, truth: Tensor | None, two_views: bool = False):
        self.source, self.observed, self.truth, self.two_views = source, observed, truth, two_views

    def __getitem__(self, draw: Any) -> Batch:
        rows, seed = draw
        inputs = self.source.inputs(rows)
        other: Tensor | None = None
        if seed is not None:
            generator = torch.Generator().manual_seed(seed)
            same, inputs = inputs, AUGMENTATIONS[self.source.augment](inputs, generator)
            other = augment(same, generator) if self.two_views else None
        return Batch(inputs, self.observed[rows], None if self.truth is None else self.truth[rows], rows, other)


def loader_of_vectors(
    source: Batches, rows: Tensor, observed: LabelRows, truth: Tensor | None, batch_size: int, order: Order | None = None
) -> DataLoader[Batch]:
    """A loader of vectors, which are gathered a whole batch at a time, in this process; see `Batches.loader`."""
    dataset = _BatchDataset(source, observed, truth)
    if order is None or order.steps == 1:
        return DataLoader(dataset, sampler=_BatchSampler(rows, batch_size, order, False), batch_size=None, num_workers=0)
    sampler = _BatchSampler(rows, order.steps * batch_size, order, False)
    steps: Dataset[Any] = _StepsDataset(dataset, batch_size)
    return DataLoader(steps, sampler=sampler, batch_size=None, num_workers=0)


class InMemory(Batches):
    """All inputs in one tensor: embeddings (N, D), or uint8 images (N, 3, H, W)."""

    def __init__(self, inputs: Tensor, augment: Augment = True):
        self.values, self.augment = inputs, augment
        self.kind = Kind.IMAGES if inputs.dim() == 4 else Kind.EMBEDDINGS

    def __len__(self) -> int:
        return len(self.values)

    def loader(
        self, rows: Tensor, observed: LabelRows, truth: Tensor | None, batch_size: int, order: Order | None = None
    ) -> DataLoader[Batch]:
        """Indexes whole batches, in this process."""
        if self.kind is Kind.EMBEDDINGS:
            return loader_of_vectors(self, rows, observed, truth, batch_size, order)
        dataset = _BatchDataset(self, observed, truth, order is not None and order.two_views)
        sampler = _BatchSampler(rows, batch_size, order, bool(self.augment))
        return DataLoader(dataset, sampler=sampler, batch_size=None, num_workers=0)

    def inputs(self, rows: Tensor) -> Tensor:
        """Inputs as float, images in [0, 1]."""
        values = self.values.index_select(0, rows)  # a third of the time that indexing takes
        return values.float().div_(255) if values.dtype == torch.uint8 else values.float()

    def take(self, rows: Rows) -> InMemory:
        """Some of the inputs, copied."""
        return InMemory(self.values[torch.as_tensor(np.asarray(rows))], self.augment)


class Streamed(Batches):
    """Pictures that do not fit into memory, or that a Dataset gives: read one by one, whenever they are asked for.

    Args:
        pictures: N of them, each a uint8 tensor (3, H, W), all of one size.
        workers: processes that read; 0 to read in this one.
        augment: how they are changed at random while they are trained on.
    """

    kind = Kind.IMAGES

    def __init__(self, pictures: Dataset[Tensor], workers: int = 0, augment: Augment = True):
        self.pictures, self.workers, self.augment = pictures, workers, augment

    def __len__(self) -> int:
        return len(self.pictures)  # type: ignore[arg-type]

    def loader(
        self, rows: Tensor, observed: LabelRows, truth: Tensor | None, batch_size: int, order: Order | None = None
    ) -> DataLoader[Batch]:
        """Reads by `workers` processes, or in this one."""
        dataset = _BatchDataset(self, observed, truth, order is not None and order.two_views)
        sampler = _BatchSampler(rows, batch_size, order, bool(self.augment))
        return DataLoader(
            dataset,
            sampler=sampler,
            batch_size=None,
            num_workers=self.workers,
            persistent_workers=self.workers > 0,
            worker_init_fn=begin_worker,
        )

    def inputs(self, rows: Tensor) -> Tensor:
        """The images of some rows, read now."""
        return torch.stack([self.pictures[row] for row in rows.tolist()]).float().div_(255)

    def take(self, rows: Rows) -> Streamed:
        """Some of the pictures; none is read."""
        return Streamed(_Some(self.pictures, [int(row) for row in rows]), self.workers, self.augment)


class _Some(Dataset[Tensor]):
    """Some of the items of a Dataset."""

    def __init__(self, pictures: Dataset[Tensor], rows: Sequence[int]):
        self.pictures, self.rows = pictures, rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, row: int) -> Tensor:
        return self.pictures[self.rows[row]]
