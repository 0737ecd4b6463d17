"""Focal and asymmetric loss: what is predicted well already counts for less.

Sources: Lin et al., "Focal loss for dense object detection", ICCV 2017, with gamma = 2; Ben-Baruch et al., "Asymmetric loss
for multi-label classification", ICCV 2021, with gamma+ = 0, gamma- = 4 and a margin m = 0.05.

    loss = sum_k  -[o_k = 1] (1 - p_k)^gamma+ log p_k - [o_k != 1] q_k^gamma- log(1 - q_k),
    p_k = s(l_k),  q_k = max(p_k - m, 0)

Focal loss is the case gamma+ = gamma- = gamma and m = 0, but for one thing: the authors of the asymmetric loss do not
differentiate the powers, which are weights there. About an unknown label both assume that it is absent.

Pitfall: neither is a proper scoring rule: its minimum is not at the true probability, not even with complete labels, so
that calibration suffers whatever ranking gains. A negative of q_k = 0 has no gradient at all.
"""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import ConfigError
from ..space import LabelSpace
from .base import Objective, Step, batch_mean


class _Focusing(Objective):
    detached: ClassVar[bool] = False
    """Whether the powers are weights that are not differentiated."""

    def __init__(self, space: LabelSpace, gamma_positive: float, gamma_negative: float, margin: float):
        super().__init__(space)
        if gamma_positive < 0 or gamma_negative < 0 or not 0 <= margin < 1:
            raise ConfigError(
                f"the exponents of a focusing loss must be at least 0 and its margin in [0, 1), not {gamma_positive}, "
                f"{gamma_negative} and {margin}"
            )
        self.gamma_positive, self.gamma_negative, self.margin = gamma_positive, gamma_negative, margin

    def _loss(self, step: Step) -> Tensor:
        present, absent = torch.sigmoid(step.logits), torch.sigmoid(-step.logits)
        positive = -F.logsigmoid(step.logits) * self._weight(absent, self.gamma_positive)
        if self.margin:
            shifted = (present - self.margin).clamp(min=0)
            negative = -torch.log1p(-shifted) * self._weight(shifted, self.gamma_negative)
        else:
            negative = -F.logsigmoid(-step.logits) * self._weight(present, self.gamma_negative)
        return batch_mean(torch.where(step.observed == 1, positive, negative).sum(-1))

    def _weight(self, base: Tensor, exponent: float) -> Tensor:
        if exponent == 0:  # 0 ** 0 would have a gradient of NaN
            return torch.ones_like(base)
        return (base.detach() if self.detached else base) ** exponent


class Focal(_Focusing):
    """Focal loss with everything unknown as absent; all labels free at prediction.

    Args:
        space: the declared label space.
        gamma: the exponent, at least 0; 0 is assume-negative.
    """

    name = "focal"

    def __init__(self, space: LabelSpace, gamma: float = 2.0):
        super().__init__(space, gamma, gamma, 0.0)


class Asymmetric(_Focusing):
    """Asymmetric loss with everything unknown as absent; all labels free at prediction.

    Args:
        space: the declared label space.
        gamma_positive: exponent of known positives, at least 0.
        gamma_negative: exponent of the others, at least 0.
        margin: by which their probability is lowered, in [0, 1).
    """

    name = "asl"
    detached = True

    def __init__(self, space: LabelSpace, gamma_positive: float = 0.0, gamma_negative: float = 4.0, margin: float = 0.05):
        super().__init__(space, gamma_positive, gamma_negative, margin)
