"""A tiny run on rendered scenes with files on disk, and a service of it: for tests of the interface and of the page."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from command import TINY, latentlabels
from PIL import Image

from latentlabels.datasets.street_scenes import render_scenes, write_scenes

TOKEN = "a-token-of-the-tests-0123"
HEADERS = {"Authorization": f"Bearer {TOKEN}"}


@dataclass(frozen=True)
class Fitted:
    """A run folder, and the folder of its images."""

    run: Path
    images: Path


def fit_scenes(folder: Path, size: int = 60, epochs: int = 1) -> Fitted:
    """Render scenes, write them as files, and fit a tiny encoder to them in a second or so."""
    write_scenes(render_scenes(size, seed=3, size=32), folder / "scenes")
    images, run = folder / "scenes" / "images-by-label", folder / "run"
    labels = folder / "scenes" / "labels.yaml"
    tiny = [*TINY, "--set", f"fit.epochs={epochs}"]
    done = latentlabels("fit", "--images", images, "--labels", labels, *tiny, "--out", run)
    assert done.code == 0, done.err
    return Fitted(run, images)


def png(seed: int = 0, size: int = 40) -> bytes:
    """A picture of noise."""
    out = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (size, size, 3), dtype=np.uint8)).save(out, "PNG")
    return out.getvalue()


@dataclass(frozen=True)
class Running:
    """A service in a process of its own.

    Attributes:
        address: with the token, as `explore` prints it.
        base: without path and token.
        process: of the service.
    """

    address: str
    base: str
    process: subprocess.Popen[str]


@contextmanager
def running(fitted: Fitted, *args: object, verb: str = "explore") -> Iterator[Running]:
    """`latentlabels explore RUN` on a free port, ended with the block."""
    command = [sys.executable, "-m", "latentlabels", verb, fitted.run, "--port", 0, "--token", TOKEN, *args]
    command += ["--no-browser"] if verb == "explore" else []
    process = subprocess.Popen(
        [str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    try:
        yield _address(process)
    finally:
        if process.poll() is None:
            process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        assert process.stdout is not None
        process.stdout.close()


def _address(process: subprocess.Popen[str]) -> Running:
    assert process.stdout is not None
    said = []
    until = time.monotonic() + 120
    while time.monotonic() < until:
        line = process.stdout.readline()
        said.append(line)
        found = re.search(r"(http://[^/\s]+)/\S*", line)
        if found:
            return Running(found[0], found[1], process)
        if not line and process.poll() is not None:
            break
    raise AssertionError(f"the service did not start: {''.join(said)}")
