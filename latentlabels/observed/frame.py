"""A pandas DataFrame read as known labels: its columns are labels, its index names images."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import LabelSpaceError, ObservationError, nearest
from ..space import LabelSpace
from ..words import listed

if TYPE_CHECKING:
    import pandas as pd


class FrameLabels(NamedTuple):
    """What a DataFrame says.

    Attributes:
        values: (N, K), not checked yet.
        space: the label space of the columns.
        images: N names; None where the index only counts.
    """

    values: NDArray[np.generic]
    space: LabelSpace
    images: tuple[str, ...] | None


def index_names(frame: pd.DataFrame, numbers: bool = False) -> tuple[str, ...] | None:
    """The names of a DataFrame's rows; None where its index only counts them.

    Args:
        frame: N rows.
        numbers: whether an index of numbers names rows as well: it does where two DataFrames are matched.
    """
    import pandas as pd

    if isinstance(frame.index, pd.RangeIndex) and not numbers:
        return None
    if pd.api.types.is_numeric_dtype(frame.index.dtype) and not numbers:
        return None
    return tuple(str(name) for name in frame.index)


def read_frame(frame: pd.DataFrame, space: LabelSpace | None, numbers: bool = False) -> FrameLabels:
    """Known labels of a DataFrame; see `Observed.from_frame`."""
    if "image" in frame.columns and not (space is not None and "image" in space.labels):
        frame = frame.set_index("image")
    names = index_names(frame, numbers)
    if names is not None and len(set(names)) < len(names):
        doubled = next(name for name in names if names.count(name) > 1)
        raise ObservationError(f'observed has several rows for image "{doubled}"; keep one row for each image')
    columns = [str(column) for column in frame.columns]
    counted = [*frame.columns] == [*range(len(columns))]  # no names at all: columns as they stand
    if counted and space is not None:
        return FrameLabels(_values(frame), space, names)
    if space is None:
        try:
            return FrameLabels(_values(frame), LabelSpace.free(columns), names)
        except LabelSpaceError as error:
            raise ObservationError(f"the columns of observed are not valid labels: {error}") from None
    strange = [column for column in columns if column not in space.labels]
    if strange:
        raise ObservationError(
            f'column "{strange[0]}" of observed is not a label{nearest(strange[0], space.labels)} (unknown columns: '
            f"{listed(strange)}); rename or remove it"
        )
    if len(set(columns)) < len(columns):
        raise ObservationError("observed has two columns with the same name; remove or rename one")
    lacking = [label for label in space.labels if label not in columns]
    if lacking:
        raise ObservationError(
            f"observed has no column for {len(lacking)} of {space.num_labels} labels: {listed(lacking)}; add them, with "
            "missing "
            "values where a label is unknown"
        )
    place = {column: number for number, column in enumerate(columns)}
    return FrameLabels(_values(frame)[:, [place[label] for label in space.labels]], space, names)


def _values(frame: pd.DataFrame) -> NDArray[np.generic]:
    return np.asarray(frame.astype(object))
