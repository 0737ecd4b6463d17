"""What cannot be measured: shapes that differ, labels that are not complete, numbers that are no probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import DataError

Array = npt.NDArray[np.float64]

_ROUNDING = 1e-4  # float32 sums of probabilities leave [0, 1] by this much at most


def checked_counts(count_probs: npt.ArrayLike, num_images: int) -> Array:
    """Distributions (N, n_max + 1) of the number of present labels."""
    counts = np.asarray(count_probs, np.float64)
    if counts.ndim != 2 or counts.shape[0] != num_images or not counts.shape[1]:
        raise DataError(f"count_probs have shape {counts.shape}, but expected ({num_images}, n_max + 1)")
    counts = _probabilities(counts, "count_probs")
    if not np.allclose(counts.sum(1), 1, atol=1e-3):
        raise DataError("count_probs do not sum to 1 over the numbers 0..n_max")
    return counts


def checked(truth: npt.ArrayLike, marginals: npt.ArrayLike, name: str = "truth") -> tuple[npt.NDArray[np.bool_], Array]:
    """Whether labels are present, bool (N, K), and their probabilities (N, K), in [0, 1]."""
    present, p = np.asarray(truth), np.asarray(marginals, np.float64)
    if present.shape != p.shape or p.ndim != 2:
        raise DataError(f"{name} has shape {present.shape}, but marginals have {p.shape}; both must be (images, labels)")
    if not p.size:
        raise DataError(f"{name} has shape {present.shape}: there is nothing to evaluate")
    if not np.isin(present, (0, 1)).all():
        raise DataError(
            f"{name} holds {strangers(present, (0, 1))}; complete labels must all be 1 or 0. "
            "Leave out images whose labels are not all known"
        )
    return present.astype(bool), _probabilities(p, "marginals")


def _probabilities(p: Array, name: str) -> Array:
    if np.isnan(p).any():
        where = np.argwhere(np.isnan(p))
        raise DataError(f"{name} are NaN in {len(where)} places (the first in row {where[0][0]}, column {where[0][1]})")
    if (p < -_ROUNDING).any() or (p > 1 + _ROUNDING).any():
        raise DataError(f"{name} lie between {p.min():g} and {p.max():g}; give probabilities in [0, 1], not logits")
    return np.clip(p, 0.0, 1.0)


def strangers(values: npt.NDArray[Any], known: tuple[int, ...]) -> str:
    """The values that are none of `known`, in words."""
    wrong = ~np.isin(values, known)
    return f"{values[wrong][0]} and the like in {int(wrong.sum())} places"


def checked_log_prob(log_prob: npt.ArrayLike, num_images: int) -> Array:
    """Natural log-probabilities (N,) of whole label sets."""
    values = np.asarray(log_prob, np.float64)
    if values.shape != (num_images,):
        raise DataError(f"log_prob has shape {values.shape}, but the marginals need ({num_images},)")
    if np.isnan(values).any() or (values > 10 * _ROUNDING).any():
        raise DataError("log_prob holds NaN or values above 0; give the natural log-probability of each true label set")
    return values
