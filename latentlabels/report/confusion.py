"""Which label of a group is taken for which other, on completely labelled images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..show.blocks import Beside, Block, HeatMap, Row, Table, Text
from ..show.charts.heat_maps import confusion
from ..space import OneOf
from ..words import finite, percent, whole
from .contents import Contents

_LARGE = 24  # labels of a group up to which all pairs are shown
_PAIRS = 20  # that are listed of larger ones
_NONE = "none of them"

_Cells = dict[tuple[str, str], int]


def groups(contents: Contents) -> list[Block]:
    """For each group with several labels, how images that show one are called."""
    stored = contents.metrics.get("confusion")
    if not isinstance(stored, Mapping):
        return []
    blocks: list[Block] = []
    for group in contents.run.space.groups:
        cells = _cells(stored.get(group.name)) if isinstance(group, OneOf) and len(group.labels) > 1 else {}
        if cells:
            names = [*group.labels, _NONE] if any(_NONE in pair for pair in cells) else list(group.labels)
            blocks.append(_map(group.name, names, cells) if len(group.labels) <= _LARGE else _pairs(group.name, cells))
    if not blocks:
        return []
    text = (
        "Of the images that show the label of a row, the share whose most probable label of the group is that of a column. "
        "On the diagonal it is the right one."
    )
    return [Text(text), Beside(blocks, "maps")]


def _cells(stored: Any) -> _Cells:
    """(label shown, label called) -> images; of anything else nothing."""
    found: _Cells = {}
    for cell in stored if isinstance(stored, list | tuple) else ():
        if isinstance(cell, list | tuple) and len(cell) == 3 and finite(cell[2]) is not None:
            true, said = (_NONE if name is None else str(name) for name in cell[:2])
            found[true, said] = found.get((true, said), 0) + int(cell[2])
    return found


def _totals(cells: _Cells) -> dict[str, int]:
    totals: dict[str, int] = {}
    for (true, _), number in cells.items():
        totals[true] = totals.get(true, 0) + number
    return totals


def _map(name: str, names: list[str], cells: _Cells) -> HeatMap:
    totals = _totals(cells)
    rows = [true for true in names if totals.get(true)]
    numbers = np.array([[cells.get((true, said), 0) for said in names] for true in rows], np.float64)
    return confusion(numbers, rows, names, name)


def _pairs(name: str, cells: _Cells) -> Table:
    totals = _totals(cells)
    wrong = sorted(((number, *pair) for pair, number in cells.items() if pair[0] != pair[1]), reverse=True)[:_PAIRS]
    rows = [Row((true, said, whole(number), percent(number / totals[true]))) for number, true, said in wrong]
    return Table(("shown", "called", "images", "share of those that show it"), rows, frozenset((2, 3)), caption=name)
