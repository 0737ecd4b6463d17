"""A label space compiled to index tensors, and the outcomes of its groups.

Groups of one kind at one depth form a *block* and are handled by one tensor operation each, so that cost
follows the number of labels, not the number of groups. Tensors over labels are extended by further columns:
column K stands for the root, which is always present, column K + 1 takes what padding writes. An *event* is a set of outcomes
of one group other than a single label, below which groups hang ("car or truck", "none of them"); it has a column of its own.

Symbols: K labels, L logits, G groups of a block, S the size of its largest group, E events of a block.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ..space import Free, Group, LabelSpace, Parent
from .adding import Adding
from .kernels import OutcomeIndex
from .sizes import part_sizes, tree_sizes

_BUNDLE = 16  # groups without children below one label or event from which on they are a block of their own


class Events(NamedTuple):
    """Sets of outcomes of a block's groups below which other groups hang.

    Attributes:
        columns: (E,) columns of the extended tensors.
        groups: (E,) which group of the block.
        members: (E, S + 1) whether an outcome is of the set, "none" last.
    """

    columns: Tensor
    groups: Tensor
    members: Tensor


@dataclass(frozen=True, eq=False)
class Block:
    """Groups of one kind at one depth.

    Attributes:
        free: whether they are all free labels; otherwise they are all `OneOf`.
        flat: whether they are roots without children, which independent sums serve fastest.
        bundle: whether they are many without children, all below the same label or event; the same sums serve there.
        names: the groups' names, G of them.
        columns: (G, S) columns of the labels, K + 1 where padded.
        valid: (G, S) False where padded.
        logits: (G, S + 1) positions of the logits, "none" last; L where there is none. (G, 1) if `free`.
        parents: (G,) column of the label or event below which each group hangs, K for roots.
        events: what hangs below other outcomes than a single label; None where nothing does.
        opens: whether the groups apply where no label is present: roots, and what hangs below "none" of such a group.
        sizes: the most labels that are present at once in the tree of each group, itself included.
        index: the same of groups that are not free, for the kernel of flat groups.
        span: the logits of a free block as a slice, where they are one: far cheaper than a gather.
        column_span: its columns as a slice.
    """

    free: bool
    flat: bool
    bundle: bool
    names: tuple[str, ...]
    columns: Tensor
    valid: Tensor
    logits: Tensor
    parents: Tensor
    events: Events | None
    opens: bool
    sizes: tuple[int, ...]
    index: OutcomeIndex | None
    span: tuple[int, int] | None
    column_span: tuple[int, int] | None

    def pick_logits(self, logits: Tensor) -> Tensor:
        """The block's logits: (..., G) if `free`, else (..., G, S + 1) with -inf where padded."""
        if self.free:
            return logits[..., slice(*self.span)] if self.span else logits[..., self.logits[:, 0]]
        extended = F.pad(logits, (0, 1), value=-torch.inf)
        return extended[..., self.logits]

    def outcomes(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """Log-probabilities of the outcomes, given that the group applies.

        Args:
            logits: (..., L).

        Returns:
            (..., G, S) of each label being present, -inf where padded, and (..., G) of none being present.
        """
        own = self.pick_logits(logits)
        if self.free:
            return F.logsigmoid(own).unsqueeze(-1), F.logsigmoid(-own)
        log_probs = torch.log_softmax(own, -1)
        return log_probs[..., :-1], log_probs[..., -1]

    @cached_property
    def columns_below(self) -> list[tuple[int, int, int]]:
        """(group, outcome, column) of each label and event that holds with an outcome; "none" is outcome S."""
        valid = self.valid.tolist()
        found = [
            (row, place, column)
            for row, columns in enumerate(self.columns.tolist())
            for place, column in enumerate(columns)
            if valid[row][place]
        ]
        if self.events is not None:
            for column, row, members in zip(*(part.tolist() for part in self.events), strict=True):
                found += [(row, place, column) for place, held in enumerate(members) if held]
        return found

    @cached_property
    def none_events(self) -> list[tuple[int, int]]:
        """(column, group) of each event that holds with "none"."""
        width = self.columns.shape[1]
        return [(column, row) for row, place, column in self.columns_below if place == width]

    @cached_property
    def to_parents(self) -> Adding:
        """Adds a value of each group to the column below which it hangs."""
        return Adding(self.parents)

    @cached_property
    def _to_groups(self) -> Adding:
        assert self.events is not None
        return Adding(self.events.groups)

    def ready_for_graphs(self) -> None:
        """Work out what an export cannot: what depends on the numbers of indices."""
        _ = self.to_parents.plan
        _ = None if self.events is None else self._to_groups.plan

    def by_group(self, of_events: Tensor) -> Tensor:
        """The sum over each group's events: (..., E) to (..., G)."""
        return self._to_groups(of_events.new_zeros(*of_events.shape[:-1], len(self.names)), of_events)

    def below(self, below: Tensor) -> tuple[Tensor, Tensor | float]:
        """What hangs below each outcome, of (..., columns): (..., G, S) for labels, and (..., G) for none or 0."""
        labels = below[..., self.columns]
        if self.events is None:
            return labels, 0.0
        each = torch.where(self.events.members, below[..., self.events.columns].unsqueeze(-1), below.new_zeros(()))
        further = self.by_group(each.mT).mT
        return labels + further[..., :-1], further[..., -1]

    def mark(self, extended: Tensor, outcomes: Tensor) -> Tensor:
        """`extended` (..., columns) with the probability of each event, of those (..., G, S + 1) of outcomes that hold."""
        if self.events is None:
            return extended
        held = torch.where(self.events.members, outcomes[..., self.events.groups, :], outcomes.new_zeros(()))
        return extended.index_add(-1, self.events.columns, held.sum(-1))


@dataclass(frozen=True, eq=False)
class Forest:
    """The index tensors of a label space, on one device.

    Attributes:
        num_labels: K.
        num_logits: L.
        num_columns: of extended tensors: K, the root, padding and events.
        event_columns: the column of a set of outcomes, labels and None, by the name of their group.
        blocks: parents before children.
        max_count: the largest number of labels that can be present at once.
        max_part_count: the largest number within one part. Parts are independent given the outcomes of the groups that
            others hang below by "none"; where there are none, parts are trees.
        max_spine_count: the largest number within the parts of those groups, 0 if there are none.
        bound_columns: (K,) False for flat free labels, whose being known says nothing about any other label.
        logit_order: (L,) where each logit stands among the outcomes of all blocks side by side, padding included.
    """

    num_labels: int
    num_logits: int
    num_columns: int
    event_columns: Mapping[tuple[str, frozenset[str | None]], int]
    blocks: tuple[Block, ...]
    max_count: int
    max_part_count: int
    max_spine_count: int
    bound_columns: Tensor
    any_bound: bool
    logit_order: Tensor

    def spread(self, values: Tensor, fill: float) -> Tensor:
        """(..., K) extended to all columns: those of the root, the padding and events hold `fill`."""
        return F.pad(values, (0, self.num_columns - self.num_labels), value=fill)

    def start(self, values: Tensor, fill: float, root: float) -> Tensor:
        """Extended columns of `fill` with `root` for the root's, for the leading dimensions, type and device of `values`."""
        out = values.new_full((*values.shape[:-1], self.num_columns), fill)
        out[..., self.num_labels] = root
        return out


def compile_forest(space: LabelSpace, device: torch.device | str = "cpu") -> Forest:
    """The `Forest` of a space, made once for each space and device."""
    return _compile(space, torch.device(device))


@lru_cache(maxsize=256)
def _compile(space: LabelSpace, device: torch.device) -> Forest:
    starts, position = {}, 0
    for group in space.groups:
        starts[group.name] = position
        position += group.num_logits
    levels = _levels(space)
    events = _event_columns(space)
    sizes = tree_sizes(space)

    blocks: list[Block] = []
    for level in levels:
        kinds: dict[tuple[bool, bool, bool, Parent | None], list[Group]] = {}
        bare = [group for group in level if not any(space.below(group, outcome) for outcome in (*group.labels, None))]
        number = Counter(space.parent(group) for group in bare)
        names = {group.name for group in bare}
        for group in level:
            parent = space.parent(group)
            flat, many = parent is None and group.name in names, group.name in names and number[parent] >= _BUNDLE
            kind = isinstance(group, Free), flat, group.name in space.open_groups, parent if many else None
            kinds.setdefault(kind, []).append(group)
        for (free, flat, opens, shared), groups in kinds.items():
            block = _block(space, groups, starts, events, sizes, free, flat, opens, device)
            blocks.append(replace(block, bundle=shared is not None))
    bound = torch.ones(space.num_labels, dtype=torch.bool)
    for block in blocks:
        if block.free and block.flat:
            bound[block.columns[:, 0].cpu()] = False
    part, spine = part_sizes(space, sizes)
    return Forest(
        num_labels=space.num_labels,
        num_logits=space.num_logits,
        num_columns=space.num_labels + 2 + len(events),
        event_columns=events,
        blocks=tuple(blocks),
        max_count=sum(sizes[root.name] for root in space.roots),
        max_part_count=part,
        max_spine_count=spine,
        bound_columns=bound.to(device),
        any_bound=bool(bound.any()),
        logit_order=_logit_order(blocks, space.num_logits).to(device),
    )


def _logit_order(blocks: list[Block], num_logits: int) -> Tensor:
    places = torch.cat([block.logits.flatten().cpu() for block in blocks])
    out = torch.zeros(num_logits + 1, dtype=torch.long)  # the last takes what is padding
    out[places] = torch.arange(len(places))
    return out[:-1]


def _levels(space: LabelSpace) -> list[list[Group]]:
    """The groups by their depth in the forest."""
    depth: dict[str, int] = {}
    levels: list[list[Group]] = []
    for group in space.parents_first:
        parent = space.parent(group)
        depth[group.name] = 0 if parent is None else 1 + depth[parent.group]
        if depth[group.name] == len(levels):
            levels.append([])
        levels[depth[group.name]].append(group)
    return levels


def _event_columns(space: LabelSpace) -> dict[tuple[str, frozenset[str | None]], int]:
    """The columns of the sets of outcomes below which groups hang, and of what two of them share; single labels have theirs."""
    sets: dict[str, list[frozenset[str | None]]] = {}
    for group in space.groups:
        parent = space.parent(group)
        if parent is not None:
            held, own = sets.setdefault(parent.group, []), parent.outcomes
            held += [one for one in dict.fromkeys([own, *(own & other for other in held)]) if one not in held]
    every = [(name, one) for name, held in sets.items() for one in held if len(one) > 1 or one == {None}]
    return {event: space.num_labels + 2 + number for number, event in enumerate(every)}


def _block(
    space: LabelSpace,
    groups: list[Group],
    starts: dict[str, int],
    events: Mapping[tuple[str, frozenset[str | None]], int],
    sizes: dict[str, int],
    free: bool,
    flat: bool,
    opens: bool,
    device: torch.device,
) -> Block:
    num_labels, width = space.num_labels, max(len(group.labels) for group in groups)
    columns = torch.full((len(groups), width), num_labels + 1)
    logits = torch.full((len(groups), width + 1), space.num_logits)
    parents = torch.full((len(groups),), num_labels)
    for row, group in enumerate(groups):
        columns[row, : len(group.labels)] = torch.tensor(space.columns(group))
        start = starts[group.name]
        logits[row, : len(group.labels)] = torch.arange(start, start + len(group.labels))
        if group.optional and not free:
            logits[row, -1] = start + len(group.labels)
        parent = space.parent(group)
        if parent is not None:
            event = events.get((parent.group, parent.outcomes))
            parents[row] = space.index(parent.labels[0]) if event is None else event
    logits = logits[:, :1] if free else logits
    return Block(
        free=free,
        flat=flat,
        bundle=False,
        names=tuple(group.name for group in groups),
        columns=columns.to(device),
        valid=(columns <= num_labels).to(device),
        logits=logits.to(device),
        parents=parents.to(device),
        events=_events(groups, events, width, device),
        opens=opens,
        sizes=tuple(sizes[group.name] for group in groups),
        index=None if free else _outcome_index(logits, columns, space, device),
        span=_run(logits[:, 0].tolist()) if free else None,
        column_span=_run(columns[:, 0].tolist()) if free else None,
    )


def _events(
    groups: list[Group], events: Mapping[tuple[str, frozenset[str | None]], int], width: int, device: torch.device
) -> Events | None:
    rows = {group.name: row for row, group in enumerate(groups)}
    held = [(column, rows[name], outcomes) for (name, outcomes), column in events.items() if name in rows]
    if not held:
        return None
    members = torch.zeros(len(held), width + 1, dtype=torch.bool)
    for number, (_, row, outcomes) in enumerate(held):
        for place, label in enumerate(groups[row].labels):
            members[number, place] = label in outcomes
        members[number, -1] = None in outcomes
    columns, own = torch.tensor([one[0] for one in held]), torch.tensor([one[1] for one in held])
    return Events(columns.to(device), own.to(device), members.to(device))


def _outcome_index(logits: Tensor, columns: Tensor, space: LabelSpace, device: torch.device) -> OutcomeIndex:
    places, names = logits.t(), columns.t()
    real, valid = places < space.num_logits, names < space.num_labels
    home = torch.full((space.num_logits,), places.numel())
    home[places[real]] = torch.arange(places.numel()).view(places.shape)[real]
    size, width = len(logits), columns.shape[1]
    members = torch.zeros(2 * size, space.num_logits)
    group, place = torch.zeros(space.num_labels, dtype=torch.long), torch.zeros(space.num_labels, dtype=torch.long)
    inside = torch.zeros(space.num_labels, dtype=torch.bool)
    for row in range(size):
        own = logits[row][logits[row] < space.num_logits]
        members[row, own] = 1.0
        members[size + row, logits[row, width:][logits[row, width:] < space.num_logits]] = 1.0
        labels = columns[row][columns[row] < space.num_labels]
        group[labels], inside[labels], place[labels] = row, True, logits[row, : len(labels)]
    return OutcomeIndex(
        places=places.where(real, places[0]).flatten().to(device),
        columns=names.where(valid, 0).flatten().to(device),
        padding=torch.where(real, 0.0, -torch.inf).unsqueeze(-1).to(device),
        valid=valid.unsqueeze(-1).to(device),
        home=home.to(device),
        whole=bool((home < places.numel()).all()),
        members=members.to(device),
        group=group.to(device),
        place=place.to(device),
        inside=inside.to(device),
    )


def _run(numbers: list[int]) -> tuple[int, int] | None:
    consecutive = numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    return (numbers[0], numbers[0] + len(numbers)) if consecutive else None
