"""Finding image files, and saying what was left out."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Collection, Iterable, Iterator, Sequence
from glob import glob, has_magic
from pathlib import Path
from typing import NamedTuple

from ..errors import DataError, DataWarning, ObservationError
from ..words import count, listed
from .file_kinds import IMAGE, SILENT, UNCLEAR, FileKind, kind_by_content, kind_by_name
from .folder_roles import is_system


class Entries(NamedTuple):
    """What a folder holds: names, sorted.

    Attributes:
        folders: its folders.
        files: its files, those that begin with a dot left out.
        system: folders of the system, which are no part of the data: hidden ones, thumbnails of a server, and the like.
    """

    folders: list[str]
    files: list[str]
    system: list[str]


class Tree:
    """Folders as they were when first looked into: each is listed once, however often it is asked for.

    Attributes:
        unreadable: why folders could not be listed, by path.
    """

    def __init__(self) -> None:
        self.unreadable: dict[str, str] = {}
        self._seen: dict[str, Entries] = {}
        self._unclear: dict[str, FileKind] = {}

    def entries(self, folder: str | Path) -> Entries:
        """The names of what a folder holds."""
        key = os.fspath(folder)
        if key not in self._seen:
            found = Entries([], [], [])
            try:
                with os.scandir(key) as listing:
                    for entry in listing:
                        if _is_folder(entry):
                            (found.system if is_system(entry.name) else found.folders).append(entry.name)
                        elif not entry.name.startswith("."):
                            found.files.append(entry.name)
            except OSError as error:  # what cannot be listed holds nothing for us, but readers say so
                self.unreadable[key] = error.strerror or type(error).__name__
            for names in found:
                names.sort()
            self._seen[key] = found
        return self._seen[key]

    def folders(self, folder: Path) -> list[Path]:
        """The folders in a folder, in order of name, without those of the system."""
        return [folder / name for name in self.entries(folder).folders]

    def images(self, folder: Path) -> list[str]:
        """The names of the image files in a folder itself, in order."""
        where = os.fspath(folder)
        return [name for name in self.entries(folder).files if self.kind(os.path.join(where, name)) is IMAGE]

    def kind(self, file: str | Path) -> FileKind:
        """The kind of a file; one whose name says nothing is looked into, once."""
        kind = kind_by_name(os.fspath(file))
        if kind is not UNCLEAR:
            return kind
        key = os.fspath(file)
        if key not in self._unclear:
            self._unclear[key] = kind_by_content(key)
        return self._unclear[key]


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
    tree = Tree() if tree is None else tree
    if not isinstance(where, str | Path):
        return [path for one in where for path in find_images(one, tree)]
    path = Path(where)
    if path.is_dir():
        return [path / name for name, kind in files_below(path, tree) if kind is IMAGE]
    if path.exists():
        return [path]
    if any(sign in str(where) for sign in "*?["):
        found = [Path(name) for name in glob(str(where), recursive=True) if not _in_system_folder(name, str(where))]
        found = sorted(file for file in found if tree.kind(file) is IMAGE and not file.is_dir())
        if found:
            return found
        raise DataError(f"{where}: no image file matches this pattern")
    raise DataError(f"{where}: file or folder not found")


def _in_system_folder(name: str, pattern: str) -> bool:
    """Whether a glob found a file in a folder of the system that it does not name itself."""
    named = {part for part in Path(pattern).parts if not has_magic(part)}
    return any(is_system(part) and part not in named for part in Path(name).parts[:-1])


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
    top = os.fspath(Path(where))
    files = files_below(Path(where), Tree() if tree is None else tree)
    return [name if top == os.curdir else os.path.join(top, name) for name, kind in files if kind is IMAGE]


def files_below(
    folder: Path, tree: Tree, without: Collection[Path] = (), before: str = ""
) -> Iterator[tuple[str, FileKind]]:  # fmt: skip
    """All files below a folder in order of name and their kinds, but hidden ones and those in folders of the system.

    Links to folders are followed, but no folder is read twice and no link leads out through a folder above: a link to
    its own folder would otherwise be followed until the path is too long.

    Args:
        folder: of any name.
        tree: folders that were listed before.
        without: folders that are left out, with all below them.
        before: what the names begin with; otherwise they are relative to the folder.
    """
    seen = set(Path(os.path.realpath(folder)).parents)
    waiting: list[Iterator[tuple[str, Path | None]]] = [iter([(before, folder)])]
    while waiting:
        name, inner = next(waiting[-1], ("", _END))
        if inner is None:
            yield name, tree.kind(os.path.join(folder, name[len(before) :]))
        elif inner is _END:
            waiting.pop()
        elif inner not in without:
            real = Path(os.path.realpath(inner))
            if real not in seen:
                seen.add(real)
                found = tree.entries(inner)
                entries = [(one, None) for one in found.files] + [(one, inner / one) for one in found.folders]
                start = name
                waiting.append(iter([(start + one + ("/" if path else ""), path) for one, path in sorted(entries, key=_name)]))


_END = Path()


def _name(entry: tuple[str, Path | None]) -> str:
    return entry[0]


def folders_below(root: Path, tree: Tree, without: Collection[Path] = ()) -> Iterator[Path]:
    """All folders below one that hold data, in no order; a link is followed as `walk` does."""
    seen = set(Path(os.path.realpath(root)).parents)
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        real = Path(os.path.realpath(folder))
        if folder in without or real in seen:
            continue
        seen.add(real)
        yield folder
        waiting += tree.folders(folder)


def is_image(name: str) -> bool:
    """Whether a file name is that of an image; hidden files do not count."""
    return kind_by_name(name) is IMAGE


def passed_over(files: Iterable[tuple[str, FileKind]], where: str, pictures_only: bool = False) -> list[str]:
    """A sentence for each kind of files that are no images: how many, which, and what makes images of them.

    Args:
        files: names and kinds, as of `files_below`; images among them do not count.
        where: what the sentences begin with.
        pictures_only: whether only those count that people would call pictures.
    """
    found: dict[FileKind, list[str]] = {}
    for name, kind in files:
        if kind not in (IMAGE, SILENT) and (kind.picture or not pictures_only):
            found.setdefault(kind, []).append(name)
    ranked = sorted(found.items(), key=lambda item: not item[0].picture)
    return [
        f"{where}: {count(len(names), 'file')} left out, {kind.words}: {listed(names)}{kind.mend and '; '}{kind.mend}"
        for kind, names in ranked
    ]


def report(message: str, strict: bool) -> None:
    """Say what was left out: a `DataWarning`, or an `ObservationError` where the reader is strict."""
    report_all([message], strict)


def report_all(messages: Sequence[str], strict: bool) -> None:
    """A `DataWarning` for each message, or one `ObservationError` with all of them where the reader is strict."""
    if strict and messages:
        raise ObservationError(f"{'; '.join(messages)} (strict)")
    for message in messages:
        warn(message)


def warn(message: str) -> None:
    """A `DataWarning` at the line outside of this package that led to it, however many calls lie between."""
    package = str(Path(__file__).parents[1]) + os.sep
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_code.co_filename.startswith(package):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, DataWarning, stacklevel=level)
