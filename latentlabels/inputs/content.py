"""The content of image files: read once, with a hash that names it and a stamp that tells whether the file has changed since.

A stamp is trusted as git trusts one: a file whose size, times and place on the disk are those of when it was read has not
changed, unless it was written so shortly before that a second change may bear the same time. The time of the last change of
the file's status counts too, because no program can set it: a copy that keeps the time of its original is noticed.
"""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path
from typing import NamedTuple

from ..errors import DataError
from ..observed.packed import PackedImage
from .opening import Encoded

_RACY = 2_000_000_000  # nanoseconds: as coarse as the times of the coarsest file system are


class Stamp(NamedTuple):
    """What tells whether a file has changed: its size, its times in nanoseconds, and where it lies."""

    size: int
    modified: int
    changed: int
    inode: int
    device: int


class Content(NamedTuple):
    """An image file or a packed image, read.

    Attributes:
        image: its bytes, as what opens images takes them.
        digest: 16 bytes, equal for equal bytes.
        stamp: by which the file can be recognised; None where nothing can be relied on.
    """

    image: Encoded
    digest: bytes
    stamp: Stamp | None


def stamp_of(file: str | Path) -> Stamp | None:
    """The stamp of a file as it is now; None where there is no such file."""
    try:
        return _stamp(os.stat(file))
    except OSError:
        return None


def _stamp(about: os.stat_result) -> Stamp:
    return Stamp(about.st_size, about.st_mtime_ns, about.st_ctime_ns, about.st_ino, about.st_dev)


def read_content(file: Path | PackedImage) -> Content:
    """Read a file or a packed image.

    Raises:
        DataError: it cannot be read.
    """
    if isinstance(file, PackedImage):
        content = file.read()
        return Content(Encoded(str(file), content), digest_of(content), None)
    begun = time.time_ns()
    try:
        with open(file, "rb") as opened:
            before = os.fstat(opened.fileno())
            content = opened.read()
            after = os.fstat(opened.fileno())
    except OSError as error:
        raise DataError(f"{file}: cannot be read as an image ({error.strerror})") from None
    stamp = _stamp(after)
    settled = stamp == _stamp(before) and begun - max(stamp.modified, stamp.changed) > _RACY
    return Content(Encoded(str(file), content), digest_of(content), stamp if settled else None)


def digest_of(content: bytes | memoryview) -> bytes:
    """16 bytes, equal for equal bytes: BLAKE2b."""
    return hashlib.blake2b(content, digest_size=16).digest()
