"""Finding image files, and saying what was left out."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterable, Iterator
from contextlib import suppress
from glob import glob
from pathlib import Path

from ..errors import DataError, DataWarning, ObservationError

IMAGE_SUFFIXES = frozenset(
    (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".jfif", ".avif")
)


class Tree:
    """Folders as they were when first looked into: each is listed once, however often it is asked for."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[list[str], list[str]]] = {}

    def entries(self, folder: str | Path) -> tuple[list[str], list[str]]:
        """The names of the folders and of the files in a folder, sorted; hidden ones are left out."""
        key = os.fspath(folder)
        if key not in self._seen:
            folders: list[str] = []
            files: list[str] = []
            with suppress(OSError), os.scandir(key) as found:  # a folder that may not be read holds nothing for us
                for entry in found:
                    if not entry.name.startswith("."):
                        (folders if _is_folder(entry) else files).append(entry.name)
            self._seen[key] = (sorted(folders), sorted(files))
        return self._seen[key]

    def folders(self, folder: Path) -> list[Path]:
        """The folders in a folder, in order of name."""
        return [folder / name for name in self.entries(folder)[0]]

    def images(self, folder: Path) -> list[str]:
        """The names of the image files in a folder itself, in order."""
        return [name for name in self.entries(folder)[1] if is_image(name)]


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False


def find_images(where: str | Path | Iterable[str | Path], tree: Tree | None = None) -> list[Path]:
    """Image files: those in a folder and all folders below it, those that a glob matches, or those named; sorted by name.

    Args:
        where: a folder, a file, a glob, or several of them.
        tree: folders that were listed before.

    Raises:
        DataError: a path that does not exist, a glob that matches nothing; the path is named.
    """
    if not isinstance(where, str | Path):
        return [path for one in where for path in find_images(one, tree)]
    path = Path(where)
    if path.is_dir():
        return sorted(file for file in walk(path, tree) if is_image(file.name))
    if path.exists():
        return [path]
    if any(sign in str(where) for sign in "*?["):
        found = sorted(Path(name) for name in glob(str(where), recursive=True) if is_image(name) and not Path(name).is_dir())
        if found:
            return found
        raise DataError(f"{where}: no image file matches this pattern")
    raise DataError(f"{where}: file or folder not found")


def list_images(where: str | Path, tree: Tree | None = None) -> list[str]:
    """The paths of `find_images`, in its order, as texts: of very many images these take a fifth of the memory.

    Args:
        where: a folder, a file or a glob.
        tree: folders that were listed before.

    Raises:
        DataError: as `find_images`.
    """
    if not os.path.isdir(where):
        return [str(path) for path in find_images(where, tree)]
    tree, top = Tree() if tree is None else tree, str(Path(where))
    seen = set(Path(os.path.realpath(where)).parents)
    found: list[str] = []
    waiting = [os.path.join(top, "")]
    while waiting:  # files of a folder and those of the folders in it, in order of name
        path = waiting.pop()
        if not path.endswith(os.sep):
            found.append(path)
            continue
        real = Path(os.path.realpath(path))
        if real not in seen:
            seen.add(real)
            folders, names = tree.entries(path)
            below = [(name, os.sep) for name in folders] + [(name, "") for name in names if is_image(name)]
            start = "" if path == os.path.join(os.curdir, "") else path
            waiting += [start + name + end for name, end in sorted(below, reverse=True)]
    return found


def walk(root: Path, tree: Tree | None = None) -> Iterator[Path]:
    """All files below a folder but the hidden ones and those in hidden folders.

    Links to folders are followed, but no folder is read twice and no link leads out through a folder above: a link to
    its own folder would otherwise be followed until the path is too long.
    """
    tree = Tree() if tree is None else tree
    seen = set(Path(os.path.realpath(root)).parents)
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        real = Path(os.path.realpath(folder))
        if real in seen:
            continue
        seen.add(real)
        folders, names = tree.entries(folder)
        yield from (folder / name for name in names)
        waiting += [folder / name for name in reversed(folders)]


def is_image(name: str) -> bool:
    """Whether a file name is that of an image; hidden files do not count."""
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
