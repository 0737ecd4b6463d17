"""Tables with a bar in each row: known labels, prevalences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ...space import LabelSpace
from ...words import count, finite, percent, percent_of
from ..blocks import Bar, Block, Cell, Legend, Row, Table, Text

LABELS = 30
"""Labels that a chart shows: the table of all labels has the others."""


def known_counts(counts: Mapping[str, Sequence[int]], limit: int = LABELS) -> list[Block]:
    """In how many images each label is known to be present, and absent: most often known labels first.

    Args:
        counts: label -> (known present, known absent), numbers of images.
        limit: labels at most; how many are left out is said.
    """
    order = sorted(counts, key=lambda name: (-counts[name][0], -counts[name][1]))
    shown, rest = order[:limit], order[limit:]
    absences = any(absent for _, absent in counts.values())
    most = max([present + absent for present, absent in counts.values()] + [1])
    rows = []
    for name in shown:
        present, absent = counts[name]
        bar = Cell("", "bar", bar=Bar([(present / most, "orange"), (absent / most, "grey")]))
        number = Cell(f"{present:,}" if present else "never", value=present)
        rows.append(Row((name, number, bar, *([Cell(f"{absent:,}", value=absent)] if absences else []))))
    head = ("label", "present", "", *(["absent"] if absences else []))
    entries = [("orange", "known to be present (images)"), *([("grey", "known to be absent (images)")] if absences else [])]
    blocks: list[Block] = [Legend(entries), Table(head, rows, frozenset((1, 3) if absences else (1,)), kind="bars")]
    if rest:
        never = sum(counts[name][0] == 0 for name in rest)
        note = f"{count(len(rest), 'label')} left out, each known to be present in at most {counts[rest[0]][0]:,} images"
        blocks.append(Text(note + (f"; {never:,} never." if 0 < never < len(rest) else "."), "fine"))
    return blocks


def prevalence(
    prior: NDArray[np.float64],
    posterior: NDArray[np.float64],
    space: LabelSpace,
    truth: NDArray[np.float64] | None = None,
    images: float | None = None,
    limit: int = LABELS,
) -> list[Block]:
    """How frequent each label was expected to be before the fit, and how frequent the fit finds it.

    Args:
        prior: (K,) shares of the images that show each label, before the fit.
        posterior: (K,) shares that the fit finds.
        space: the label space.
        truth: (K,) true shares.
        images: of how many images: percentages have no more digits than these allow.
        limit: labels at most: those that moved most, the most frequent first; how many are left out is said.
    """
    moved = np.nan_to_num(np.abs(posterior - prior), nan=-1.0)
    chosen = np.argsort(-moved, kind="stable")[:limit]
    rest = np.delete(moved, chosen)
    chosen = chosen[np.argsort(-np.nan_to_num(posterior[chosen], nan=-1.0), kind="stable")]
    series = [("ring", "before the fit", prior), ("blue", "after it", posterior)]
    series += [] if truth is None else [("green", "truth", truth)]
    top = max(0.01, *(float(np.nan_to_num(values[chosen]).max(initial=0)) for *_, values in series))
    rows = []
    for k in chosen:
        dots = [(float(values[k]) / top, colour) for colour, _, values in series if np.isfinite(values[k])]
        values = [Cell(percent_of(finite(float(given[k])), images), value=finite(float(given[k]))) for *_, given in series]
        rows.append(Row((space.labels[k], Cell("", "bar", bar=Bar(dots=dots)), *values)))
    names = ("before", "after", *(["truth"] if truth is not None else []))
    legend = Legend([(colour if colour == "ring" else f"{colour} dot", name) for colour, name, _ in series])
    scale = f"Dots show the same numbers; a line is {percent(top)} of the images long."
    blocks: list[Block] = [
        legend,
        Table(("label", "", *names), rows, frozenset(range(2, 2 + len(names))), kind="bars dots"),
        Text(scale, "fine"),
    ]
    if len(rest):
        far = f"{100 * max(rest.max(), 0):.1f}"
        blocks.append(Text(f"{count(len(rest), 'label')} left out, each moved by {far} percentage points at most.", "fine"))
    return blocks
