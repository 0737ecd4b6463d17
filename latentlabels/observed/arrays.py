"""Arrays of known labels: 1, 0 and -1 by convention; what else they may mean is stated, or asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import AmbiguousError, Choice, ObservationError
from ..space import LabelSpace
from ..words import count
from .image_files import warn
from .meaning import ONE_HOT_ROWS, ONE_HOT_SHARE, key
from .options import ReadOptions


def known_values(values: ArrayLike, space: LabelSpace, options: ReadOptions, first_row: int = 0) -> NDArray[np.int8]:
    """An array of known labels as int8 (N, K) of 1, 0 and -1.

    Args:
        values: (N, K) of 1 (present), 0 (absent), -1 or missing (unknown), or as `options` state; NaN is unknown.
        space: the K labels.
        options: `present`, `absent`, `unknown`, `complete` and `ambiguous`.
        first_row: number of the first row, for errors, where these are a part of a larger array.

    Raises:
        ObservationError: rows of different lengths, or other values.
        AmbiguousError: values that can mean two things, where `options` refuse that.
    """
    try:
        array = np.asarray(values)
    except ValueError:
        raise ObservationError("observed has rows of different lengths; give an array (N, K)") from None
    if array.dtype.kind == "b":
        array = array.astype(np.int8)
    if array.dtype.kind == "f":
        missing = np.isnan(array)
        array = np.where(missing, -1, array)
    elif array.dtype.kind in "biu":
        missing = np.zeros((), bool)
    else:  # of a DataFrame with missing values
        import pandas as pd

        array = array.astype(object)
        missing = np.asarray(pd.isna(array))
        array = np.where(missing, -1, array)
    stated = {
        key(text): value
        for name, value in (("present", 1), ("absent", 0), ("unknown", -1))
        for text in options.stated(name, "")  # type: ignore[arg-type]
    }
    if stated:
        return _as_stated(array, missing, stated, space, first_row)
    check_values(array, space, first_row)
    out: NDArray[np.int8] = array.astype(np.int8)
    question = None if options.complete or missing.any() else doubt(out, space)
    if question is not None:
        if options.ambiguous == "refuse" or options.strict:
            raise question
        warn(f"{question}, as an argument of Observed.from_array. Read for now as: 0 is absent, -1 is unknown")
    return out


def doubt(values: NDArray[np.int8], space: LabelSpace) -> AmbiguousError | None:
    """What an array of 1, 0 and -1 without missing values may mean besides; None where it is clear.

    Args:
        values: (N, K).
        space: the K labels.
    """
    if values.ndim != 2 or len(values) < ONE_HOT_ROWS or values.shape[1] < 2:
        return None
    ones = (values == 1).sum(1)
    any_absent, any_unknown = bool((values == 0).any()), bool((values == -1).any())
    if any_absent and not any_unknown and len(space.roots) > 1:
        share = float((ones == 1).mean())
        if share >= ONE_HOT_SHARE and ones.max() == 1:
            return AmbiguousError(
                f"observed: {_rows(share, len(values))} exactly one 1 and 0 for every other label, as one-hot arrays have, so "
                "the meaning of 0 is unclear",
                [
                    Choice({"unknown": "0"}, "only one label of each image was noted, the others are unknown"),
                    Choice({"absent": "0"}, "each image was checked for every label"),
                ],
            )
    if any_unknown and not any_absent and len(space.roots) > 1:
        share = float((ones > 1).mean())
        if share > 1 - ONE_HOT_SHARE:  # with one 1 in each row, as a pick of one label gives it, -1 is unknown by convention
            return AmbiguousError(
                f"observed: holds 1 and -1 but no 0, and {_rows(share, len(values))} several 1, as tables of +1 (shown) and -1 "
                "(not shown) have, so the meaning of -1 is unclear",
                [
                    Choice({"unknown": "-1"}, "a label with -1 was not checked"),
                    Choice({"absent": "-1"}, "a label with -1 was checked, and is not there"),
                ],
            )
    return None


def check_values(array: NDArray[Any], space: LabelSpace, first_row: int = 0) -> None:
    """Check that an array holds 1, 0 and -1 alone.

    Raises:
        ObservationError: the first other value, with its row and label.
    """
    wrong = ~np.isin(array, (-1, 0, 1))
    if not wrong.any():
        return
    row, *column = (int(at[0]) for at in np.nonzero(wrong))
    label = f', label "{space.labels[column[0]]}"' if column and column[0] < space.num_labels else ""
    value = array[wrong][0]
    shown = repr(value) if isinstance(value, str) else value
    raise ObservationError(
        f"observed, row {first_row + row}{label}: expected 1 (present), 0 (absent) or -1 (unknown), not {shown}"
    )


def _rows(share: float, number: int) -> str:
    if share == 1:
        return f"each of {count(number, 'row')} has"
    return f"{100 * share:.0f} % of {count(number, 'row')} have"


def _as_stated(
    array: NDArray[Any], missing: NDArray[np.bool_], stated: dict[str, int], space: LabelSpace, first_row: int
) -> NDArray[np.int8]:  # fmt: skip
    """Values by what is stated of them; others by the convention. Where one of 0 and -1 is stated, the other one follows."""
    usual = {"1": 1, "0": 0, "-1": -1}
    if "-1" in stated and "0" not in stated:
        usual["0"] = -1 if stated["-1"] == 0 else 0
    if "0" in stated and "-1" not in stated:
        usual["-1"] = 0 if stated["0"] == -1 else -1
    meaning = {**usual, **stated}
    out = np.full(array.shape, -2, np.int8)
    different: Sequence[Any] = list(dict.fromkeys(array.ravel().tolist()))
    for value in different:
        found = meaning.get(key(str(int(value) if isinstance(value, bool) else value)))
        if found is not None:
            out[array == value] = found
    out[np.broadcast_to(missing, out.shape)] = -1
    wrong = out == -2
    if wrong.any():
        check_values(np.where(wrong, array, 0), space, first_row)
    return out
