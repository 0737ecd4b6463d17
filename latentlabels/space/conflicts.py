"""Why no valid label set agrees with what is known of an image, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from .groups import ALL, Group
from .label_space import LabelSpace
from .parents import either

Outcomes = frozenset[str | None]


class _Demand(NamedTuple):
    """What the presence of a known label demands of a group: one of some outcomes."""

    outcomes: Outcomes
    because: str


def explain(known: Mapping[str, int], space: LabelSpace) -> str:
    """Why no valid label set agrees with known labels, 1 for present and 0 for absent."""
    demands = _demands(known, space)
    return (
        _required_but_absent(known, demands, space)
        or _exclude_each_other(demands, space)
        or _nothing_left(known, demands, space)
        or "no valid label set agrees with the known labels"
    )


def _demands(known: Mapping[str, int], space: LabelSpace) -> dict[str, list[_Demand]]:
    """The different demands on each group, in the order of the known labels."""
    demands: dict[str, list[_Demand]] = {}
    for label, value in known.items():
        if value != 1:
            continue
        name, outcomes = space.group_of(label).name, Outcomes((label,))
        while all(one.outcomes != outcomes for one in demands.get(name, ())):  # else what is above was seen before
            demands.setdefault(name, []).append(_Demand(outcomes, label))
            parent = space.parent(space.named(name))
            if parent is None:
                break
            name, outcomes = parent.group, parent.outcomes
    return demands


def _required_but_absent(known: Mapping[str, int], demands: Mapping[str, list[_Demand]], space: LabelSpace) -> str:
    for group in space.groups:
        for demand in demands.get(group.name, ()):
            labels = [label for label in group.labels if label in demand.outcomes]
            if None not in demand.outcomes and all(known.get(label) == 0 for label in labels):
                verb = "is" if len(labels) == 1 else "are"
                return (
                    f'"{demand.because}" is known to be present and requires {either(labels)}, which {verb} known to be absent'
                )
    return ""


def _exclude_each_other(demands: Mapping[str, list[_Demand]], space: LabelSpace) -> str:
    for group in space.groups:
        own = sorted(demands.get(group.name, ()), key=lambda demand: _place(demand, group))
        for number, one in enumerate(own):
            for two in own[number + 1 :]:
                if not one.outcomes & two.outcomes:
                    return (
                        f"{_demanded(one, group)} and {_demanded(two, group)} exclude each other{_why(one, two, group, space)}"
                    )
    return ""


def _place(demand: _Demand, group: Group) -> tuple[bool, int]:
    """Demands for a label first, by its place, then those of several outcomes."""
    only = next(iter(demand.outcomes))
    return (True, 0) if len(demand.outcomes) > 1 or only is None else (False, group.labels.index(only))


def _demanded(demand: _Demand, group: Group) -> str:
    labels = [label for label in group.labels if label in demand.outcomes]
    if None in demand.outcomes:
        return f'"{demand.because}"'
    if labels == [demand.because]:
        return f'"{demand.because}"'
    return f'{either(labels)} (required by "{demand.because}")'


def _why(one: _Demand, two: _Demand, group: Group, space: LabelSpace) -> str:
    """Where it is declared."""
    if None not in one.outcomes | two.outcomes:
        return f' (group "{group.name}")'
    for by, other in ((one, two), (two, one)):
        for label in by.outcomes - {None}:
            assert label is not None
            if space.group_of(label).excludes == ALL:
                return f' ("{label}" excludes all other labels)'
            above = space.group_of(other.because)
            if other.because in (space.group_of(label).excludes or ()) or label in (above.excludes or ()):
                return ""
    return f' (by what "{group.name}" excludes, or what excludes it)'


def _nothing_left(known: Mapping[str, int], demands: Mapping[str, list[_Demand]], space: LabelSpace) -> str:
    possible: dict[str, Outcomes] = {}
    for group in space.groups:
        left = Outcomes((*group.labels, None) if group.optional else group.labels)
        for demand in demands.get(group.name, ()):
            left &= demand.outcomes
        possible[group.name] = Outcomes(label for label in left if label is None or known.get(label) != 0)
    blocked: dict[str, dict[str | None, Group]] = {}  # groups of which every outcome left is barred by a group below it
    for group in reversed(space.parents_first):
        why = {
            outcome: below
            for outcome in (*group.labels, None)
            if outcome in possible[group.name]
            and (below := next((child for child in space.below(group, outcome) if child.name in blocked), None)) is not None
        }
        if len(why) == len(possible[group.name]):
            blocked[group.name] = why
    applies: set[str] = set()
    for group in space.parents_first:
        parent = space.parent(group)
        surely = parent is not None and parent.group in applies and possible[parent.group] <= parent.outcomes
        # whether the label above is possible at all is a question for its own group
        if parent is None or group.name in demands or (surely and (parent.none or parent.group in demands)):
            applies.add(group.name)
    for group in space.groups:
        if (
            group.name in blocked
            and group.name in applies
            and not any(child.name in applies for child in blocked[group.name].values())
        ):
            return _words(group, known, demands.get(group.name, []), blocked[group.name], space)
    return ""


def _words(
    group: Group, known: Mapping[str, int], demands: list[_Demand], below: Mapping[str | None, Group], space: LabelSpace
) -> str:
    where = _where(group, known, space)
    if not below and not demands:
        return f'all labels of group "{group.name}" are known to be absent, but {where} shows one of them'
    reasons = [f'"{demand.because}" allows only {_allowed(demand, group)}' for demand in demands]
    for label in (*group.labels, None):
        if label is not None and known.get(label) == 0:
            reasons.append(f'"{label}" is known to be absent')
        elif label in below:
            what = f'"{label}"' if label is not None else "none of them"
            reasons.append(f'{what} needs a label of group "{below[label].name}", and all of them are excluded')
    shows = "shows one of them or none" if group.optional else "shows one of them"
    return f'no label of group "{group.name}" is possible, but {where} {shows}: {"; ".join(reasons)}'


def _where(group: Group, known: Mapping[str, int], space: LabelSpace) -> str:
    """The images to which a group applies."""
    parent, barring, needed = space.parent(group), list[str](), ""
    while parent is not None and not needed:
        if parent.none:
            barring += [label for label in space.named(parent.group).labels if label not in parent.labels]
        else:
            needed = f" with {either(parent.labels)}"
        parent = space.parent(space.named(parent.group))
    if not barring:
        return f"an image{needed}" if needed else "every image"
    said = ", as here," if all(known.get(label) == 0 for label in barring) else ""
    return f"an image{needed}{' and' if needed else ''} without {either(barring)}{said}"


def _allowed(demand: _Demand, group: Group) -> str:
    labels = [label for label in group.labels if label in demand.outcomes]
    words = ([either(labels)] if labels else []) + (["none of them"] if None in demand.outcomes else [])
    return " or ".join(words)
