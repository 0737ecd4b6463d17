"""Ctrl-C and `kill`: a verb ends within two seconds, with its workers, and says in one line how to go on.

A signal raises `KeyboardInterrupt` in the main thread, so that files and locks are put away. A thread that the signal wakes
ends the process where that takes too long: Python calls no handler while a long sum runs in C, and libraries wait for their
workers. Ending so is safe at any moment, since files are written whole or not at all.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

GRACE = 1.2  # seconds to put things away
_AGAIN = "run the same command again"


@dataclass
class _State:
    """Of the command that runs.

    Attributes:
        advice: how to go on.
        number: of the signal that has arrived, 0 for none.
        ended: set when the command is over.
        said: whether the line has been printed.
    """

    advice: str = _AGAIN
    number: int = 0
    ended: threading.Event = field(default_factory=threading.Event)
    said: bool = False


_state = _State()


def advise(text: str) -> None:
    """Say how to go on, should the command be interrupted from now on."""
    _state.advice = text


def interrupted() -> int:
    """Print the line, and return the exit code: 130 for Ctrl-C, 143 for `kill`."""
    if not _state.said:
        _state.said = True
        with suppress(OSError, ValueError):
            print(f"interrupted; {_state.advice}", file=sys.stderr, flush=True)
    return 128 + (_state.number or signal.SIGINT)


def leave(code: int) -> None:
    """End the process now, with its workers; what is waiting to be printed is printed."""
    from ..processes import end_children

    end_children()
    with suppress(OSError, ValueError, AttributeError):
        if sys.__stderr__.isatty():  # type: ignore[union-attr]  # None under pythonw, which the line above covers
            sys.__stderr__.write("\x1b[?25h")  # type: ignore[union-attr]  # the cursor, which a progress bar hides
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


@contextmanager
def interruptible() -> Iterator[None]:
    """Take care of both signals inside; in a thread other than the main one nothing is changed."""
    global _state
    _state = state = _State()
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    receiving, sending = socket.socketpair()
    sending.setblocking(False)
    earlier = {number: signal.signal(number, _raise) for number in (signal.SIGINT, signal.SIGTERM)}
    earlier_fd = signal.set_wakeup_fd(sending.fileno(), warn_on_full_buffer=False)
    watcher = threading.Thread(target=_watch, args=(receiving, state), daemon=True, name="interrupts")
    watcher.start()
    try:
        yield
    finally:
        state.ended.set()
        signal.set_wakeup_fd(earlier_fd)
        for number, handler in earlier.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)
        sending.close()
        watcher.join()
        receiving.close()


def _raise(number: int, frame: FrameType | None) -> Any:
    _state.number = number
    raise KeyboardInterrupt


def _watch(receiving: socket.socket, state: _State) -> None:
    """Wait for a signal; then end the process, if it is not over in time or a second one comes."""
    while not state.number:
        got = receiving.recv(1)
        if not got:
            return
        if got[0] in (signal.SIGINT, signal.SIGTERM):
            state.number = got[0]
    if not state.ended.wait(GRACE):
        leave(interrupted())
