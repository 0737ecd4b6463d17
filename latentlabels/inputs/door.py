"""The one door: whatever a user gives, folder, files, glob, array, tensor, DataFrame, Dataset or .npz, becomes `Inputs`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import DataError
from ..observed import Observed
from ..observed.image_files import warn
from ..observed.packed import Contents
from ..space import LabelSpace
from ..words import count, listed
from .again import read_again
from .alignment import (
    as_observed,
    as_truth,
    in_rows_of,
    is_frame,
    selected,
)
from .decoding import load
from .given import Given, Reading, recognise
from .inputs import Inputs, Wanted

if TYPE_CHECKING:
    from .alignment import Labels
    from .given import Images


def read_inputs(
    images: Images,
    observed: Labels | None = None,
    truth: Labels | None = None,
    *,
    space: LabelSpace | None,
    wanted: Wanted,
    how: Reading | None = None,
) -> Inputs:
    """Make `Inputs` of whatever a user gives.

    Names beat positions: where both the inputs and a table have names, rows are matched by name. Files and folders have
    names, and so have an .npz with `images`, a DataFrame's index, and an `Observed` with `images`. Of a folder or an .npz,
    a table selects; of a list of files or a DataFrame it has to name each one.

    Args:
        images: a folder, a file, a glob, an .npz, a list of image files, a Dataset of images, an array or tensor of images
            (N, 3, H, W) or (N, H, W, 3), of greys (N, H, W), or of embeddings (N, D), a DataFrame of embeddings, or `Inputs`.
        observed: known labels: `Observed`, a DataFrame, or an array (N, K) of 1, 0, -1.
        truth: complete labels of the same kinds.
        space: the label space; None to take that of `observed`.
        wanted: what the model takes.
        how: details of reading.

    Raises:
        DataError: inputs of another kind or size, or names that do not agree; both sides are named.
        ObservationError: labels that cannot be read or contradict the space.
    """
    how = Reading() if how is None else how
    if isinstance(images, Inputs):
        return read_again(images, observed, truth, space, wanted)
    frames = is_frame(images) and (is_frame(observed) or is_frame(truth))
    given = recognise(images, space, wanted, how, observed is None, frames)
    table = given.observed if observed is None else as_observed(observed, space, given.shown, frames)
    if observed is not None and table is not None:
        given, table = _matched(given, table, "observed", bool(how.folder.part))
    complete = given.truth
    space = space if table is None else table.space
    if truth is not None:
        if space is None:
            raise DataError("truth is given, but the labels have no names; give LatentLabels(space, ...), or an Observed")
        whole = as_truth(truth, space, given.shown, frames)
        if table is None and given.place is not None:
            given, whole = _matched(given, whole, "truth")
        names = given.names if given.names is not None else (None if table is None else table.images)
        complete = in_rows_of(names, whole, len(given.rows), "truth").values
    return load(given, table, complete, wanted, how)


def read_files(files: list[Path] | Contents, wanted: Wanted, how: Reading) -> Inputs:
    """These image files, in this order, none looked for; those that cannot be read have no row.

    Raises:
        DataError: as `how.unreadable` says.
    """
    shown = tuple(str(file) for file in files)
    return load(Given(files, shown, shown, np.arange(len(files))), None, None, wanted, how)


def _matched(given: Given, table: Observed, what: str, part: bool = False) -> tuple[Given, Observed]:
    """Inputs and table with the same rows: what a place holds is selected, everything else is put in order.

    Whether the user asks for a `part` alone: then it is no surprise that others are not used.
    """
    if given.place is None or given.names is None or table.images is None:
        return given, in_rows_of(given.names, table, len(given.rows), what)
    if isinstance(given.items, list):
        given = _with_others(given, given.items, table)
    assert given.names is not None
    rows = selected(given.names, table, str(given.place), what)
    if len({*rows.tolist()}) < len(given.names) and not part:
        used = {*rows.tolist()}
        left = [name for row, name in enumerate(given.names) if row not in used]
        warn(f"{given.place}: {count(len(left), 'image')} not in {what}, so not used: {listed(left)}")
    return replace(given.take(rows), rows=np.arange(len(rows))), table  # a table that selects is what was given


def _with_others(given: Given, files: list[Path], table: Observed) -> Given:
    """The images of a folder, and those that a table names by absolute paths elsewhere."""
    here = Path(str(given.place)).resolve()
    named = [Path(name) for name in table.images or () if Path(name).is_absolute()]
    others = [file for file in named if here not in file.resolve().parents and file.is_file()]
    if not others:
        return given
    names = tuple(str(file) for file in others)
    rows = np.arange(len(files) + len(others))
    return replace(given, items=files + others, names=(given.names or ()) + names, shown=(given.shown or ()) + names, rows=rows)
