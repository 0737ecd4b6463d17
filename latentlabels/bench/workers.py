"""Processes that fit side by side, of one thread each: threads within a fit this small wait for each other."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any

import torch

from ..processes import begin_worker


@contextmanager
def workers(number: int, prepare: Callable[..., None] | None = None, args: Sequence[Any] = ()) -> Iterator[ProcessPoolExecutor]:
    """A pool of processes. They end with the block, or with this process, and at once where the block is interrupted.

    Args:
        number: of processes.
        prepare: is called in each of them first, if given,
        args: with these.
    """
    before = {child.pid for child in multiprocessing.active_children()}
    spawn = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(number, mp_context=spawn, initializer=_begin, initargs=(prepare, args))
    try:
        yield pool
    except BaseException:
        # what they are at would go on for minutes; and Lightning, while it fits, takes a polite signal for a hint
        for child in multiprocessing.active_children():
            if child.pid not in before:
                child.kill()
        pool.shutdown(cancel_futures=True)
        raise
    pool.shutdown()


def _begin(prepare: Callable[..., None] | None, args: Sequence[Any]) -> None:
    begin_worker()
    torch.set_num_threads(1)
    if prepare is not None:
        prepare(*args)
