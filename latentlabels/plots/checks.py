"""What is given to a plot, checked and in the shape that it is drawn from."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import DataError
from ..labels import LabelSpace

_ROUNDING = 1e-4  # float32 sums of probabilities leave [0, 1] by this much at most


def table(values: npt.ArrayLike, space: LabelSpace, name: str, dims: int) -> npt.NDArray[np.float64]:
    """Marginals, known or true labels as float64, checked."""
    found = np.asarray(values, np.float64)
    if found.ndim != dims or found.shape[-1] != space.num_labels:
        wanted = f"({space.num_labels},)" if dims == 1 else f"(images, {space.num_labels})"
        raise DataError(f"{name} have shape {found.shape}, but the space has {space.num_labels} labels; expected {wanted}")
    if name != "marginals":
        if not np.isin(found, (-1, 0, 1)).all():
            raise DataError(f"{name} holds other numbers than 1 (present), 0 (absent) and -1 (unknown)")
        return found
    if (found < -_ROUNDING).any() or (found > 1 + _ROUNDING).any():
        raise DataError(f"marginals lie between {np.nanmin(found):g} and {np.nanmax(found):g}; probabilities lie in [0, 1]")
    return np.clip(found, 0, 1)


def picture(image: npt.ArrayLike) -> npt.NDArray[Any]:
    """An image as (H, W, 3) or (H, W), uint8 or in [0, 1]."""
    shown = np.asarray(image)
    if shown.ndim == 3 and shown.shape[0] in (1, 3) and shown.shape[2] not in (1, 3):
        shown = shown.transpose(1, 2, 0)
    if shown.ndim == 3 and shown.shape[2] == 1:
        shown = shown[..., 0]
    if not shown.size or not (shown.ndim == 2 or (shown.ndim == 3 and shown.shape[2] == 3)):
        raise DataError(f"image has shape {np.shape(image)}; expected (3, H, W) or (H, W, 3)")
    return shown if shown.dtype == np.uint8 else np.clip(np.nan_to_num(shown.astype(np.float64)), 0, 1)
