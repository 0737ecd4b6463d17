"""The expected reduction of entropy by the answer to a question, exact from the posterior of each image.

The answer a to a question about an image is a function of its label set y, so that for the whole label set

    H(y) - E[H(y | a)] = I(y; a) = H(a),

the entropy of the answer: for a label h(p), h(p) = -p log p - (1 - p) log(1 - p); for a group the entropy of its outcomes,
"none" included. For a label t of interest it is

    I(y_t; a_k) = h(p_t) - p_k h(p(t | k present)) - (1 - p_k) h(p(t | k absent)),

which takes one conditional query for each label that is asked. Source: Lindley, "On a measure of the information provided by an
experiment", Annals of Mathematical Statistics, 1956.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from ..distributions import LabelVector
from ..space import Group, LabelSpace

Array = NDArray[np.float64]
_NEVER = 1e-12  # an answer of this probability is not conditioned on: it may be impossible


def binary_entropy(p: Array) -> Array:
    """h(p) in nats, 0 where p is 0 or 1."""
    return -(_times_log(p) + _times_log(1 - p))


def label_gains(marginals: Array) -> Array:
    """Expected reduction of the entropy of an image's whole label set by asking for each label, nats: (N, K).

    Args:
        marginals: (N, K) p(label present), given what is known of the image.
    """
    return binary_entropy(np.clip(marginals, 0.0, 1.0))


def group_outcomes(marginals: Array, space: LabelSpace, group: Group) -> Array:
    """p of each label of a group and, last, of none of them: (N, k + 1)."""
    each = np.clip(marginals[:, space.columns(group)], 0.0, 1.0)
    none = np.clip(1 - each.sum(1, keepdims=True), 0.0, 1.0)
    return np.concatenate([each, none], 1)


def group_gains(marginals: Array, space: LabelSpace, groups: Sequence[Group]) -> Array:
    """The same by asking which label of a group is present, nats: (N, G)."""
    found = [-_times_log(group_outcomes(marginals, space, group)).sum(1) for group in groups]
    return np.stack(found, 1) if found else np.zeros((len(marginals), 0))


def label_gains_about(q: LabelVector, target: int) -> Array:
    """Expected reduction of the entropy of one label by asking for each label of the same image, nats: (N, K).

    Args:
        q: the posterior of N images, given what is known.
        target: the label of interest.
    """
    p = q.marginals.detach().double().numpy().clip(0.0, 1.0)
    before = binary_entropy(p[:, target])
    out = np.zeros_like(p)
    for k in range(p.shape[1]):
        after = np.zeros(len(p))
        for value, share in ((1, p[:, k]), (0, 1 - p[:, k])):
            possible = share > _NEVER
            observed = torch.full(p.shape, -1, dtype=torch.int8)
            observed[:, k] = torch.from_numpy(np.where(possible, value, -1).astype(np.int8))
            found = q.condition(observed).marginals[:, target].detach().double().numpy().clip(0.0, 1.0)
            after += np.where(possible, share * binary_entropy(found), 0.0)
        out[:, k] = np.maximum(before - after, 0.0)
    return out


def _times_log(p: Array) -> Array:
    return p * np.log(np.where(p > 0, p, 1.0))
