"""Which groups a stated label can move, and why the others stay: by the label space alone, whatever the probabilities are.

A stated label weighs the outcomes of its group anew. The weight passes along the forest, from a group to what hangs below it
and to what it hangs below, and stops where an outcome was certain already. A group moves if the weights of its outcomes come to
differ. Weights are compared as products of factors: two products are equal if they have the same factors, as they are for all
probabilities but exceptional ones.

Trees of the forest are independent given the image. They are tied where one sum runs over all labels: the number of present
labels, by which an annotation picked the known one; the condition that an image has at least one label; or the kinds of images
of a mixture.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from .groups import Group
from .label_space import LabelSpace

Known = Mapping[str, int]  # 1 or 0 by label
Outcome = str | None
Factors = int | None  # a product: the sum of its factors' random numbers; None: zero, the outcome is impossible


class Shared(StrEnum):
    """What the posterior sums over all labels together, beside the groups' own outcomes."""

    NOTHING = "nothing"
    COUNT = "count"
    """The number of present labels: the known ones were picked from them (`UniformPositive`)."""
    WEIGHTS = "weights"
    """The weights of the present labels: the known one was picked in proportion to its own (`WeightedPositive`)."""
    ONE_AT_LEAST = "one at least"
    """The empty set counts less than the groups say (`NonEmptyLabelVector`)."""
    MIXTURE = "mixture"
    """The kinds of images of a mixture."""


class Tie(StrEnum):
    """How a group is tied to the stated labels; a group moves by all but the last two."""

    STATED = "stated"
    """A label of the group itself is stated."""
    LINKED = "linked"
    """`requires` or `excludes` links it to a stated label."""
    SHARED = "shared"
    """The sum over all labels ties it to them."""
    SETTLED = "settled"
    """What is stated changes none of its weights: it was known already, or what links it was."""
    INDEPENDENT = "independent"
    """Nothing links it to a stated label."""

    @property
    def moves(self) -> bool:
        """Whether a group that is tied so moves."""
        return self not in (Tie.SETTLED, Tie.INDEPENDENT)


def ties(space: LabelSpace, before: Known, stated: Known, shared: Shared = Shared.NOTHING) -> dict[str, Tie]:
    """How each group is tied to what is stated.

    Args:
        space: the label space.
        before: what was known before it was stated: 1 or 0 by label.
        stated: what is stated, likewise; together they have to be possible.
        shared: what ties all labels together, before or after.

    Returns:
        By the name of each group.
    """
    if shared is Shared.ONE_AT_LEAST and (1 in before.values() or not space.can_be_empty):
        shared = Shared.NOTHING
    if shared in (Shared.COUNT, Shared.WEIGHTS) and 1 not in before.values() and 1 not in stated.values():
        shared = Shared.NOTHING  # nothing was picked
    new = {label: value for label, value in stated.items() if before.get(label) != value}
    own = {space.group_of(label).name for label in new}
    root = _root_of(space)
    linked = {root[name] for name in own}
    by_links = _moved(space, before, new, Shared.NOTHING)
    together = _moved_together(space, before, new, shared, any(by_links.values()))
    out = {}
    for group in space.groups:
        name = group.name
        if by_links[name]:
            out[name] = Tie.STATED if name in own else Tie.LINKED
        elif together[name]:
            out[name] = Tie.SHARED
        else:
            out[name] = Tie.SETTLED if root[name] in linked or shared is not Shared.NOTHING else Tie.INDEPENDENT
    return out


def _root_of(space: LabelSpace) -> dict[str, str]:
    """The root of the tree that each group is in."""
    root: dict[str, str] = {}
    for group in space.parents_first:
        parent = space.parent(group)
        root[group.name] = group.name if parent is None else root[parent.group]
    return root


def _moved_together(space: LabelSpace, before: Known, new: Known, shared: Shared, anything: bool) -> dict[str, bool]:
    """Which groups move by the shared sum; none where what is stated says nothing."""
    picked = shared in (Shared.COUNT, Shared.WEIGHTS)
    # that a label was picked tells something of the others, also where its presence was certain; by weights, the first one
    pick = 1 in new.values() and (shared is Shared.COUNT or (shared is Shared.WEIGHTS and 1 not in before.values()))
    if shared is Shared.NOTHING or not (anything or pick):
        return dict.fromkeys((group.name for group in space.groups), False)
    if picked:
        return _moved(space, before, new, shared)
    possible = _Forest(space, before, {**before, **new}, Shared.NOTHING)
    one = shared is Shared.ONE_AT_LEAST  # then a label moves even where its group has no other outcome left
    return {group.name: possible.is_open(group, one) for group in space.groups}


def _moved(space: LabelSpace, before: Known, new: Known, shared: Shared) -> dict[str, bool]:
    forest = _Forest(space, before, {**before, **new}, shared)
    return {group.name: forest.moves(group) for group in space.groups}


@dataclass
class _Weights:
    """The outcomes of a group that applies, as they were possible before.

    Attributes:
        barred: by outcome, how many of its parts (itself, or a child) made it impossible before.
        zeros: and how many make it impossible now.
        factors: the product of all parts that are not zero.
    """

    barred: dict[Outcome, int] = field(default_factory=dict)
    zeros: dict[Outcome, int] = field(default_factory=dict)
    factors: dict[Outcome, int] = field(default_factory=dict)


class _Forest:
    """Weights after what is stated, in proportion to those before.

    Args:
        space: the label space.
        before: what was known.
        after: what is known now.
        shared: COUNT or WEIGHTS give each present label a factor.
    """

    def __init__(self, space: LabelSpace, before: Known, after: Known, shared: Shared):
        self.space, self.before, self.after, self.shared = space, before, after, shared
        self._draw, self._drawn = random.Random(0), dict[tuple[str, ...], int]()
        self._children: dict[str, list[Group]] = {group.name: [] for group in space.groups}
        for group in space.groups:
            if (parent := space.parent(group)) is not None:
                self._children[parent.group].append(group)
        self._on: dict[str, tuple[bool, Factors]] = {}  # of a group that applies: whether it could, and the weight of all
        self._off: dict[str, tuple[bool, Factors]] = {}  # of one that does not apply
        self._above: dict[str, tuple[tuple[bool, Factors], tuple[bool, Factors]]] = {}  # the same, by the rest of its tree
        self._weights: dict[str, _Weights] = {}
        self._offs: dict[str, tuple[int, int]] = {}  # how many parts kept a group from not applying, and how many do
        for group in reversed(space.parents_first):
            self._look_below(group)
        for group in space.parents_first:
            self._look_above(group)

    def moves(self, group: Group) -> bool:
        """Whether the probabilities of its labels change."""
        labels, rest = self._outcomes(group)
        empty = self._sum(rest, group.name, "empty")
        return bool(labels) and len({*labels, *([empty] if rest else [])}) > 1

    def is_open(self, group: Group, one: bool) -> bool:
        """Whether some label was possible, and something else as well; or, for `one`, some label."""
        labels, rest = self._outcomes(group)
        return bool(labels) and (one or len(labels) + bool(rest) > 1)

    def _outcomes(self, group: Group) -> tuple[list[Factors], list[Factors]]:
        """The weights of its labels that were possible, and of what leaves it empty."""
        (could, applies), (could_not, does_not) = self._above[group.name]
        labels: list[Factors] = []
        rest: list[Factors] = []
        if could:
            own = self._weights[group.name]
            for outcome in own.factors:
                if not own.barred[outcome]:
                    (rest if outcome is None else labels).append(_times(self._factor(own, outcome), applies))
        off, without = self._off[group.name]
        if could_not and off:
            rest.append(_times(without, does_not))
        return labels, rest

    def _look_below(self, group: Group) -> None:
        """The weight of each outcome by what is known of the group and below it."""
        own = self._weights[group.name] = _Weights()
        children = self._children[group.name]
        for outcome in (*group.labels, None) if group.optional else group.labels:
            parts = [self._own(group, outcome), *(self._part(child, outcome) for child in children)]
            own.barred[outcome] = sum(not could for could, _ in parts)
            own.zeros[outcome] = sum(factor is None for _, factor in parts)
            own.factors[outcome] = sum(factor for _, factor in parts if factor is not None)
        possible = [self._factor(own, outcome) for outcome, barred in own.barred.items() if not barred]
        self._on[group.name] = bool(possible), self._sum(possible, group.name, "on")
        offs = [self._off[child.name] for child in children]
        known = [[table.get(label) == 1 for label in group.labels] for table in (self.before, self.after)]
        could = not any(known[0]) and all(off for off, _ in offs)
        self._off[group.name] = could, None if any(known[1]) or any(factor is None for _, factor in offs) else 0

    def _look_above(self, group: Group) -> None:
        """The weights of the group applying and not, by the rest of its tree."""
        parent = self.space.parent(group)
        if parent is None:
            self._above[group.name] = (True, 0), (False, 0)
            return
        own, (applies, does_not) = self._weights[parent.group], self._above[parent.group]
        inside: list[Factors] = []
        outside: list[Factors] = []
        for outcome in own.factors:
            could, factor = self._part(group, outcome)
            if not applies[0] or own.barred[outcome] > (not could):  # impossible by something else
                continue
            others = None if own.zeros[outcome] > (factor is None) else own.factors[outcome] - (factor or 0)
            (inside if outcome in parent.outcomes else outside).append(_times(others, applies[1]))
        if does_not[0] and self._off_without(parent.group, group)[0]:
            outside.append(_times(self._off_without(parent.group, group)[1], does_not[1]))
        self._above[group.name] = (
            (bool(inside), self._sum(inside, group.name, "inside")),
            (bool(outside), self._sum(outside, group.name, "outside")),
        )

    def _off_without(self, name: str, child: Group) -> tuple[bool, Factors]:
        """Whether a group could not apply, by its labels and all but one child."""
        if name not in self._offs:
            labels = self.space.named(name).labels
            parts = [self._off[other.name] for other in self._children[name]]
            known = [any(table.get(label) == 1 for label in labels) for table in (self.before, self.after)]
            bars, zeros = sum(not could for could, _ in parts), sum(factor is None for _, factor in parts)
            self._offs[name] = bars + known[0], zeros + known[1]
        could, factor = self._off[child.name]
        bars, zeros = self._offs[name]
        return bars == (not could), None if zeros > (factor is None) else 0

    def _part(self, child: Group, outcome: Outcome) -> tuple[bool, Factors]:
        """What a child makes of an outcome of its parent."""
        parent = self.space.parent(child)
        assert parent is not None
        return (self._on if outcome in parent.outcomes else self._off)[child.name]

    def _own(self, group: Group, outcome: Outcome) -> tuple[bool, Factors]:
        """What is known of the group's own labels makes of an outcome."""
        could, can = (
            (outcome is None or table.get(outcome) != 0)
            and not any(table.get(label) == 1 for label in group.labels if label != outcome)
            for table in (self.before, self.after)
        )
        if not can:
            return could, None
        if outcome is None or self.after.get(outcome) == 1 or self.shared not in (Shared.COUNT, Shared.WEIGHTS):
            return could, 0
        return could, self._symbol("label", *([outcome] if self.shared is Shared.WEIGHTS else []))

    def _factor(self, own: _Weights, outcome: Outcome) -> Factors:
        return None if own.zeros[outcome] else own.factors[outcome]

    def _sum(self, factors: Iterable[Factors], *name: str) -> Factors:
        """The factor of several outcomes together: theirs, if it is one; otherwise a new one."""
        several = set(factors)
        if len(several) > 1:
            return self._symbol(*name)
        return several.pop() if several else 0

    def _symbol(self, *name: str) -> int:
        if name not in self._drawn:
            self._drawn[name] = self._draw.getrandbits(128)
        return self._drawn[name]


def _times(one: Factors, other: Factors) -> Factors:
    return None if one is None or other is None else one + other
