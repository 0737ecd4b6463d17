"""The largest numbers of labels that can be present at once, in trees of a label space and in independent parts of them."""

from __future__ import annotations

from collections.abc import Mapping

from ..space import LabelSpace


def tree_sizes(space: LabelSpace, without: frozenset[str] = frozenset()) -> dict[str, int]:
    """The most labels present at once in a group and below it, where it applies; groups `without` count none."""
    sizes: dict[str, int] = {}
    for group in reversed(space.parents_first):  # leaves first, as trees may be deep
        outcomes = (*group.labels, None) if group.optional else group.labels
        most = max(
            int(outcome is not None) + sum(sizes[child.name] for child in space.below(group, outcome)) for outcome in outcomes
        )
        sizes[group.name] = 0 if group.name in without else most
    return sizes


def part_sizes(space: LabelSpace, sizes: Mapping[str, int]) -> tuple[int, int]:
    """`Forest.max_part_count` and `Forest.max_spine_count`, from `tree_sizes`."""
    opens = space.open_groups
    spine = {parent.group for name in opens if (parent := space.parent(space.named(name))) is not None}
    part = max(sizes[name] for name in opens - spine)
    for name in spine:
        group = space.named(name)
        below = ((child for child in space.below(group, label) if child.name not in opens) for label in group.labels)
        part = max(part, *(1 + sum(sizes[child.name] for child in children) for children in below))
    counted = tree_sizes(space, opens - spine)
    return part, sum(counted[root.name] for root in space.roots)
