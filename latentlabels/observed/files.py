"""Finding image files, and saying what was left out."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterable, Iterator
from glob import glob
from pathlib import Path

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
        return sorted(file for file in walk(path) if is_image(file.name))
    if path.exists():
        return [path]
    if any(sign in str(where) for sign in "*?["):
        found = sorted(Path(name) for name in glob(str(where), recursive=True) if is_image(name) and not Path(name).is_dir())
        if found:
            return found
        raise DataError(f"{where}: no image matches")
    raise DataError(f"{where}: no such file or folder")


def walk(root: Path) -> Iterator[Path]:
    """All files below a folder but the hidden ones and those in hidden folders.

    Links to folders are followed, but no folder is read twice and no link leads out through a folder above: a link to
    its own folder would otherwise be followed until the path is too long.
    """
    seen = set(Path(os.path.realpath(root)).parents)
    for folder, folders, names in os.walk(root, followlinks=True):
        real = Path(os.path.realpath(folder))
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(folder) / name for name in names if not name.startswith("."))


def is_image(name: str) -> bool:
    """Whether a file is an image by its name; hidden files are none."""
    path = Path(name)
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")


def report(message: str, strict: bool) -> None:
    """Say what was left out: a `DataWarning`, or an `ObservationError` where the reader is strict."""
    if strict:
        raise ObservationError(f"{message} (strict)")
    warn(message)


def warn(message: str) -> None:
    """A `DataWarning` at the line outside of this package that led to it, however many calls lie between."""
    package = str(Path(__file__).parents[1]) + os.sep
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_code.co_filename.startswith(package):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, DataWarning, stacklevel=level)
