"""Arrays of known labels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from latentlabels.errors import DataWarning, ObservationError
from latentlabels.observed import Observed
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
