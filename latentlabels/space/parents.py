"""What each group hangs below: the declarations `requires` and `excludes` as one forest, or why they are none.

A group hangs below a set of outcomes of one other group, its parent, and applies where the parent has one of them. An outcome
is a present label, or "none". `requires: [car, truck]` is the set of these two. A group that is excluded hangs below "none" of
the one that excludes it. So sums over label sets stay products along a tree.

Exclusion goes both ways, and groups that exclude each other stand in a graph. It is a forest if, and only if, each connected
part has a group that excludes all others of it, and so on without that group (Wolk, 1962: such graphs hold neither a path nor
a cycle of four). That group is made the parent of the others. A group that excludes some labels of another one, not all, hangs
below the outcomes that are left.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from ..errors import LabelSpaceError, nearest
from ..words import any_of
from .groups import ALL, Group


class Parent(NamedTuple):
    """The outcomes of one group below which another one hangs.

    Attributes:
        group: the name of the parent.
        labels: its labels that let the other one apply, in order of declaration.
        none: whether its being without a label, where it applies itself, does so too.
    """

    group: str
    labels: tuple[str, ...]
    none: bool = False

    @property
    def outcomes(self) -> frozenset[str | None]:
        """The labels, and None for "none"."""
        return frozenset((*self.labels, None) if self.none else self.labels)


Parents = dict[str, Parent | None]


def resolve(groups: Sequence[Group]) -> Parents:
    """The parent of each group by name, None for roots.

    Raises:
        LabelSpaceError: names that no label has, a circle, or declarations that are no forest.
    """
    owner = {label: group for group in groups for label in group.labels}
    required: Parents = {group.name: _required(group, owner) for group in groups}
    parents = dict(required)
    _refuse_circles(groups, parents)
    excluders = [group for group in groups if group.excludes]
    if not excluders:
        return parents
    for group in excluders:
        _check_excludes(group, groups, owner)
    excluded = {group.name: _excluded(group, owner) for group in excluders}
    _hang_below_the_rest(groups, parents, excluded)
    _refuse_circles(groups, parents, "`excludes`")
    by_parent: dict[Parent | None, list[Group]] = {}
    for group in groups:
        by_parent.setdefault(parents[group.name], []).append(group)
    for parent, siblings in by_parent.items():
        for name, above in _as_forest(siblings, excluded):
            parents[name] = parent if above is None else Parent(above, (), True)
    _check_forest(groups, parents, required, excluded)
    return parents


def either(labels: Sequence[str]) -> str:
    """Labels in words: '"car" or "truck"'."""
    return any_of([f'"{label}"' for label in labels])


def _required(group: Group, owner: Mapping[str, Group]) -> Parent | None:
    if not group.required:
        return None
    for label in group.required:
        if label not in owner:
            raise LabelSpaceError(
                f'group "{group.name}" requires "{label}", which is not a label of the space' + nearest(str(label), owner)
            )
    above = owner[group.required[0]]
    others = [label for label in group.required if owner[label] is not above]
    if others:
        raise LabelSpaceError(
            f'group "{group.name}" requires {either(group.required)}, but "{group.required[0]}" is of group "{above.name}" and '
            f'"{others[0]}" of group "{owner[others[0]].name}"; any of several labels can be required where they are of one '
            "group. If they exclude each other, put them into one (one_of: [...], optional: true); if not, add a label that "
            f'"{group.name}" and all of them require'
        )
    return Parent(above.name, tuple(label for label in above.labels if label in group.required))


def _refuse_circles(groups: Sequence[Group], parents: Parents, keys: str = "`requires`") -> None:
    rooted: set[str] = set()  # groups from which the way up ends at a root: chains may be thousands long
    for group in groups:
        way, above = {group.name: 0}, parents[group.name]
        while above is not None and above.group not in rooted:
            if above.group in way:  # the circle need not hold the group that the walk began at
                path = " -> ".join([*list(way)[way[above.group] :], above.group])
                raise LabelSpaceError(f"the {keys} of these groups form a circle: {path}; remove one of them")
            way[above.group] = len(way)
            above = parents[above.group]
        rooted.update(way)


# --- exclusion ------------------------------------------------------------------------------------------


def _check_excludes(group: Group, groups: Sequence[Group], owner: Mapping[str, Group]) -> None:
    if group.excludes == ALL:
        if group.required:
            raise LabelSpaceError(
                f'"{group.name}" excludes all other labels and requires {either(group.required)}, so it could never be '
                "present; remove one of the two"
            )
        below = next((one for one in groups if any(label in group.labels for label in one.required)), None)
        if below is not None:
            raise LabelSpaceError(
                f'"{below.name}" requires {either(below.required)}, but "{group.name}" excludes all other labels; list what it '
                "excludes instead of all"
            )
        return
    for label in group.excludes or ():
        if label not in owner:
            hint = nearest(str(label), [*owner, ALL])
            raise LabelSpaceError(f'"{group.name}" excludes "{label}", which is not a label of the space' + hint)
        if label in group.labels:
            raise LabelSpaceError(f'"{group.name}" excludes "{label}", its own label; remove it from excludes')
        if label in group.required:
            raise LabelSpaceError(f'"{group.name}" both requires and excludes "{label}"; remove it from one of the two')


def _excluded(group: Group, owner: Mapping[str, Group]) -> dict[str, set[str]]:
    """The labels that a group excludes, by their group."""
    out: dict[str, set[str]] = {}
    for label in owner if group.excludes == ALL else group.excludes or ():
        if owner[label] is not group:
            out.setdefault(owner[label].name, set()).add(label)
    return out


def _hang_below_the_rest(groups: Sequence[Group], parents: Parents, excluded: Mapping[str, Mapping[str, set[str]]]) -> None:
    """Hang groups that exclude some labels of a sibling below its other outcomes."""
    by_name = {group.name: group for group in groups}
    moved: Parents = {}
    for name, labels in excluded.items():
        for other, some in labels.items():
            sibling = by_name[other]
            back = excluded.get(other, {}).get(name, set())
            if len(some) == len(sibling.labels) or len(back) == len(by_name[name].labels) or parents[other] != parents[name]:
                continue
            if name in moved:
                raise LabelSpaceError(
                    f'"{name}" excludes some labels of group "{moved[name].group}" and some of group "{other}", not all; '  # type: ignore[union-attr]
                    "a label can exclude some labels of one group, or whole groups. List all labels of these groups, or split "
                    f'"{name}" into one label for each'
                )
            moved[name] = Parent(other, tuple(label for label in sibling.labels if label not in some), sibling.optional)
    parents.update(moved)


def _as_forest(siblings: list[Group], excluded: Mapping[str, Mapping[str, set[str]]]) -> Iterator[tuple[str, str | None]]:
    """Each sibling and the one below whose "none" it hangs, if any."""
    by_name = {group.name: group for group in siblings}
    beside: dict[str, set[str]] = {}  # which siblings exclude each other
    for name in by_name:
        for other, labels in excluded.get(name, {}).items():
            if other in by_name and len(labels) == len(by_name[other].labels):
                beside.setdefault(name, set()).add(other)
                beside.setdefault(other, set()).add(name)
    rank = {
        group.name: (not group.optional, group.excludes != ALL, not group.excludes, place)
        for place, group in enumerate(siblings)
    }
    pending: list[tuple[set[str], str | None]] = [(part, None) for part in _connected(list(by_name), beside)]
    while pending:
        part, above = pending.pop()
        for name in sorted((one for one in part if len(beside.get(one, set()) & part) == len(part) - 1), key=rank.__getitem__):
            if by_name[name].optional or len(part) == 1:
                yield name, above
                part, above = part - {name}, name
        if not part:
            continue
        parts = _connected(list(part), beside)
        if len(parts) == 1:
            _refuse_exclusions(parts[0], beside, by_name)
        pending += [(one, above) for one in parts]


def _connected(names: list[str], beside: Mapping[str, set[str]]) -> list[set[str]]:
    left, parts = set(names), []
    for name in names:
        if name not in left:
            continue
        part, pending = {name}, [name]
        left.discard(name)
        while pending:
            new = beside.get(pending.pop(), set()) & left
            left -= new
            part |= new
            pending += new
        parts.append(part)
    return parts


def _refuse_exclusions(part: set[str], beside: Mapping[str, set[str]], by_name: Mapping[str, Group]) -> None:
    """Say why a connected part without a group that excludes all others is no forest."""
    names = [name for name in by_name if name in part]
    pairs = [(one, two) for one in names for two in names if by_name[one].excludes and by_name[two].excludes]
    for one, two in pairs:
        shared = sorted(beside[one] & beside[two] & part)
        left, right = sorted((beside[one] - beside[two]) & part), sorted((beside[two] - beside[one]) & part)
        if two not in beside[one] and shared and left and right:
            raise LabelSpaceError(
                f'both "{one}" and "{two}" exclude "{shared[0]}" and can be present together, but "{one}" excludes "{left[0]}" '
                f'as well, and "{two}" excludes "{right[0]}"; let one of the two exclude the other and all that it excludes, '
                "or, if they exclude each other, put them into one group (one_of: [...], optional: true, excludes: [...])"
            )
    always = next((name for name in names if not by_name[name].optional), None)
    if always is None:
        raise LabelSpaceError(
            f"the labels {', '.join(names[:6])}{', ...' if len(names) > 6 else ''} exclude each other in part, and no label of "
            "them excludes all others; put labels that exclude each other into one group (one_of: [...], optional: true)"
        )
    others = [name for name in names if name in beside[always]]
    raise LabelSpaceError(
        f'group "{always}" has one of its labels wherever it applies, and {_both(others)} exclude it, but can be present '
        "together; put what excludes it into one group (one_of: [...], optional: true), or make "
        f'"{always}" optional'
    )


def _both(names: Sequence[str]) -> str:
    return " and ".join(f'"{name}"' for name in names[:2])


# --- whether the forest says what was declared ----------------------------------------------------------


def _check_forest(
    groups: Sequence[Group], parents: Parents, required: Parents, excluded: Mapping[str, Mapping[str, set[str]]]
) -> None:
    by_name = {group.name: group for group in groups}
    ways: dict[str, dict[str, frozenset[str | None]]] = {}  # of a group: the outcomes of each one above by which it applies

    def way(name: str) -> dict[str, frozenset[str | None]]:
        if name not in ways:
            found: dict[str, frozenset[str | None]] = {}
            above = parents[name]
            while above is not None:
                found[above.group] = above.outcomes
                above = parents[above.group]
            ways[name] = found
        return ways[name]

    for name, labels in excluded.items():
        mine = {**way(name), name: frozenset[str | None](by_name[name].labels)}
        for other, some in labels.items():
            theirs = {**way(other), other: frozenset[str | None](some)}
            if not any(mine[one].isdisjoint(theirs[one]) for one in mine.keys() & theirs.keys()):
                raise LabelSpaceError(_not_beside(by_name[name], by_name[other], sorted(some)[0]))
    for group in groups:
        below, above = group.name, parents[group.name]
        while above is not None and above != required[below]:  # it hangs there by exclusion: what bars it has to be declared
            for label in by_name[above.group].labels:
                if label in above.labels:
                    continue
                said = label in excluded.get(group.name, {}).get(above.group, ())
                if not said and len(excluded.get(above.group, {}).get(group.name, ())) < len(group.labels):
                    raise LabelSpaceError(
                        f'"{group.name}" and "{label}" could not be present together, because both hang together with other '
                        f'labels that exclude each other; add "{label}" to what "{group.name}" excludes if that is meant, or '
                        "remove one of the other exclusions"
                    )
            below, above = above.group, parents[above.group]


def _not_beside(group: Group, other: Group, label: str) -> str:
    if any(one in group.labels for one in other.required):
        return f'"{group.name}" excludes "{label}", which requires it; remove one of the two'
    what = f'"{group.name}" excludes "{label}"'
    if other.required != group.required:
        needs = f'"{label}" requires {either(other.required)}' if other.required else f'"{label}" requires nothing'
        mine = f'"{group.name}" requires {either(group.required)}' if group.required else f'"{group.name}" requires nothing'
        return (
            f"{what}, but {needs} and {mine}; a label can exclude labels that require the same as it does. Exclude the "
            "label that the other one requires, or let both require the same"
        )
    return (
        f"{what}, and some labels of another group, not all; a label can exclude some labels of one group, or whole groups. "
        f'List all labels of these groups, or put "{group.name}" into the group whose labels it excludes'
    )
