"""What runtimes convert: the module with the division by 255 before it, traced without a word to the user."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class Bytes(nn.Module):
    """The module, for images as they are stored.

    Args:
        module: float images (B, 3, H, W) in [0, 1] to features (B, D).
    """

    def __init__(self, module: nn.Module):
        super().__init__()
        self.module = module

    def forward(self, images: Tensor) -> Tensor:
        """uint8 images (B, 3, H, W) to float32 features (B, D)."""
        found: Tensor = self.module(images.float() / 255)
        return found.float()


@contextmanager
def quiet() -> Iterator[None]:
    """A block in which no warning of a converter reaches the user, and no gradient is kept."""
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def one_thread() -> Iterator[None]:
    """A block in which torch uses one thread: for two images, several threads would wait for each other on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def num_threads() -> int:
    """Threads of a runtime: those of torch, which OMP_NUM_THREADS states, and at most the cores that the process may use."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(torch.get_num_threads(), usable))
