"""From a file to known labels: its format, what it states, what that means for the label space, and which images are there."""

from __future__ import annotations

from pathlib import Path

from ..shards import is_packed
from . import formats
from .files import with_files
from .formats import imagefolder
from .image_files import Tree
from .options import ReadOptions
from .record import KnownLabels
from .resolve import resolve


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
    if options.images_root is None:
        return known
    return with_files(known, options.images_root, options.strict, options.tree)


def labels_inside(images: Path, tree: Tree | None = None) -> bool:
    """Whether images bring their known labels along otherwise than by folders: in packed files, or in metadata beside them."""
    return is_packed(images) or (images.is_dir() and imagefolder.is_imagefolder(images, tree))
