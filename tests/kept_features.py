"""Features that tests and the processes that they start agree upon, and stores of them."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import traceback
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentlabels.features import FeatureStore
from latentlabels.features.folder import Notes
from latentlabels.inputs.feature_source import Learnt

ABOUT_IT = {"encoder": "tiny", "size": [32, 32], "precision": "f32"}
WIDTH = 24


def contents(*numbers: int) -> list[bytes]:
    return [hashlib.blake2b(str(number).encode(), digest_size=16).digest() for number in numbers]


def features(*numbers: int, scale: float = 1.0) -> NDArray[np.float32]:
    """Features of pictures by number, of which float16 holds every one."""
    rows = [np.random.default_rng(number).normal(size=WIDTH) for number in numbers]
    return (scale * np.array(rows).reshape(len(numbers), WIDTH)).astype(np.float16).astype(np.float32)


def store(folder: Path | None, halved: bool = True) -> FeatureStore:
    """A store as of an encoder with maps, whose rows are halved where float16 holds them."""
    return FeatureStore(folder, ABOUT_IT, Notes(folder or Path()), learnt=Learnt("tiny", {}) if halved else None)


def assert_holds(found: FeatureStore, numbers: Sequence[int]) -> None:
    at = found.find(contents(*numbers))
    assert (at >= 0).all()
    np.testing.assert_array_equal(found.rows(at), features(*numbers))


def write(folder: Path, first: int, last: int) -> None:
    """Keep the features of some pictures, those that are missing, seven at a time, every third row in single precision."""
    found = store(folder)
    for start in range(first, last, 7):
        numbers = [*range(start, min(start + 7, last))]
        at = found.find(contents(*numbers))
        missing = [number for number, there in zip(numbers, at.tolist(), strict=True) if there < 0]
        if missing:
            rows = features(*missing)
            rows[::3] *= 1e6
            np.testing.assert_array_equal(found.rows(found.add(contents(*missing), rows)), rows)


class Writers:
    """Processes that call `write`, forked from one that has imported everything. A context manager."""

    def __enter__(self) -> Writers:
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self.server = subprocess.Popen([sys.executable, __file__], env=environment, text=True, **pipes)
        return self

    def __exit__(self, *error: object) -> None:
        assert self.server.stdin is not None
        assert self.server.stdout is not None
        self.server.stdin.close()
        self.server.stdout.close()
        self.server.wait()

    def start(self, folder: Path, first: int, last: int, limit: int = -1) -> int:
        """Start one, which may write files of `limit` bytes; its number."""
        return self._ask("start", str(folder), first, last, limit)

    def wait(self, process: int) -> int:
        """How it ended: how many warnings there were, or 100 after an error, or minus the signal that killed it."""
        return self._ask("wait", process)

    def has_ended(self, process: int) -> bool:
        """Whether it has, by itself; `wait` is still to come."""
        return bool(self._ask("ended", process))

    def _ask(self, *order: Any) -> int:
        assert self.server.stdin is not None
        assert self.server.stdout is not None
        self.server.stdin.write(json.dumps(order) + "\n")
        self.server.stdin.flush()
        return int(self.server.stdout.readline())


def _serve() -> None:
    for line in sys.stdin:
        what, *given = json.loads(line)
        if what == "ended":
            found = os.waitid(os.P_PID, given[0], os.WEXITED | os.WNOHANG | os.WNOWAIT)
            print(int(found is not None), flush=True)
            continue
        if what == "wait":
            print(os.waitstatus_to_exitcode(os.waitpid(given[0], 0)[1]), flush=True)
            continue
        child = os.fork()
        if not child:
            _run(*given)
        print(child, flush=True)


def _run(folder: str, first: int, last: int, limit: int) -> None:
    code = 100
    try:
        if limit >= 0:
            import resource

            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            write(Path(folder), first, last)
        code = len(caught)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


if __name__ == "__main__":
    _serve()
