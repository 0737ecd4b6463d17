"""Two answers exchanged: the second kind of mistake, in images of which labels are known to be present and to be absent.

Somebody takes one thing for another: the label that the image shows is said to be absent, and another one present. Two flips,
each with the rate e, would explain it with e^2, and one of them alone often cannot: without its one label, an image would show
none. So an exchange has a share f of its own. In a share f of the images one present label is drawn at random, then one of its
kind that is absent, and their answers are exchanged; all other answers are right:

    p(o | y) = (1 - f) prod_k p_e(o_k | y_k) + f sum over (b, a) of [y agrees with o where b and a are exchanged] / (m n_b)

Labels of one kind are those of one `OneOf`, or the free labels below one outcome. m counts the known positives of which some
label of their kind is known to be absent, n_b these absent ones; an exchange changes neither. A label below which groups hang
is never exchanged: what it requires would be wrong as well.

Within one forest of a mixture, an exchange multiplies the probability by exp(logit of a - logit of b). So the sum over all
pairs costs as much as one over labels.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import brentq
from torch import Tensor

from ..annotation import Ignorable
from ..distributions import LabelVector
from ..space import Free, LabelSpace

_LARGEST = 0.5
_DROP = 7.0  # of log L, beyond which a share does not count
_SHARES = 7
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(_SHARES)  # of Gauss and Legendre, on [-1, 1]
_SURE = 100.0  # logits beyond it are taken for it: their difference is finite

_Floats = NDArray[np.float64]


class _Class(NamedTuple):
    """Labels that can be taken for each other: (k,) columns of the table, and of the logits."""

    columns: Tensor
    logits: Tensor


class Exchanges:
    """Which labels of a space can be exchanged, and how probable what is known is, if some have been.

    Args:
        space: of K labels.
    """

    def __init__(self, space: LabelSpace):
        found: dict[object, list[str]] = {}
        for group in space.groups:
            kind = ("free", space.parent(group)) if isinstance(group, Free) else group.name
            found.setdefault(kind, []).extend(label for label in group.labels if not space.below(group, label))
        self._classes = [
            _Class(torch.tensor([space.index(one) for one in labels]), torch.tensor([space.logit_index(one) for one in labels]))
            for labels in found.values()
            if len(labels) > 1
        ]

    def number(self, observed: Tensor) -> Tensor:
        """(...) m: the known positives of (..., K) that may have been exchanged."""
        out = torch.zeros(observed.shape[:-1], dtype=torch.long)
        for columns, _ in self._classes:
            own = observed[..., columns]
            out += torch.where((own == 0).any(-1), (own == 1).sum(-1), 0)
        return out

    def log_prob(self, q: LabelVector, observed: Tensor) -> Tensor:
        """(N, K) log p(known labels, an exchange in which label k took part | x, there is one); its sum counts pairs twice.

        Args:
            q: p(y | x), batch shape (N,).
            observed: int8 (N, K) of 1, 0, -1, with some positive that may have been exchanged in each row.
        """
        logits = q.logits.double().clamp(-_SURE, _SURE)
        forests = LabelVector(q.space, logits, validate_args=False)
        mass = q.log_mass.double().unsqueeze(-1) if q.nonempty else 0.0
        joint = forests.log_marginal(observed.unsqueeze(-2), Ignorable()) + q.log_weights.double() - mass  # (N, C)
        joint = joint - self.number(observed).double().log().unsqueeze(-1)
        out = torch.full(observed.shape, -torch.inf, dtype=torch.float64)
        for columns, places in self._classes:
            told = observed[:, columns].unsqueeze(-2)  # (N, 1, k)
            own = logits[..., places]
            came = own.masked_fill(told != 0, -torch.inf).logsumexp(-1, keepdim=True)
            went = (-own).masked_fill(told != 1, -torch.inf).logsumexp(-1, keepdim=True)
            each = torch.where(told == 1, came - own, torch.where(told == 0, went + own, -torch.inf))
            absent = (told == 0).sum(-1).clamp(min=1).double().log()
            out[:, columns] = ((joint - absent).unsqueeze(-1) + each).logsumexp(-2)
        return out


def total(each: Tensor, observed: Tensor) -> Tensor:
    """(N,) log p(known labels | x, there is an exchange), from that by label: in each pair one label is known to be present."""
    return each.masked_fill(observed != 1, -torch.inf).logsumexp(-1)


def shares(flips: _Floats, exchanged: _Floats) -> tuple[_Floats, _Floats]:
    """Shares f wherever they count, and the log of p(known labels | f) df, for a flat prior up to 1/2.

    Args:
        flips: (R,) log p(known labels of an image | no exchange), of the images where there may be one.
        exchanged: (R,) the same given an exchange.

    Returns:
        f = 0 alone if there are no such images.
    """
    if not len(flips):
        return np.zeros(1), np.zeros(1)
    more = np.expm1(np.clip(exchanged - flips, -700.0, 700.0))
    base = float(flips.sum())

    def slope(share: float) -> float:
        return float((more / (1 + share * more)).sum())

    def value(share: float) -> float:
        return float(np.log1p(share * more).sum())

    best = 0.0 if slope(0.0) <= 0 else _LARGEST if slope(_LARGEST) >= 0 else float(brentq(slope, 0.0, _LARGEST))
    least = value(best) - _DROP
    low = 0.0 if value(0.0) >= least else float(brentq(lambda one: value(one) - least, 0.0, best))
    high = _LARGEST if value(_LARGEST) >= least else float(brentq(lambda one: value(one) - least, best, _LARGEST))
    found = (low + high + (high - low) * _NODES) / 2
    weight = (high - low) * _WEIGHTS  # the density of f is 2
    return found, base + np.array([value(float(one)) for one in found]) + np.log(weight)
