"""Known labels made from complete ones, as people would have given them: the labels hidden for a comparison.

With a completely labelled data set you can find out which objective works best on partly labelled data: hide
labels in the way that their own data lack them, fit, and compare with the truth. With each way comes the annotation
that describes it exactly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from ..annotation import Annotation, PerLabelSearch, Scar, UniformPositive, WeightedPositive
from ..errors import DataError, nearest
from ..space import LabelSpace
from ..space.feasibility import contradiction, feasible

HOW = ("uniform", "salience", "per-label")
"""The ways of hiding that have a name; the other one is a rate, a number in (0, 1]."""

SPREAD = 1.0
"""Standard deviation of the logarithm of drawn salience weights: between two labels a factor of 2.6, typically."""

Weights = Mapping[str, float] | Sequence[float] | NDArray[Any]


class Hidden(NamedTuple):
    """What is left of complete labels.

    Attributes:
        observed: (R, K) int8, 1 known present and -1 unknown; nobody reports that a label is absent.
        annotation: how the known labels came about.
        rows: (R,) which image each row is, ascending. All N, each once, but for "per-label".
    """

    observed: NDArray[np.int8]
    annotation: Annotation
    rows: NDArray[np.int64]


def hide(truth: ArrayLike, how: str | float, space: LabelSpace, seed: int, weights: Weights | None = None) -> Hidden:
    """Hide what people would not have written down.

    Args:
        truth: (N, K) of 1 and 0, complete.
        how: ``"uniform"``: one present label of each image, any of them.
            ``"salience"``: one present label, picked in proportion to the label's weight. If no weights are given, their
            logarithms are drawn from a normal distribution by the seed: what catches the eye is then unrelated to how
            frequent a label is, so that no objective gains from guessing one from the other, and differs over seeds.
            ``"per-label"``: somebody collected a folder of images for each label. All folders are of equal size, or in
            proportion to the weights, about N rows altogether, drawn without replacement from those that show the label; where
            there are fewer, the folder holds them all. An image is a row for each folder that it is in, and none if in none.
            A rate in (0, 1], as a number or its text: each present label is reported with that probability, by itself.
        space: the K labels.
        seed: of the draws, not negative.
        weights: positive numbers, K in the order of the labels or one by name, for "salience" and "per-label".

    Returns:
        `Hidden`. An image without any present label stays a row without a known one, except with "per-label",
        where nobody finds it.

    Raises:
        DataError: labels that are unknown, of another shape, or that break the space; another `how`; weights that are
            not positive, or given where none are used.
    """
    complete = _complete(truth, space)
    rate = _rate(how)
    if seed < 0:
        raise DataError(f"hide: seed is {seed}; give a whole number of at least 0")
    if weights is not None and how not in ("salience", "per-label"):
        raise DataError(f'hide: only "salience" and "per-label" take weights, not {how!r}; leave them out')
    given = None if weights is None else _weights(weights, space)
    if how == "per-label":
        return _collect(complete, given, seed)
    annotation: Annotation
    if rate is not None:
        annotation = Scar(rate)
    elif how == "uniform":
        annotation = UniformPositive()
    else:
        drawn = np.exp(SPREAD * np.random.default_rng(seed).standard_normal(space.num_labels))
        annotation = WeightedPositive((drawn if given is None else given).tolist())
    if not len(complete):
        return Hidden(np.full(complete.shape, -1, np.int8), annotation, np.arange(0))
    known = annotation.sample(torch.from_numpy(complete).float(), torch.Generator().manual_seed(seed))
    return Hidden(known.numpy(), annotation, np.arange(len(complete)))


def _collect(truth: NDArray[np.int8], sizes: NDArray[np.float64] | None, seed: int) -> Hidden:
    """A folder for each label; an image that shows it is in there with probability (size of the folder) / (such images)."""
    rng = np.random.default_rng(seed)
    N, K = truth.shape
    share = np.full(K, 1 / K) if sizes is None else sizes / sizes.sum()
    having = truth.sum(0, dtype=np.int64)
    folder = np.minimum(having, np.ceil(share * N - 1e-9).astype(np.int64))
    pairs = [(row, k) for k in range(K) for row in rng.choice(np.flatnonzero(truth[:, k]), folder[k], replace=False).tolist()]
    rows, labels = np.array(sorted(pairs), dtype=np.int64).reshape(-1, 2).T
    observed = np.full((len(rows), K), -1, np.int8)
    observed[np.arange(len(rows)), labels] = 1
    # of a label that no image shows all images that show it were found
    found = np.where(having > 0, folder / np.maximum(having, 1), 1.0)
    return Hidden(observed, PerLabelSearch(found.tolist() if N else None), rows)


def _complete(truth: ArrayLike, space: LabelSpace) -> NDArray[np.int8]:
    try:
        values = np.asarray(truth)
    except ValueError:
        raise DataError("complete labels have rows of different lengths; give an array (N, K)") from None
    if values.ndim != 2 or values.shape[1] != space.num_labels:
        raise DataError(
            f"complete labels have shape {values.shape}, but the label space has {space.num_labels} labels; "
            f"give (N, {space.num_labels}), one column for each label"
        )
    wrong = ~np.isin(values, (0, 1))  # NaN among them
    if wrong.any():
        row, column = (int(at[0]) for at in np.nonzero(wrong))
        images = int(wrong.any(1).sum())
        raise DataError(
            f'complete labels, row {row}, label "{space.labels[column]}": {values[row, column]} is neither 1 (present) nor 0 '
            f"(absent), and {images:,} of {len(values):,} rows have such values. Only known labels can be hidden: leave the "
            "other rows out"
        )
    complete = values.astype(np.int8)
    fits = feasible(complete, space)
    if not fits.all():
        row = int(np.flatnonzero(~fits)[0])
        raise DataError(
            f"complete labels, row {row}: {contradiction(complete[row], space)}; correct the labels or the label space"
        )
    return complete


def _rate(how: str | float) -> float | None:
    """The rate, or None where `how` is a name."""
    known = f"{', '.join(HOW)}, or a rate in (0, 1]"
    if isinstance(how, str) and how in HOW:
        return None
    try:
        rate = float("nan") if isinstance(how, bool) else float(how)
    except (TypeError, ValueError):
        raise DataError(f"hide: unknown way of hiding {how!r}{nearest(str(how), HOW)} (known: {known})") from None
    if not 0 < rate <= 1:
        raise DataError(f"hide: a rate must lie in (0, 1], not {how} (known: {known})")
    return rate


def _weights(weights: Weights, space: LabelSpace) -> NDArray[np.float64]:
    if isinstance(weights, Mapping):
        for label in weights:
            if label not in space.labels:
                raise DataError(f'hide: weights name an unknown label "{label}"{nearest(str(label), space.labels)}')
        missing = [label for label in space.labels if label not in weights]
        if missing:
            raise DataError(f'hide: no weight for label "{missing[0]}"; give one for every label')
        weights = [weights[label] for label in space.labels]
    numbers = np.asarray(weights, dtype=np.float64)
    if numbers.shape != (space.num_labels,):
        raise DataError(
            f"hide: weights have shape {numbers.shape}, but there are {space.num_labels} labels; give one weight for each"
        )
    if not (np.isfinite(numbers) & (numbers > 0)).all():
        raise DataError(f"hide: weights must be positive numbers, not {numbers[~(np.isfinite(numbers) & (numbers > 0))][0]}")
    return numbers
