"""One way to turn an image into RGB pixels to show: for plots, reports and notebooks.

Files are decoded by `inputs.image_file.read_image`, as for a fit: upright, transparency over white.
"""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from ..errors import DataError
from ..inputs.image_file import read_image
from ..observed.packed import PackedImage


def rgb(picture: Any, most: int | None = None) -> NDArray[np.uint8]:
    """An image as uint8 (H, W, 3).

    Args:
        picture: the path of an image file; a PIL image; an array or tensor (3, H, W), (H, W, 3) or (H, W), of one or four
            channels too, of 0 to 255, or of floating point in [0, 1] (any other range is stretched to it); or a tuple or
            list that starts with one of these, as an item of a Dataset does.
        most: pixels per side that are wanted in the end; of larger arrays pixels are left out.

    Raises:
        DataError: what is no image; its shape, or why its file cannot be read, is named.
    """
    if isinstance(picture, tuple | list) and len(picture) and not isinstance(picture[0], int | float | list):
        picture = picture[0]
    if isinstance(picture, str | os.PathLike):
        picture = read_image(os.fspath(picture), None if most is None else (most, most))
    elif isinstance(picture, PackedImage):
        picture = read_image(picture, None if most is None else (most, most))
    if isinstance(picture, Image.Image):
        deep = picture.mode.startswith("I") or picture.mode == "F"  # more than 8 bits, which PIL would cut off at 255
        if not deep:
            return _thinned(np.asarray(_over_white(picture), np.uint8), most)
    return _scaled(_thinned(_channels_last(picture), most))


def thumbnail(picture: Any, size: int) -> NDArray[np.uint8]:
    """A whole image in a square of `size` pixels, on white: uint8 (size, size, 3)."""
    padded = ImageOps.pad(Image.fromarray(rgb(picture, 4 * size)), (size, size), color="white")
    return np.ascontiguousarray(np.asarray(padded, np.uint8))


def without_margin(square: NDArray[np.uint8], shape: Sequence[int]) -> NDArray[np.uint8]:
    """The image in a thumbnail without the white beside it.

    Args:
        square: a thumbnail, (3, size, size).
        shape: height and width of the image.
    """
    size, (height, width) = square.shape[-1], shape
    longest = max(height, width)
    high, wide = (max(1, round(size * side / longest)) for side in (height, width))
    top, left = round((size - high) / 2), round((size - wide) / 2)  # as `ImageOps.pad` does
    return square[:, top : top + high, left : left + wide]


class Embedded(NamedTuple):
    """A small picture inside a page: a JPEG in base64, what it shows, and the pixels that it takes."""

    data: str
    alt: str
    width: int
    height: int


def embedded(picture: Any, alt: str = "", size: int = 96) -> Embedded | None:
    """A picture at most `size` pixels wide and high; None for what cannot be shown, whatever it is."""
    try:
        image = Image.fromarray(rgb(picture, 5 * size))
        image.thumbnail((size, size), Image.Resampling.BILINEAR, reducing_gap=2.0)
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=85, subsampling=0)
    except Exception:  # arrays of a user's stumble in every way, and a page without a picture is a page still
        return None
    scale = size / max(image.size)  # small ones are shown as large as the others
    shown = (max(1, round(scale * side)) for side in image.size)
    return Embedded(base64.b64encode(buffer.getvalue()).decode("ascii"), alt, *shown)


def _over_white(image: Image.Image) -> Image.Image:
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, (255, 255, 255, 255)), image)
    return image.convert("RGB")


def _channels_last(picture: Any) -> NDArray[Any]:
    """(H, W) or (H, W, 3), of the type that was given."""
    if hasattr(picture, "detach"):  # a tensor, of any device and type
        picture = picture.detach().cpu()
        picture = picture.float() if picture.is_floating_point() else picture
    values = np.asarray(picture)
    if values.dtype.kind not in "buif" or not values.size:
        raise DataError(f"image has shape {values.shape} and type {values.dtype}; expected numbers, (3, H, W) or (H, W, 3)")
    if values.ndim == 3 and _channels_first(values.shape[0], values.shape[2]):
        values = values.transpose(1, 2, 0)
    if values.ndim == 3 and values.shape[2] == 1:
        values = values[..., 0]
    if values.ndim == 3 and values.shape[2] == 4:
        values = values[..., :3]
    if values.ndim not in (2, 3) or (values.ndim == 3 and values.shape[2] != 3):
        raise DataError(f"image has shape {np.shape(picture)}; expected (3, H, W) or (H, W, 3)")
    return values


def _channels_first(first: int, last: int) -> bool:
    """Whether the first axis holds the channels, and not the last one."""
    if last in (1, 3):
        return first == 3 and last == 1  # an image one pixel wide
    return first in (1, 3, 4)


def _thinned(values: NDArray[Any], most: int | None) -> NDArray[Any]:
    """Pixels left out where there are many more than wanted."""
    if most is None:
        return values
    step = max(1, max(values.shape[:2]) // most)
    return values[::step, ::step] if min(values.shape[:2]) >= step else values[:: min(step, values.shape[0]), ::step]


def _scaled(values: NDArray[Any]) -> NDArray[np.uint8]:
    """To 0 ... 255, in three channels."""
    pixels = np.nan_to_num(values.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    low, high = float(pixels.min()), float(pixels.max())
    if values.dtype.kind == "b" or (values.dtype.kind == "f" and low >= 0 and high <= 1):
        low, high = 0.0, 1.0
    elif low >= 0 and high <= 255:
        low, high = 0.0, 255.0
    pixels = (pixels - low) * (255.0 / (high - low if high > low else 1.0))
    shown = pixels.round().clip(0, 255).astype(np.uint8)
    return np.repeat(shown[..., None], 3, 2) if shown.ndim == 2 else np.ascontiguousarray(shown)
