"""Groups as published losses see them: flat, those of one kind together, and the log-probabilities of their outcomes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .. import exact
from ..space import Free, LabelSpace, OneOf


def flat_groups(space: LabelSpace, optional: bool) -> LabelSpace:
    """The same groups and columns with nothing required, and "none of them" an outcome of each `OneOf` or of none."""
    return LabelSpace(
        Free(group.label) if isinstance(group, Free) else OneOf(group.name, group.labels, optional) for group in space.groups
    )


class Outcomes(NamedTuple):
    """Groups of one kind, and what is known of them.

    Attributes:
        log_probs: (B, G, S + 1) of each label and, last, of none of them; -inf where there is no such outcome.
        known_present: (B, G, S + 1).
        not_absent: (B, G, S + 1) True for labels that are not known absent, and for "none" where it is an outcome.
        any_known: (B, G).
    """

    log_probs: Tensor
    known_present: Tensor
    not_absent: Tensor
    any_known: Tensor


def group_outcomes(space: LabelSpace, logits: Tensor, observed: Tensor) -> Iterator[Outcomes]:
    """All groups of a space, those of one kind together: cost follows the labels, not the groups.

    Args:
        space: a space of `flat_groups`.
        logits: (B, L).
        observed: (B, K) of 1, 0, -1.
    """
    padded = F.pad(observed, (0, 2), value=0)  # the columns that a compiled forest adds
    for block in exact.compile_forest(space, logits.device).blocks:
        labels, none = block.outcomes(logits)
        known = padded[:, block.columns]
        none_possible = block.logits[:, -1] < space.num_logits  # padded with num_logits where there is no such logit
        end = none_possible.expand(len(logits), -1).unsqueeze(-1)
        yield Outcomes(
            torch.cat([labels, none.unsqueeze(-1)], -1),
            torch.cat([(known == 1) & block.valid, torch.zeros_like(end)], -1),
            torch.cat([(known != 0) & block.valid, end], -1),
            ((known != -1) & block.valid).any(-1),
        )


def log_total(log_probs: Tensor, wanted: Tensor) -> Tensor:
    """Log of the summed probability of the wanted outcomes, (B, G); 0 without a gradient where none is wanted."""
    some = wanted.any(-1)
    # where nothing is wanted, logsumexp would be -inf and its gradient NaN, even if masked afterwards
    safe = torch.where(some.unsqueeze(-1), log_probs.masked_fill(~wanted, -torch.inf), 0.0)
    return torch.where(some, safe.logsumexp(-1), 0.0)
