"""A process that forks commands and kills them at a chosen moment; the libraries are loaded once. Run as a script, it serves.

A moment is an event and a step: the n-th time that a file in a folder is opened to write, flushed, renamed or removed, or a
folder made, and so many calls of functions after that. So a moment is the same in each run, lies where files are written, and
falls between any two lines of Python; step HALF cuts the temporary file that is being flushed in the middle first, as a loss
of power may.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HALF = -1
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_EVENTS = {"os.rename", "os.remove", "os.rmdir", "os.mkdir"}


@dataclass(frozen=True)
class Ended:
    """How a command ended.

    Attributes:
        code: its exit code; minus the number of the signal that killed it.
        events: how many there were.
        out: what it printed to stdout,
        err: and to stderr.
    """

    code: int
    events: int
    out: str
    err: str


class Killer:
    """Runs commands; a context manager."""

    def __init__(self) -> None:
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("LOCAL_RANK", "NODE_RANK"))}
        environment |= {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent.parent), *sys.path])}
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self.server = subprocess.Popen([sys.executable, __file__], env=environment, text=True, **pipes)

    def __enter__(self) -> Killer:
        return self

    def __exit__(self, *error: object) -> None:
        assert self.server.stdin is not None and self.server.stdout is not None
        self.server.stdin.close()
        self.server.stdout.close()
        self.server.wait()

    def run(
        self, args: Sequence[object], root: Path, event: int = 0, step: int = 0, after: float = 0.0, interrupted: bool = False
    ) -> Ended:
        """Run `latentlabels ARGS`; events are those in `root`.

        Args:
            args: the command line.
            root: a folder.
            event: at which it is killed, from 1; 0 to let it be.
            step: calls after the event, or HALF.
            after: seconds after which it is killed, if above 0.
            interrupted: where it reads an array, a sum of hours is done in its place, and Ctrl-C is pressed meanwhile.
        """
        assert self.server.stdin is not None and self.server.stdout is not None
        order = {"args": [str(arg) for arg in args], "root": str(root), "event": event, "step": step, "after": after}
        order["interrupted"] = interrupted
        self.server.stdin.write(json.dumps(order) + "\n")
        self.server.stdin.flush()
        return Ended(**json.loads(self.server.stdout.readline()))


# --- the process that forks -----------------------------------------------------------------------------


class _Moment:
    """Counts events in a folder, and kills this process at one."""

    def __init__(self, root: str, event: int, step: int):
        self.root, self.event, self.step, self.count, self.left = root, event, step, 0, step
        self.fsync = os.fsync
        os.fsync = self._flushed  # type: ignore[assignment]
        sys.addaudithook(self._audited)

    def _audited(self, name: str, args: tuple[Any, ...]) -> None:
        written = name == "open" and isinstance(args[2], int) and args[2] & _WRITING
        if (written or name in _EVENTS) and str(args[0]).startswith(self.root):
            self._happened(None)

    def _flushed(self, handle: int) -> None:
        self._happened(handle)
        self.fsync(handle)

    def _happened(self, handle: int | None) -> None:
        self.count += 1
        if self.count != self.event:
            return
        if self.step == HALF and handle is not None and ".partial" in os.readlink(f"/proc/self/fd/{handle}"):
            os.truncate(f"/proc/self/fd/{handle}", os.fstat(handle).st_size // 2)
        if self.step <= 0:
            os.kill(os.getpid(), signal.SIGKILL)
        sys.setprofile(self._called)

    def _called(self, frame: Any, what: str, argument: Any) -> None:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def _child(order: dict[str, Any], pipes: list[int]) -> None:
    from latentlabels.cli.app import main

    for number, pipe in zip((1, 2), pipes, strict=False):
        os.dup2(pipe, number)
    sys.stdout, sys.stderr = (io.TextIOWrapper(io.FileIO(number, "w", closefd=False), write_through=True) for number in (1, 2))
    if order["after"]:
        signal.setitimer(signal.ITIMER_REAL, order["after"])  # whose signal kills
    if order["interrupted"]:
        import numpy as np

        from latentlabels.inputs import embeddings

        np.load = embeddings.open_arrays = _endless  # type: ignore[assignment]
    moment = _Moment(order["root"], order["event"], order["step"])
    code = main(order["args"])
    sys.setprofile(None)
    os.write(pipes[2], str(moment.count).encode())
    os._exit(code)


def _endless(*args: Any, **more: Any) -> None:
    """Ctrl-C while a sum runs in C for hours."""
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
    hashlib.pbkdf2_hmac("sha256", b"", b"", 2**31 - 1)


def _serve() -> None:
    import matplotlib.figure
    import pandas  # noqa: F401
    import pyarrow.parquet  # noqa: F401
    import torch

    import latentlabels.bench.grid
    import latentlabels.bench.page
    import latentlabels.report  # noqa: F401
    from latentlabels.cli import app  # noqa: F401
    from latentlabels.inputs import reading_features, stream
    from latentlabels.show import pages

    stream._MOST = 16  # the 40 embeddings of the tests are three blocks
    reading_features._MOST = 6  # and 28 pictures are five

    torch.set_num_threads(1)
    plain = pages.embedded(matplotlib.figure.Figure(figsize=(1, 1)), "a picture")
    # the pictures of a bench take seconds, and are part of a page that is written at once
    original = pages.embedded
    for module in [module for key, module in sys.modules.items() if key.startswith("latentlabels.")]:
        if getattr(module, "embedded", None) is original:
            module.embedded = lambda *args, **more: plain  # type: ignore[attr-defined]
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        order = json.loads(line)
        ends = [os.memfd_create(name) for name in ("out", "err", "count")]
        child = os.fork()
        if child == 0:
            try:
                _child(order, ends)
            finally:
                os._exit(99)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        texts = [os.pread(end, 10_000_000, 0).decode() for end in ends]
        for end in ends:
            os.close(end)
        print(
            json.dumps({"code": code, "events": int(texts[2] or 0), "out": texts[0], "err": texts[1]}), file=answers, flush=True
        )


if __name__ == "__main__":
    _serve()
