"""An image's distribution from its marginals alone, as a run folder keeps them: those of a forest determine its logits.

Given that a group applies, its outcomes are independent of all else. Their probabilities are those of the labels divided by
that of the group applying. Where the empty label set counts r times what the logits say, marginals are those of the logits
divided by D = 1 - (1 - r) P0, and P0 follows from D: the root of a function of D that falls from r at 0 to below 0 at 1.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...space import Group, LabelSpace
from .documents import Document, numbers

_STEPS = 60  # of a bisection: all bits of a double


def marginals_document(marginals: NDArray[Any], space: LabelSpace, empty_odds: float = 1.0) -> Document:
    """What `image_document` gives, of an image without known labels.

    Args:
        marginals: (K,) p(label present), of a single forest.
        space: the label space.
        empty_odds: r, above 0: how much the empty label set counts.
    """
    p = np.clip(np.asarray(marginals, np.float64), 0.0, 1.0)
    mass = 1.0 if empty_odds >= 1 else _mass(p, space, empty_odds)
    logits: list[float] = []
    shares = _shares(p * mass, space)
    for group in space.groups:
        labels, none = shares[group.name]
        if group.num_logits == 1 and group.optional:
            logits.append(_log(labels[0]) - _log(none) if labels[0] or none else 0.0)
        else:
            logits += [_log(share) for share in ([*labels, none] if group.optional else labels)]
    return {"components": [{"weight": 1.0, "logits": numbers(logits)}], "emptyOdds": empty_odds, "known": {}}


def _shares(p: NDArray[np.float64], space: LabelSpace) -> dict[str, tuple[list[float], float]]:
    """The outcomes of each group given that it applies: those of its labels, and "none"; even ones if it never applies."""
    out: dict[str, tuple[list[float], float]] = {}
    applies: dict[str, float] = {}
    rest: dict[str, float] = {}
    for group in space.parents_first:
        own = p[space.columns(group)].tolist()
        whole = _applies(group, space, p, applies, rest)
        applies[group.name] = whole
        rest[group.name] = max(whole - sum(own), 0.0) if group.optional else 0.0
        total = sum(own) + rest[group.name]
        even = 1 / (len(own) + group.optional)
        out[group.name] = ([x / total for x in own], rest[group.name] / total) if total > 0 else ([even] * len(own), even)
    return out


def _applies(
    group: Group, space: LabelSpace, p: NDArray[np.float64], applies: dict[str, float], rest: dict[str, float]
) -> float:
    parent = space.parent(group)
    if parent is None:
        return 1.0
    inside = float(p[[space.index(label) for label in parent.labels]].sum()) if parent.labels else 0.0
    return inside + (rest[parent.group] if parent.none else 0.0)


def _mass(p: NDArray[np.float64], space: LabelSpace, empty_odds: float) -> float:
    low, high = 0.0, 1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        shares = _shares(p * middle, space)
        empty = math.prod(shares[name][1] for name in space.open_groups)
        if 1 - (1 - empty_odds) * empty > middle:
            low = middle
        else:
            high = middle
    return high


def _log(share: float) -> float:
    return math.log(share) if share > 0 else -math.inf
