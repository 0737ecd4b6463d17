"""A heat map over a picture: the places of high probability in colour, the others faded."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.colors import to_rgb
from numpy.typing import NDArray
from PIL import Image

from ..errors import DataError
from .colours import VERMILION
from .pixels import rgb

_FADED = 0.65  # how far places of no heat are taken towards white
_TINT = 0.55  # share of the colour where the heat is largest


def overlay(picture: Any, heat: NDArray[Any]) -> NDArray[np.uint8]:
    """A picture with its heat map: uint8 (H, W, 3).

    The heat is taken relative to its largest value in the picture. It is interpolated between the middles of the places.

    Args:
        picture: as of `rgb`.
        heat: (h, w) of its places, at least 0, over the whole picture.

    Raises:
        DataError: no heat map, or no picture.
    """
    pixels = rgb(picture).astype(np.float32)
    given = np.asarray(heat, np.float32)
    if given.ndim != 2 or not given.size or not np.isfinite(given).all() or given.min() < 0:
        raise DataError(f"a heat map has shape (h, w) and numbers of at least 0; this one has shape {given.shape}")
    relative = given / given.max() if given.max() > 0 else given
    size = pixels.shape[1], pixels.shape[0]
    share = np.asarray(Image.fromarray(relative).resize(size, Image.Resampling.BILINEAR))[..., None].clip(0, 1)
    grey = pixels.mean(-1, keepdims=True)
    faded = 255 - (1 - _FADED) * (255 - grey)
    tint = 255 * np.asarray(to_rgb(VERMILION), np.float32)
    hot = (1 - _TINT) * pixels + _TINT * tint
    return ((1 - share) * faded + share * hot).round().clip(0, 255).astype(np.uint8)
