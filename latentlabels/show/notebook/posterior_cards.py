"""What a notebook shows of posteriors."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...space import LabelSpace
from ...words import count, number, percent
from ..pixels import Embedded, embedded
from ..top_labels import Outcome, foremost
from .known import image_name, view

MAX_IMAGES, MAX_OUTCOMES = 8, 12
_MARKS = {1: ("known", "vermilion"), 0: ("known absent", "grey")}


def posterior_html(
    marginals: NDArray[np.floating[Any]],
    space: LabelSpace,
    images: Sequence[str] | None = None,
    pictures: Any = None,
    known: NDArray[Any] | None = None,
) -> str:
    """The first images, each with its picture and the probabilities of its foremost labels by group.

    Args:
        marginals: (N, K) probabilities of presence.
        space: the label space.
        images: N names.
        pictures: N of what `pixels.rgb` reads; what it cannot is left out.
        known: (N, K) of 1, 0, -1.
    """
    shown = min(len(marginals), MAX_IMAGES)
    return view(
        "posterior.html",
        title=f"Posterior: {count(len(marginals), 'image')}, {count(space.num_labels, 'label')}",
        cards=[
            {
                "name": image_name(images, i),
                "picture": _picture(pictures, i),
                **_card(marginals[i], space, None if known is None else known[i]),
            }
            for i in range(shown)
        ],
        more=max(len(marginals) - MAX_IMAGES, 0),
    )


def _picture(pictures: Any, row: int) -> Embedded | None:
    if pictures is None:
        return None
    try:
        given = pictures[row]
    except Exception:  # a Dataset of the user's may fail in every way; its picture is then not shown
        return None
    return embedded(given, f"image {row}")


def _card(p: Any, space: LabelSpace, known: Any) -> dict[str, Any]:
    expected = float(np.asarray(p, np.float64).sum())
    found = foremost(p, space, known, limit=MAX_OUTCOMES)
    grouped = any(o.group or o.requires for o in found.shown)
    marked = any(o.known != -1 for o in found.shown)
    below = "" if found.below is None else f", each below {percent(found.below)}"
    return {
        "expected": f"{number(expected, 2)} labels expected" if math.isfinite(expected) else "its probabilities hold NaN",
        "groups": [
            {"name": name, "requires": requires, "rows": [_row(o) for o in outcomes]}
            for (name, requires), outcomes in itertools.groupby(found.shown, lambda o: (o.group, o.requires))
        ],
        "grouped": grouped,
        "marked": marked,
        "columns": 3 + grouped + marked,
        "silent": found.silent,
        "silent_above": percent(min(found.silent_above, 0.99)),  # 1 is rounded down: what is certain is rarely so
        "left_out": f"{count(found.num_left_out, 'label')} left out{below}" if found.num_left_out else "",
    }


def _row(o: Outcome) -> dict[str, Any]:
    mark, colour = _MARKS.get(o.known, ("", "blue"))
    label = o.column is not None
    colour = colour if label else "grey"
    shown = {"text": o.text, "label": label, "share": o.probability, "percent": percent(o.probability)}
    return {**shown, "mark": mark, "colour": colour}
