"""Two runs side by side, as a page: their verdicts and figures, the settings that differ, and gains and losses by label."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..show.blocks import Block, Cell, Row, Section, Table, Text
from ..show.blocks import Verdict as Banner
from ..show.pages import page
from ..words import NONE, count, listed, percent_of, whole
from ..writing import write_text
from .comparison import Comparison

_SEARCHABLE = 12


def write_comparison(found: Comparison, path: str | Path) -> Path:
    """Write the comparison as a page of its own; returns its path."""
    path = Path(path)
    a, b = found.names
    top: list[Block] = [
        Banner(one.level.value, f"{name}: {one.because}", [one.weakest_sentence] if one.weakest else [])
        for name, one in zip(found.names, found.verdicts, strict=True)
    ]
    sections = [
        Section("Figures", _figures_shown(found)),
        Section("What differs in the settings", _differs_shown(found)),
        Section("Labels: gains and losses", _changes_shown(found)),
    ]
    write_text(path, page(f"{a} and {b}", top, sections, script=True))
    return path


def _figures_shown(found: Comparison) -> list[Block]:
    blocks: list[Block] = []
    if found.caution:
        blocks.append(Text(found.caution))
    rows = [Row((one.name, *one.said, one.better_of(found.names))) for one in found.figures]
    blocks.append(Table(("figure", *found.names, "better"), rows, frozenset((1, 2))))
    return blocks


def _points(gain: float) -> str:
    """A difference of two shares in percentage points."""
    points = round(100 * gain)
    return f"{points:+d}".replace("-", "−") if points else "0"


def _differs_shown(found: Comparison) -> list[Block]:
    if not found.differs:
        return [Text("Both runs have the same settings.")]
    rows = [Row((Cell(key), Cell(_setting(key, a), "wide"), Cell(_setting(key, b), "wide"))) for key, a, b in found.differs]
    return [Table(("setting", *found.names), rows)]


def _setting(key: str, value: Any) -> str:
    if value is None:
        return NONE
    if key == "labels" and isinstance(value, list):
        return f"{count(len(value), 'entry', 'entries')} of a label space"
    return listed(value, 10) if isinstance(value, list) else str(value)


def _changes_shown(found: Comparison) -> list[Block]:
    blocks: list[Block] = []
    if found.changes:
        better = sum(one.gain > 0 and one.is_clear for one in found.changes)
        worse = sum(one.gain < 0 and one.is_clear for one in found.changes)
        a, b = found.names
        blocks.append(
            Text(
                f"Measured by {found.measured_by}: {b} is clearly better than {a} in {count(better, 'label')} and clearly "
                f"worse in {worse:,}, of {len(found.changes):,}. Clear is more than two standard errors; of several "
                "labels a few may be clear by chance."
            )
        )
        rows = [
            Row((
                one.label,
                *(Cell(percent_of(value, one.support), value=value) for value in one.values),
                Cell(_points(one.gain), value=one.gain),
                Cell(whole(one.support), value=one.support),
                "clear" if one.is_clear else "",
            ))
            for one in found.changes
        ]  # fmt: skip
        search = "find a label" if len(rows) > _SEARCHABLE else ""
        head = ("label", a, b, "gain in points", "images that show it", "certainty")
        blocks.append(Table(head, rows, frozenset((1, 2, 3, 4)), sortable=True, search=search))
    else:
        blocks.append(Text("No label was measured in both runs."))
    for name, labels in zip(found.names, found.alone, strict=True):
        if labels:
            blocks.append(Text(f"Only {name} has {listed(labels, 10)}."))
    return blocks
