"""Large losses of assumed negatives are taken for false negatives: left out, or turned round.

Source: Kim et al., "Large loss matters in weakly supervised multi-label classification", CVPR 2022: LL-R, LL-Ct, LL-Cp,
there with delta between 0.1 and 0.5 % by data set; here 0.5, 0.2 and 0.1 %, those of the authors' later program.

    loss = sum_k  -[o_k = 1] log p_k - [o_k = 0] log(1 - p_k) + [o_k = -1] u_k,    p_k = s(l_k)
    u_k = -log(1 - p_k),  but where that is among the largest of the unknown labels of the batch
    ll-r:   0                                 the e delta B K largest in epoch e, from 0
    ll-ct:  -log p_k                          the same, anew in each step
    ll-cp:  -log p_k, for good                delta B K further ones in each step from epoch 1 on

About an unknown label they assume that it is absent unless the network, before it has memorised the opposite, finds it
present. In evaluation mode nothing is left out or turned round.

Pitfall: numbers are rounded up, so that small batches lose or turn more than delta says (with B K = 100, ll-cp five times
as much), and one image of many labels competes with the others of its batch, not with its own past. The share grows
without end: beyond the share of false negatives, ll-ct and ll-cp teach presence where there is none.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import ConfigError
from ..space import LabelSpace
from .base import Known, Objective, Step, batch_mean


class _LargeLoss(Objective):
    usual: ClassVar[float]
    """The delta of the authors' later program."""

    def __init__(self, space: LabelSpace, delta: float | None = None):
        super().__init__(space)
        delta = self.usual if delta is None else delta
        if not 0 <= delta <= 1:
            raise ConfigError(f"delta must be a share in [0, 1], not {delta}")
        self.delta = delta

    @property
    def share(self) -> float:
        """Of the batch's labels, how many are large."""
        return min(self.epoch * self.delta, 1.0)

    def _loss(self, step: Step) -> Tensor:
        positive, unknown = step.observed == 1, step.observed == -1
        if self.training:
            return batch_mean(self._each(step, positive, unknown).sum(-1))
        return batch_mean(_cross_entropy(step.logits, positive).sum(-1))

    @abstractmethod
    def _each(self, step: Step, positive: Tensor, unknown: Tensor) -> Tensor:
        """Of the unknown labels; what the variants differ in."""

    def _largest(self, logits: Tensor, unknown: Tensor) -> Tensor:
        """Where the largest losses of assumed negatives are, which are those of the largest logits: (B, K)."""
        count = math.ceil(self.share * logits.numel() - 1e-9)
        flat = logits.detach().masked_fill(~unknown, -torch.inf).flatten()
        found = torch.zeros_like(flat, dtype=torch.bool)
        found[flat.topk(count).indices] = True  # by place: of equal ones no more than asked for
        return found.view_as(logits) & unknown


def _cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(logits, target.to(logits.dtype), reduction="none")


class LargeLossRejection(_LargeLoss):
    """Assumed negatives, large losses left out; all labels free at prediction.

    Args:
        space: the declared label space.
        delta: by how much the share that is left out grows each epoch, in [0, 1]; None: 0.005.
    """

    name = "ll-r"
    usual = 0.005

    def _each(self, step: Step, positive: Tensor, unknown: Tensor) -> Tensor:
        return _cross_entropy(step.logits, positive).masked_fill(self._largest(step.logits, unknown), 0.0)


class LargeLossTemporary(_LargeLoss):
    """Assumed negatives, large losses turned into those of positives, for the step; all labels free at prediction.

    Args:
        space: the declared label space.
        delta: by how much the share that is turned grows each epoch, in [0, 1]; None: 0.002.
    """

    name = "ll-ct"
    usual = 0.002

    def _each(self, step: Step, positive: Tensor, unknown: Tensor) -> Tensor:
        return _cross_entropy(step.logits, positive | self._largest(step.logits, unknown))


class LargeLossPermanent(_LargeLoss):
    """Assumed negatives, large losses turned into those of positives for good; all labels free at prediction.

    Args:
        space: the declared label space.
        delta: the share of a batch's labels that is turned in each step, in [0, 1]; None: 0.001.
    """

    name = "ll-cp"
    usual = 0.001
    keeps_images = True
    needs_start = True
    corrected: Tensor

    @property
    def share(self) -> float:
        """The same in each epoch after the first."""
        return self.delta if self.epoch > 0 else 0.0

    @property
    def ramp_epochs(self) -> int:
        """Until losses are turned."""
        return 1

    def start(self, known: Known) -> None:
        """Nothing is corrected yet."""
        super().start(known)
        self.register_buffer("corrected", torch.zeros(known.observed.shape, dtype=torch.bool))

    def _each(self, step: Step, positive: Tensor, unknown: Tensor) -> Tensor:
        if step.index is None:
            raise ConfigError(
                f'objective "{self.name}" keeps corrections for each image: give index, rows of the training data'
            )
        before = self.corrected[step.index] & unknown
        corrected = before | self._largest(step.logits, unknown & ~before)
        self.corrected[step.index] = corrected
        return _cross_entropy(step.logits, positive | corrected)
