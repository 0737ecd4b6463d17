"""Arrays of known labels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from latentlabels.errors import AmbiguousError, DataWarning, ObservationError
from latentlabels.observed import Observed
from latentlabels.observed.options import ReadOptions
from latentlabels.space import LabelSpace, OneOf

SPACE = LabelSpace.free(["a", "b", "c"])
HOT = np.eye(3)[np.arange(12) % 3]


@pytest.mark.parametrize("kind", [np.int8, np.int64, np.float32, bool, object])
@pytest.mark.parametrize("stated, zero", [({"unknown": 0}, -1), ({"absent": 0}, 0)])
def test_what_is_stated_holds_for_every_kind_of_array(kind: Any, stated: dict[str, int], zero: int) -> None:
    read = Observed.from_array(HOT.astype(kind), SPACE, **stated)
    assert read.values.tolist() == np.where(HOT == 1, 1, zero).tolist()


@pytest.mark.parametrize("kind", [np.int8, np.float64, bool])
def test_one_hot_arrays_are_noted(kind: Any) -> None:
    with pytest.warns(DataWarning, match='unknown="0"'):
        read = Observed.from_array(HOT.astype(kind), SPACE)
    assert read.values.tolist() == HOT.tolist()
    Observed.from_array(HOT[:9].astype(kind), SPACE)  # too few rows to tell
    Observed.from_array(HOT.astype(kind), LabelSpace([OneOf("g", ["a", "b", "c"])]))  # the space says that it is one


def test_missing_is_unknown_whatever_is_stated() -> None:
    values = np.array([[1, np.nan, -1], [0, 1, np.nan]])
    assert Observed.from_array(values, SPACE).values.tolist() == [[1, -1, -1], [0, 1, -1]]
    assert Observed.from_array(values, SPACE, absent=-1, unknown=0).values.tolist() == [[1, -1, 0], [-1, 1, -1]]
    frame = pd.DataFrame(values).astype("Int8")
    assert Observed.from_array(frame, SPACE, absent=[0, -1]).values.tolist() == [[1, -1, 0], [0, 1, -1]]


def test_other_values_are_named() -> None:
    with pytest.raises(ObservationError, match=r'row 1, label "b": expected 1 .* not 2'):
        Observed.from_array([[1, 0, 1], [0, 2, 0]], SPACE)
    with pytest.raises(ObservationError, match=r'row 1, label "b": expected 1 .* not 2'):
        Observed.from_array([[1, 0, 1], [0, 2, 0]], SPACE, absent=0)
    with pytest.raises(ObservationError, match="rows of different lengths"):
        Observed.from_array([[1, 0, 1], [0]], SPACE)


def test_plus_and_minus_one_with_several_present_labels_are_noted() -> None:
    """+1 and -1 often mean shown and not shown; picks of one label each, or of several in a few rows, do not look so."""
    complete = np.where(np.random.default_rng(0).random((40, 3)) < 0.5, 1, -1)
    for kind in (np.int8, np.float64, object):
        with pytest.warns(DataWarning, match=r'the meaning of -1 is unclear; give unknown="-1" .* or absent="-1"'):
            assert Observed.from_array(complete.astype(kind), SPACE).values.tolist() == complete.tolist()
    with pytest.raises(AmbiguousError, match="the meaning of -1 is unclear"):
        Observed.from_array(complete, SPACE, options=ReadOptions(ambiguous="refuse"))
    assert Observed.from_array(complete, SPACE, absent=-1).values.tolist() == np.where(complete == 1, 1, 0).tolist()
    assert Observed.from_array(complete, SPACE, unknown=-1).values.tolist() == complete.tolist()
    with_zero, with_missing = complete.copy(), complete.astype(float)
    with_zero[0, 0], with_missing[0, 0] = 0, np.nan
    picked = np.where(HOT == 1, 1, -1).repeat(4, 0)
    few = picked.copy()
    few[0] = 1  # one row of 48
    for clear in (with_zero, with_missing, picked, few, complete[:9]):
        Observed.from_array(clear, SPACE)
