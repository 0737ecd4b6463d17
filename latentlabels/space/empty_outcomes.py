"""What the empty outcomes of groups are called, and which group a text means by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..errors import LabelSpaceError
from .groups import NONE, Group, OneOf
from .parents import Parents


def check_empty_names(groups: Sequence[Group], owner: Mapping[str, str]) -> None:
    """Raise where a declared name of an empty outcome means something else as well.

    Args:
        groups: of the space.
        owner: the name of each label's group.
    """
    names = {group.name for group in groups}
    said: dict[str, str] = {}
    for group in groups:
        if not isinstance(group, OneOf) or group.none is None:
            continue
        name = group.none
        if not isinstance(name, str) or not name.strip():
            raise LabelSpaceError(f'group "{group.name}": none is {name!r}; give a text, such as "no {group.name}"')
        taken = f'label of group "{owner[name]}"' if name in owner else "group" if name in names else None
        if name in said and name != NONE:
            taken = f'name of the empty outcome of group "{said[name]}"'
        if taken is not None:
            raise LabelSpaceError(
                f'group "{group.name}": its empty outcome is called "{name}", which is the name of a {taken} as '
                "well; rename one"
            )
        said[name] = group.name


def empty_outcome(groups: Mapping[str, Group], parents: Parents, name: str, group: str | None) -> OneOf | None:
    """The group that a text says to be without a present label; see `LabelSpace.empty_outcome`.

    Args:
        groups: of the space, by name.
        parents: theirs.
        name: the text.
        group: the name of the group that it is about, if that is known.
    """
    if group is not None:
        own = groups.get(group)
        if not isinstance(own, OneOf) or name in own.labels or not (own.optional or parents[group] is not None):
            return None
        return own if name in (NONE, own.none) else None
    if any(name in one.labels for one in groups.values()):
        return None
    can_be_empty = [one for one in groups.values() if isinstance(one, OneOf) and one.optional]
    named = [one for one in can_be_empty if one.none == name != NONE]
    if named:
        return named[0]
    if name == NONE:
        if len(can_be_empty) > 1:
            choices = ", ".join(f'"{one.none or one.name + "/" + NONE}"' for one in can_be_empty)
            raise LabelSpaceError(
                f'"{NONE}" could mean any of {len(can_be_empty)} optional groups; write one of {choices}, or give '
                "each group a name of its own for it in the label space (none: NAME)"
            )
        return can_be_empty[0] if can_be_empty else None
    above, slash, rest = name.rpartition("/")
    return empty_outcome(groups, parents, rest, above) if slash else None
