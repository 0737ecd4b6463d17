"""The processes of a fit: Lightning's `Fabric` starts them, and what happens in each of them and between them."""

from __future__ import annotations

import logging
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from lightning.fabric import Fabric
from torch import Tensor

from ..errors import ConfigError
from ..objectives import Objective
from .averaging import WeightAverage
from .module import LabelModule

_LOGGERS = ("lightning.fabric", "lightning.fabric.utilities.rank_zero", "lightning.pytorch.utilities.rank_zero")


@contextmanager
def opened_fabric(accelerator: str, devices: Any, strategy: str, objective: Objective) -> Iterator[Fabric]:
    """A `Fabric` whose hints for those who call it stay unsaid.

    Args:
        accelerator: of Lightning.
        devices: of Lightning.
        strategy: of Lightning.
        objective: what is trained.

    Raises:
        ConfigError: several processes and an objective that keeps something for each image.
    """
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    try:
        fabric = Fabric(accelerator=accelerator, devices=devices, strategy=strategy)
        processes = _processes(fabric)
        if processes > 1 and objective.keeps_images:
            raise ConfigError(
                f'objective "{objective.name}" keeps state for each training image, which {processes} processes '
                "cannot share; give fit.devices: 1"
            )
        yield fabric
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _processes(fabric: Fabric) -> int:
    """How many processes train, also before they are started."""
    return max(fabric.world_size, int(getattr(fabric.strategy, "num_processes", 1)))


@torch.no_grad()
def unshare(module: LabelModule) -> None:
    """Spawned processes get tensors in shared memory, where one's steps would move the other's weights: each takes a copy."""
    for tensor in (*module.parameters(), *module.buffers()):
        if tensor.is_shared() and not tensor.is_cuda:
            tensor.data = tensor.data.clone()


def seed_epoch(seed: int, epoch: int, rank: int) -> None:
    """Seed what an epoch draws: augmentation, dropout, a Dataset's own transforms, processes that read files."""
    drawn = np.random.SeedSequence([seed, epoch, rank]).generate_state(3)
    torch.manual_seed(int(drawn[0]))
    np.random.seed(int(drawn[1]))
    random.seed(int(drawn[2]))


def mean_of_all(fabric: Fabric, total: Tensor, number: int) -> float | None:
    """The mean over all processes; None of nothing."""
    if fabric.world_size > 1:
        both = torch.stack([total.double(), torch.tensor(float(number), device=total.device, dtype=torch.double)])
        total, count = fabric.all_reduce(both, reduce_op="sum")  # type: ignore[misc]
        number = int(count)
    return float(total) / number if number else None


@torch.no_grad()
def share_statistics(fabric: Fabric, average: WeightAverage) -> None:
    """Give all processes, which have seen other batches, the mean of their running statistics: a checkpoint has one of each."""
    for own in average.buffers.values():
        if own.is_floating_point():
            own.copy_(fabric.all_reduce(own.clone(), reduce_op="mean"))  # type: ignore[arg-type]
