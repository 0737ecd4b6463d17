"""Pictures in memory, of whatever shape and type, as one thing: 8-bit RGB, (3, height, width)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from ..errors import DataError
from ..observed.dataset_labels import picture_in
from .depth import deep, deep_from, is_deep
from .levels import BYTES, UNIT, Levels, Scale, Span, scale_in_use
from .looks import Look, look_at, look_at_bytes
from .rgb import FILTERS, Interpolation, Size, resize, to_rgb, upright

_CHANNELS = (1, 3, 4)  # grey, RGB, RGB with transparency
_OVERSHOOT = 0.1  # below 0, which resizing may leave
_NORMALISED = 10.0  # deviations from the mean: pictures below 0 that lie within were normalised
_AT_ONCE = 256
_LOOKED_AT = 1000


@dataclass(frozen=True)
class PixelFormat:
    """What an encoder takes for a picture.

    Attributes:
        size: (height, width) that its weights were trained with, in pixels.
        mean: of red, green and blue in [0, 1], which is subtracted.
        std: by which the rest is divided.
        interpolation: how pictures are resized.
    """

    size: Size = (224, 224)
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    interpolation: Interpolation = "bilinear"

    def in_windows(self) -> PixelFormat:
        """The same for two square windows of a picture, side by side; see `Interpolation`."""
        plain = self.interpolation.removesuffix(" windows")
        how: Interpolation = "bicubic windows" if plain == "bicubic" else "bilinear windows"
        return replace(self, size=two_windows(self.size), interpolation=how)

    def to_config(self) -> dict[str, Any]:
        """Plain values, from which `from_config` makes it again."""
        return {
            "size": list(self.size),
            "mean": list(self.mean),
            "std": list(self.std),
            "interpolation": self.interpolation,
        }

    @classmethod
    def from_config(cls, given: dict[str, Any]) -> PixelFormat:
        """From what `to_config` gave.

        Raises:
            KeyError, TypeError, ValueError: it is something else.
        """
        height, width = (int(side) for side in given["size"])
        mean, std = ((float(r), float(g), float(b)) for r, g, b in (given["mean"], given["std"]))
        if given["interpolation"] not in FILTERS:
            raise ValueError(f"interpolation is {given['interpolation']!r}, not one of {', '.join(FILTERS)}")
        return cls((height, width), mean, std, given["interpolation"])


def two_windows(size: Size) -> Size:
    """The size of two windows side by side, each a square of the smaller side; those of two windows stay."""
    side = min(size)
    return side, 2 * side


def as_size(size: int | Sequence[int]) -> Size:
    """(height, width) of one number or two."""
    return (size, size) if isinstance(size, int) else (int(size[0]), int(size[1]))


def pictures_of(values: Tensor) -> NDArray[Any]:
    """An array of pictures with its channels first, (N, C, H, W), in the type that was given.

    Args:
        values: (N, C, H, W) or (N, H, W, C) with one channel (grey), three (RGB) or four (RGB with transparency), or
            (N, H, W), grey; of any type of numbers.

    Raises:
        DataError: another shape, or no pictures.
    """
    shape = tuple(values.shape)
    expected = f"images must be an array (N, 3, H, W) or (N, H, W, 3), not of shape {shape}"
    if values.dim() == 3:
        if 3 in (shape[0], shape[2]):
            raise DataError(f"{expected}; for a single image, give images[None]")
        values = values.unsqueeze(1)
    if values.dim() != 4:
        raise DataError(expected)
    if not values.numel():
        raise DataError(f"no images: the array has shape {shape}")
    if values.shape[1] != 3 and (values.shape[3] == 3 or values.shape[1] not in _CHANNELS):
        if values.shape[3] not in _CHANNELS:
            raise DataError(expected)
        values = values.permute(0, 3, 1, 2)
    values = values.detach().cpu()
    return (values.float() if values.dtype == torch.bfloat16 else values).numpy()


def span_of(pictures: NDArray[Any], what: str = "images") -> Span:
    """The least and the largest value of pictures (N, C, H, W), without their opacity.

    Raises:
        DataError: NaN, infinity, or pictures that were normalised already.
    """
    if pictures.dtype in (np.uint8, np.bool_):
        return Span("byte", 0.0, 255.0)
    colours = pictures[:, :3] if pictures.shape[1] == 4 else pictures
    low, high = float(colours.min()), float(colours.max())
    if pictures.dtype.kind != "f":
        return Span("whole", low, high)
    if not (math.isfinite(low) and math.isfinite(high)):
        raise DataError(f"{what} hold NaN or infinity; replace these values")
    if low < -_OVERSHOOT and max(-low, high) < _NORMALISED:
        raise DataError(
            f"{what}: values from {low:.3g} to {high:.3g} look normalised already; leave out Normalize, because the encoder "
            "normalises by itself, and give images as uint8, or as floating point in [0, 1]"
        )
    return Span("real", low, high)


def check_against(span: Span, levels: Levels, what: str = "images") -> None:
    """Refuse pictures whose values mean something else than the levels say; without levels, 8 bits and [0, 1] are meant.

    Raises:
        DataError: the values, black and white are named.
    """
    scale = levels.of(span.numbers) or (UNIT if span.numbers == "real" else BYTES)
    if span.numbers != "byte" and scale.beyond(span):
        raise DataError(
            f"{what}: values from {span.low:.6g} to {span.high:.6g}, but black is {scale.black:g} and white {scale.white:g}; "
            "give images as those of the fit, as uint8, or as floating point in [0, 1]. Divide by the value of white, or leave "
            "out Normalize: the encoder normalises by itself"
        )


def rgb_of(pictures: NDArray[Any], levels: Levels) -> NDArray[np.uint8]:
    """Pictures (N, C, H, W) as uint8 (N, 3, H, W), by black and white of the data set."""
    span = span_of(pictures)
    colours = levels.of(span.numbers) or scale_in_use(span)
    if pictures.dtype == np.uint8 and pictures.shape[1] == 3 and colours == BYTES:
        return np.ascontiguousarray(pictures)
    opacity = scale_in_use(span_of(pictures[:, 3:])) if pictures.shape[1] == 4 else None
    out = np.empty((len(pictures), 3, *pictures.shape[2:]), np.uint8)
    for start in range(0, len(pictures), _AT_ONCE):  # what lies between is floating point, and larger
        part = pictures[start : start + _AT_ONCE]
        pixels = _bytes(part[:, :3], colours)
        out[start : start + _AT_ONCE] = pixels if opacity is None else _over_white(pixels, _bytes(part[:, 3:], opacity))
    return out


def _bytes(pictures: NDArray[Any], scale: Scale) -> NDArray[np.uint8]:
    """Numbers of any type as uint8."""
    if pictures.dtype == np.bool_:
        return pictures.astype(np.uint8) * 255
    return pictures if pictures.dtype == np.uint8 and scale == BYTES else scale.to_bytes(pictures)


def _over_white(colours: NDArray[np.uint8], opacity: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Colours (N, 3, H, W) and opacity (N, 1, H, W) as colours over white, as `to_rgb` does for files."""
    four = np.concatenate([colours, opacity], 1).transpose(0, 2, 3, 1)
    return np.stack([resize(to_rgb(Image.fromarray(np.ascontiguousarray(one))), None) for one in four])


def looks_at(pictures: NDArray[Any], what: str = "images") -> tuple[list[str], list[Look]]:
    """Look at pictures (N, C, H, W): their numbers, and what is seen in them; of many, some that are spread evenly."""
    rows = np.unique(np.linspace(0, len(pictures) - 1, min(len(pictures), _LOOKED_AT)).round().astype(int))
    whole = span_of(pictures, what)
    looks = []
    for row in rows:
        one = pictures[row, :3]
        if whole.numbers == "byte":
            look = look_at_bytes(_bytes(one[..., :: _step(one.shape[1]), :: _step(one.shape[2])], BYTES))
        else:
            look = look_at(deep(one))
        looks.append(look)
    if whole.numbers != "byte":  # the least and the largest value may lie in a picture that is not looked at
        looks.append(looks.pop()._replace(span=whole))
    return [str(row) for row in rows], looks


def _step(side: int) -> int:
    return max(1, side // 64)


def item_picture(item: object, row: int) -> Image.Image | NDArray[Any]:
    """An item of a Dataset as a picture: one of Pillow, upright, or an array (C, H, W).

    Args:
        item: a PIL image, which is turned by its EXIF tag as a file is, or an array or tensor (3, H, W), (H, W, 3), (H, W) or
            with one or four channels, as `pictures_of` takes them;
            of a pair such as (image, target) the first, of a dictionary what is called `image`.
        row: its number, for errors.

    Raises:
        DataError: another type or shape; the item is named.
    """
    item = picture_in(item)
    if isinstance(item, Image.Image):
        return deep_from(item).values if is_deep(item) else to_rgb(upright(item))
    values = torch.as_tensor(np.ascontiguousarray(item)) if isinstance(item, np.ndarray) else item
    if not isinstance(values, Tensor):
        raise DataError(
            f"item {row} of the Dataset is of type {type(item).__name__}; add a transform to tensors (3, H, W) of one size"
        )
    shape = tuple(values.shape)
    if values.dim() not in (2, 3) or not values.numel() or (values.dim() == 3 and not {shape[0], shape[2]} & {*_CHANNELS}):
        raise DataError(f"item {row} of the Dataset has shape {shape}; expected (3, H, W), (H, W, 3), or (H, W) in grey")
    values = values[None] if values.dim() == 2 else values
    return pictures_of(values[None])[0]


def item_look(item: object, row: int) -> Look:
    """Look at an item of a Dataset; see `item_picture`."""
    picture = item_picture(item, row)
    if isinstance(picture, Image.Image):
        return look_at(picture)
    return looks_at(picture[None], f"item {row} of the Dataset")[1][0]


def item_pixels(item: object, row: int, levels: Levels | None = None) -> NDArray[np.uint8]:
    """An item of a Dataset as uint8 (3, H, W).

    Args:
        item: see `item_picture`.
        row: its number, for errors.
        levels: black and white of the data set; None for those of pictures with 8 bits, or in [0, 1].

    Raises:
        DataError: another type or shape, or values far beyond white; the item is named.
    """
    picture = item_picture(item, row)
    levels = Levels() if levels is None else levels
    if isinstance(picture, Image.Image):
        pixels = resize(picture, None)
        return pixels if levels.byte == BYTES else levels.byte.to_bytes(pixels)
    what = f"item {row} of the Dataset"
    check_against(span_of(picture[None], what), levels, what)
    return rgb_of(picture[None], levels)[0]
