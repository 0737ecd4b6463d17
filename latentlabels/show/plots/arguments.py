"""What is given to a plot, checked and in the shape that it is drawn from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ...errors import DataError
from ...space import LabelSpace
from ..pixels import rgb

Array = npt.NDArray[np.float64]

_ROUNDING = 1e-4  # float32 sums of probabilities leave [0, 1] by this much at most
_PIXELS = 640  # of a picture's side: more is not seen, and large photographs are slow to draw


def table(values: npt.ArrayLike, space: LabelSpace, name: str, dims: int) -> Array:
    """Marginals, known or true labels as float64, checked."""
    found = np.asarray(values, np.float64)
    if found.ndim != dims or found.shape[-1] != space.num_labels:
        wanted = f"({space.num_labels},)" if dims == 1 else f"(images, {space.num_labels})"
        raise DataError(f"{name} have shape {found.shape}, but the space has {space.num_labels} labels; expected {wanted}")
    return known(found, name) if name in ("observed", "truth") else probabilities(found, name)


def known(values: npt.ArrayLike, name: str) -> Array:
    """Known or true labels as float64."""
    found = np.asarray(values, np.float64)
    if not np.isin(found, (-1, 0, 1)).all():
        raise DataError(f"{name} holds values other than 1 (present), 0 (absent) and -1 (unknown)")
    return found


def probabilities(values: npt.ArrayLike, name: str) -> Array:
    """Probabilities as float64, NaN where there are none."""
    found = np.asarray(values, np.float64)
    if (found < -_ROUNDING).any() or (found > 1 + _ROUNDING).any():
        raise DataError(f"{name} lie between {np.nanmin(found):g} and {np.nanmax(found):g}; probabilities lie in [0, 1]")
    return np.clip(found, 0, 1)


def same_rows(number: int, of: str, **others: Any) -> None:
    """Every one that is given has as many rows as there are."""
    for name, given in others.items():
        if given is not None and len(given) != number:
            raise DataError(f"{name}: {len(given)} rows, but {of} have {number}; give one for each image")


def sequence(images: Any) -> Sequence[Any] | None:
    """Images as something with a length and rows, not copied: only those that are shown are looked at."""
    return images if images is None or hasattr(images, "__getitem__") else list(images)


def picture(image: Any) -> npt.NDArray[np.uint8]:
    """An image as uint8 (H, W, 3); large ones thinned out."""
    return rgb(image, _PIXELS)


def rows_exist(rows: Sequence[int], number: int) -> None:
    """Images that are named are there."""
    strange = [row for row in rows if not 0 <= row < number]
    if strange:
        raise DataError(
            f"row {strange[0]} is named, but there are {number} images; give all images of the rows, in their order"
        )
