"""Which rows of a table have an image in a folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ..errors import DataError, ObservationError
from ..shards import is_packed
from ..words import count, listed
from .image_files import Tree, find_images, report
from .known_table import DenseKnown, KnownTable
from .names import label_name, match_names
from .packed import contents_of
from .record import KnownLabels

_LOOKED_AT = 5  # rows without a file whose possible files are named


def with_files(known: KnownLabels, root: Path, strict: bool, tree: Tree | None) -> KnownLabels:
    """Only the rows whose image is there: its file by the same name, or the only one whose name ends alike.

    Args:
        known: the table.
        root: the folder of the images, or files with the images inside.
        strict: whether rows without an image are an error.
        tree: folders that were listed before.

    Raises:
        DataError: no such folder, or none of the images is in it.
        ObservationError: two rows name one file; with `strict`, rows without a file.
    """
    source = "the table" if known.how_read is None else known.how_read.source
    packed = is_packed(root)
    if not packed and not root.is_dir():
        raise DataError(f"{root}: folder of images not found")
    file_of = _in_shards(known.images, root) if packed else _files(known.images, root, tree)
    row_of: dict[str, int] = {}
    for row, file in enumerate(file_of):
        if file is not None and row_of.setdefault(file, row) != row:
            raise ObservationError(
                f"{source}: {known.images[row_of[file]]} and {known.images[row]} both name the image {root / file}; use one of "
                "the names"
            )
    if not packed:
        _check_shared(source, known.images, file_of, root, tree)
    lost = [name for name, file in zip(known.images, file_of, strict=True) if file is None]
    if not row_of:
        first = "" if not lost else lost[0] if packed else _lost(lost[0], root, tree)
        raise DataError(
            f"{source}: none of its images is in {root} ({len(lost):,} in all, for example {first}); image names must be "
            "relative to that folder"
        )
    if not lost and tuple(row_of) == known.images:
        return known
    if lost:
        shown = lost if packed else [_lost(name, root, tree) for name in lost[:_LOOKED_AT]] + lost[_LOOKED_AT:]
        report(
            f"{source}: {len(lost):,} of its {len(known.images):,} images are not in {root}, left out: {listed(shown)}", strict
        )
    rows = list(row_of.values())
    table = known.values if isinstance(known.values, KnownTable) else DenseKnown(known.values)
    extra = {name: tuple(texts[row] for row in rows) for name, texts in known.extra.items()}
    how_read = known.how_read
    if lost and how_read is not None:
        how_read = replace(how_read, notes=(*how_read.notes, f"{count(len(lost), 'image')} not in {root}, left out"))
    return KnownLabels(table.take(rows), known.space, tuple(row_of), how_read, extra)


def _in_shards(names: Sequence[str], root: Path) -> list[str | None]:
    """For each name the image in packed files that it means; None where there is none, or more than one."""
    stored = contents_of(root).names
    return [None if row is None else stored[row] for row in match_names(names, stored)]


def _lost(name: str, root: Path, tree: Tree | None) -> str:
    """A name without a file, and the files that it could mean."""
    fits = _fitting(name, root, tree)
    return f"{name} ({count(len(fits), 'file')} {'fits' if len(fits) == 1 else 'fit'}: {listed(fits, 2)})" if fits else name


def _fitting(name: str, root: Path, tree: Tree | None) -> list[str]:
    """The files whose own name is that of a row."""
    wanted = Path(name)
    return [
        path.relative_to(root).as_posix()
        for path in find_images(root, tree)
        if path.name == wanted.name or path.stem == wanted.name
    ]


def _check_shared(
    source: str, images: Sequence[str], file_of: Sequence[str | None], root: Path, tree: Tree | None
) -> None:  # fmt: skip
    """Refuse a short name whose only file another row names in full."""
    taken = {file: name for name, file in zip(images, file_of, strict=True) if file is not None}
    lost = [name for name, file in zip(images, file_of, strict=True) if file is None]
    for name in lost[:_LOOKED_AT]:
        fits = _fitting(name, root, tree)
        if len(fits) == 1 and fits[0] in taken:
            raise ObservationError(
                f"{source}: {name} and {taken[fits[0]]} both name the image {root / fits[0]}; use one of the names"
            )


def _files(names: Sequence[str], root: Path, tree: Tree | None) -> list[str | None]:
    """For each name the file that it means, relative to the folder; None where there is none, or more than one."""
    stored = [path.relative_to(root).as_posix() for path in find_images(root, tree)]
    by_name = {label_name(name): name for name in reversed(stored)}
    here = {*stored}
    found: list[str | None] = []
    open_ = []
    for place, name in enumerate(names):
        exact = name if name in here else by_name.get(label_name(name))
        if exact is None and (name.startswith(("/", "..")) or Path(name).is_absolute()) and (root / name).is_file():
            exact = name
        found.append(exact)
        if exact is None:
            open_.append(place)
    if open_:
        fits = match_names([label_name(names[place]) for place in open_], [label_name(name) for name in stored])
        for place, fit in zip(open_, fits, strict=True):
            found[place] = None if fit is None else stored[fit]
    return found
