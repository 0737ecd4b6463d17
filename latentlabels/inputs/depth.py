"""Pictures with more than 8 bits: their values as they are stored, until it is known which of them are black and white.

Pillow opens grey pictures of 16 bits, 32 bits and floating point as they are, but cuts pictures of 16 bits in colour or with
transparency down to the upper byte of each value. Here such a file is decoded twice, the second time with the byte order
turned round, so that Pillow gives the lower bytes. TIFFs that Pillow cannot open, or gives wrongly, are read by `tiff`. The
upper bytes are taken of CMYK with 16 bits, of colour in PPM with 16 bits, and of colours of 16 bits that are compressed by LZW
and multiplied by their opacity.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile

from .levels import Numbers, Scale, Span, levels_of
from .opening import ImageSource
from .rgb import Interpolation, Size, at, turned, upright
from .tiff import read_tiff

SAMPLED = 64
"""Values of a picture that stand for all of them when it is judged; see `sampled`."""
_LOOKED_AT = 4096
_TURNED = {
    f"{mode};16{order}": f"{mode};16{other}" for mode in ("RGB", "RGBA") for order, other in ("BL", "LB", "NB")
}  # rawmodes of Pillow: B, L and N are bytes in the order of big-endian machines, of little-endian ones, and of this one
_GREY_AND_ALPHA = "LA;16B"
_STATED = 65535.0  # white of the formats that say how many bits are in use, which Pillow stretches to 16


@dataclass(frozen=True, eq=False)
class Deep:
    """A picture with more than 8 bits for each value.

    Attributes:
        values: (C, H, W), one channel (grey) or three; whole numbers or floating point. They are multiplied by `opacity`.
        opacity: float32 (H, W) in [0, 1]; None where everything is opaque.
        span: the least and the largest value that can be seen in the file.
        inverted: whether the file says that 0 is white.
        sample: (`SAMPLED`,) float32, values that stand for all of them, in order.
    """

    values: NDArray[Any]
    opacity: NDArray[np.float32] | None
    span: Span
    inverted: bool
    sample: NDArray[np.float32]

    @property
    def size(self) -> Size:
        """(height, width)."""
        return self.values.shape[1], self.values.shape[2]

    def resized(self, size: Size, interpolation: Interpolation) -> Deep:
        """At another size; whole numbers of up to 16 bits stay such numbers."""
        if self.size == size:
            return self
        values = np.stack([_resized(channel, size, interpolation) for channel in self.values])
        if self.values.dtype == np.uint16:
            values = np.rint(values).clip(0, 65535).astype(np.uint16)
        opacity = None if self.opacity is None else _resized(self.opacity, size, interpolation).clip(0, 1)
        return Deep(values, opacity, self.span, self.inverted, self.sample)

    def scaled(self, scale: Scale | None = None) -> NDArray[np.uint8]:
        """8-bit RGB over white, (3, H, W), by black and white of the data set; None to find them in this picture alone."""
        if scale is None:
            scale = levels_of([self.span]).of(self.span.numbers)
            assert scale is not None  # of a span, there is one
        if self.opacity is None:
            pixels = scale.to_bytes(self.values)
            pixels = 255 - pixels if self.inverted else pixels
        else:
            over_black = (self.values - scale.black * self.opacity) * np.float32(255 / (scale.white - scale.black))
            pixels = np.rint(over_black + 255 * (1 - self.opacity)).clip(0, 255).astype(np.uint8)
        return np.ascontiguousarray(np.broadcast_to(pixels, (3, *self.size)))


def _resized(channel: NDArray[Any], size: Size, interpolation: Interpolation) -> NDArray[np.float32]:
    image = Image.fromarray(np.ascontiguousarray(channel, np.float32))
    return np.asarray(at(image, size, interpolation))


def sampled(values: NDArray[Any]) -> NDArray[np.float32]:
    """(`SAMPLED`,) values of a picture (..., H, W), the least and the largest of those looked at included, in order."""
    height, width = values.shape[-2:]
    step = max(1, int((values.size / _LOOKED_AT) ** 0.5))
    seen = np.sort(values[..., :: min(step, height), :: min(step, width)], axis=None)
    return seen[np.linspace(0, len(seen) - 1, SAMPLED).round().astype(int)].astype(np.float32)


def is_cut(image: ImageFile.ImageFile) -> bool:
    """Whether Pillow, which has opened this file but not loaded it, would cut its values of 16 bits down to 8."""
    return image.mode in ("RGB", "RGBA") and any(_rawmode(tile.args) in (*_TURNED, _GREY_AND_ALPHA) for tile in image.tile)


def is_deep(image: Image.Image) -> bool:
    """Whether the values of a loaded picture are other than bytes."""
    return image.mode in ("I", "F") or image.mode.startswith("I;16") or (image.mode == "L" and _signed(image))


def deep_from(image: Image.Image, opened_again: Callable[[], ImageFile.ImageFile] | None = None) -> Deep:
    """A picture for which `is_deep` or `is_cut` holds, upright.

    Args:
        image: opened; not loaded, if it is cut.
        opened_again: opens the same file once more; needed if it is cut.
    """
    _set_right(image)
    inverted, transparent = _tag(image, 262) == 0 and image.mode != "L", image.info.get("transparency")
    stated = _states_white(image)
    if isinstance(image, ImageFile.ImageFile) and opened_again is not None and is_cut(image):
        values, opacity = _uncut(image, opened_again)
    else:
        values, opacity = _grey(image)[None], None
    if opacity is None and isinstance(transparent, int | tuple):
        colour = np.atleast_1d(transparent)[:, None, None]
        opacity = (values != colour).any(0).astype(np.float32) if len(colour) == len(values) else None
    return deep(values, opacity, inverted, stated)


def _set_right(image: Image.Image) -> None:
    """Have Pillow read compressed TIFFs in the order of this machine, which its decoder has put the bytes in already.

    Raises:
        ValueError: colours in separate planes, which it reads wrongly.
    """
    if image.format != "TIFF" or not isinstance(image, ImageFile.ImageFile):
        return
    if _tag(image, 284) == 2 and image.mode in ("RGB", "RGBA"):
        raise ValueError("a TIFF with separate planes of 16 bits, compressed by LZW; save it without compression")
    if sys.byteorder == "little":
        image.tile = [
            tile._replace(args=(_NATIVE[_rawmode(tile.args)], *tile.args[1:]))
            if tile.codec_name == "libtiff" and isinstance(tile.args, tuple) and _rawmode(tile.args) in _NATIVE
            else tile
            for tile in image.tile
        ]


_NATIVE = {"I;16BS": "I;16S", "I;32BS": "I;32S", "F;32BF": "F;32F"}


def deep_of_tiff(path: ImageSource) -> Deep | None:
    """A TIFF with more than 8 bits that `read_tiff` reads; None for any other file."""
    found = read_tiff(path)
    if found is None:
        return None
    opacity = None if found.opacity is None else turned(found.opacity, found.orientation)
    return deep(turned(found.values, found.orientation), opacity, found.inverted)


def deep(
    values: NDArray[Any], opacity: NDArray[np.float32] | None = None, inverted: bool = False, stated: bool = False
) -> Deep:
    """A picture of an array.

    Args:
        values: (C, H, W), one channel or three, of any type of numbers; NaN counts as black, infinities as the ends.
        opacity: (H, W) in [0, 1].
        inverted: whether 0 is white.
        stated: whether the values fill 16 bits whatever the largest of them is.
    """
    numbers: Numbers = "real" if values.dtype.kind == "f" else "whole"
    if numbers == "real":
        values = _finite(values)
    seen = values if opacity is None or not opacity.any() else values[:, opacity > 0][..., None]
    low, high = float(seen.min()), float(seen.max())
    if opacity is not None:
        values = values * opacity
    elif numbers == "whole" and low >= 0 and high <= 65535:
        values = values.astype(np.uint16)
    return Deep(values, opacity, Span(numbers, low, _STATED if stated else high), inverted, sampled(seen))


def _finite(values: NDArray[Any]) -> NDArray[Any]:
    """Values without NaN and infinities; float32, which is what Pillow resizes."""
    good = np.isfinite(values)
    values = values.astype(np.float32) if values.dtype.itemsize > 4 else values
    if good.all():
        return values
    low, high = (values[good].min(), values[good].max()) if good.any() else (0, 0)
    return np.nan_to_num(values, nan=min(low, 0), posinf=high, neginf=low)


def _grey(image: Image.Image) -> NDArray[Any]:
    if image.mode == "L":
        return np.asarray(upright(image)).view(np.int8)
    values = np.asarray(upright(image))
    if image.mode == "I" and _tag(image, 339, 1) == 1 and _tag(image, 258) == 32:
        return values.view(np.uint32)  # Pillow has no mode for it
    return values


def _uncut(
    image: ImageFile.ImageFile, opened_again: Callable[[], ImageFile.ImageFile]
) -> tuple[NDArray[np.uint16], NDArray[np.float32] | None]:
    """All 16 bits of a file in colour or with transparency: values (C, H, W), and opacity."""
    if any(_rawmode(tile.args) == _GREY_AND_ALPHA for tile in image.tile):
        image.tile = [tile._replace(args="RGBA") for tile in image.tile]  # 4 bytes a pixel, in any case
        image.info.pop("transparency", None)
        four = _bytes(image)
        both = (four[[0, 2]] << 8) | four[[1, 3]]
    else:
        with opened_again() as again:
            again.tile = [tile._replace(args=_with_rawmode(tile.args)) for tile in again.tile]
            low = _bytes(again)
        both = (_bytes(image) << 8) | low
    if len(both) in (2, 4):
        return both[:-1].astype(np.uint16), both[-1].astype(np.float32) / np.float32(65535)
    return both.astype(np.uint16), None


def _bytes(image: ImageFile.ImageFile) -> NDArray[np.uint16]:
    """(C, H, W)."""
    image.load()
    return np.asarray(upright(image)).transpose(2, 0, 1).astype(np.uint16)


def _rawmode(args: Any) -> Any:
    return args[0] if isinstance(args, tuple) and args else args


def _with_rawmode(args: Any) -> Any:
    turned = _TURNED[_rawmode(args)]
    return (turned, *args[1:]) if isinstance(args, tuple) else turned


def _tag(image: Image.Image, number: int, default: Any = None) -> Any:
    """The first value of a tag of a TIFF; the default for other files."""
    found = getattr(image, "tag_v2", {}).get(number, default)
    return found[0] if isinstance(found, tuple) and found else found


def _signed(image: Image.Image) -> bool:
    return _tag(image, 339) == 2


def _states_white(image: Image.Image) -> bool:
    """Whether the format says how many bits are in use, so that Pillow gives values that fill 16 bits."""
    if image.format == "JPEG2000":
        return True
    tiles = getattr(image, "tile", ())
    tops = [_last(tile.args) for tile in tiles if tile.codec_name in ("ppm", "ppm_plain")]
    return image.mode == "I" and any(top not in (None, 65535) for top in tops)


def _last(args: Any) -> Any:
    return args[-1] if isinstance(args, tuple) and args else None
