"""From a file to known labels: its format, what it states, what that means for the label space, and which images are there."""

from __future__ import annotations

from pathlib import Path

from . import formats
from .files import with_files
from .options import ReadOptions
from .record import KnownLabels
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
    if options.images_root is None:
        return known
    known = with_files(known, options.images_root, options.strict, options.tree)
    if options.unlabelled:
        known = with_unlabelled(known, options.images_root, options.unlabelled, options.tree)
    return known
