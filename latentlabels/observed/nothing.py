"""Labels such as "no finding", which say that no other label is present: asked about where the label space does not say so."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..errors import ObservationError
from ..space import Free, LabelSpace
from .image_files import warn
from .known_table import KnownTable
from .names import rough
from .options import ReadOptions

_NAMES = frozenset(
    (
        "nofinding",
        "nofindings",
        "none",
        "noneoftheabove",
        "noneofthese",
        "nothing",
        "nolabel",
        "nolabels",
        "noobject",
        "healthy",
    )
)
"""Such names, without case, blanks and signs."""


def ask_about_nothing(
    known: KnownTable, space: LabelSpace, images: Sequence[str], options: ReadOptions, source: str
) -> None:  # fmt: skip
    """Ask about a label called "no finding" that is known beside others, where nobody says what it excludes.

    Raises:
        ObservationError: there is one, and `options` refuse what is unclear; otherwise that is a warning.
    """
    groups = [group for group in space.groups if isinstance(group, Free) and group.excludes is None]
    for label in [group.label for group in groups if _means_nothing(group.label)]:
        beside = _beside(known, space.index(label))
        if beside is None:
            continue
        row, column = beside
        what = (
            f'{source}: "{label}" and "{space.labels[column]}" are both known to be present in {images[row]}, but "{label}" '
            "reads as if nothing else were there. Say in the label space what is meant: "
            f'{{name: "{label}", excludes: all}}, which makes such rows contradictions, or excludes: [] if it is a label '
            "like any other"
        )
        if options.ambiguous == "refuse" or options.strict:
            raise ObservationError(what)
        warn(what)


def _means_nothing(label: str) -> bool:
    return "".join(sign for sign in rough(label) if sign.isalnum()) in _NAMES


def _beside(known: KnownTable, column: int) -> tuple[int, int] | None:
    """The first row in which a label is known to be present beside another one, and the column of that one."""
    if not known.counts()[0][column]:
        return None
    several = np.flatnonzero(known.num_present > 1)
    for block in known.blocks(several):
        rows = np.flatnonzero(block.values[:, column] == 1)
        if len(rows):
            others = np.flatnonzero(block.values[rows[0]] == 1)
            return int(several[block.start + rows[0]]), int(others[others != column][0])
    return None
