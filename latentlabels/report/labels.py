"""The labels of a run: every one in a table that sorts, the groups, and the files behind."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from ..annotation.learned import COVERS, Learned
from ..fitting.run_folder import begun_config
from ..show.blocks import Block, Cell, Details, Row, Source, Table, Text, plain_table
from ..space import Free, Group
from ..words import any_of, count, finite, grouping, listed, number, percent, percent_of, whole
from .contents import Contents

_SEARCHABLE = 12  # labels above which one searches rather than looks
_NAMES = 40  # labels of a group that are named


class _Column(NamedTuple):
    """Figures of all labels: counts, or shares of so many images."""

    name: str
    values: Sequence[Any]
    images: float | None = None
    share: bool = True

    def cell(self, k: int) -> Cell:
        value = finite(self.values[k])
        said = percent_of(value, self.images) if self.share else whole(value)
        return Cell(said, value=value)


def every_label(contents: Contents) -> list[Block]:
    """What is known, predicted and measured of each label."""
    labels, found = contents.run.space.labels, contents.fitted
    columns = _columns(contents)
    groups = [_group(contents.run.space.group_of(label)) for label in labels]
    of_group = (lambda k: (groups[k],)) if any(groups) else lambda k: ()
    rows = [
        Row((Cell(whole(k + 1), value=k + 1), Cell(label, "name"), *of_group(k), *(c.cell(k) for c in columns)))
        for k, label in enumerate(labels)
    ]
    text = "Click a heading to sort." + (" Prior and posterior: the share of images that show the label." if found else "")
    if contents.metrics:
        text += " Support: images with complete labels that show it. In random order, the average precision is the true share."
    first = ("column", "label", *(("group",) if any(groups) else ()))
    head = (*first, *(column.name for column in columns))
    search = "find a label" if len(rows) > _SEARCHABLE else ""
    return [Text(text), Table(head, rows, frozenset((0, *range(len(first), len(head)))), sortable=True, search=search)]


def _columns(contents: Contents) -> list[_Column]:
    labels, counts, found, prior = contents.run.space.labels, contents.counts, contents.fitted, contents.prior
    columns = []
    if counts:
        columns.append(_Column("known present", [counts.get(label, (None, None))[0] for label in labels], share=False))
    if any(absent for _, absent in counts.values()):
        columns.append(_Column("known absent", [counts.get(label, (None, None))[1] for label in labels], share=False))
    if prior is not None:
        columns.append(_Column("prior", prior.tolist(), contents.num_images))
    if found is not None:
        columns.append(_Column("posterior", found.prevalence.tolist(), float(found.num_images[0])))
    if contents.evaluated is not None and len(contents.evaluated.truth_prevalence):
        truth = contents.evaluated.truth_prevalence.tolist()
        columns.append(_Column("true share", truth, float(contents.evaluated.num_images[0])))
    return columns + _measured(contents)


_MEASURED = (
    ("support", "support"),
    ("average_precision", "average precision"),
    ("precision", "precision at 0.5"),
    ("recall", "recall at 0.5"),
    ("calibration_error", "calibration error"),
)


def _measured(contents: Contents) -> list[_Column]:
    """What complete labels say of each label; of files of earlier versions the average precision alone."""
    labels, size = contents.run.space.labels, finite(contents.metrics.get("num_images"))
    figures, precision = contents.metrics.get("per_label"), contents.metrics.get("per_label_ap")
    if isinstance(figures, dict) and figures:
        of = [given if isinstance(given := figures.get(label), dict) else {} for label in labels]
        return [_Column(name, [one.get(key) for one in of], size, key != "support") for key, name in _MEASURED]
    if isinstance(precision, dict) and precision:
        return [_Column("average precision", [precision.get(label) for label in labels], size)]
    return []


def weak(contents: Contents) -> list[Block]:
    """The labels that are not to be relied on, the weakest first, with the reason and what to do."""
    found = contents.verdict.weakest
    if not found or not contents.run.weights:
        return []
    counts = contents.counts
    rows = [
        Row((
            Cell(whole(place + 1), value=place + 1),
            Cell(one.label, "main"),
            _group(contents.run.space.group_of(one.label)) if one.label in contents.run.space.labels else "",
            Cell(whole(counts.get(one.label, (None, 0))[0]), value=counts.get(one.label, (None, 0))[0]),
            Cell(one.reason[:1].upper() + one.reason[1:], "wide"),
            Cell(one.todo, "wide"),
        ))
        for place, one in enumerate(found)
    ]  # fmt: skip
    head = ("rank", "label", "group", "known present", "why it is weak", "what to do")
    search = "find a label" if len(rows) > _SEARCHABLE else ""
    return [Table(head, rows, frozenset((0, 3)), kind="stacked", sortable=True, search=search)]


def learned(contents: Contents) -> list[Block]:
    """The numbers of the annotation that were learned, one table for each parameter."""
    stored = contents.run.diagnostics.get("learned")
    found = stored.values() if isinstance(stored, dict) else ()
    return [block for one in found for block in _learned(Learned.from_dict(one), contents.run.space.labels)]


_LEARNED = {
    "weights": "How readily each label is named when it is present, relative to the others (geometric mean 1).",
    "rates": "The probability that a label is reported when it is present.",
    "noise": "The share of known labels that are mistakes.",
}


def _learned(found: Learned, labels: Sequence[str]) -> list[Block]:
    names = labels if len(found.estimate) == len(labels) else ("all labels",)
    rows = [
        Row((name, *(Cell(number(value), value=value) for value in values)))
        for name, *values in zip(names, found.estimate, found.low, found.high, strict=True)
    ]
    source = count(found.num_complete, "complete image")
    if found.groups:
        source = f"the exhaustive groups {listed(found.groups)}, one number for each"
    text = (
        f"{_LEARNED[found.parameter]} Learned from {source} and {count(found.num_known, 'image')} with a known label; "
        f"the interval holds the number with probability {percent(COVERS)}."
    )
    head = ("label", found.parameter, "from", "to")
    search = "find a label" if len(rows) > _SEARCHABLE else ""
    return [Text(text), Table(head, rows, frozenset((1, 2, 3)), sortable=True, search=search)]


def _group(group: Group) -> str:
    return "" if isinstance(group, Free) else group.name


def space(contents: Contents) -> list[Block]:
    """The groups."""
    of = contents.run.space
    merged: dict[tuple[str, str, str], list[str]] = {}
    for group in of.groups:
        merged.setdefault((_group(group), _kind(group), _conditions(group)), []).extend(group.labels)
    rows = [
        (name or "free", kind, conditions, f"{len(labels):,}", listed(labels, _NAMES))
        for (name, kind, conditions), labels in merged.items()
    ]
    lead = f"{count(of.num_labels, 'label')}: {grouping(of.num_labels, of.num_free, len(of.groups))}."
    return [Text(lead), plain_table(("group", "an image shows", "requires", "size", "labels"), rows, [3])]


def _conditions(group: Group) -> str:
    """What a group requires and excludes."""
    excluded = [group.excludes] if isinstance(group.excludes, str) else list(group.excludes or ())
    needs = [any_of(group.required)] if group.required else []
    return "; ".join(needs + ([f"excludes {listed(excluded, _NAMES)}"] if excluded else []))


def _kind(group: Group) -> str:
    if isinstance(group, Free):
        return "each label or not"
    return "one of them or none" if group.optional else "exactly one"


def details(contents: Contents) -> list[Block]:
    """Configuration and environment, folded up."""
    config = (contents.folder / "config.yaml" if contents.run.weights else begun_config(contents.folder)).read_text(
        encoding="utf-8"
    )
    environment = json.dumps(contents.run.environment, indent=1, ensure_ascii=False)
    parts = (("Configuration", config), ("Environment", environment))
    return [Details(name, [Source(text)]) for name, text in parts]
