"""PU-MLC: each label as positives among the unlabelled, by a variational bound that needs no class prior.

Source: Yuan et al., "Positive label is all you need for multi-label classification", ICME 2024, with alpha = 1 and
gamma = 0.55 (COCO; VOC takes 2 and 0.85) and mixup's Beta(0.3, 0.3); after Chen et al., "A variational approach for learning
from positive and unlabeled data", NeurIPS 2020.

    loss = sum_k  w_k log mean_B s(l_k / T_k)  -  mean over the batch's known positives of k of log s(l_k / T_k)
                  + (consistency / n) sum over n mixed images of (log t_k - log s(l_k of the mixed image))^2
    T_k = alpha times the deviation of l_k over the batch, between `coldest` and 1
    w_k = (mean_B s(l_k / T_k))^gamma
    mixed image:  m x + (1 - m) x',  m ~ Beta(mix, mix), x of one half of the batch and x' of the other, paired at random
    t_k = m a_k + (1 - m) a'_k,  a_k = 1 where known present, else s(l_k)

T and w are not differentiated; t is, as in the authors' program. The first line is the same where all s(l_k) are multiplied
by one number and w = 1, so that no class prior enters; the consistency fixes the scale, by the 1 of known positives.

About an unknown label it assumes that known positives are a random draw from all positives of the label, of whose share
nothing is assumed. A known absence is one more unlabelled image, as in the paper, and teaches nothing of its own.

What differs from the paper: no local-global convolution, which belongs to the network. `coldest` is ours: logits that are the
same in the whole batch, as at the start of a head at its prior, would be divided by 0. In evaluation mode, and where the
network cannot be asked for other inputs, there is no consistency.

Pitfall: means are over a batch, and a label that is rare in it is seen through one or two images, or through none: then it
is lowered, without an end but that of w. The probabilities are
relative: the largest of each label is drawn to 1, however rarely the label is present.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import ConfigError
from ..space import LabelSpace
from .base import Objective, Step


class PositiveUnlabelled(Objective):
    """A variational loss of positives among the unlabelled, with mixup; all labels free at prediction.

    Args:
        space: the declared label space.
        alpha: temperature, in deviations of a label's logits over the batch, above 0.
        gamma: exponent of the weight of the unlabelled, at least 0.
        mix: parameter of mixup's Beta density, above 0.
        consistency: weight of mixup, at least 0.
        coldest: the lowest temperature, in (0, 1].
    """

    name = "pu-mlc"

    def __init__(
        self,
        space: LabelSpace,
        alpha: float = 1.0,
        gamma: float = 0.55,
        mix: float = 0.3,
        consistency: float = 1.0,
        coldest: float = 0.1,
    ):
        super().__init__(space)
        if min(alpha, mix) <= 0 or min(gamma, consistency) < 0 or not 0 < coldest <= 1:
            raise ConfigError(
                f"alpha and mix must be above 0, gamma and consistency at least 0 and coldest in (0, 1], not {alpha}, {mix}, "
                f"{gamma}, {consistency} and {coldest}"
            )
        self.alpha, self.gamma, self.mix, self.coldest = alpha, gamma, mix, coldest
        self.mixup_weight = consistency

    def _loss(self, step: Step) -> Tensor:
        if not len(step.logits):
            return step.logits.sum()
        loss = self._variational(step)
        if not self.training or not self.mixup_weight or step.predict is None or step.inputs is None or len(step.logits) < 2:
            return loss
        return loss + self.mixup_weight * self._mixed(step)

    def _variational(self, step: Step) -> Tensor:
        logits, positive = step.logits, step.observed == 1
        deviation = logits.detach().std(0, correction=0)
        log_p = F.logsigmoid(logits / (self.alpha * deviation).clamp(self.coldest, 1.0))
        log_mean = log_p.logsumexp(0) - math.log(len(logits))
        weight = torch.exp(self.gamma * log_mean.detach())
        known = log_p.masked_fill(~positive, 0.0).sum(0) / positive.sum(0).clamp(min=1)
        return (weight * log_mean - known).sum()

    def _mixed(self, step: Step) -> Tensor:
        """How far a mixture of images is from the mixture of their probabilities."""
        assert step.predict is not None
        assert step.inputs is not None
        half = len(step.logits) // 2
        first = torch.randperm(half, device=step.logits.device)
        second = torch.arange(len(step.logits) - half, len(step.logits), device=step.logits.device)
        share = torch.distributions.Beta(self.mix, self.mix).sample().to(step.logits)
        mixed = share * step.inputs[first] + (1 - share) * step.inputs[second]
        # log s(l) where unknown, 0 = log 1 where known present
        log_a = F.logsigmoid(step.logits).masked_fill(step.observed == 1, 0.0)
        parts = torch.stack([log_a[first] + share.log(), log_a[second] + (-share).log1p()])
        target = parts.clamp(min=torch.finfo(parts.dtype).min).logsumexp(0)  # a share of 0 has a logarithm of -inf
        return (target - F.logsigmoid(step.predict(mixed))).square().sum() / half
