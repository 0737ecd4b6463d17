"""The labels of a run: every one in a table that sorts, the groups, and the files behind."""

from __future__ import annotations

import json
from html import escape

from ..fitting.run_folder import begun_config
from ..space import Free, Group
from ..words import count, listed
from .contents import Material
from .layout import Number, sortable, table

_SEARCHABLE = 12  # labels above which one searches rather than looks


def every_label(made: Material) -> str:
    """What is known, believed and measured of each label."""
    run, found, prior, counts = made.run, made.fitted, made.prior, made.counts
    precision = made.metrics.get("per_label_ap")
    precision = precision if isinstance(precision, dict) else {}
    head = ["column", "label", "group"]
    columns = [("known present", [counts.get(label, (None, None))[0] for label in run.space.labels], "count")] if counts else []
    if any(absent for _, absent in counts.values()):
        columns.append(("known absent", [counts.get(label, (None, None))[1] for label in run.space.labels], "count"))
    if prior is not None:
        columns.append(("prior", prior.tolist(), "share"))
    if found is not None:
        columns.append(("posterior", found.prevalence.tolist(), "share"))
    if made.evaluated is not None and len(made.evaluated.truth_prevalence):
        columns.append(("in truth", made.evaluated.truth_prevalence.tolist(), "share"))
    if precision:
        columns.append(("average precision", [precision.get(label) for label in run.space.labels], "share"))
    rows = [
        (
            Number(k + 1, "count"),
            label,
            _group(run.space.group_of(label)),
            *(Number(values[k], style) for _, values, style in columns),
        )
        for k, label in enumerate(run.space.labels)
    ]
    what = "A click on a heading sorts." + (" Prior and posterior: the share of images that show the label." if found else "")
    search = "find a label" if len(rows) > _SEARCHABLE else ""
    return f"<p>{what}</p>\n" + sortable([*head, *(name for name, *_ in columns)], rows, search)


def _group(group: Group) -> str:
    return "" if isinstance(group, Free) else group.name


def space(made: Material) -> str:
    """The groups."""
    of = made.run.space
    merged: dict[tuple[str, str, str | None], list[str]] = {}
    for group in of.groups:
        merged.setdefault((_group(group), _kind(group), group.requires), []).extend(group.labels)
    rows = [
        (name or "free", kind, requires or "", len(labels), listed(labels)) for (name, kind, requires), labels in merged.items()
    ]
    lead = f"{count(of.num_labels, 'label')} in {count(len(of.groups), 'group')}."
    return f"<p>{lead}</p>\n" + table(("group", "what can be present", "requires", "size", "labels"), rows, {3})


def _kind(group: Group) -> str:
    if isinstance(group, Free):
        return "each label or not"
    return "one of them or none" if group.optional else "exactly one"


def details(made: Material) -> str:
    """Configuration and environment, folded up."""
    config = (made.folder / "config.yaml" if made.run.weights else begun_config(made.folder)).read_text(encoding="utf-8")
    environment = json.dumps(made.run.environment, indent=1, ensure_ascii=False)
    parts = (("Configuration", config), ("Environment", environment))
    return "\n".join(f"<details><summary>{name}</summary><pre>{escape(text)}</pre></details>" for name, text in parts)
