"""The label space: K binary labels arranged as a forest of groups.

A *group* is a free label (present or absent) or a set of labels that exclude each other (`OneOf`),
exhaustive or optional. A group may require a label of another group, and is then a child of it: where
that label is absent, all labels of the group are. Groups that require nothing are roots, independent
of each other given the image. A label set y in {0,1}^K that breaks a group has probability zero.
"""

from __future__ import annotations

import functools
import itertools
import json
import math
import operator
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from ..errors import LabelSpaceError, nearest
from ..providers import provided
from .groups import NONE, Free, Group, OneOf
from .label_distribution import LabelDistribution

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class LabelSpace:
    """The K labels of a task and the groups they form, in the order of declaration.

    Args:
        groups: `Free` and `OneOf` groups. Label names are unique across all of them.

    Raises:
        LabelSpaceError: a name that occurs twice, a `requires` that names no label or leads in a circle.
    """

    groups: tuple[Group, ...]

    def __init__(self, groups: Iterable[Group]):
        object.__setattr__(self, "groups", tuple(groups))
        self._check()

    def __reduce__(self) -> tuple[type[LabelSpace], tuple[tuple[Group, ...]]]:
        """Pickled by its groups alone: what is cached would differ with what was asked, and hashes between processes."""
        return type(self), (self.groups,)

    def __hash__(self) -> int:
        return self._hash  # every training step looks the space up

    @cached_property
    def _hash(self) -> int:
        return hash(self.groups)

    def _check(self) -> None:
        if not self.groups:
            raise LabelSpaceError("the label space is empty; give at least one Free or OneOf group")
        owner: dict[str, str] = {}
        names: set[str] = set()
        for group in self.groups:
            if not isinstance(group, Free | OneOf):
                raise LabelSpaceError(f"{group!r} is not a group; use Free(label) or OneOf(name, labels)")
            if group.name in names:
                raise LabelSpaceError(f'two groups are called "{group.name}"; rename one')
            names.add(group.name)
            for label in group.labels:
                if not isinstance(label, str) or not label.strip():
                    raise LabelSpaceError(f'group "{group.name}": {label!r} is not a label name; give a non-empty text')
                if label in owner:
                    raise LabelSpaceError(
                        f'label "{label}" is in group "{owner[label]}" and in group "{group.name}"; '
                        "rename one, since a label name may occur only once"
                    )
                owner[label] = group.name
        by_name = {group.name: group for group in self.groups}
        self._check_empty_names(owner, by_name)
        for group in self.groups:
            if group.requires is not None and group.requires not in owner:
                raise LabelSpaceError(
                    f'group "{group.name}" requires "{group.requires}", which is not a label of the space'
                    + nearest(group.requires, owner)
                )
        rooted: set[str] = set()  # groups from which the way up ends at a root: chains may be thousands long
        for group in self.groups:
            way, above = {group.name: 0}, group
            while above.requires is not None and above.name not in rooted:
                above = by_name[owner[above.requires]]
                if above.name in way:  # the circle need not hold the group that the walk began at
                    path = " -> ".join([*list(way)[way[above.name] :], above.name])
                    raise LabelSpaceError(f"the `requires` of these groups form a circle: {path}; remove one of them")
                way[above.name] = len(way)
            rooted.update(way)

    def _check_empty_names(self, owner: Mapping[str, str], by_name: Mapping[str, Group]) -> None:
        """Raise where a declared name of an empty outcome means something else as well."""
        said: dict[str, str] = {}
        for group in self.groups:
            if not isinstance(group, OneOf) or group.none is None:
                continue
            name = group.none
            if not isinstance(name, str) or not name.strip():
                raise LabelSpaceError(
                    f'group "{group.name}": none is {name!r}; give a non-empty text, such as "no {group.name}"'
                )
            taken = f'label of group "{owner[name]}"' if name in owner else "group" if name in by_name else None
            if name in said and name != NONE:
                taken = f'name of the empty outcome of group "{said[name]}"'
            if taken is not None:
                raise LabelSpaceError(
                    f'group "{group.name}": its empty outcome is called "{name}", '
                    f"which is the name of a {taken} as well; rename one"
                )
            said[name] = group.name

    @classmethod
    def free(cls, labels: Iterable[str]) -> LabelSpace:
        """A space in which every label is `Free`, the assumption where nothing is declared."""
        return cls(Free(label) for label in labels)

    @classmethod
    def from_config(cls, entries: Sequence[Mapping[str, Any] | str]) -> LabelSpace:
        """Read the `labels` section of a config: ``{name, one_of?, optional?, none?, requires?}`` per group.

        Raises:
            LabelSpaceError: an entry without a name or with an unknown key; the entry is named.
        """
        known = ("name", "one_of", "optional", "requires", "none")
        groups: list[Group] = []
        for number, raw in enumerate(entries, 1):
            entry: Any = {"name": raw} if isinstance(raw, str) else raw
            if not isinstance(entry, Mapping):
                raise LabelSpaceError(f"labels, entry {number}: expected a name or {{name: ..., ...}}, not {entry!r}")
            for key in entry:
                if key not in known:
                    raise LabelSpaceError(
                        f'labels, entry {number}: unknown key "{key}"{nearest(str(key), known)} (known: {", ".join(known)})'
                    )
            if "name" not in entry:
                raise LabelSpaceError(f"labels, entry {number}: {dict(entry)!r} has no name; add name: NAME")
            name, requires = _text(entry["name"], number), entry.get("requires")
            requires = None if requires is None else _text(requires, number)
            if "one_of" in entry:
                members: Any = entry["one_of"]
                if not isinstance(members, list | tuple):
                    raise LabelSpaceError(f'labels, entry {number} ("{name}"): one_of expects a list of labels')
                labels = [_text(member, number) for member in members]
                none = None if entry.get("none") is None else _text(entry["none"], number)
                groups.append(OneOf(name, labels, bool(entry.get("optional", False)), requires, none))
            elif entry.get("none") is not None:
                raise LabelSpaceError(
                    f'labels, entry {number} ("{name}"): a free label has no empty outcome to name; remove none, '
                    "or list the labels that exclude each other under one_of"
                )
            elif entry.get("optional"):
                raise LabelSpaceError(
                    f'labels, entry {number} ("{name}"): a free label can always be absent; remove optional, '
                    "or list the labels that exclude each other under one_of"
                )
            else:
                groups.append(Free(name, requires))
        return cls(groups)

    def to_config(self) -> list[dict[str, Any]]:
        """The inverse of `from_config`."""
        out: list[dict[str, Any]] = []
        for group in self.groups:
            entry: dict[str, Any] = {"name": group.name}
            if isinstance(group, OneOf):
                entry["one_of"] = list(group.labels)
                if group.optional:
                    entry["optional"] = True
                if group.none is not None:
                    entry["none"] = group.none
            if group.requires is not None:
                entry["requires"] = group.requires
            out.append(entry)
        return out

    @classmethod
    def read(cls, path: str | Path) -> LabelSpace:
        """Read a ``labels.yaml`` or ``labels.json``: a list of groups, or that list under the key ``labels``.

        Raises:
            LabelSpaceError: the file is missing, is not valid YAML, or describes no valid space; the file is named.
        """
        path = Path(path)
        try:
            text = path.read_text(encoding="utf-8")
            raw = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
        except OSError as error:
            raise LabelSpaceError(f"{path}: cannot be read ({error.strerror}); give the path of a labels.yaml") from error
        except (yaml.YAMLError, json.JSONDecodeError, UnicodeDecodeError) as error:
            kind = "JSON" if path.suffix == ".json" else "YAML"
            raise LabelSpaceError(f"{path}: not valid {kind}: {error}") from error
        if isinstance(raw, Mapping):
            raw = raw.get("labels")
        if not isinstance(raw, list):
            raise LabelSpaceError(f"{path}: expected a list of groups, or one under the key labels")
        try:
            return cls.from_config(raw)
        except LabelSpaceError as error:
            raise LabelSpaceError(f"{path}: {error}") from None

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """The names of the K labels: the columns of every table and tensor."""
        return tuple(label for group in self.groups for label in group.labels)

    @property
    def num_labels(self) -> int:
        """K."""
        return len(self.labels)

    @cached_property
    def num_logits(self) -> int:
        """Number of logits that the head of an encoder outputs: the sum over the groups."""
        return sum(group.num_logits for group in self.groups)

    @cached_property
    def _columns(self) -> dict[str, int]:
        return {label: k for k, label in enumerate(self.labels)}

    @cached_property
    def children(self) -> Mapping[str | None, tuple[Group, ...]]:
        """The groups that require each label; under `None` those that require nothing."""
        below: dict[str | None, list[Group]] = {}
        for group in self.groups:
            below.setdefault(group.requires, []).append(group)
        return {label: tuple(groups) for label, groups in below.items()}

    @property
    def roots(self) -> tuple[Group, ...]:
        """The groups that require nothing."""
        return self.children.get(None, ())

    @cached_property
    def parents_first(self) -> tuple[Group, ...]:
        """All groups, each after the one that it requires a label of. What goes by depth goes along it, without recursion."""
        order = list(self.roots)
        for group in order:
            order += [child for label in group.labels for child in self.children.get(label, ())]
        return tuple(order)

    @property
    def exhaustive_roots(self) -> tuple[OneOf, ...]:
        """The root groups that have exactly one label present in every image."""
        return tuple(group for group in self.roots if isinstance(group, OneOf) and not group.optional)

    def index(self, label: str) -> int:
        """The column of a label.

        Raises:
            LabelSpaceError: the space has no such label; the nearest name is suggested.
        """
        try:
            return self._columns[label]
        except KeyError:
            raise LabelSpaceError(f'the label space has no label "{label}"{nearest(label, self.labels)}') from None

    def group_of(self, label: str) -> Group:
        """The group that a label belongs to."""
        self.index(label)
        return next(group for group in self.groups if label in group.labels)

    def columns(self, group: Group) -> list[int]:
        """The columns of a group's labels."""
        return [self._columns[label] for label in group.labels]

    def empty_outcome(self, name: str, group: str | None = None) -> OneOf | None:
        """The group that a text says to be without a present label: all of `columns(group)` are then 0.

        A group's empty outcome is called by the name that its declaration gives it (`OneOf.none`), and by "none"; and
        by ``GROUP/NAME``, where several groups could be meant. A label of that name comes first.

        Args:
            name: the text of a folder, a cell or a query.
            group: the group that the text is about, where the folder above or the column names one.

        Returns:
            The group, or None where the text names no empty outcome.

        Raises:
            LabelSpaceError: "none", where the space has several optional groups; the names to choose from are given.
        """
        if group is not None:
            own = next((one for one in self.groups if one.name == group), None)
            if not isinstance(own, OneOf) or name in own.labels or not (own.optional or own.requires is not None):
                return None
            return own if name in (NONE, own.none) else None
        if name in self._columns:
            return None
        can_be_empty = [one for one in self.groups if isinstance(one, OneOf) and one.optional]
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
        return self.empty_outcome(rest, above) if slash else None

    def label_sets(self) -> Iterator[tuple[int, ...]]:
        """All valid label sets y, as 0/1 tuples of length K: the oracle of the tests, for small spaces."""
        outcomes: dict[str, list[int]] = {}  # of a group that applies: the labels present below it, as bits

        def together(groups: Sequence[Group]) -> Iterator[int]:  # the first group's outcomes vary fastest
            for chosen in itertools.product(*(outcomes[group.name] for group in reversed(groups))):
                yield functools.reduce(operator.or_, chosen, 0)

        for group in reversed(self.parents_first):
            outcomes[group.name] = [0] if group.optional else []
            for label in group.labels:
                outcomes[group.name] += [1 << self._columns[label] | below for below in together(self.children.get(label, ()))]
        for present in together(self.roots):
            yield tuple(present >> k & 1 for k in range(self.num_labels))

    @cached_property
    def num_label_sets(self) -> int:
        """The number of valid label sets."""
        counts: dict[str, int] = {}
        for group in reversed(self.parents_first):
            below = (math.prod(counts[child.name] for child in self.children.get(label, ())) for label in group.labels)
            counts[group.name] = int(group.optional) + sum(below)
        return math.prod(counts[root.name] for root in self.roots)

    def distribution(self, logits: torch.Tensor, mixture_logits: torch.Tensor | None = None) -> LabelDistribution:
        """The distribution of y given logits of shape (..., num_logits); see `LabelVector`."""
        made: LabelDistribution = provided("distribution")(self, logits, mixture_logits)
        return made

    def __repr__(self) -> str:
        return f"LabelSpace(K={self.num_labels}, {len(self.groups)} groups, {self.num_logits} logits)"

    def _repr_html_(self) -> str:
        """What a notebook shows: the groups as a tree."""
        return str(provided("notebook view")(self))


def _text(value: Any, number: int) -> str:
    # YAML reads `no`, `on` and 4 as a boolean and a number: say so, the label would silently change its name
    if not isinstance(value, str):
        raise LabelSpaceError(f"labels, entry {number}: {value!r} is not text; put quotes around it")
    return value
