"""Known and complete labels of whatever kind, brought into the rows of the inputs: by name where both sides have names."""

from __future__ import annotations

from collections.abc import Sequence, Sized
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from ..errors import DataError, ObservationError
from ..observed import Observed, match_names
from ..observed.frame import index_names, read_frame
from ..observed.options import ReadOptions
from ..space import LabelSpace
from ..words import listed

if TYPE_CHECKING:
    import pandas as pd

    Labels = Observed | pd.DataFrame | torch.Tensor | ArrayLike


def is_frame(given: object) -> bool:
    """Whether something is a pandas DataFrame; pandas is not imported for it."""
    return type(given).__module__.partition(".")[0] == "pandas" and hasattr(given, "columns")


def as_observed(
    given: Labels, space: LabelSpace | None, names: Sequence[str] | None, numbers: bool = False, complete: bool = False
) -> Observed:
    """Labels of any kind as a table with the columns of `space`.

    Args:
        given: `Observed`, a DataFrame, or an array or tensor (N, K).
        space: the label space; None to take the table's own.
        names: of the inputs, for the errors of a table that has none.
        numbers: whether the numbers of a DataFrame's index are names.
        complete: whether every label is known, so that 0 is absent and nothing else.

    Raises:
        DataError: an array, and no label space.
        ObservationError: other labels than those of the space, or what `Observed` refuses.
    """
    if isinstance(given, Observed):
        return given if space is None else given.in_space(space)
    options = ReadOptions(complete=complete)
    if is_frame(given):
        found = read_frame(given, space, numbers)  # type: ignore[arg-type]
        return Observed.from_array(found.values, found.space, found.images, options=options)
    if space is None:
        raise DataError(
            "observed is an array, so its labels have no names; give LatentLabels(space, ...), a DataFrame, or an Observed"
        )
    values = given.detach().cpu().numpy() if isinstance(given, torch.Tensor) else given
    rows = np.shape(values)[:1] if isinstance(values, np.ndarray) else (len(values),) if isinstance(values, Sized) else ()
    fits = names is not None and rows == (len(names),)
    return Observed.from_array(values, space, images=names if fits else None, options=options)


def as_truth(given: Labels, space: LabelSpace, names: Sequence[str] | None, numbers: bool = False) -> Observed:
    """Complete labels of any kind, as `as_observed`.

    Raises:
        DataError: some labels are unknown.
    """
    try:
        table = as_observed(given, space, names, numbers, complete=True)
    except ObservationError as error:
        raise ObservationError(f"truth: {error}") from None
    unknown = int((space.num_labels - table.num_known).sum())
    if unknown:
        row = int((table.num_known < space.num_labels).argmax())
        column = int((table.known.rows([row])[0] == -1).argmax())
        name = f"image {table.images[row]}" if table.images is not None else f"row {row}"
        raise DataError(
            f'truth is not complete: label "{space.labels[column]}" of {name} is unknown ({unknown:,} such entries); give '
            "1 or 0 for every label of every image"
        )
    return table


def frame_names(frame: object, numbers: bool) -> tuple[str, ...] | None:
    """The names that a DataFrame's index gives."""
    return index_names(frame, numbers)  # type: ignore[arg-type]


def column_names(frame: pd.DataFrame) -> tuple[str, ...] | None:
    """The names of a DataFrame's columns; None where they are no strings and only count."""
    columns = tuple(frame.columns)
    return columns if all(isinstance(column, str) for column in columns) else None


def column_order(given: Sequence[str] | None, fitted: Sequence[str] | None) -> list[int] | None:
    """Which of the given columns are those that a model was fitted on, in its order; None to take them as they stand.

    Args:
        given: names of the columns of these inputs; None where they have none.
        fitted: the same of the inputs that the model was fitted on.

    Raises:
        DataError: names that do not agree; they are named.
    """
    if given is None or fitted is None or tuple(given) == tuple(fitted):
        return None
    lost = [name for name in fitted if name not in given]
    strange = [name for name in given if name not in fitted]
    said = [f"no column {listed(lost, 3)}"] if lost else []
    said += [f"columns that the run was not fitted on: {listed(strange, 3)}"] if strange else []
    said += ["two columns of one name"] if len(set(given)) < len(given) else []
    if said:
        raise DataError(
            f"the embeddings have {' and '.join(said)}; give the columns that the run was fitted on, in any order, or an array "
            "to go by position"
        )
    place = {name: number for number, name in enumerate(given)}
    return [place[name] for name in fitted]


def in_rows_of(names: Sequence[str] | None, table: Observed, size: int, what: str) -> Observed:
    """A table in the order of the inputs.

    Args:
        names: of the inputs; None where they have none.
        table: of labels.
        size: N, how many inputs there are.
        what: "observed" or "truth", for errors.

    Raises:
        DataError: tables of another number of rows, or names that do not agree; they are named.
    """
    if names is None or table.images is None:
        if len(table) != size:
            raise DataError(f"{size} images, but {'known labels of' if what == 'observed' else what + ' of'} {len(table)}; "
                            "give one row for each image")  # fmt: skip
        return table
    if tuple(names) == table.images:
        return table
    rows = match_names(names, table.images)
    lost = [name for name, row in zip(names, rows, strict=True) if row is None]
    used = {row for row in rows if row is not None}
    left = [name for row, name in enumerate(table.images) if row not in used]
    if lost or left:
        raise DataError(_disagreement(what, lost, left, len(names)))
    return table.take([row for row in rows if row is not None])


def _disagreement(what: str, lost: Sequence[str], left: Sequence[str], size: int) -> str:
    said = []
    if lost:
        said.append(f"{len(lost):,} of {size:,} images have no row in {what} ({listed(lost, 3)})")
    if left:
        said.append(f"{len(left):,} rows of {what} have no image ({listed(left, 3)})")
    return (
        f"the names of the images and of {what} do not agree: {'; '.join(said)}. Rename or remove those. To match rows by "
        "position, "
        f"give {what} without names, for example as an array"
    )


def selected(stored: Sequence[str], table: Observed, where: str, what: str) -> NDArray[np.int64]:
    """The stored inputs that the rows of a table are about, in the table's order.

    Args:
        stored: names of what a folder or a file holds.
        table: of labels, with names.
        where: the folder or file, for errors.
        what: "observed" or "truth".

    Raises:
        DataError: rows without an input; they are named.
    """
    assert table.images is not None
    rows = match_names(table.images, stored)
    lost = [name for name, row in zip(table.images, rows, strict=True) if row is None]
    if lost:
        raise DataError(
            f"{len(lost):,} of the {len(table):,} images of {what} are not in {where}: {listed(lost, 3)}; correct the names, "
            "or remove these rows (Observed.take, or Observed.from_table(..., images_root=FOLDER))"
        )
    return np.asarray(rows, dtype=np.int64)
