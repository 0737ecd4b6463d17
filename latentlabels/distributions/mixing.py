"""Mixtures of distributions over label sets, and distributions with other logits, as one distribution again.

A `NonEmptyLabelVector` of several components is p(y) r^[y = 0] / D with one D for all. As a mixture of distributions of its own
kind, component c has the weight w_c D_c / D, for its weight w_c in p and its own mass D_c.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from .label_vector import LabelVector
from .nonempty import NonEmptyLabelVector


def mixed(each: Sequence[LabelVector]) -> LabelVector:
    """The mixture of distributions in equal parts.

    Args:
        each: R of them, of one kind, space and batch shape.

    Returns:
        (p_1 + ... + p_R) / R.
    """
    if len(each) == 1:
        return each[0]
    weights = torch.cat([_log_shares(q) - math.log(len(each)) for q in each], -1)
    return _mixture(each[0], torch.cat([q.logits for q in each], -2), weights)


def sharpened(q: LabelVector, sharpness: float) -> LabelVector:
    """A distribution whose logits are multiplied by a number, while the shares of its components stay as they are."""
    return _mixture(q, q.logits * sharpness, _log_shares(q))


def _log_shares(q: LabelVector) -> Tensor:
    """(..., C) log of the weights of components as distributions of the kind of q."""
    weights = q.mixture_logits.log_softmax(-1)
    if isinstance(q, NonEmptyLabelVector) and q.num_components > 1:
        return (weights + _log_masses(q, q.logits)).log_softmax(-1)
    return weights


def _mixture(like: LabelVector, logits: Tensor, log_shares: Tensor) -> LabelVector:
    """The distribution of the kind of another one, of components (..., C, L) with shares (..., C)."""
    if not isinstance(like, NonEmptyLabelVector):
        return LabelVector(like.space, logits, log_shares, validate_args=False)
    if logits.shape[-2] == 1:
        return NonEmptyLabelVector(like.space, logits[..., 0, :], like.empty_odds, validate_args=False)
    weights = (log_shares - _log_masses(like, logits)).log_softmax(-1)
    return like.reweighted(LabelVector(like.space, logits, weights, validate_args=False))


def _log_masses(like: NonEmptyLabelVector, logits: Tensor) -> Tensor:
    """(..., C) log D of each component."""
    return NonEmptyLabelVector(like.space, logits, like.empty_odds, validate_args=False).log_mass
