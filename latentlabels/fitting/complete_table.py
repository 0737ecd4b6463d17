"""Completely labelled images in a table of their own, beside the known labels of all images: `data.complete`.

`latentlabels sample-complete` writes such a table, and a person fills it. What it says of an image replaces what was known of
it. Where it denies a label that was known to be present, that label was a mistake: no error, but a finding, since the share of
such labels estimates `noise`.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import AmbiguousError, DataError, ObservationError
from ..inputs import Inputs
from ..inputs.completed import Completed
from ..observed import Observed, match_names
from ..observed.image_files import report
from ..observed.options import ReadOptions
from ..words import count, listed

_SHOWN = 5


def with_complete(inputs: Inputs, path: Path, one_positive: bool, strict: bool = False) -> Inputs:
    """The same inputs with what a table says of some of them.

    Args:
        inputs: N images or embeddings with known labels.
        path: the table: a column of image names, and for each label a column of 1 (present) and 0 (absent). A row with an
            empty cell is not complete: what it says is added to what was known of its image. A row without any value counts
            as not filled yet.
        one_positive: whether the annotation describes one known positive per image alone.
        strict: whether rows without an image are an error.

    Raises:
        DataError: none of its images is among the inputs, or no row is complete.
        ObservationError: rows that contradict the label space, or that the annotation does not describe.
    """
    before = inputs.observed
    assert before is not None  # the training data of a config have labels
    table, rows = _matched(inputs, before, path, strict)
    size = before.space.num_labels
    said, now = table.num_known, before.known.rows(rows)
    complete = said == size
    if not complete.any():
        raise DataError(_none_complete(table, path))
    filled = said > 0
    values = table.values
    _report_partial(table, path, complete, filled)
    merged = np.where(values == -1, now, values)
    if one_positive:
        _check_one(merged, filled & ~complete, table, path)
    known = before.known.replaced(rows[filled], merged[filled])
    found = _counted(path, table, values, now, complete, filled)
    how_read = before.how_read
    if how_read is not None:
        fact = ("complete images", f"{found.num_complete:,}, by {path.name}")
        how_read = replace(how_read, facts=(*how_read.facts, fact))
    observed = Observed(known, before.space, before.images, how_read, before.extra)
    return replace(inputs.labelled(observed, inputs.truth), completed=found)


def _matched(inputs: Inputs, before: Observed, path: Path, strict: bool) -> tuple[Observed, NDArray[np.int64]]:
    """The rows of the table that are about an input, and the numbers of those inputs."""
    # an empty cell is not filled yet, and a 0 says that a person looked: neither is a question here
    try:
        table = Observed.read(path, ReadOptions(space=before.space, unlisted="unknown", absent=("0",), strict=strict))
    except AmbiguousError as error:
        raise ObservationError(
            f"data.complete: {error.what}; write 1 (present), 0 (absent) or nothing (unknown) into each cell"
        ) from None
    if table.images is None:
        raise DataError(f"data.complete: {path}: has no names of images; give it a column image")
    found = match_names(table.images, inputs.table_names)
    lost = [name for name, row in zip(table.images, found, strict=True) if row is None]
    if len(lost) == len(found):
        raise DataError(
            f"data.complete: {path}: none of its {count(len(found), 'image')} is among the images of the fit "
            f"({listed(lost, 3)}); give the table that belongs to these images"
        )
    if lost:
        report(
            f"data.complete: {path}: {count(len(lost), 'row')} left out, because the fit has no such image: {listed(lost, 3)}",
            strict,
        )
    kept = table.take([number for number, row in enumerate(found) if row is not None])
    return kept, np.array([row for row in found if row is not None], np.int64)


def _none_complete(table: Observed, path: Path) -> str:
    filled = int((table.num_known > 0).sum())
    if not filled:
        return f"data.complete: {path}: nothing is filled in; write 1 (present) or 0 (absent) into every cell of a row"
    unknown = (table.values == -1).sum(0)
    k = int(unknown.argmax())
    return (
        f'data.complete: {path}: none of {count(filled, "row")} is complete; "{table.space.labels[k]}" is unknown in '
        f"{int(unknown[k]):,} of {len(table):,}. Write 1 (present) or 0 (absent) into every cell"
    )


def _report_partial(table: Observed, path: Path, complete: NDArray[np.bool_], filled: NDArray[np.bool_]) -> None:
    partial, empty = filled & ~complete, ~filled
    assert table.images is not None  # they were matched by name
    parts = []
    if partial.any():
        shown = listed([table.images[row] for row in np.flatnonzero(partial)], 3)
        parts.append(
            f"{count(int(partial.sum()), 'row')} with empty cells ({shown}) used for what is filled in, but not as "
            "complete images"
        )
    if empty.any():
        parts.append(f"{count(int(empty.sum()), 'row')} not filled in")
    if parts:
        report(f"data.complete: {path}: {'; '.join(parts)}", strict=False)


def _check_one(merged: NDArray[np.int8], partial: NDArray[np.bool_], table: Observed, path: Path) -> None:
    """Refuse rows with several known positives, where the annotation describes one."""
    wrong = np.flatnonzero(partial & ((merged == 1).sum(1) > 1))
    if len(wrong):
        assert table.images is not None  # they were matched by name
        raise ObservationError(
            f"data.complete: {path}: {count(len(wrong), 'row')} with empty cells and several present labels "
            f"({listed([table.images[row] for row in wrong], 3)}), but the annotation describes one known label per image "
            "where not all are known; fill the empty cells, or clear the row"
        )


def _counted(
    path: Path,
    table: Observed,
    values: NDArray[np.int8],
    before: NDArray[np.int8],
    complete: NDArray[np.bool_],
    filled: NDArray[np.bool_],
) -> Completed:
    checked = (before == 1) & complete[:, None]
    wrong = np.argwhere(checked & (values == 0))
    assert table.images is not None  # they were matched by name
    return Completed(
        str(path),
        int(complete.sum()),
        int((filled & ~complete).sum()),
        int(checked.sum()),
        len(wrong),
        tuple((table.images[row], table.space.labels[k]) for row, k in wrong[:_SHOWN].tolist()),
    )
