"""One writer at a time: a lock on a folder, held by a process and released by the system however that process ends."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from .errors import RunError

try:
    import fcntl
except ImportError:  # Windows: a folder is not guarded there
    fcntl = None  # type: ignore[assignment]

LOCK = ".lock"
_held: set[str] = set()  # by this process: the system's lock is the process's own, and would be given to it twice


@contextmanager
def holding(folder: str | Path, doing: str, note: Callable[[str], None] = lambda text: None) -> Iterator[None]:
    """Hold a folder, which exists, for the time of a block; no other process on this machine can do so meanwhile.

    The lock is the system's (POSIX record locks), so it ends with its process, and a forked child does not inherit it. The
    file `.lock` says who holds it; a killed process leaves the file, and the next one takes it over.

    Args:
        folder: what to hold.
        doing: what the process does there, for the message of another one: "fitting".
        note: is told of a lock that is taken over.

    Raises:
        RunError: another process holds the folder, or one of another machine did and never released it.
    """
    path = Path(folder).resolve() / LOCK
    if str(path) in _held:
        raise RunError(f"{folder}: this process is writing there already; wait until it has ended, or give another folder")
    handle = _take(path, folder, note)
    try:
        content = {"process": os.getpid(), "host": platform.node(), "doing": doing, "since": time.strftime("%Y-%m-%d %H:%M:%S")}
        os.ftruncate(handle, 0)
        os.pwrite(handle, json.dumps(content).encode(), 0)
        _held.add(str(path))
        yield
    finally:
        _held.discard(str(path))
        with suppress(OSError):
            path.unlink()
        os.close(handle)


def _take(path: Path, folder: str | Path, note: Callable[[str], None]) -> int:
    """Open the file and lock it; a file that was removed before it was locked is another one's, and the next is tried."""
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o666)
        try:
            if fcntl is not None:
                fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is(path, handle):
                _check_left(_read(handle), path, folder, note)
                return handle
        except (BlockingIOError, PermissionError):
            holder = _read(handle)
            os.close(handle)
            raise RunError(_busy(holder, folder)) from None
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def _is(path: Path, handle: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(handle))
    except FileNotFoundError:
        return False


def _check_left(left: dict[str, Any], path: Path, folder: str | Path, note: Callable[[str], None]) -> None:
    """A lock file that is there though nobody of this machine holds it."""
    if not left:
        return
    if left.get("host") != platform.node():
        raise RunError(
            f"{folder}: {_who(left)} was writing there and may still be running; if it is not, remove {path}, or give another "
            "folder"
        )
    note(f"{folder}: {_who(left)} was {left.get('doing')} there and has ended; taking over")


def _busy(holder: dict[str, Any], folder: str | Path) -> str:
    doing = f" is {holder.get('doing')} there, since {holder.get('since')}" if holder else " is writing there"
    return f"{folder}: {_who(holder)}{doing}; wait until it has ended, end it, or give another folder"


def _who(holder: dict[str, Any]) -> str:
    if not holder:
        return "another process"
    return f"process {holder.get('process')} on {holder.get('host')}"


def _read(handle: int) -> dict[str, Any]:
    try:
        found = json.loads(os.pread(handle, 10_000, 0))
    except (ValueError, OSError):
        return {}
    return found if isinstance(found, dict) else {}
