"""Batches of (inputs, observed, truth, index), from arrays in memory or from a dataset read as it goes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler


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
    index: Tensor


class Batches(ABC):
    """Where batches come from; rows are images."""

    on_images: bool

    @abstractmethod
    def __len__(self) -> int:
        """Number of images."""

    @abstractmethod
    def loader(
        self, rows: Tensor, observed: Tensor, truth: Tensor | None, batch_size: int, seed: int | None, augment: bool
    ) -> DataLoader[Batch]:
        """A loader over `rows`, shuffled anew each epoch from `seed`, or in order where it is None."""

    @abstractmethod
    def inputs(self, rows: Tensor) -> Tensor:
        """The inputs of some rows, not augmented."""


class _BatchSampler(Sampler[list[int]]):
    """Rows in batches: whole batches are indexed at once, which a sampler of single rows would not allow."""

    def __init__(self, rows: Tensor, batch_size: int, seed: int | None):
        self.rows, self.batch_size, self.seed, self.epoch = rows, batch_size, seed, 0

    def __len__(self) -> int:
        return -(-len(self.rows) // self.batch_size)

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __iter__(self) -> Iterator[Any]:
        rows = self.rows
        if self.seed is not None:
            generator = torch.Generator().manual_seed(self.seed * 100_003 + self.epoch)
            rows = rows[torch.randperm(len(rows), generator=generator)]
            self.epoch += 1
        yield from rows.split(self.batch_size)


class _ArrayDataset(Dataset[Batch]):
    def __init__(self, inputs: Tensor, observed: Tensor, truth: Tensor | None, flip: bool):
        self.values, self.observed, self.truth, self.flip = inputs, observed, truth, flip

    def __getitem__(self, rows: Any) -> Batch:
        inputs = self.values[rows]
        if inputs.dtype == torch.uint8:
            inputs = inputs.float().div_(255)
        elif inputs.dtype == torch.float16:
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
        self, rows: Tensor, observed: Tensor, truth: Tensor | None, batch_size: int, seed: int | None, augment: bool
    ) -> DataLoader[Batch]:
        """Indexes whole batches, in this process."""
        dataset = _ArrayDataset(self.values, observed, truth, augment and self.on_images)
        sampler = _BatchSampler(rows, batch_size, seed)
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
        inputs = torch.stack([_first(self.images[int(row)]) for row in rows])
        inputs = inputs.float() / 255 if inputs.dtype == torch.uint8 else inputs.float()
        return Batch(inputs, self.observed[rows], None if self.truth is None else self.truth[rows], rows)


def _first(item: Any) -> Tensor:
    return item[0] if isinstance(item, tuple | list) else item


class Streamed(Batches):
    """A torch Dataset of single images, decoded as it goes; `augmented` is the one to train on."""

    on_images = True

    def __init__(self, plain: Dataset[Any], augmented: Dataset[Any] | None = None, workers: int = 0):
        self.plain, self.augmented, self.workers = plain, augmented or plain, workers

    def __len__(self) -> int:
        return len(self.plain)  # type: ignore[arg-type]

    def loader(
        self, rows: Tensor, observed: Tensor, truth: Tensor | None, batch_size: int, seed: int | None, augment: bool
    ) -> DataLoader[Batch]:
        """Reads by `workers` processes, or in this one."""
        dataset = _ItemDataset(self.augmented if augment else self.plain, observed, truth)
        sampler = _BatchSampler(rows, batch_size, seed)
        return DataLoader(
            dataset, sampler=sampler, batch_size=None, num_workers=self.workers, persistent_workers=self.workers > 0
        )

    def inputs(self, rows: Tensor) -> Tensor:
        """The images of some rows, decoded now."""
        values = torch.stack([_first(self.plain[int(row)]) for row in rows])
        return values.float() / 255 if values.dtype == torch.uint8 else values.float()


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
