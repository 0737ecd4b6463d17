"""A label space and an image's posterior as JSON, with all that `space.js` needs to condition exactly."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch

from ...distributions import LabelVector
from ...posterior import Posterior
from ...space import Free, Group, LabelSpace

Document = dict[str, Any]


def space_document(space: LabelSpace) -> Document:
    """The labels and the forest of groups.

    Returns:
        ``labels``: their names, in the order of all tables. ``groups``: of each its ``name``, ``kind`` ("one_of" or "free"),
        ``labels``, ``optional``, what it is called if it has no label (``none``), ``requires`` and ``excludes`` as declared,
        ``depth``, ``start`` (its first logit; "none of these" has the last one of an optional group), and its ``parent``: the
        number of the group above, and the outcomes of that one where this one applies; None for roots. ``order``: the
        numbers of the groups, each after its parent.
    """
    numbers = {group.name: number for number, group in enumerate(space.groups)}
    depth: dict[str, int] = {}
    for group in space.parents_first:
        parent = space.parent(group)
        depth[group.name] = 0 if parent is None else 1 + depth[parent.group]
    starts = np.cumsum([0, *(group.num_logits for group in space.groups)]).tolist()
    return {
        "labels": list(space.labels),
        "groups": [
            _group(space, group, start, depth[group.name], numbers)
            for group, start in zip(space.groups, starts, strict=False)  # the last start is the number of logits
        ],
        "order": [numbers[group.name] for group in space.parents_first],
    }


def _group(space: LabelSpace, group: Group, start: int, depth: int, numbers: dict[str, int]) -> Document:
    parent, free = space.parent(group), isinstance(group, Free)
    excludes = group.excludes or ()
    return {
        "name": group.name,
        "kind": "free" if free else "one_of",
        "labels": list(group.labels),
        "optional": group.optional,
        "none": None if isinstance(group, Free) or group.none is None else group.none,
        "requires": list(group.required),
        "excludes": excludes if isinstance(excludes, str) else list(excludes),
        "depth": depth,
        "start": start,
        "parent": None
        if parent is None
        else {"group": numbers[parent.group], "labels": list(parent.labels), "none": parent.none},
    }


def image_document(posterior: Posterior, row: int = 0) -> Document:
    """The distribution of one image's labels, and what was known when it was made.

    Args:
        posterior: of N images.
        row: which of them.

    Returns:
        ``components``: the ``weight`` and ``logits`` of each forest of a mixture, one of them as a rule; infinite logits
        are the texts "Infinity" and "-Infinity", as JSON has no number for them. ``emptyOdds``: how much the empty label set
        counts, 1 where it counts what the logits say. ``known``: {label: 1 or 0}, already conditioned on.
    """
    distribution = posterior.distribution.take(torch.tensor([row]))
    with torch.no_grad():
        weights = distribution.log_weights.expand(1, distribution.num_components)[0].double().exp()
        logits = distribution.logits.expand(1, distribution.num_components, -1)[0].double()
    known = None if posterior.known is None else posterior.known[row]
    return {
        "components": [
            {"weight": weight, "logits": numbers(own.tolist())}
            for weight, own in zip(weights.tolist(), logits, strict=True)
            if weight > 0
        ],
        "emptyOdds": _empty_odds(distribution),
        "known": {}
        if known is None
        else {label: int(value) for label, value in zip(posterior.space.labels, known, strict=True) if value != -1},
    }


def _empty_odds(distribution: LabelVector) -> float:
    return math.exp(distribution.log_odds_of_empty)


def numbers(values: Iterable[float]) -> list[float | str]:
    """Logits as JSON holds them, with eight digits: no less than float32 has, in half the space."""
    return [float(f"{value:.8g}") if math.isfinite(value) else _WORDS[value] for value in values]


_WORDS = {math.inf: "Infinity", -math.inf: "-Infinity"}
