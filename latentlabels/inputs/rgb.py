"""Pictures with 8 bits: upright, in RGB, transparency over white, of one size.

Colours are taken as they are stored: embedded ICC profiles are not applied, as the published weights of encoders were trained
without them. CMYK is converted without a profile too; Lab, which means colours by itself, is converted to sRGB.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

if TYPE_CHECKING:
    from PIL import ImageCms

Size = tuple[int, int]  # (height, width)
Interpolation = Literal["bilinear", "bicubic", "bilinear windows", "bicubic windows"]
"""How pictures are resized. With windows: to a height s and a width 2 s, which hold two square windows side by side, one from
each end of the picture's long side. Nothing is distorted or left out, unless a picture is longer than twice its width."""
FILTERS: dict[Interpolation, Image.Resampling] = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "bilinear windows": Image.Resampling.BILINEAR,
    "bicubic windows": Image.Resampling.BICUBIC,
}
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


def upright(image: Image.Image) -> Image.Image:
    """Turn by the EXIF tag; `ImageOps.exif_transpose` writes all tags anew as well, and fails where any is damaged."""
    try:
        turn = _TURNS.get(image.getexif().get(_ORIENTATION) or 1)
    except Exception:  # the picture is there, its EXIF data are not
        turn = None
    return image if turn is None else image.transpose(turn)


def turned(values: NDArray[Any], orientation: int) -> NDArray[Any]:
    """An array (..., H, W) turned upright by the value of its EXIF tag."""
    if orientation in (5, 6, 7, 8):
        values = values.swapaxes(-1, -2)
    if orientation in (3, 4, 7, 8):
        values = values[..., ::-1, :]
    return np.ascontiguousarray(values[..., ::-1] if orientation in (2, 3, 6, 7) else values)


def to_rgb(image: Image.Image) -> Image.Image:
    """A picture of any mode with 8 bits as RGB; transparency over white."""
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, image).convert("RGB")
    if image.mode == "LAB":
        return _from_lab(image)
    return image.convert("RGB")


def _from_lab(image: Image.Image) -> Image.Image:
    from PIL import ImageCms

    found = ImageCms.applyTransform(image, _lab_to_rgb())
    assert found is not None  # it is None in place alone
    return found


@cache
def _lab_to_rgb() -> ImageCms.ImageCmsTransform:
    from PIL import ImageCms

    return ImageCms.buildTransform(ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), "LAB", "RGB")


def are_windows(size: Size, interpolation: Interpolation) -> bool:
    """Whether pictures of this size are two windows side by side."""
    return interpolation.endswith("windows") and size[1] == 2 * size[0]


def at(image: Image.Image, size: Size, interpolation: Interpolation) -> Image.Image:
    """A picture of any mode of Pillow at (height, width)."""
    height, width = size
    if image.size == (width, height):
        return image
    if not are_windows(size, interpolation):
        return image.resize((width, height), FILTERS[interpolation])
    wide, high = image.size
    side = max(min(wide, high), max(wide, high) / 2)  # two windows cover pictures of up to 1:2, and beyond each is half
    box = (min(side, wide), min(side, high))
    out = Image.new(image.mode, (width, height))
    for number, corner in enumerate(((0.0, 0.0), (wide - box[0], high - box[1]))):
        frame = (*corner, corner[0] + box[0], corner[1] + box[1])
        out.paste(image.resize((height, height), FILTERS[interpolation], box=frame), (number * height, 0))
    return out


def resize(image: Image.Image, size: Size | None, interpolation: Interpolation = "bilinear") -> NDArray[np.uint8]:
    """Resize to (height, width), whatever the shape was, so that nothing at the border is cut off.

    Args:
        image: in RGB.
        size: (height, width); None to keep the picture's own.
        interpolation: how.

    Returns:
        uint8 (3, height, width).
    """
    image = image if size is None else at(image, size, interpolation)
    return np.ascontiguousarray(np.asarray(image, dtype=np.uint8).transpose(2, 0, 1))


def resized(pixels: NDArray[np.uint8], size: Size, interpolation: Interpolation = "bilinear") -> NDArray[np.uint8]:
    """uint8 (N, 3, H, W) at another size, by the same operation as files."""
    if pixels.shape[-2:] == size:
        return pixels
    out = np.empty((len(pixels), 3, *size), np.uint8)
    for row, one in enumerate(pixels):
        out[row] = resize(Image.fromarray(np.ascontiguousarray(one.transpose(1, 2, 0))), size, interpolation)
    return out
