"""Processes: whether one lives, and workers that end with the process that started them, however that one ends."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import suppress

_LOOKS = 0.2  # seconds between two looks at the parent


def is_alive(number: int) -> bool:
    """Whether there is a process of this number on this machine; True where the system does not say."""
    if os.name != "posix":
        return True
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True  # somebody else's
    return True


def end_with_parent() -> None:
    """Let this process end as soon as its parent has: nothing else would end a worker whose parent was killed."""
    import multiprocessing

    known = multiprocessing.parent_process()
    parent = os.getppid() if known is None or known.pid is None else known.pid
    threading.Thread(target=_watch, args=(parent,), daemon=True, name="end with parent").start()


def begin_worker(number: int = 0) -> None:
    """What a worker process does first: leave Ctrl-C to its parent, which ends it, and end with it.

    Also the ``worker_init_fn`` of a torch DataLoader, which gives the number of the worker.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    end_with_parent()


def end_children() -> None:
    """Kill the processes that this one has started by `multiprocessing`; what they were at is lost."""
    import multiprocessing

    for child in multiprocessing.active_children():
        with suppress(OSError, ValueError):
            child.kill()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_LOOKS)
    os._exit(1)
