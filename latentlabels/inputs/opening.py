"""Which image formats are opened, by the content of a file, whatever its name."""

from __future__ import annotations

from functools import cache
from importlib import import_module

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
