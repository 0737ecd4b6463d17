"""From a file to known labels: its format, what it states, what that means for the label space, and which images are there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ..errors import ObservationError, nearest
from ..shards import is_packed
from ..words import count, listed
from . import formats
from .formats import imagefolder
from .image_files import Tree
from .known_table import DenseKnown, KnownTable
from .matched_files import with_files
from .options import ReadOptions
from .record import SPLIT, KnownLabels
from .resolve import resolve
from .unlabelled import with_unlabelled


def read_known(path: Path, options: ReadOptions) -> KnownLabels:
    """Known labels of a file or folder of any format.

    Args:
        path: the file, or the folder of a format that is one.
        options: what the user states.

    Raises:
        DataError: no such file, or none of a format that can be read.
        ObservationError: what it states cannot be used.
        AmbiguousError: it can mean two things.
    """
    found = formats.recognise(path) if options.format is None else formats.find(options.format)
    known = resolve(found.read(path, options), options)
    known = only_parts(known, options) if options.part else known
    if options.images_root is None:
        return known
    known = with_files(known, options.images_root, options.strict, options.tree)
    if options.unlabelled:
        known = with_unlabelled(known, options.images_root, options.unlabelled, options.tree)
    return known


def parts_of(known: KnownLabels, options: ReadOptions) -> tuple[str, ...] | None:
    """The part of the data set that each image is in, where the source or a stated column names parts."""
    stated = "" if options.split is None else options.split.partition("=")[0]
    return known.extra.get(options.split or "", known.extra.get(stated, known.extra.get(SPLIT)))


def only_parts(known: KnownLabels, options: ReadOptions) -> KnownLabels:
    """Only the images in the parts that the user asks for.

    Raises:
        ObservationError: the source names no parts, or not these.
    """
    parts = parts_of(known, options)
    source = "the table" if known.how_read is None else known.how_read.source
    if parts is None:
        raise ObservationError(
            f"{source}: names no parts such as train and test; leave out part, or name their column by split"
        )
    wanted = {*(one.strip() for text in options.part for one in text.split(","))}
    there = [part for part in dict.fromkeys(parts) if part]
    strange = sorted(wanted - {*there})
    if strange:
        raise ObservationError(f'{source}: no part "{strange[0]}"{nearest(strange[0], there)} (parts: {listed(there)})')
    rows = [row for row, part in enumerate(parts) if part in wanted]
    table = known.values if isinstance(known.values, KnownTable) else DenseKnown(known.values)
    how_read = known.how_read
    if how_read is not None:
        fact = ("part", f"{listed(sorted(wanted))}: {len(rows):,} of {count(len(parts), 'image')}")
        how_read = replace(how_read, facts=(*how_read.facts, fact))
    extra = {name: tuple(texts[row] for row in rows) for name, texts in known.extra.items()}
    return KnownLabels(table.take(rows), known.space, tuple(known.images[row] for row in rows), how_read, extra)


def labels_inside(images: Path, tree: Tree | None = None) -> bool:
    """Whether images bring their known labels along otherwise than by folders: in packed files, or in metadata beside them."""
    return is_packed(images) or (images.is_dir() and imagefolder.is_imagefolder(images, tree))
