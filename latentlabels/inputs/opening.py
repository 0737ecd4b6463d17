"""Which image formats are opened, by the content of a file, whatever its name; and how images inside of other files are."""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import BinaryIO

from ..observed.packed import PackedImage

IMAGE_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM", "AVIF", "JPEG2000", "DIB")
"""Formats of Pillow that are opened; MPO is a JPEG. Never those that run another program or a script: EPS, PDF, WMF."""


@cache
def formats() -> tuple[str, ...]:
    """The formats that this installation can open; HEIF where pillow-heif is installed."""
    from PIL import Image

    Image.init()
    known = tuple(name for name in IMAGE_FORMATS if name in Image.OPEN)
    try:
        import_module("pillow_heif").register_heif_opener()
    except ImportError:
        return known
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


def for_pillow(file: str | Path | Encoded) -> str | Path | BinaryIO:
    """What Pillow opens."""
    return opened(file) if isinstance(file, Encoded) else file
