"""Runs the command line inside the tests' process, and makes small data for it."""

from __future__ import annotations

import contextlib
import csv
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

TINY = ("--set", "model.encoder=tiny", "--set", "model.image_size=32", "--set", "fit.epochs=1", "--set", "fit.batch_size=32")
"""A fit that takes a second."""


@dataclass(frozen=True)
class Done:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """Stdout as JSON: it holds one document and nothing else."""
        return json.loads(self.out)

    @property
    def rows(self) -> list[dict[str, str]]:
        """Stdout as CSV."""
        return list(csv.DictReader(io.StringIO(self.out)))


def latentlabels(*args: object) -> Done:
    """Run `latentlabels ARGS`."""
    from latentlabels.cli.app import main

    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([str(arg) for arg in args])
    return Done(code, out.getvalue(), err.getvalue())


def picture(path: Path, seed: int = 0, size: int = 32) -> Path:
    """Write a picture of noise; other seeds give other pictures."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (size, size, 3), dtype=np.uint8)).save(path)
    return path


def image_folder(root: Path, **counts: int) -> Path:
    """Write an ImageFolder of so many pictures of each label."""
    seed = 0
    for label, count in counts.items():
        (root / label).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            seed += 1
            picture(root / label / f"{number}.png", seed)
    return root
