"""What moves when labels are stated, and why the rest does not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..space import Group, LabelSpace

MOVED = 0.005  # a smaller change of a probability is not shown
_CERTAIN = 0.001


@dataclass(frozen=True)
class Moved:
    """A label whose probability changed."""

    label: str
    before: float
    after: float


@dataclass(frozen=True)
class Unmoved:
    """A group of which nothing changed, and why."""

    group: str
    reason: str


def changes(
    before: NDArray[np.float32], after: NDArray[np.float32], stated: set[str], space: LabelSpace, independent: bool
) -> tuple[list[Moved], list[Unmoved]]:
    """Labels that moved, most first, and groups that did not.

    Args:
        before: (K,) probabilities.
        after: (K,) given what is stated.
        stated: labels that were stated.
        space: the K labels.
        independent: whether groups that are not linked are independent given the image: looked-up labels, and no mixture.
    """
    difference = np.abs(after - before)
    order = [int(k) for k in np.argsort(-difference, kind="stable") if difference[k] >= MOVED]
    moved = [Moved(space.labels[k], float(before[k]), float(after[k])) for k in order if space.labels[k] not in stated]
    told = {_root(space.group_of(label), space) for label in stated}
    unmoved = []
    for group in space.groups:
        columns = space.columns(group)
        if stated & {*group.labels} or (difference[columns] >= MOVED).any():
            continue
        unmoved.append(Unmoved(group.name, _reason(group, before[columns], _root(group, space) in told, independent)))
    return moved, unmoved


def _reason(group: Group, p: NDArray[np.float32], linked: bool, independent: bool) -> str:
    if (np.minimum(p, 1 - p) < _CERTAIN).all():
        return "it was certain already"
    if independent and not linked:
        return "given the image, it is independent of what you stated"
    return "what you stated changes it by less than 0.5 %"


def _root(group: Group, space: LabelSpace) -> str:
    parent = space.parent(group)
    while parent is not None:
        group = space.named(parent.group)
        parent = space.parent(group)
    return group.name
