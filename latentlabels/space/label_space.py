"""The label space: K binary labels arranged as a forest of groups.

A *group* is a free label (present or absent) or a set of labels that exclude each other (`OneOf`),
exhaustive or optional. A group may require a label of another group, or any of several, and is then a child of it: where
the other group has another outcome, all labels of the group are absent. A label may exclude others, which are then
children of its group's outcome "none" (`.parents`). Roots are independent of each other given the image.
A label set y in {0,1}^K that breaks a group has probability zero.
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
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

from ..errors import LabelSpaceError, nearest
from ..providers import provided
from .empty_outcomes import check_empty_names, empty_outcome
from .entries import read_entries, to_entry
from .groups import Free, Group, OneOf
from .label_distribution import LabelDistribution
from .parents import Parent, Parents, resolve

if TYPE_CHECKING:
    import torch


class ExhaustiveSet(NamedTuple):
    """Labels such that every image shows exactly one of them.

    Attributes:
        groups: the names of their groups, an exhaustive one last, after those that exclude it.
        labels: the labels.
    """

    groups: tuple[str, ...]
    labels: tuple[str, ...]


@dataclass(frozen=True)
class LabelSpace:
    """The K labels of a task and the groups they form, in the order of declaration.

    Args:
        groups: `Free` and `OneOf` groups. Label names are unique across all of them.

    Raises:
        LabelSpaceError: a name that occurs twice, a `requires` or `excludes` that names no label or leads in a circle, or
            several that together are no forest.
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
        check_empty_names(self.groups, owner)
        assert self._parents  # what `requires` and `excludes` say is a forest

    @classmethod
    def free(cls, labels: Iterable[str]) -> LabelSpace:
        """A space in which every label is `Free`, the assumption where nothing is declared."""
        return cls(Free(label) for label in labels)

    @classmethod
    def from_config(cls, entries: Sequence[Mapping[str, Any] | str]) -> LabelSpace:
        """Read the `labels` section of a config: ``{name, one_of?, optional?, none?, requires?, excludes?}`` per group.

        Raises:
            LabelSpaceError: an entry without a name or with an unknown key; the entry is named.
        """
        return cls(read_entries(entries))

    def to_config(self) -> list[dict[str, Any]]:
        """The inverse of `from_config`."""
        return [to_entry(group) for group in self.groups]

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

    @property
    def num_free(self) -> int:
        """How many of the K labels are `Free`: a group of their own."""
        return sum(isinstance(group, Free) for group in self.groups)

    @cached_property
    def num_logits(self) -> int:
        """Number of logits that the head of an encoder outputs: the sum over the groups."""
        return sum(group.num_logits for group in self.groups)

    @cached_property
    def _columns(self) -> dict[str, int]:
        return {label: k for k, label in enumerate(self.labels)}

    @cached_property
    def _parents(self) -> Parents:
        return resolve(self.groups)

    def parent(self, group: Group) -> Parent | None:
        """The outcomes of another group where this one applies; None for roots."""
        return self._parents[group.name]

    @cached_property
    def _below(self) -> Mapping[tuple[str, str | None], tuple[Group, ...]]:
        below: dict[tuple[str, str | None], list[Group]] = {}
        for group in self.groups:
            parent = self._parents[group.name]
            for outcome in () if parent is None else (*parent.labels, *(None,) * parent.none):
                below.setdefault((parent.group, outcome), []).append(group)  # type: ignore[union-attr]
        return {outcome: tuple(groups) for outcome, groups in below.items()}

    def below(self, group: Group, outcome: str | None) -> tuple[Group, ...]:
        """The groups that apply where a group has this outcome: one of its labels, or None for "none of them"."""
        return self._below.get((group.name, outcome), ())

    @cached_property
    def children(self) -> Mapping[str | None, tuple[Group, ...]]:
        """The groups that hang below each label; under `None` the roots. A group may hang below several labels."""
        below: dict[str | None, tuple[Group, ...]] = {
            label: groups for (_, label), groups in self._below.items() if label is not None
        }
        below[None] = self.roots
        return below

    @cached_property
    def roots(self) -> tuple[Group, ...]:
        """The groups that apply to every image: they require nothing, and nothing that excludes them stands above them."""
        return tuple(group for group in self.groups if self._parents[group.name] is None)

    @cached_property
    def parents_first(self) -> tuple[Group, ...]:
        """All groups, each after its parent. What goes by depth goes along it, without recursion."""
        hanging: dict[str, list[Group]] = {}
        for group in self.groups:
            parent = self._parents[group.name]
            if parent is not None:
                hanging.setdefault(parent.group, []).append(group)
        order = list(self.roots)
        for group in order:
            order += hanging.get(group.name, ())
        return tuple(order)

    @cached_property
    def open_groups(self) -> frozenset[str]:
        """Names of the groups that apply where no label is present: roots, and what hangs below "none" of such a group."""
        out: set[str] = set()
        for group in self.parents_first:
            parent = self._parents[group.name]
            if parent is None or (parent.none and parent.group in out):
                out.add(group.name)
        return frozenset(out)

    @property
    def can_be_empty(self) -> bool:
        """Whether the empty label set is valid."""
        return all(group.optional for group in self.groups if group.name in self.open_groups)

    @cached_property
    def exhaustive_sets(self) -> tuple[ExhaustiveSet, ...]:
        """Sets of labels, one of which every image shows: an exhaustive root group, or one with what excludes it."""
        found = []
        for group in self.groups:
            if group.optional or group.name not in self.open_groups:
                continue
            names, labels, parent = [group.name], list(group.labels), self._parents[group.name]
            while parent is not None:
                names.insert(0, parent.group)
                labels += [label for label in self.named(parent.group).labels if label not in parent.labels]
                parent = self._parents[parent.group]
            found.append(ExhaustiveSet(tuple(names), tuple(labels)))
        return tuple(found)

    def index(self, label: str) -> int:
        """The column of a label.

        Raises:
            LabelSpaceError: the space has no such label; the nearest name is suggested.
        """
        try:
            return self._columns[label]
        except KeyError:
            raise LabelSpaceError(f'the label space has no label "{label}"{nearest(label, self.labels)}') from None

    def logit_index(self, label: str) -> int:
        """Which of the logits is that of a label: its log-odds, or its outcome's in the softmax of its group.

        Raises:
            LabelSpaceError: the space has no such label; the nearest name is suggested.
        """
        self.index(label)
        return self._logits[label]

    @cached_property
    def _logits(self) -> dict[str, int]:
        rows: dict[str, int] = {}
        position = 0
        for group in self.groups:
            rows |= {label: position + place for place, label in enumerate(group.labels)}
            position += group.num_logits
        return rows

    def group_of(self, label: str) -> Group:
        """The group that a label belongs to.

        Raises:
            LabelSpaceError: the space has no such label; the nearest name is suggested.
        """
        self.index(label)
        return self._owner[label]

    def named(self, name: str) -> Group:
        """The group of a name.

        Raises:
            LabelSpaceError: the space has no such group; the nearest name is suggested.
        """
        try:
            return self._by_name[name]
        except KeyError:
            raise LabelSpaceError(f'the label space has no group "{name}"{nearest(name, self._by_name)}') from None

    @cached_property
    def _by_name(self) -> dict[str, Group]:
        return {group.name: group for group in self.groups}

    @cached_property
    def _owner(self) -> dict[str, Group]:
        return {label: group for group in self.groups for label in group.labels}

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
        return empty_outcome(self._by_name, self._parents, name, group)

    def stated(self, name: str) -> tuple[list[int], int]:
        """What a text says to be known: the columns it is about, and 1 of a label or 0 of an empty outcome.

        Raises:
            LabelSpaceError: it is neither; the nearest name is suggested.
        """
        group = None if name in self._columns else self.empty_outcome(name)
        return ([self.index(name)], 1) if group is None else (self.columns(group), 0)

    def label_sets(self) -> Iterator[tuple[int, ...]]:
        """All valid label sets y, as 0/1 tuples of length K: the oracle of the tests, for small spaces."""
        outcomes: dict[str, list[int]] = {}  # of a group that applies: the labels present in and below it, as bits

        def together(groups: Sequence[Group]) -> Iterator[int]:  # the first group's outcomes vary fastest
            for chosen in itertools.product(*(outcomes[group.name] for group in reversed(groups))):
                yield functools.reduce(operator.or_, chosen, 0)

        for group in reversed(self.parents_first):
            outcomes[group.name] = list(together(self.below(group, None))) if group.optional else []
            for label in group.labels:
                outcomes[group.name] += [1 << self._columns[label] | below for below in together(self.below(group, label))]
        for present in together(self.roots):
            yield tuple(present >> k & 1 for k in range(self.num_labels))

    @cached_property
    def num_label_sets(self) -> int:
        """The number of valid label sets."""
        counts: dict[str, int] = {}
        for group in reversed(self.parents_first):
            possible = (*group.labels, None) if group.optional else group.labels
            counts[group.name] = sum(
                math.prod(counts[child.name] for child in self.below(group, outcome)) for outcome in possible
            )
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
