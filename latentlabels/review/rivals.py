"""The rival of a known label: what is true of the image if the label is wrong.

A known positive is excluded by another label of its group, by a label that cannot be present with it through `requires` or
`excludes`, by "none" of a group that may be empty, and, if it is free, by its absence. A known absence is excluded by presence.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..space import LabelSpace, OneOf
from ..space.feasibility import feasible
from ..space.groups import NONE

_Floats = NDArray[np.float64]


class Rival(NamedTuple):
    """What excludes a known label.

    Attributes:
        label: a label that is present instead, or the name of an empty outcome ("none", or as the space calls it); None for the
            absence of the known label itself.
        probability: of that, given the image and its known labels.
    """

    label: str | None
    probability: float


class Rivals:
    """Rivals in one label space.

    Args:
        space: of K labels.
    """

    def __init__(self, space: LabelSpace):
        self.space = space
        self._excluding: dict[int, NDArray[np.int64]] = {}

    def excluding(self, column: int) -> NDArray[np.int64]:
        """Columns of the labels that cannot be present with one label."""
        if column not in self._excluding:
            size = self.space.num_labels
            both = np.full((size, size), -1, np.int8)
            np.fill_diagonal(both, 1)
            both[:, column] = 1
            self._excluding[column] = np.flatnonzero(~feasible(both, self.space))
        return self._excluding[column]

    def find(self, column: int, value: int, present: _Floats) -> Rival:
        """The most probable rival of a known label.

        Args:
            column: the label.
            value: 1 if it is known to be present, 0 if it is known to be absent.
            present: (K,) probabilities of presence, given the image and its known labels.
        """
        label = self.space.labels[column]
        if value == 0:
            return Rival(label, float(present[column]))
        group = self.space.group_of(label)
        absent = Rival(None, 1 - float(present[column]))
        own = set(self.space.columns(group)) - {column}
        excluding = self.excluding(column)
        outside = [k for k in excluding.tolist() if k not in own]
        others = [Rival(self.space.labels[k], float(present[k])) for k in own]
        beyond = max((float(present[k]) for k in outside), default=0.0)
        others += [Rival(self.space.labels[k], float(present[k])) for k in outside]
        if isinstance(group, OneOf) and (group.optional or self.space.parent(group) is not None):
            none = 1 - float(present[self.space.columns(group)].sum()) - beyond  # a label beyond the group explains the rest
            others.append(Rival(group.none or NONE, max(none, 0.0)))
        elif not isinstance(group, OneOf):
            others.append(Rival(None, max(absent.probability - beyond, 0.0)))
        best = max(others, key=lambda one: one.probability, default=absent)
        return absent if best.label is None else best
