"""Heat maps: which labels go together, and which are taken for each other."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ...space import LabelSpace, OneOf
from ...words import count, percent
from ..blocks import Block, HeatMap, Text

_LABELS = 24


def co_occurrence(together: NDArray[np.float64], space: LabelSpace, labels: Sequence[str], limit: int = _LABELS) -> list[Block]:
    """Which labels go together: of the images that show a row's label, the share that show a column's.

    A row of all images stands on top, for comparison.

    Args:
        together: (L, L) of P(both present), the diagonal each label's prevalence.
        space: the label space.
        labels: the L labels.
        limit: labels at most: the most frequent ones, in the order of the space; how many are left out is said.
    """
    share = np.diagonal(together)
    columns = [space.index(label) for label in labels]
    frequent = np.argsort(-np.nan_to_num(share, nan=-1.0), kind="stable")[:limit]
    chosen = np.asarray(sorted(frequent.tolist(), key=lambda place: columns[place]), int)
    with np.errstate(divide="ignore", invalid="ignore"):
        given = np.where(share[chosen, None] > 0, together[np.ix_(chosen, chosen)] / share[chosen, None], np.nan)
    np.fill_diagonal(given, np.nan)
    shown = np.clip(np.vstack([share[chosen], given]), 0, 1)
    names = [space.labels[columns[place]] for place in chosen]
    borders = [n for n, pair in enumerate(itertools.pairwise(columns[place] for place in chosen), 1) if _apart(*pair, space)]
    hints = [[f"of all images, {_percent(value)} show {name}" for name, value in zip(names, shown[0], strict=True)]]
    for name, row in zip(names, shown[1:], strict=True):
        pairs = zip(names, row, strict=True)
        hints.append([f"of the images with {name}, {_percent(value)} show {other}" for other, value in pairs])
    notes = ["Grey: the label itself" + (", or a label that no image shows." if np.isnan(given).sum() > len(names) else ".")]
    if len(columns) > len(chosen):
        below = percent(float(np.nan_to_num(np.delete(share, chosen)).max()))
        notes.append(f"{count(len(columns) - len(chosen), 'label')} left out, each in {below} of the images at most.")
    return [
        HeatMap(
            "% that show …, of the images that show …",
            ["all images", *names],
            names,
            _values(shown),
            [[_short(value) for value in row] for row in shown],
            frozenset(borders),
            frozenset([1, *(n + 1 for n in borders)]),
            hints,
        ),
        Text(" ".join(notes), "fine"),
    ]


def confusion(counts: NDArray[np.float64], rows: Sequence[str], columns: Sequence[str], caption: str = "") -> HeatMap:
    """What images that show each label are called: a row for each true label, shares of the row as shades.

    Args:
        counts: (R, C) images that show the label of the row and are called that of the column.
        rows: R true labels.
        columns: C labels that they are called.
        caption: above it.
    """
    given = np.asarray(counts, np.float64)
    totals = given.sum(1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.where(totals > 0, given / totals, np.nan)
    hints = [
        [f"{count(int(number), 'image')} with {true} called {other}" for other, number in zip(columns, row, strict=True)]
        for true, row in zip(rows, given, strict=True)
    ]
    names = [f"{name} ({number:,.0f})" for name, number in zip(rows, totals[:, 0], strict=True)]
    said = [[_short(value) if value > 0 else "" for value in row] for row in found]
    return HeatMap(
        "% called …, of the images that show …", names, list(columns), _values(found), said, hints=hints, caption=caption
    )


def _values(shown: NDArray[np.float64]) -> list[list[float | None]]:
    return [[float(value) if np.isfinite(value) else None for value in row] for row in shown]


def _short(value: float) -> str:
    return percent(float(value)).removesuffix(" %") if np.isfinite(value) else ""


def _percent(value: float) -> str:
    return percent(float(value)) if np.isfinite(value) else "–"


def _apart(one: int, other: int, space: LabelSpace) -> bool:
    """Whether two columns belong to different groups; free labels have no line between them."""
    groups = [space.group_of(space.labels[k]) for k in (one, other)]
    return groups[0] is not groups[1] and any(isinstance(group, OneOf) for group in groups)
