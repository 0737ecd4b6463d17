"""Tables of probabilities, as `predict` writes them: a column of image names, and one of numbers in [0, 1] for each label."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...errors import ObservationError, nearest
from ...space import LabelSpace
from ...words import count, listed
from ..image_files import warn
from .registry import Labelled

if TYPE_CHECKING:
    import pandas as pd


_COMMA = re.compile(r";\s*[01]?,\d")


def probabilities_in(path: Path, space: LabelSpace | None = None) -> Labelled | None:
    """A table of probabilities; None where a table holds anything else, 0 and 1 alone included.

    Images without probabilities, which could not be read, are left out with a `DataWarning`.

    Args:
        path: CSV, TSV, Parquet or JSON lines.
        space: the label space; None for the columns, all free.

    Raises:
        ObservationError: columns that are not the labels of `space`, or an image that is there twice.
    """
    frame = _frame(path)
    if frame is None or frame.shape[1] < 2 or not len(frame):
        return None
    try:
        values = frame.iloc[:, 1:].to_numpy(np.float32)
    except (TypeError, ValueError):
        return None
    given = ~np.isnan(values).all(1)
    inner = values[given]
    if not inner.size or not ((inner >= 0) & (inner <= 1)).all() or ((inner == 0) | (inner == 1)).all():
        return None
    names = frame.iloc[:, 0].astype(str)[given]
    if names.duplicated().any():
        first = str(names[names.duplicated()].iloc[0])
        raise ObservationError(f"{path}: {first} is there twice; a table of probabilities has one row for each image")
    lost = len(frame) - int(given.sum())
    if lost:
        warn(f"{path}: {count(lost, 'image')} without probabilities, left out")
    columns = [str(name) for name in frame.columns[1:]]
    space = LabelSpace.free(columns) if space is None else space
    _check_columns(path, columns, space)
    order = [columns.index(label) for label in space.labels]
    return Labelled(tuple(names), space, None, np.ascontiguousarray(inner[:, order]))


def _check_columns(path: Path, columns: list[str], space: LabelSpace) -> None:
    strange = [name for name in columns if name not in space.labels]
    if strange:
        near = nearest(strange[0], space.labels)
        raise ObservationError(f"{path}: the label space has no label {listed(strange)}{near}; give that of the run")
    lost = [label for label in space.labels if label not in columns]
    if lost:
        raise ObservationError(f"{path}: the table has no column {listed(lost)}; give the label space of the run")


def _frame(path: Path) -> pd.DataFrame | None:
    """The table, its first column as text; None for a file that is none."""
    import pandas as pd

    ending = path.suffix.lower()
    try:
        if ending == ".parquet":
            return pd.read_parquet(path)
        if ending in (".jsonl", ".ndjson"):
            return pd.read_json(path, lines=True, dtype=False, convert_axes=False)
        with path.open(encoding="utf-8-sig", newline="") as file:
            head = file.readline()
            sep = (
                "\t" if ending == ".tsv" else max(",", ";", key=lambda sign: len(next(csv.reader([head], delimiter=sign), [])))
            )
            commas = sep == ";" and _COMMA.search(file.readline()) is not None  # as spreadsheets write "0,5" in many languages
        first = next(csv.reader([head], delimiter=sep), [])
        return pd.read_csv(
            path, sep=sep, decimal="," if commas else ".", dtype={first[0]: str} if first else {}, keep_default_na=False,
            na_values=[""], encoding="utf-8-sig",
        )  # fmt: skip
    except (ValueError, KeyError, OSError, csv.Error):  # pandas and pyarrow derive theirs from ValueError
        return None
