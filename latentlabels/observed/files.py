"""Finding image files, and saying what was left out."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Sequence
from glob import glob
from pathlib import Path
from typing import Any

from ..errors import DataError, DataWarning, ObservationError

IMAGE_SUFFIXES = frozenset(
    (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".jfif", ".avif")
)


def find_images(where: str | Path | Iterable[str | Path]) -> list[Path]:
    """Image files, of a folder with all folders below it, of a glob, or as they are named; in order of name.

    Raises:
        DataError: a path that does not exist, a glob that matches nothing; the path is named.
    """
    if not isinstance(where, str | Path):
        return [path for one in where for path in find_images(one)]
    path = Path(where)
    if path.is_dir():
        return sorted(
            Path(folder) / name
            for folder, folders, names in os.walk(path, followlinks=True)
            if not Path(folder).name.startswith(".") or Path(folder) == path
            for name in names
            if is_image(name)
        )
    if path.exists():
        return [path]
    if any(sign in str(where) for sign in "*?["):
        found = sorted(Path(name) for name in glob(str(where), recursive=True) if is_image(name))
        if found:
            return found
        raise DataError(f"{where}: no image matches")
    raise DataError(f"{where}: no such file or folder")


def is_image(name: str) -> bool:
    """Whether a file is an image by its name; hidden files are none."""
    path = Path(name)
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")


def report(message: str, strict: bool) -> None:
    """Say what was left out: a `DataWarning`, or an `ObservationError` where the reader is strict."""
    if strict:
        raise ObservationError(f"{message} (strict)")
    warnings.warn(message, DataWarning, stacklevel=4)


def listed(names: Sequence[Any], most: int = 5) -> str:
    """The first few names, and how many more there are."""
    shown = ", ".join(str(name) for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most:,} more"
