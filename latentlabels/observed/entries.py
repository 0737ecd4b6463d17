"""The statements of a file as entries in the columns of a label space."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import LabelSpaceError, ObservationError, nearest
from ..space import LabelSpace, OneOf
from ..space.groups import NONE
from ..words import count, listed
from .meaning import OPEN
from .names import full_name, rough
from .record import Statements

_Ints = NDArray[np.integer[Any]]
SHOWN_PLACES = 6


class Entries:
    """The entries of statements in the columns of a label space.

    Args:
        found: the statements.
        names: their labels, tidy.
        space: the label space.
        image_of: the image of each name; None where each name is an image of its own.

    Attributes:
        plain: the column of each label, where none names an empty outcome; None otherwise.
        notes: names that were taken for labels spelt otherwise.
    """

    def __init__(self, found: Statements, names: Sequence[str], space: LabelSpace, image_of: _Ints | None):
        self.found, self.image_of = found, image_of
        self.notes: list[str] = []
        self._space = space
        groups = found.outcome_of if found.outcome_of is not None else [None] * len(names)
        targets = [self._target(name, group, place) for place, (name, group) in enumerate(zip(names, groups, strict=True))]
        single = [target for target in targets if isinstance(target, int)]
        self.plain = np.asarray(single, np.int64) if len(single) == len(targets) == len({*single}) else None
        self._targets = targets
        if len(single) != len({*single}) and found.matrix is not None:
            both = [names[place] for place, target in enumerate(targets) if single.count(target) > 1]  # type: ignore[arg-type]
            raise ObservationError(f"{found.source}: columns {listed(both)} are the same label; remove or rename one")

    def _target(self, name: str, group: str | None, place: int) -> int | OneOf:
        space = self._space
        if group is not None:
            empty = space.empty_outcome(name, group)
            if empty is not None:
                return empty
            if full_name(group, name) in space.labels:
                return space.index(full_name(group, name))
        if name in space.labels:
            column = space.index(name)
            if group is None or space.group_of(name).name == group:
                return column
            raise ObservationError(
                f'{self._first(place)}: "{name}" is not a label of group "{group}", but of "{space.group_of(name).name}"'
            )
        try:
            empty = space.empty_outcome(name)
        except LabelSpaceError as error:
            raise ObservationError(f"{self._first(place)}: {error}") from None
        if empty is not None:
            return empty
        respelt = self._empty_alike(name, group)
        if respelt is not None:
            return respelt
        alike = [label for label in space.labels if rough(label) == rough(name)]
        if len(alike) == 1:
            self.notes.append(f'"{name}" is taken for the label "{alike[0]}", which is spelt otherwise')
            return space.index(alike[0])
        raise ObservationError(
            f'{self._first(place)}: the label space has no label "{name}"{nearest(name, space.labels)}; correct the '
            "table, or add the label to the label space"
        )

    def _empty_alike(self, name: str, group: str | None) -> OneOf | None:
        """The group whose empty outcome is called so but for capitals and blanks."""
        optional = [one for one in self._space.groups if isinstance(one, OneOf) and one.optional]
        named = [one for one in optional if rough(name) == rough(one.empty_name) and group in (None, one.name)]
        if rough(name) == NONE and len(optional) == 1 and group is None:
            named = optional
        if len(named) != 1:
            return None
        self.notes.append(f'"{name}" is taken for "{named[0].empty_name}" of group "{named[0].name}", which is spelt otherwise')
        return named[0]

    def _first(self, label: int) -> str:
        """Where a label is first mentioned."""
        found = self.found
        if found.matrix is not None or found.where is None:
            return found.source
        mentions = np.flatnonzero(np.asarray(found.label) == label)
        return found.at(int(found.where[mentions[0]])) if len(mentions) else found.source

    def all(self) -> tuple[_Ints, _Ints, NDArray[np.int8], _Ints]:
        """Image, column, value and number in `where` of each entry; -1 for the latter where the file has none."""
        found = self.found
        image: _Ints
        label: _Ints
        if found.matrix is not None:
            image, label = np.nonzero(found.matrix != OPEN)
            value = found.matrix[image, label]
            where = image if found.where is None else np.asarray(found.where, np.int64)[image]
        else:
            image, label, value = np.asarray(found.image), np.asarray(found.label), found.value
            where = np.full(len(image), -1) if found.where is None else np.asarray(found.where, np.int64)
        if self.image_of is not None:
            image = self.image_of[image]
        if self.plain is not None:
            return image, self.plain[label] if len(self.plain) else label.astype(np.int64), value, where
        return self._expanded(image, label, value, where)

    def _expanded(self, image: _Ints, label: _Ints, value: NDArray[np.int8], where: _Ints) -> tuple[Any, ...]:
        """With the entries of an empty outcome as known absences of all labels of the group."""
        column = np.array([target if isinstance(target, int) else -1 for target in self._targets], np.int64)[label]
        parts = [(image, column, value, where, column >= 0)]
        for place, target in enumerate(self._targets):
            if isinstance(target, int):
                continue
            mine = label == place
            denied = np.flatnonzero(mine & (value == 0))
            if len(denied):
                self.notes.append(
                    f'{count(len(denied), "statement")} that "{self.found.labels[place]}" is not the case, without the label '
                    f'of group "{target.name}" that is: left out (the first is {self.found.at(int(where[denied[0]]))})'
                )
                mine &= value != 0
            for k in self._space.columns(target):
                parts.append((image, np.full(len(image), k), np.where(value == 1, 0, value).astype(np.int8), where, mine))
        return tuple(np.concatenate([part[which][part[4]] for part in parts]) for which in range(4))

    def places(self, image: int) -> list[str]:
        """Where the statements about an image stand."""
        found = self.found
        if found.where is None:
            return []
        names = np.asarray([image]) if self.image_of is None else np.flatnonzero(self.image_of == image)
        about = names if found.matrix is not None else np.flatnonzero(np.isin(found.image, names))
        numbers = np.unique(np.asarray(found.where)[about])[:SHOWN_PLACES]
        return [found.at(int(number)) for number in numbers.tolist()]
