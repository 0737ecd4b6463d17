"""What a notebook shows of a label space and of what is known of images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import PurePath
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...space import Free, Group, LabelSpace
from ...words import count
from ..html import Html, bar, escaped, facts, joined, named, names, paragraph, quiet, table, view

MAX_GROUPS, MAX_NAMES = 30, 12  # of a label space
MAX_LABELS, MAX_ROWS = 12, 5  # of what is known


# --- the label space ------------------------------------------------------------------------------------


class Branch(NamedTuple):
    """A group of the space, or free labels that require the same, under the label that it requires.

    Attributes:
        depth: 0 for what requires nothing.
        groups: one `OneOf`, or `Free` ones.
        labels: theirs.
    """

    depth: int
    groups: list[Group]
    labels: list[str]


def space_html(space: LabelSpace) -> Html:
    """The groups as a tree: what requires a label stands below that label's group."""
    branches = list(_tree(space))
    rows: list[Sequence[Any]] = [_branch(branch) for branch in branches[:MAX_GROUPS]]
    left_out = branches[MAX_GROUPS:]
    if left_out:
        labels = sum(len(branch.labels) for branch in left_out)
        rows.append((quiet(f"and {count(labels, 'more label')} in {count(len(left_out), 'more group')}"),))
    free = sum(isinstance(group, Free) for group in space.groups)
    parts = [f"{space.num_labels - free:,} in {count(len(space.groups) - free, 'group')}"] if free < len(space.groups) else []
    parts += [f"{free:,} free"] if free else []
    return view(
        f"LabelSpace: {count(space.num_labels, 'label')}, {', '.join(parts)}",
        table(("group", "on an image", "", "labels"), rows, {2}),
        paragraph(quiet(f"A head for it gives {count(space.num_logits, 'logit')} per image.")),
    )


def _tree(space: LabelSpace) -> Iterator[Branch]:
    """Depth first, in the order of declaration; free labels that require the same are one branch."""
    below: dict[str | None, list[list[Group]]] = {}
    for group in space.groups:
        siblings = below.setdefault(group.requires, [])
        free = next((branch for branch in siblings if isinstance(branch[0], Free)), None) if isinstance(group, Free) else None
        if free is not None:
            free.append(group)
        else:
            siblings.append([group])
    pending = [(0, groups) for groups in reversed(below.get(None, []))]
    while pending:  # no recursion: chains of a thousand labels are valid
        depth, groups = pending.pop()
        labels = [label for group in groups for label in group.labels]
        yield Branch(depth, groups, labels)
        children = [branch for label in labels for branch in below.get(label, [])]
        pending += [(depth + 1, branch) for branch in reversed(children)]


def _branch(branch: Branch) -> tuple[Any, ...]:
    group = branch.groups[0]
    free = isinstance(group, Free)
    one = len(branch.labels) == 1
    if free:
        name, kind = quiet("free label" if one else "free labels"), "present or not" if one else "each present or not"
    else:
        name, kind = named(group.name), "one of them or none" if group.optional else "exactly one"
    if branch.depth:
        name = Html(f'<span style="padding-left:{1.3 * min(branch.depth, 6) - 1.3:.1f}em">└ {name}</span>')
    if group.requires is not None:
        kind = joined([f"{kind}, where ", named(group.requires), " is present"])
    return name, kind, f"{len(branch.labels):,}", names(branch.labels, MAX_NAMES)


# --- what is known --------------------------------------------------------------------------------------


def observed_html(values: NDArray[np.int8], space: LabelSpace, images: Sequence[str] | None = None) -> Html:
    """What is known of N images: how much, of which labels, and the first images.

    Args:
        values: (N, K) of 1, 0, -1.
        space: the label space.
        images: N names.
    """
    title = f"Observed: {count(len(values), 'image')}, {count(space.num_labels, 'label')}"
    if not len(values):
        return view(title, paragraph("No images: nothing is known."))
    per_image, present, absent = (values != -1).sum(1), (values == 1).sum(0), (values == 0).sum(0)
    low, high, none = int(per_image.min()), int(per_image.max()), int((per_image == 0).sum())
    spread = f"{low}" if low == high else f"{low:,} to {high:,}, {per_image.mean():.2f} on average"
    nothing = f"; {count(none, 'image')} without any" if none else ""
    share = f"{100 * (values == -1).mean():.1f} % of the table not known"
    never = [label for label, known in zip(space.labels, present, strict=True) if not known]
    never_known = joined([f"{count(len(never), 'label')}: ", names(never, MAX_NAMES)]) if never else ""
    return view(
        title,
        facts(
            [
                ("known labels per image", spread + nothing),
                ("altogether", f"{present.sum():,} known present, {absent.sum():,} known absent, {share}"),
                ("never known present", never_known),
            ]
        ),
        _known_counts(present, absent, space),
        _first_rows(values, space, images),
    )


def _known_counts(present: NDArray[Any], absent: NDArray[Any], space: LabelSpace) -> Html:
    order = sorted(range(space.num_labels), key=lambda k: (-present[k], -absent[k], k))
    order = [k for k in order if present[k] or absent[k]]
    if not order:
        return Html()
    most, refused = max(int(present.max()), 1), bool(absent.any())
    head = ("label", "known present", "", *(["known absent"] if refused else []))
    rows: list[Sequence[Any]] = [
        (named(space.labels[k]), f"{present[k]:,}", bar(present[k] / most), *([f"{absent[k]:,}"] if refused else []))
        for k in order[:MAX_LABELS]
    ]
    rest = order[MAX_LABELS:]
    if rest:
        top = int(present[rest].max())
        at_most = f"known present on {count(top, 'image')} at most" if top else "known absent alone"
        rows.append((quiet(f"and {count(len(rest), 'more label')}, {at_most}"),))
    return table(head, rows, {1, 3})


def _first_rows(values: NDArray[np.int8], space: LabelSpace, images: Sequence[str] | None) -> Html:
    rows: list[Sequence[Any]] = []
    for i, row in enumerate(values[:MAX_ROWS]):
        present, absent = ([space.labels[k] for k in np.flatnonzero(row == sign)] for sign in (1, 0))
        known = [names(present, MAX_NAMES)] if present else []
        known += [joined(["not ", names(absent, MAX_NAMES)])] if absent else []
        rows.append((image_name(images, i), joined(known, "; ") or quiet("nothing")))
    if len(values) > MAX_ROWS:
        rows.append((quiet(f"and {count(len(values) - MAX_ROWS, 'more image')}"),))
    return table(("image", "known"), rows)


def image_name(images: Sequence[str] | None, row: int) -> Html:
    """The end of a path, which tells images apart, with all of it as a tooltip."""
    if images is None or str(images[row]).isdecimal():
        return escaped(f"image {row if images is None else images[row]}")
    whole = str(images[row])
    parts = PurePath(whole).parts
    short = "/".join(parts[-2:])
    return named(whole) if len(parts) < 3 else Html(f'<span title="{escaped(whole)}">{named(short)}</span>')
