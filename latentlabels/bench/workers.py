"""Processes that fit side by side, of one thread each: threads within a fit this small wait for each other."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

from ..processes import begin_worker

P = ParamSpec("P")
T = TypeVar("T")


@contextmanager
def workers(number: int) -> Iterator[ProcessPoolExecutor]:
    """A pool of processes. They end with the block, or with this process, and at once where the block is interrupted.

    A process is handed little as it starts, no data and nothing that imports torch: for so long it can be told of nothing.
    """
    before = {child.pid for child in multiprocessing.active_children()}
    pool = ProcessPoolExecutor(number, mp_context=multiprocessing.get_context("spawn"), initializer=begin_worker)
    try:
        yield pool
    except BaseException:
        # what they are at would go on for minutes; and a library may take a polite signal for a hint
        for child in multiprocessing.active_children():
            if child.pid not in before:
                child.kill()
        pool.shutdown(cancel_futures=True)
        raise
    pool.shutdown()


def in_one_thread(work: Callable[P, T], *args: P.args, **more: P.kwargs) -> T:
    """Call `work` in a process that shall use one core."""
    import torch

    torch.set_num_threads(1)
    return work(*args, **more)
