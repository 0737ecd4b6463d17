"""Which image formats this installation opens, by the content of a file; and how images inside of other files are opened."""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import BinaryIO

from PIL import Image

from ..observed.file_kinds import IMAGE_FORMATS, reads_heif
from ..observed.packed import PackedImage


@cache
def formats() -> tuple[str, ...]:
    """Those of `IMAGE_FORMATS` that this Pillow knows, and HEIF where pillow-heif is installed."""
    Image.init()
    known = tuple(name for name in IMAGE_FORMATS if name in Image.OPEN)
    if not reads_heif():
        return known
    import_module("pillow_heif").register_heif_opener()
    return (*known, "HEIF")


@dataclass(frozen=True)
class Encoded:
    """An image that lay inside of another file, read: its bytes, and where it lay."""

    place: str
    content: bytes

    def __str__(self) -> str:
        return self.place


ImageSource = str | Path | PackedImage | Encoded
"""What can be opened as an image."""


def encoded(file: ImageSource) -> str | Path | Encoded:
    """The same, with what lies inside of another file read once.

    Raises:
        DataError: it cannot be read from there.
    """
    return Encoded(str(file), file.read()) if isinstance(file, PackedImage) else file


def opened(file: ImageSource) -> BinaryIO:
    """The encoded image as a file."""
    if isinstance(file, Encoded):
        return io.BytesIO(file.content)
    return io.BytesIO(file.read()) if isinstance(file, PackedImage) else open(file, "rb")


def for_pillow(file: ImageSource) -> str | Path | BinaryIO:
    """What Pillow opens."""
    return file if isinstance(file, str | Path) else opened(file)
