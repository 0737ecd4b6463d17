"""Known labels that a model finds improbable: where a person should look again, at the annotation or at the model."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..errors import DataError
from ..metrics.refused import Array, strangers
from ..space import LabelSpace, OneOf

_ROUNDING = 1e-4  # float32 sums of probabilities leave [0, 1] by this much at most


class SuspectLabel(NamedTuple):
    """A known label that a model finds improbable.

    Attributes:
        row: of the image, from 0.
        label: the label that is known.
        value: 1 if it is known to be present, 0 if it is known to be absent.
        probability: the model's, of just that.
        instead: a label that the model finds present and that is not known to be; None if there is none.
        instead_probability: that `instead` is present; NaN if there is none.
    """

    row: int
    label: str
    value: int
    probability: float
    instead: str | None = None
    instead_probability: float = math.nan


def suspect_labels(observed: npt.ArrayLike, marginals: npt.ArrayLike, space: LabelSpace, limit: int = 20) -> list[SuspectLabel]:
    """The known labels to which a model gives the smallest probabilities: possible mistakes of the annotation.

    The probabilities have to be of the images alone, as `LatentLabels.predict_proba` gives them, not completed from the same
    known labels, which would confirm themselves. A model remembers some of what it was trained on: images that it has
    not seen show more.

    Args:
        observed: (N, K) of 1, 0 and -1 (unknown).
        marginals: (N, K) probabilities of presence; entries that are NaN are skipped.
        space: the K labels.
        limit: entries at most.

    Returns:
        The least probable first. `instead` is, of a label known to be present, the label of the same `OneOf` group that
        is more probable than it and than none of them, else the most probable label of the image; labels known to be
        present or absent do not count. Of a label known to be absent it is that label.

    Raises:
        DataError: shapes that do not agree (both are named), known labels other than 1, 0, -1, probabilities outside [0, 1].
    """
    known, p = _checked(observed, marginals, space)
    stated = np.where(known == 1, p, 1 - p)
    rows, columns = np.nonzero((known != -1) & np.isfinite(p))
    first = np.argsort(stated[rows, columns], kind="stable")[: max(limit, 0)]
    group_of = {k: space.columns(group) for group in space.groups if isinstance(group, OneOf) for k in space.columns(group)}
    found: list[SuspectLabel] = []
    for row, k in zip(rows[first].tolist(), columns[first].tolist(), strict=True):
        value = int(known[row, k])
        column = k if value == 0 else _instead(known[row], p[row], k, group_of.get(k, [k]))
        instead = () if column is None else (space.labels[column], float(p[row, column]))
        found.append(SuspectLabel(row, space.labels[k], value, float(stated[row, k]), *instead))
    return found


def _instead(known: npt.NDArray[Any], p: Array, stated: int, group: list[int]) -> int | None:
    """The column of what the model would rather say than that this one is present."""
    open_ = np.where((known == -1) & np.isfinite(p), p, -1.0)
    among = group[int(np.argmax(open_[group]))]
    none = 1 - float(np.nansum(p[group]))
    if open_[among] > max(float(p[stated]), none):
        return among
    best = int(np.argmax(open_))
    return best if open_[best] >= 0 else None


def _checked(observed: npt.ArrayLike, marginals: npt.ArrayLike, space: LabelSpace) -> tuple[npt.NDArray[Any], Array]:
    known, p = np.asarray(observed), np.asarray(marginals, np.float64)
    if known.shape != p.shape or p.ndim != 2:
        raise DataError(f"observed has shape {known.shape}, marginals have {p.shape}; both should be (images, labels)")
    if p.shape[1] != space.num_labels:
        raise DataError(f"marginals have shape {p.shape}, but the space has {space.num_labels} labels")
    if not np.isin(known, (-1, 0, 1)).all():
        raise DataError(f"observed holds {strangers(known, (-1, 0, 1))}; known labels are 1, 0 and -1")
    if (p < -_ROUNDING).any() or (p > 1 + _ROUNDING).any():
        raise DataError(f"marginals lie between {np.nanmin(p):g} and {np.nanmax(p):g}; probabilities lie in [0, 1]")
    return known, np.clip(p, 0.0, 1.0)
