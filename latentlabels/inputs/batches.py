"""Batches of (inputs, observed, truth, index), from arrays in memory or from a dataset read as it goes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from ..errors import DataError
from ..processes import begin_worker


class Batch(NamedTuple):
    """What one training step sees.

    Attributes:
        inputs: (B, 3, H, W) float images in [0, 1], or (B, D) embeddings.
        observed: (B, K) int8 of 1, 0, -1.
        truth: (B, K) int8, or None; only oracles and ceilings read it.
        index: (B,) rows of the training table.
    """

    inputs: Tensor
    observed: Tensor
    truth: Tensor | None
    index: Tensor  # type: ignore[assignment]  # a field hides tuple.index, which nobody misses

    def to(self, device: torch.device) -> Batch:
        """The same on another device."""
        truth = None if self.truth is None else self.truth.to(device)
        return Batch(self.inputs.to(device), self.observed.to(device), truth, self.index.to(device))


class Steps:
    """Several batches, each gathered when its turn comes.

    Args:
        dataset: gives the batch of some rows.
        rows: of all of them.
        batch_size: of each.
    """

    def __init__(self, dataset: Dataset[Batch], rows: Tensor, batch_size: int):
        self.dataset, self.rows, self.batch_size = dataset, rows, batch_size

    def __iter__(self) -> Iterator[Batch]:
        for part in torch.split(self.rows, self.batch_size):
            yield self.dataset[part]  # type: ignore[index]


class _StepsDataset(Dataset[Steps]):
    def __init__(self, dataset: Dataset[Batch], batch_size: int):
        self.dataset, self.batch_size = dataset, batch_size

    def __getitem__(self, rows: Any) -> Steps:
        return Steps(self.dataset, rows, self.batch_size)


class Order(NamedTuple):
    """How rows to train on are gone through.

    Attributes:
        seed: of the shuffling.
        epoch: the first one; each has an order of its own.
        steps: how many batches may be handed over at once.
    """

    seed: int
    epoch: int = 0
    steps: int = 1


class Batches(ABC):
    """Where batches come from; rows are images."""

    on_images: bool

    @abstractmethod
    def __len__(self) -> int:
        """Number of images."""

    @abstractmethod
    def loader(
        self, rows: Tensor, observed: Tensor, truth: Tensor | None, batch_size: int, order: Order | None = None
    ) -> DataLoader[Batch]:
        """A loader over `rows`: to train on, shuffled and augmented, where `order` is given, else as they are.

        With ``order.steps > 1`` it may hand over `Steps`, several batches at once.
        """

    @abstractmethod
    def inputs(self, rows: Tensor) -> Tensor:
        """The inputs of some rows, not augmented."""


class _BatchSampler(Sampler[list[int]]):
    """Rows in batches: whole batches are indexed at once, which a sampler of single rows would not allow."""

    def __init__(self, rows: Tensor, batch_size: int, order: Order | None):
        # no method set_epoch: Lightning would call it with its own count, which starts anew in a resumed fit
        self.rows, self.batch_size, self.order = rows, batch_size, order

    def __len__(self) -> int:
        return -(-len(self.rows) // self.batch_size) - self._merges

    @property
    def _merges(self) -> bool:
        # batch normalisation cannot train on one image: it goes with the batch before
        return self.order is not None and len(self.rows) > self.batch_size > 1 and len(self.rows) % self.batch_size == 1

    def __iter__(self) -> Iterator[Any]:
        rows = self.rows
        if self.order is not None:
            generator = torch.Generator().manual_seed(self.order.seed * 100_003 + self.order.epoch)
            rows = rows[torch.randperm(len(rows), generator=generator)]
            self.order = self.order._replace(epoch=self.order.epoch + 1)
        if self._merges:
            yield from torch.split(rows[: -1 - self.batch_size], self.batch_size) if len(rows) > self.batch_size + 1 else ()
            yield rows[-1 - self.batch_size :]
        elif len(rows):  # nothing splits into one empty batch
            yield from torch.split(rows, self.batch_size)


class _ArrayDataset(Dataset[Batch]):
    def __init__(self, inputs: Tensor, observed: Tensor, truth: Tensor | None, flip: bool):
        self.values, self.observed, self.truth, self.flip = inputs, observed, truth, flip

    def __getitem__(self, rows: Any) -> Batch:
        inputs = self.values.index_select(0, rows) if isinstance(rows, Tensor) else self.values[rows]  # a third of the time
        if inputs.dtype == torch.uint8:
            inputs = inputs.float().div_(255)
        elif inputs.dtype != torch.float32:
            inputs = inputs.float()
        if self.flip:
            inputs = _jitter(inputs)
        return Batch(inputs, self.observed[rows], None if self.truth is None else self.truth[rows], rows)


def _jitter(images: Tensor) -> Tensor:
    """Mirror half of the images and shift the batch by up to a sixteenth of its size."""
    mirrored = torch.rand(len(images)) < 0.5
    images = torch.where(mirrored.view(-1, 1, 1, 1), images.flip(-1), images)
    height, width = images.shape[-2:]
    down, right = (int(torch.randint(-(size // 16), size // 16 + 1, ())) for size in (height, width))
    top, left = max(down, 0), max(right, 0)
    padded = torch.nn.functional.pad(images, (left, max(-right, 0), top, max(-down, 0)), mode="replicate")
    return padded[..., max(-down, 0) : max(-down, 0) + height, max(-right, 0) : max(-right, 0) + width]


class InMemory(Batches):
    """All inputs in one tensor: embeddings (N, D), or uint8 images (N, 3, H, W)."""

    def __init__(self, inputs: Tensor):
        self.values, self.on_images = inputs, inputs.dim() == 4

    def __len__(self) -> int:
        return len(self.values)

    def loader(
        self, rows: Tensor, observed: Tensor, truth: Tensor | None, batch_size: int, order: Order | None = None
    ) -> DataLoader[Batch]:
        """Indexes whole batches, in this process."""
        dataset = _ArrayDataset(self.values, observed, truth, order is not None and self.on_images)
        if not self.on_images and order is not None and order.steps > 1:
            sampler = _BatchSampler(rows, order.steps * batch_size, order)
            steps: Dataset[Any] = _StepsDataset(dataset, batch_size)
            return DataLoader(steps, sampler=sampler, batch_size=None, num_workers=0)
        sampler = _BatchSampler(rows, batch_size, order)
        return DataLoader(dataset, sampler=sampler, batch_size=None, num_workers=0)

    def inputs(self, rows: Tensor) -> Tensor:
        """Inputs as float, images in [0, 1]."""
        values = self.values[rows]
        return values.float() / 255 if values.dtype == torch.uint8 else values.float()


class _ItemDataset(Dataset[Batch]):
    """Adds the observations to a dataset of single images; collates by stacking."""

    def __init__(self, images: Dataset[Tensor], observed: Tensor, truth: Tensor | None):
        self.images, self.observed, self.truth = images, observed, truth

    def __getitem__(self, rows: Any) -> Batch:
        inputs = _stack(self.images, rows)
        return Batch(inputs, self.observed[rows], None if self.truth is None else self.truth[rows], rows)


def _stack(images: Dataset[Any], rows: Tensor) -> Tensor:
    """Single images as one batch of float; of (image, target) pairs the image."""
    items: list[Tensor] = []
    for row in rows.tolist():
        item = images[row]
        item = item[0] if isinstance(item, tuple | list) else item
        if not isinstance(item, Tensor):
            raise DataError(
                f"item {row} of the Dataset is of type {type(item).__name__}; give it a transform to tensors (3, H, W), all "
                "of one size"
            )
        if items and item.shape != items[0].shape:
            raise DataError(
                f"item {row} of the Dataset has shape {tuple(item.shape)}, another one {tuple(items[0].shape)}; give it a "
                "transform to one size"
            )
        items.append(item)
    stacked = torch.stack(items)
    return stacked.float() / 255 if stacked.dtype == torch.uint8 else stacked.float()


class Streamed(Batches):
    """A torch Dataset of single images, decoded as it goes; `augmented` is the one to train on."""

    on_images = True

    def __init__(self, plain: Dataset[Any], augmented: Dataset[Any] | None = None, workers: int = 0):
        self.plain, self.augmented, self.workers = plain, plain if augmented is None else augmented, workers

    def __len__(self) -> int:
        return len(self.plain)  # type: ignore[arg-type]

    def loader(
        self, rows: Tensor, observed: Tensor, truth: Tensor | None, batch_size: int, order: Order | None = None
    ) -> DataLoader[Batch]:
        """Reads by `workers` processes, or in this one."""
        dataset = _ItemDataset(self.plain if order is None else self.augmented, observed, truth)
        sampler = _BatchSampler(rows, batch_size, order)
        return DataLoader(
            dataset,
            sampler=sampler,
            batch_size=None,
            num_workers=self.workers,
            persistent_workers=self.workers > 0,
            worker_init_fn=begin_worker,
        )

    def inputs(self, rows: Tensor) -> Tensor:
        """The images of some rows, decoded now."""
        return _stack(self.plain, rows)


def split_rows(count: int, held_out: float, seed: int) -> tuple[Tensor, Tensor]:
    """Rows to train on and rows held out, a random split.

    Args:
        count: N.
        held_out: the share held out; at least one row is, and one left, where there are two.
        seed: of the split.
    """
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    size = min(max(round(count * held_out), int(held_out > 0)), count - 1)
    return order[size:].sort().values, order[:size].sort().values
