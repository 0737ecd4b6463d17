"""CRISP: a risk of positives and unlabelled images for each label, with class priors estimated along the way.

Source: Liu et al., "Can class-priors help single-positive multi-label learning?", 2023 (arXiv:2309.13886). The absolute loss
|p - y| of a label y has the risk

    E |p_k - y_k| = 2 pi_k E[1 - p_k | y_k = 1] + E[p_k] - pi_k,    p_k = s(l_k),

which needs no negatives; the last two terms together are made a distance, so that they cannot fall without end:

    loss = sum_k  2 pi_k / c_k mean over the batch of [o_k = 1] (1 - p_k)  +  |mean over the batch of p_k - pi_k|

with c_k the share of the training images in which the label is known to be present, as in `nnpu`. Before each epoch from
`warmup` on, from the probabilities of all training images and, for each label, over thresholds z,

    pi_k = q(z) / r(z)  at the z that minimises  q(z) / r(z) + (1 + tau) (e(n) + e(n_k)) / r(z)

with e(n) = sqrt(log(4 / delta) / 2n), q(z) the share of all n images, r(z) that of the n_k known positives whose probability
is at least z; never below c_k. The bound is that of a mixture: where the classifier is high enough, hardly anything but
positives is left.

About an unknown label it assumes that known positives are a random draw from all positives of the label. A known absence is
an unlabelled image. A label never known to be present has no risk and is left alone.

What is ours: tau = 0.01 and delta = 0.1, in the absence of better knowledge, and the first epoch, whose pi_k are
`Known.prevalence`, since before it all images may have the same probability.

Pitfall: with one label known of each image, an image of few labels shows its label more often, and pi_k comes out too low.
The absolute loss has its minimum at 0 or 1, not at the probability: predictions become decisions. The mean is that of the
batch, which scatters around pi_k and is punished for it.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..errors import ConfigError
from ..space import LabelSpace
from .base import Known, Objective, Step, batch_mean


class ClassPriors(Objective):
    """Absolute loss of positives and unlabelled images by estimated class priors; all labels free at prediction.

    Args:
        space: the declared label space.
        tau: how much more than its width the bound's margin counts, above 0.
        delta: chance of the bound to be wrong, in (0, 1).
        warmup: epochs before class priors are estimated, at least 1.
    """

    name = "crisp"
    needs_start = True
    prior: Tensor
    share: Tensor
    positive: Tensor

    def __init__(self, space: LabelSpace, tau: float = 0.01, delta: float = 0.1, warmup: int = 1):
        super().__init__(space)
        if tau <= 0 or not 0 < delta < 1 or warmup < 1:
            raise ConfigError(f"tau must be above 0, delta in (0, 1) and warmup at least 1, not {tau}, {delta} and {warmup}")
        self.tau, self.delta, self.warmup = tau, delta, warmup
        self.register_buffer("prior", torch.zeros(space.num_labels))
        self.register_buffer("share", torch.zeros(space.num_labels), persistent=False)

    @property
    def ramp_epochs(self) -> int:
        """Until class priors are estimated."""
        return self.warmup

    def start(self, known: Known) -> None:
        """Count how often each label is known to be present."""
        super().start(known)
        self.share = (known.counted(1).double() / max(len(known.rows), 1)).float()
        self.prior = torch.maximum(known.prevalence.float(), self.share)
        self.register_buffer("positive", known.observed[known.rows] == 1, persistent=False)  # (n, K)

    def looks_at_all(self, epoch: int) -> bool:
        """After the warm-up."""
        return epoch >= self.warmup

    def look(self, marginals: Tensor) -> None:
        """Estimate the class priors."""
        p = marginals.to(self.prior)
        found = [class_prior(p[:, k], self.positive[:, k], self.tau, self.delta) for k in range(p.shape[1])]
        self.prior = torch.maximum(torch.tensor(found).to(self.prior), self.share)

    def _loss(self, step: Step) -> Tensor:
        p, prior, share = torch.sigmoid(step.logits), self.prior.to(step.logits), self.share.to(step.logits)
        if not len(p):
            return step.logits.sum()
        seen = share > 0
        weight = torch.where(seen, 2 * prior / share.clamp(min=torch.finfo(share.dtype).tiny), 0.0)
        positive = batch_mean(((step.observed == 1) * weight * torch.sigmoid(-step.logits)).sum(-1))
        return positive + ((p.mean(0) - prior).abs() * seen).sum()


def class_prior(p: Tensor, positive: Tensor, tau: float, delta: float) -> float:
    """The share of positives among images by the threshold whose bound is the lowest; 0 without a known positive.

    Args:
        p: (n,) probabilities of the label.
        positive: (n,) bool, where it is known to be present.
        tau: how much more than its width the bound's margin counts.
        delta: chance of the bound to be wrong.
    """
    n, known = len(p), int(positive.sum())
    if not known:
        return 0.0
    ordered, order = p.double().sort(descending=True)
    last = torch.cat([ordered[1:] != ordered[:-1], torch.ones(1, dtype=torch.bool, device=p.device)])  # of equal ones
    among_all = torch.arange(1, n + 1, device=p.device).double() / n
    among_known = positive[order].double().cumsum(0) / known
    usable = last & (among_known > 0)
    q, r = among_all[usable], among_known[usable]
    margin = math.sqrt(math.log(4 / delta) / (2 * n)) + math.sqrt(math.log(4 / delta) / (2 * known))
    best = int((q / r + (1 + tau) * margin / r).argmin())
    return min(float(q[best] / r[best]), 1.0)
