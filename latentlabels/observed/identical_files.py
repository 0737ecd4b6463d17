"""Image files of the same bytes: one image that lies in several folders."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Hashable, Sequence

from .file_kinds import begins_as_an_image


def identical(files: Sequence[str]) -> list[list[int]]:
    """Group image files of the same bytes; only files of equal size are read.

    Args:
        files: N paths.

    Returns:
        The numbers of the files of each image, in the order of its first one.
    """
    sizes = [_size(file) for file in files]
    number = Counter(sizes)
    groups: dict[Hashable, list[int]] = {}
    for row, (file, size) in enumerate(zip(files, sizes, strict=True)):
        key = _fingerprint(file, row) if size and number[size] > 1 else row
        groups.setdefault(key, []).append(row)
    return list(groups.values())


def _size(file: str) -> int:
    try:
        return os.stat(file).st_size
    except OSError:  # the reader of images names the file
        return 0


def _fingerprint(file: str, row: int) -> Hashable:
    """Equal for equal images. Files that are not images are never equal, since two failed downloads are not copies."""
    try:
        with open(file, "rb") as opened:
            content = opened.read()
    except OSError:
        return row
    return hashlib.sha256(content).digest() if begins_as_an_image(content[:32]) else row
