"""What a notebook shows of posteriors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...space import LabelSpace
from ...words import count, number, percent
from ..html import (
    BLUE,
    GREY,
    VERMILION,
    Html,
    bar,
    code,
    escaped,
    joined,
    named,
    names,
    paragraph,
    quiet,
    table,
    thumbnail,
    view,
)
from ..top_labels import Outcome, foremost
from .known import image_name

MAX_IMAGES, MAX_OUTCOMES = 8, 12


def posterior_html(
    marginals: NDArray[np.floating[Any]],
    space: LabelSpace,
    images: Sequence[str] | None = None,
    pictures: Any = None,
    known: NDArray[Any] | None = None,
) -> Html:
    """The first images, each with its picture and the probabilities of its foremost labels by group.

    Args:
        marginals: (N, K) probabilities of presence.
        space: the label space.
        images: N names.
        pictures: N of what `thumbnail` reads; what it cannot is left out.
        known: (N, K) of 1, 0, -1.
    """
    shown, left_out = min(len(marginals), MAX_IMAGES), len(marginals) - MAX_IMAGES
    cards = "".join(_card(i, marginals[i], space, images, pictures, None if known is None else known[i]) for i in range(shown))
    return view(
        f"Posterior: {count(len(marginals), 'image')}, {count(space.num_labels, 'label')}",
        Html(f'<div class="ll-cards">{cards}</div>') if cards else paragraph("No images."),
        paragraph(joined([f"{left_out:,} more: ", code(".marginals"), " or ", code(".to_frame()"), " have all of them."]))
        if left_out > 0
        else "",
    )


def _card(row: int, p: Any, space: LabelSpace, images: Sequence[str] | None, pictures: Any, known: Any) -> Html:
    expected = float(np.asarray(p, np.float64).sum())
    said = f"{number(expected)} labels expected" if math.isfinite(expected) else "its probabilities hold NaN"
    head = joined([Html(f"<b>{image_name(images, row)}</b>"), " ", quiet(said)])
    picture = "" if pictures is None else thumbnail(_item(pictures, row), alt=f"image {row}")
    return Html(f'<div class="ll-card">{paragraph(head)}<div>{picture}{_outcomes(p, space, known)}</div></div>')


def _item(pictures: Any, row: int) -> Any:
    try:
        return pictures[row]
    except Exception:  # a Dataset of the user's may fail in every way; its picture is then not shown
        return None


def _outcomes(p: Any, space: LabelSpace, known: Any) -> Html:
    found = foremost(p, space, known, limit=MAX_OUTCOMES)
    grouped = any(o.group or o.requires for o in found.shown)
    marked = any(o.known != -1 for o in found.shown)
    rows: list[Sequence[Any]] = []
    before: Outcome | None = None
    for o in found.shown:
        heading: Any = None
        if before is None or (before.group, before.requires) != (o.group, o.requires):
            needs = "" if o.requires is None else Html(f"<div>{quiet(joined(['if ', named(o.requires, 20)]))}</div>")
            heading = joined([named(o.group, 24) if o.group else "", needs])
        text = named(o.text, 32) if o.column is not None else Html(f"<i>{escaped(o.text)}</i>")
        mark, colour = {1: ("known", VERMILION), 0: ("known absent", GREY)}.get(o.known, ("", BLUE))
        share = bar(o.probability, colour if o.column is not None else GREY, "5em")
        cells = (text, share, percent(o.probability), *([mark] if marked else []))
        rows.append((heading, *cells) if grouped else cells)
        before = o
    if found.silent:
        # 1 is rounded down to 99 %: what is certain is rarely so
        above = min(found.silent_above, 0.99)
        rows.append((quiet(joined(["do not apply, each above ", percent(above), ": ", names(found.silent, 20)])),))
    if found.num_left_out:
        below = "" if found.below is None else f", each below {percent(found.below)}"
        rows.append((quiet(f"{count(found.num_left_out, 'label')} left out{below}"),))
    return table((), rows, {3 if grouped else 2})
