"""A label space compiled to index tensors, and the outcomes of its groups.

Groups of one kind at one depth form a *block* and are handled by one tensor operation each, so that cost
follows the number of labels, not the number of groups. Tensors over labels are extended by two columns:
column K stands for the root, which is always present, column K + 1 takes what padding writes.

Symbols: K labels, L logits, G groups of a block, S the size of its largest group.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from ..space import Free, Group, LabelSpace
from .kernels import OutcomeIndex


@dataclass(frozen=True, eq=False)
class Block:
    """Groups of one kind at one depth.

    Attributes:
        free: whether they are all free labels; otherwise they are all `OneOf`.
        flat: whether they are roots without children, which independent sums serve fastest.
        names: the groups' names, G of them.
        columns: (G, S) columns of the labels, K + 1 where padded.
        valid: (G, S) False where padded.
        logits: (G, S + 1) positions of the logits, "none" last; L where there is none. (G, 1) if `free`.
        parents: (G,) column of the required label, K for roots.
        sizes: the most labels that are present at once in the tree of each group, itself included.
        index: the same of groups that are not free, for the kernel of flat groups.
        span: the logits of a free block as a slice, where they are one: far cheaper than a gather.
        column_span: its columns as a slice.
    """

    free: bool
    flat: bool
    names: tuple[str, ...]
    columns: Tensor
    valid: Tensor
    logits: Tensor
    parents: Tensor
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


@dataclass(frozen=True, eq=False)
class Forest:
    """The index tensors of a label space, on one device.

    Attributes:
        num_labels: K.
        num_logits: L.
        blocks: parents before children.
        max_count: the largest number of labels that can be present at once.
        max_tree_count: the same within one tree.
        bound_columns: (K,) False for flat free labels, whose being known says nothing about any other label.
    """

    num_labels: int
    num_logits: int
    blocks: tuple[Block, ...]
    max_count: int
    max_tree_count: int
    bound_columns: Tensor
    any_bound: bool

    def spread(self, values: Tensor, fill: float) -> Tensor:
        """(..., K) extended to (..., K + 2): the root's and the padding's column hold `fill`."""
        return F.pad(values, (0, 2), value=fill)


def compile_forest(space: LabelSpace, device: torch.device | str = "cpu") -> Forest:
    """The `Forest` of a space, made once for each space and device."""
    return _compile(space, torch.device(device))


@lru_cache(maxsize=256)
def _compile(space: LabelSpace, device: torch.device) -> Forest:
    children = space.children
    starts, position = {}, 0
    for group in space.groups:
        starts[group.name] = position
        position += group.num_logits

    levels = [list(space.roots)]
    while levels[-1]:
        levels.append([child for group in levels[-1] for label in group.labels for child in children.get(label, ())])
    sizes: dict[str, int] = {}  # most labels present at once in a group's tree; leaves first, as trees may be deep
    for group in (group for level in reversed(levels) for group in level):
        sizes[group.name] = max(1 + sum(sizes[child.name] for child in children.get(label, ())) for label in group.labels)

    blocks: list[Block] = []
    for level in levels[:-1]:
        kinds: dict[tuple[bool, bool], list[Group]] = {}
        for group in level:
            flat = group.requires is None and not any(label in children for label in group.labels)
            kinds.setdefault((isinstance(group, Free), flat), []).append(group)
        for (free, flat), groups in kinds.items():
            blocks.append(_block(space, groups, starts, sizes, free, flat, device))
    trees = [sizes[root.name] for root in space.roots]
    bound = torch.ones(space.num_labels, dtype=torch.bool)
    for block in blocks:
        if block.free and block.flat:
            bound[block.columns[:, 0].cpu()] = False
    return Forest(
        num_labels=space.num_labels,
        num_logits=space.num_logits,
        blocks=tuple(blocks),
        max_count=sum(trees),
        max_tree_count=max(trees),
        bound_columns=bound.to(device),
        any_bound=bool(bound.any()),
    )


def _block(
    space: LabelSpace,
    groups: list[Group],
    starts: dict[str, int],
    sizes: dict[str, int],
    free: bool,
    flat: bool,
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
        if group.requires is not None:
            parents[row] = space.index(group.requires)
    logits = logits[:, :1] if free else logits
    return Block(
        free=free,
        flat=flat,
        names=tuple(group.name for group in groups),
        columns=columns.to(device),
        valid=(columns <= num_labels).to(device),
        logits=logits.to(device),
        parents=parents.to(device),
        sizes=tuple(sizes[group.name] for group in groups),
        index=None if free else _outcome_index(logits, columns, space, device),
        span=_run(logits[:, 0].tolist()) if free else None,
        column_span=_run(columns[:, 0].tolist()) if free else None,
    )


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
