"""One image file: what Pillow or `tiff` decodes of it, or the one reason why that cannot be."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from ..errors import DataError
from .depth import Deep, deep_from, deep_of_tiff, is_cut, is_deep
from .levels import BYTES, Levels
from .not_images import is_cut_off, what_it_is
from .opening import ImageSource, encoded, for_pillow, formats
from .rgb import Interpolation, Size, resize, to_rgb, upright
from .tiff import count_pages


def read_image(path: ImageSource, size: Size | None = None, levels: Levels | None = None) -> Image.Image:
    """An image file as 8-bit RGB, turned upright by its EXIF tag, transparency over white; the first of several frames.

    Args:
        path: the file, or an image inside of another.
        size: (height, width) that is wanted in the end: a JPEG is decoded no larger than that needs.
        levels: black and white of the data set; None to see them in this file alone.

    Raises:
        DataError: no file, or one that cannot be decoded.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        picture = read_picture(path, size).picture
    if isinstance(picture, Image.Image) and (levels is None or levels.byte == BYTES):
        return picture
    return Image.fromarray(np.ascontiguousarray(scaled(picture, levels).transpose(1, 2, 0)))


class Picture(NamedTuple):
    """A decoded file: 8-bit RGB, or a picture with more than 8 bits; and how many pages the file has."""

    picture: Image.Image | Deep
    pages: int


def read_picture(path: ImageSource, size: Size | None) -> Picture:
    """Decode a file; PIL's warnings, of damaged EXIF data and the like, are the caller's: the picture is what counts."""
    path = encoded(path)
    try:
        try:
            return _decoded(path, size)
        except UnidentifiedImageError:
            found = _unidentified(path)
            if found is None:
                raise
            return Picture(found, count_pages(path))
    except Exception as error:  # PIL's decoders stumble over damaged files with errors of every kind, IndexError among them
        raise DataError(f"{path}: cannot be read as an image ({_why(path, error)})") from None


def _decoded(path: ImageSource, size: Size | None) -> Picture:
    """What Pillow opens."""
    with Image.open(for_pillow(path), formats=formats()) as image:
        pages = 1
        if image.format == "TIFF":
            pages = count_pages(path)
            image.filename = ""  # else Pillow maps the file into memory, with the sides of a turned picture mixed up
            found = deep_of_tiff(path)
            if found is not None:
                return Picture(found, pages)
        if size is not None and image.format in ("JPEG", "MPO"):
            image.draft("RGB", (2 * max(size), 2 * max(size)))
        if is_cut(image) or is_deep(image):
            return Picture(deep_from(image, lambda: Image.open(for_pillow(path), formats=formats())), pages)
        image.load()
        return Picture(to_rgb(upright(image)), pages)


def _unidentified(path: ImageSource) -> Deep | None:
    """What Pillow does not know: a TIFF that is read here, or None."""
    try:
        return deep_of_tiff(path)
    except Image.DecompressionBombError:
        raise
    except Exception:  # it is damaged, and Pillow's error stands
        return None


def _why(path: ImageSource, error: Exception) -> str:
    """Why a file cannot be read."""
    if isinstance(error, UnidentifiedImageError):
        return what_it_is(path)
    if isinstance(error, Image.DecompressionBombError):
        most = 2 * (Image.MAX_IMAGE_PIXELS or 0)
        return (
            f"it has more than {most:,} pixels, beyond which Pillow suspects a decompression bomb; make it smaller, or raise "
            "PIL.Image.MAX_IMAGE_PIXELS if you trust it"
        )
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if is_cut_off(path):
        return f"the file is cut off: its end is missing, so that the image is truncated; copy it again [{error}]"
    return str(error) or type(error).__name__


def scaled(picture: Image.Image | Deep, levels: Levels | None) -> NDArray[np.uint8]:
    """uint8 (3, H, W) by black and white of the data set."""
    if isinstance(picture, Deep):
        return picture.scaled(None if levels is None else levels.of(picture.span.numbers))
    pixels = resize(picture, None)
    return pixels if levels is None or levels.byte == BYTES else levels.byte.to_bytes(pixels)


def at_size(picture: Image.Image | Deep, size: Size, interpolation: Interpolation, levels: Levels | None) -> NDArray[np.uint8]:
    """uint8 (3, height, width); pictures with more than 8 bits are resized before they are scaled."""
    if isinstance(picture, Deep):
        return scaled(picture.resized(size, interpolation), levels)
    pixels = resize(picture, size, interpolation)
    return pixels if levels is None or levels.byte == BYTES else levels.byte.to_bytes(pixels)
