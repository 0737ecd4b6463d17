"""Pictures in memory, of whatever shape and type, as one thing: 8-bit RGB, (3, height, width)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from ..errors import DataError

Size = tuple[int, int]  # (height, width)
Interpolation = Literal["bilinear", "bicubic"]
_FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
_CHANNELS = (1, 3, 4)  # grey, RGB, RGB with transparency
_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_BETWEEN = 0.5 / 255  # half a step of 8 bits: resizing in floating point leaves 1.0000001, which is white


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
        if given["interpolation"] not in _FILTERS:
            raise ValueError(f"interpolation is {given['interpolation']!r}, not one of {', '.join(_FILTERS)}")
        return cls((height, width), mean, std, given["interpolation"])


def as_size(size: int | Sequence[int]) -> Size:
    """(height, width) of one number or two."""
    return (size, size) if isinstance(size, int) else (int(size[0]), int(size[1]))


def upright(image: Image.Image) -> Image.Image:
    """Turn by the EXIF tag; `ImageOps.exif_transpose` writes all tags anew as well, and fails where any is damaged."""
    try:
        turn = _TURNS.get(image.getexif().get(_ORIENTATION) or 1)
    except Exception:  # the picture is there, its EXIF data are not
        turn = None
    return image if turn is None else image.transpose(turn)


def to_rgb(image: Image.Image) -> Image.Image:
    """A picture of any mode as 8-bit RGB; transparency over white, 16 bits by their upper half."""
    if image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image).astype(np.uint16) >> 8).astype(np.uint8)).convert("RGB")
    if image.mode in ("I", "F"):
        values = np.nan_to_num(np.asarray(image, dtype=np.float64), posinf=np.inf, neginf=-np.inf)
        top = 65535.0 if image.mode == "I" and values.max(initial=0) > 255 else 255.0
        if image.mode == "F" and values.max(initial=0) <= 1:
            top = 1.0
        return Image.fromarray((values.clip(0, top) * (255.0 / top)).astype(np.uint8)).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, image).convert("RGB")
    return image.convert("RGB")


def resize(image: Image.Image, size: Size | None, interpolation: Interpolation = "bilinear") -> NDArray[np.uint8]:
    """Resize to (height, width), whatever the shape was, so that nothing at the border is cut off.

    Args:
        image: in RGB.
        size: (height, width); None to keep the picture's own.
        interpolation: "bilinear" or "bicubic".

    Returns:
        uint8 (3, height, width).
    """
    if size is not None and image.size != (size[1], size[0]):
        image = image.resize((size[1], size[0]), _FILTERS[interpolation])
    return np.ascontiguousarray(np.asarray(image, dtype=np.uint8).transpose(2, 0, 1))


def images_of(values: Tensor) -> NDArray[np.uint8]:
    """An array of pictures as uint8 (N, 3, H, W).

    Args:
        values: (N, C, H, W) or (N, H, W, C) with one channel (grey), three (RGB) or four (RGB with transparency), or
            (N, H, W), grey; whole numbers in 0 to 255, or floating point in [0, 1].

    Raises:
        DataError: another shape, no pictures, or numbers outside of the range.
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
    return _rgb(_bytes(values, "images").numpy())


def _bytes(values: Tensor, what: str) -> Tensor:
    """Numbers of any type as uint8; a picture has 8 bits for each channel, as most files have."""
    if values.dtype == torch.uint8:
        return values.cpu()
    if values.dtype == torch.bool:
        return values.cpu().to(torch.uint8) * 255
    values = values.detach().cpu()
    if not values.is_floating_point():
        whole = values.to(torch.int64)  # torch has no least and greatest of unsigned numbers with more than 8 bits
        if int(whole.min()) < 0 or int(whole.max()) > 255:
            raise DataError(f"{what} of {values.dtype} must lie in 0 to 255, not {int(whole.min())} to {int(whole.max())}")
        return values.to(torch.uint8)
    values = values.float()
    least, most = float(values.min()), float(values.max())
    if not bool(values.isfinite().all()) or least < -_BETWEEN or most > 1 + _BETWEEN:
        raise DataError(f"{what} of floating point must lie in [0, 1]; divide by 255, or give uint8")
    return (values * 255).round().clamp(0, 255).to(torch.uint8)


def _rgb(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """uint8 (N, 1, 3 or 4, H, W) to (N, 3, H, W), as `to_rgb` does for files."""
    if pixels.shape[1] == 1:
        return np.ascontiguousarray(np.broadcast_to(pixels, (len(pixels), 3, *pixels.shape[2:])))
    if pixels.shape[1] == 4:
        return np.stack([resize(to_rgb(Image.fromarray(np.ascontiguousarray(one.transpose(1, 2, 0)))), None) for one in pixels])
    return np.ascontiguousarray(pixels)


def resized(pixels: NDArray[np.uint8], size: Size, interpolation: Interpolation = "bilinear") -> NDArray[np.uint8]:
    """uint8 (N, 3, H, W) at another size, by the same operation as files."""
    if pixels.shape[-2:] == size:
        return pixels
    out = np.empty((len(pixels), 3, *size), np.uint8)
    for row, one in enumerate(pixels):
        out[row] = resize(Image.fromarray(np.ascontiguousarray(one.transpose(1, 2, 0))), size, interpolation)
    return out


def item_pixels(item: object, row: int) -> NDArray[np.uint8]:
    """An item of a Dataset as uint8 (3, H, W).

    Args:
        item: a PIL image, which is turned by its EXIF tag as a file is, or an array or tensor (3, H, W), (H, W, 3), (H, W) or
            with one or four channels, as `images_of` takes them; of a pair such as (image, target) the first.
        row: its number, for errors.

    Raises:
        DataError: another type or shape, or numbers outside of the range; the item is named.
    """
    item = item[0] if isinstance(item, tuple | list) and len(item) else item
    if isinstance(item, Image.Image):
        return resize(to_rgb(upright(item)), None)
    values = torch.as_tensor(np.ascontiguousarray(item)) if isinstance(item, np.ndarray) else item
    if not isinstance(values, Tensor):
        raise DataError(
            f"item {row} of the Dataset is of type {type(item).__name__}; add a transform to tensors (3, H, W) of one size"
        )
    shape = tuple(values.shape)
    if values.dim() not in (2, 3) or not values.numel() or (values.dim() == 3 and not {shape[0], shape[2]} & {*_CHANNELS}):
        raise DataError(f"item {row} of the Dataset has shape {shape}; expected (3, H, W), (H, W, 3), or (H, W) in grey")
    values = values[None] if values.dim() == 2 else values
    try:
        return images_of(values[None])[0]
    except DataError:
        low, high = float(values.double().min()), float(values.double().max())
        raise DataError(
            f"item {row} of the Dataset has values from {low:.3g} to {high:.3g}; give images as uint8, or as floating point in "
            "[0, 1]. Divide by 255, or leave out Normalize: the encoder normalises by itself"
        ) from None
