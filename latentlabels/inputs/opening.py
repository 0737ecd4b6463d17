"""Which image formats this installation opens, by the content of a file, whatever its name."""

from __future__ import annotations

from functools import cache
from importlib import import_module

from PIL import Image

from ..observed.file_kinds import IMAGE_FORMATS, reads_heif


@cache
def formats() -> tuple[str, ...]:
    """Those of `IMAGE_FORMATS` that this Pillow knows, and HEIF where pillow-heif is installed."""
    Image.init()
    known = tuple(name for name in IMAGE_FORMATS if name in Image.OPEN)
    if not reads_heif():
        return known
    import_module("pillow_heif").register_heif_opener()
    return (*known, "HEIF")
