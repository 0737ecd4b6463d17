"""What a notebook shows of a label space and of known labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import PurePath
from typing import Any, NamedTuple

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from ...observed.known_table import KnownTable
from ...space import Free, Group, LabelSpace, Parent
from ...words import any_of, count, grouping, percent
from ..rendering import asset, render

MAX_GROUPS, MAX_NAMES = 30, 12  # of a label space
MAX_LABELS, MAX_ROWS = 12, 5  # of known labels


def view(template: str, **given: Any) -> str:
    """A notebook's view of something, with its style."""
    return render(f"notebook/{template}", style=Markup(asset("notebook/view.css").replace("\n", " ")), **given)


# --- the label space ------------------------------------------------------------------------------------


class Branch(NamedTuple):
    """A group of the space, or free labels that hang below the same outcomes of another group, under that group.

    Attributes:
        depth: 0 for roots.
        groups: one `OneOf`, or `Free` ones.
        labels: theirs.
        where: labels of the group above, with one of which it applies; "" without.
        unless: labels of the group above that exclude it; "" without.
    """

    depth: int
    groups: list[Group]
    labels: list[str]
    where: str
    unless: str

    @property
    def group(self) -> str | None:
        """The name of a `OneOf` group; None for free labels."""
        first = self.groups[0]
        return None if isinstance(first, Free) else first.name

    @property
    def shows(self) -> str:
        """What an image can show of it."""
        first = self.groups[0]
        if isinstance(first, Free):
            return "present or not" if len(self.labels) == 1 else "each present or not"
        return "one of them or none" if first.optional else "exactly one"

    @property
    def indent(self) -> str:
        """Of its name, in letters' widths."""
        return f"{1.3 * min(self.depth, 6) - 1.3:.1f}"


def space_html(space: LabelSpace) -> str:
    """The groups as a tree: what requires a label, or is excluded by one, stands below that label's group."""
    branches = list(_tree(space))
    rest = branches[MAX_GROUPS:]
    labels = sum(len(branch.labels) for branch in rest)
    kinds = grouping(space.num_labels, space.num_free, len(space.groups))
    return view(
        "space.html",
        title=f"LabelSpace: {count(space.num_labels, 'label')}, {kinds}",
        branches=branches[:MAX_GROUPS],
        left_out=f"and {count(labels, 'more label')} in {count(len(rest), 'more group')}" if rest else "",
        note=f"A head for it gives {count(space.num_logits, 'logit')} per image.",
        most=MAX_NAMES,
    )


def _tree(space: LabelSpace) -> Iterator[Branch]:
    """Depth first, in the order of declaration; free labels below the same outcomes are one branch."""
    below: dict[str | None, dict[Parent | None, list[list[Group]]]] = {}  # by the name of the parent
    for group in space.groups:
        parent = space.parent(group)
        siblings = below.setdefault(None if parent is None else parent.group, {}).setdefault(parent, [])
        free = next((branch for branch in siblings if isinstance(branch[0], Free)), None) if isinstance(group, Free) else None
        if free is not None:
            free.append(group)
        else:
            siblings.append([group])
    pending = [(0, groups) for groups in reversed(below.get(None, {}).get(None, []))]
    while pending:  # no recursion: chains of a thousand labels are valid
        depth, groups = pending.pop()
        labels = [label for group in groups for label in group.labels]
        yield Branch(depth, groups, labels, *_condition(space, space.parent(groups[0])))
        hanging = [parents for group in groups if (parents := below.get(group.name)) is not None]
        # below a label first, in the order of the labels
        order = {label: place for place, label in enumerate(labels)}
        found = sorted(
            ((parent, branches) for parents in hanging for parent, branches in parents.items() if parent is not None),
            key=lambda entry: (entry[0].none, min((order[label] for label in entry[0].labels), default=0)),
        )
        children = [branch for _, branches in found for branch in branches]
        pending += [(depth + 1, branch) for branch in reversed(children)]


def _condition(space: LabelSpace, parent: Parent | None) -> tuple[str, str]:
    """`Branch.where` and `Branch.unless`."""
    if parent is None:
        return "", ""
    if not parent.none:
        return any_of(parent.labels), ""
    return "", any_of([label for label in space.named(parent.group).labels if label not in parent.labels])


# --- known labels ---------------------------------------------------------------------------------------


class ImageName(NamedTuple):
    """How an image is called: the whole name, and the end of a path that tells images apart; None if that is all."""

    whole: str
    short: str | None = None


def image_name(images: Sequence[str] | None, row: int) -> ImageName:
    """The name of an image, or its number."""
    if images is None or str(images[row]).isdecimal():
        return ImageName(f"image {row if images is None else images[row]}")
    whole = str(images[row])
    parts = PurePath(whole).parts
    return ImageName(whole, None if len(parts) < 3 else "/".join(parts[-2:]))


def observed_html(known: KnownTable, space: LabelSpace, images: Sequence[str] | None = None) -> str:
    """The known labels of N images: how many, which ones, and the first images.

    Args:
        known: (N, K) of 1, 0, -1.
        space: the label space.
        images: N names.
    """
    title = f"Observed: {count(len(known), 'image')}, {count(space.num_labels, 'label')}"
    if not len(known):
        return view("observed.html", title=title, facts=[])
    present, absent = known.counts()
    never = [label for label, number in zip(space.labels, present, strict=True) if not number]
    unknown = percent(1 - float(known.num_known.mean()) / space.num_labels, 1)
    stated = f"{present.sum():,} known to be present, {absent.sum():,} known to be absent, {unknown} of the table unknown"
    more = len(known) - MAX_ROWS
    first = known.rows(np.arange(min(len(known), MAX_ROWS)))
    return view(
        "observed.html",
        title=title,
        facts=[("known labels per image", _per_image(known.num_known)), ("altogether", stated)],
        never=never,
        never_count=count(len(never), "label"),
        refused=bool(absent.any()),
        images=[_image(row, space, image_name(images, i)) for i, row in enumerate(first)],
        more_images=f"and {count(more, 'more image')}" if more > 0 else "",
        most=MAX_NAMES,
        **_labels(present, absent, space),
    )


def _per_image(known: NDArray[Any]) -> str:
    low, high, none = int(known.min()), int(known.max()), int((known == 0).sum())
    spread = f"{low}" if low == high else f"{low:,} to {high:,}, {known.mean():.2f} on average"
    return spread + (f"; {count(none, 'image')} without any" if none else "")


def _labels(present: NDArray[Any], absent: NDArray[Any], space: LabelSpace) -> dict[str, Any]:
    """The most often known labels, and what the rest is."""
    order = sorted(range(space.num_labels), key=lambda k: (-present[k], -absent[k], k))
    order = [k for k in order if present[k] or absent[k]]
    most = max(int(present.max()), 1)
    rows = [
        {"label": space.labels[k], "present": int(present[k]), "absent": int(absent[k]), "share": present[k] / most}
        for k in order[:MAX_LABELS]
    ]
    rest = order[MAX_LABELS:]
    top = int(present[rest].max()) if rest else 0
    at_most = f"known to be present on at most {count(top, 'image')}" if top else "known to be absent only"
    return {"labels": rows, "more_labels": f"and {count(len(rest), 'more label')}, {at_most}" if rest else ""}


def _image(row: NDArray[np.int8], space: LabelSpace, name: ImageName) -> dict[str, Any]:
    present, absent = ([space.labels[k] for k in np.flatnonzero(row == sign)] for sign in (1, 0))
    return {"name": name, "present": present, "absent": absent}
