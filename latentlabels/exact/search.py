"""The most probable label set: of a forest, of a forest with a cardinality potential, of a mixture."""

from __future__ import annotations

import heapq
import itertools
import warnings
from typing import NamedTuple

import torch
from torch import Tensor

from .evidence import pinned
from .forest import Block, Forest
from .moments import log_prob, marginals
from .sums import posterior_logits


def best_label_set(forest: Forest, logits: Tensor) -> Tensor:
    """argmax_y p(y) of one forest a row, by a max-product pass: (..., K) of 0 and 1 for logits (..., L)."""
    below = forest.start(logits, 0.0, 0.0)
    choices: list[Tensor] = []
    for block in reversed(forest.blocks):
        present, none = block.outcomes(logits)
        below_present, below_none = block.below(below)
        scores = torch.cat([present + below_present, (none + below_none).unsqueeze(-1)], -1)
        best, choice = scores.max(-1)
        below = below.index_add(-1, block.parents, best)
        choices.append(choice)
    out = forest.start(logits, 0.0, 1.0)
    for block, choice in zip(forest.blocks, reversed(choices), strict=True):
        chosen = torch.nn.functional.one_hot(choice, block.columns.shape[-1] + 1).to(out.dtype)
        chosen = chosen * out[..., block.parents].unsqueeze(-1)
        out = block.mark(out.index_add(-1, block.columns.flatten(), chosen[..., :-1].flatten(-2)), chosen)
    return out[..., : forest.num_labels]


def best_with_cardinality(forest: Forest, logits: Tensor, log_potential: Tensor) -> Tensor:
    """argmax_y p(y) h(N(y)), N the number of present labels (Tarlow et al., 2012, for forests).

    The best score for every count is built up group by group (max-plus convolutions), then read back.

    Args:
        forest: of the label space.
        logits: (..., L).
        log_potential: (..., n_max + 1) log h.

    Returns:
        (..., K) of 0 and 1.
    """
    lead, flat = logits.shape[:-1], logits.reshape(-1, logits.shape[-1])
    potential = log_potential.expand(*lead, log_potential.shape[-1]).reshape(len(flat), log_potential.shape[-1])
    groups: list[_Counted] = []
    children: dict[int, list[int]] = {}  # of a label's or event's column: the groups below it
    for block in forest.blocks:
        present, none = block.outcomes(flat)
        columns_below = _columns_below(block)
        for row, parent in enumerate(block.parents.tolist()):
            keep = block.valid[row]
            children.setdefault(parent, []).append(len(groups))
            labels = block.columns[row][keep].tolist()
            scores = torch.cat([present[:, row][:, keep], none[:, row : row + 1]], 1)
            groups.append(_Counted(labels, scores, [*columns_below[row][: len(labels)], columns_below[row][-1]]))

    picks: dict[tuple[int, int], Tensor] = {}  # how many labels the tree of a child below a column holds, by their count so far
    splits: dict[tuple[int, int, int], Tensor] = {}  # how many labels are below one of an outcome's columns, likewise
    outcome: dict[int, Tensor] = {}  # which outcome of a group is best, by count
    trees: dict[int, Tensor] = {}  # the best scores of a group's tree, by count
    tables: dict[int, Tensor] = {}  # the best scores of what is below a column, by count

    def below(column: int) -> Tensor:
        if column not in tables:
            total = flat.new_zeros(len(flat), 1)
            for child in children.get(column, ()):
                total, picks[column, child] = _best_split(total, trees.pop(child))
            tables[column] = total
        return tables[column]

    for index in reversed(range(len(groups))):  # children before parents, as trees may be deep
        own = groups[index]
        each = []
        for place, columns in enumerate(own.below):
            total = own.scores[:, place : place + 1]
            for column in columns:
                total, splits[index, place, column] = _best_split(total, below(column))
            each.append(total)
        size = max(table.shape[1] + 1 for table in each[:-1]) if len(each) > 1 else 1
        size = max(size, each[-1].shape[1])
        stack = flat.new_full((len(flat), len(each), size), -torch.inf)
        for place, table in enumerate(each):
            first = int(place < len(own.labels))
            stack[:, place, first : first + table.shape[1]] = table
        trees[index], outcome[index] = stack.max(1)

    total = below(forest.num_labels) + potential[:, : forest.max_count + 1]
    out = flat.new_zeros(len(flat), forest.num_labels)
    every = torch.arange(len(flat), device=flat.device)
    pending = [(forest.num_labels, every, total.argmax(1))]  # columns that hold, their rows, and how many labels are below them
    while pending:
        column, rows, count = pending.pop()
        for child in reversed(children.get(column, [])):
            share = picks[column, child][rows, count]
            count = count - share
            choice = outcome[child][rows, share]
            for place, columns in enumerate(groups[child].below):
                mine = choice == place
                if not mine.any():
                    continue
                left = share[mine]
                if place < len(groups[child].labels):
                    out[rows[mine], groups[child].labels[place]] = 1.0
                    left = left - 1
                for one in reversed(columns):
                    taken = splits[child, place, one][rows[mine], left]
                    pending.append((one, rows[mine], taken))
                    left = left - taken
    return out.reshape(*lead, forest.num_labels)


class _Counted(NamedTuple):
    """One group of `best_with_cardinality`: its labels, scores (N, S + 1) of its outcomes, and the columns below each."""

    labels: list[int]
    scores: Tensor
    below: list[list[int]]


def _columns_below(block: Block) -> list[list[list[int]]]:
    """For each group and outcome, none last, the columns of the label and the events that hold with it."""
    found: list[list[list[int]]] = [[[] for _ in range(block.columns.shape[1] + 1)] for _ in block.names]
    for row, place, column in block.columns_below:
        found[row][place].append(column)
    return found


def _best_split(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """The best sum of two scores by the sum of their counts, (N, a + b - 1), and the second's count in it.

    Of equal sums the one with the least count of the second is taken.
    """
    a, b = first.shape[1], second.shape[1]
    best = first.new_full((len(first), a + b - 1), -torch.inf)
    taken = torch.zeros(best.shape, dtype=torch.long, device=best.device)
    swap = b > a  # one step for each count of the shorter one
    for n in reversed(range(a)) if swap else range(b):
        here = slice(n, n + (b if swap else a))
        candidate = first[:, n : n + 1] + second if swap else first + second[:, n : n + 1]
        better = candidate > best[:, here]
        best[:, here] = torch.where(better, candidate, best[:, here])
        count = torch.arange(b, device=best.device).expand_as(candidate) if swap else n
        taken[:, here] = torch.where(better, count, taken[:, here])
    return best, taken


def most_probable_in_mixture(forest: Forest, logits: Tensor, log_weights: Tensor, max_visits: int = 20_000) -> Tensor:
    """argmax_y sum_c w_c p_c(y), by best-first branch and bound over labels; exact unless a warning says otherwise.

    A partial label set is bounded by sum_c w_c max_y p_c(y), y agreeing with it.

    Args:
        forest: of the label space.
        logits: (..., C, L).
        log_weights: (..., C).
        max_visits: partial label sets looked at per row before the best one found is returned with a warning.

    Returns:
        (..., K) of 0 and 1.
    """
    lead = logits.shape[:-2]
    rows = logits.reshape(-1, *logits.shape[-2:])
    weights = log_weights.expand(*lead, logits.shape[-2]).reshape(len(rows), logits.shape[-2])
    out, unproven = [], 0
    for row, weight in zip(rows, weights, strict=True):
        best, proven = _branch_and_bound(forest, row, weight, max_visits)
        out.append(best)
        unproven += not proven
    if unproven:
        warnings.warn(
            f"the most probable label set of {unproven} of {len(rows)} rows is the best of {max_visits} looked at, "
            "not proven to be the best of all",
            stacklevel=3,
        )
    return torch.stack(out).reshape(*lead, -1) if out else logits.new_zeros(*lead, forest.num_labels)


def _branch_and_bound(forest: Forest, logits: Tensor, weight: Tensor, max_visits: int) -> tuple[Tensor, bool]:
    def values(sets: Tensor) -> Tensor:  # log p of each, (S,)
        return torch.logsumexp(weight + log_prob(forest, logits, sets.unsqueeze(1)), 1)

    mean = (torch.softmax(weight, 0).unsqueeze(-1) * marginals(forest, logits)).sum(0)
    order = (mean - 0.5).abs().argsort(descending=False).tolist()  # the undecided first
    candidates = best_label_set(forest, logits).unique(dim=0)
    scores = values(candidates)
    best, best_score = candidates[scores.argmax()], float(scores.max())
    tie = itertools.count()
    start = torch.full((forest.num_labels,), -1, dtype=torch.int8, device=logits.device)
    heap: list[tuple[float, int, int, Tensor]] = [(-torch.inf, next(tie), 0, start)]
    for _ in range(max_visits):
        if not heap:
            return best, True
        bound, _, depth, pins = heapq.heappop(heap)
        if -bound <= best_score + 1e-12:
            return best, True
        if depth == forest.num_labels:
            continue
        for present in (0, 1):
            new = pins.clone()
            new[order[depth]] = present
            log_z, posterior = posterior_logits(forest, logits, pinned(new, logits.dtype))
            tops = best_label_set(forest, posterior[:, 0])
            joint = weight + log_prob(forest, logits, tops)
            possible = ~torch.isneginf(log_z[:, 0])
            upper = float(torch.logsumexp(torch.where(possible, joint, -torch.inf), 0))
            candidates = tops[possible].unique(dim=0)
            if len(candidates):
                scores = values(candidates)
                if float(scores.max()) > best_score:
                    best, best_score = candidates[scores.argmax()], float(scores.max())
            if upper > best_score:
                heapq.heappush(heap, (-upper, next(tie), depth + 1, new))
    return best, not heap or -heap[0][0] <= best_score + 1e-12
