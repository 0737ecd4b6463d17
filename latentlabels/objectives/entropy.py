"""Entropy maximisation on unknown labels, and pseudo-labels that are mostly negative.

Source: Zhou et al., "Acknowledging the unknown for multi-label learning with single positive labels", ECCV 2022: EM and
EM + APL, with alpha = 0.1 and beta = 0.9 (COCO there; VOC takes 0.2 and 0.02), 5 of 10 epochs to warm up, and a share of
90 % in the end.

    loss = sum_k  -[o_k = 1] log p_k - [o_k = 0] log(1 - p_k) + [o_k = -1] u_k,    p_k = s(l_k)
    em:      u_k = -alpha H(p_k),    H the entropy of a coin
    em-apl:  u_k = -beta (t_k log p_k + (1 - t_k) log(1 - p_k))  where label k of the image has a pseudo-label t_k, else as em

After `warmup` epochs, at the start of each of `rounds` epochs, the network goes through all training images as it is, in
evaluation mode, and the labels of lowest probability get a pseudo-label, which is that probability and stays: of each label
the same share of the images that it is unknown in, `share` after all rounds. The paper's share of pseudo-positives is 0, and
is left out here.

About an unknown label em assumes nothing, and that nothing should be said of it with confidence. Known absences, which the
papers on single positives do not have, are negatives.

Pitfall: with positives only, nothing but the entropy holds a label back from "always present", and that only up to 1/2:
what is ranked well has probabilities above 1/2 nearly everywhere, and the count of labels is meaningless. em-apl mends
the bulk, not the scale. A fit that stops before the warm-up is over never sees a pseudo-label.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import ConfigError
from ..space import LabelSpace
from .base import Known, Objective, Step, batch_mean, known_cross_entropy


def _entropy(logits: Tensor) -> Tensor:
    # of logits, not probabilities: p log p would be NaN where p has become 0
    return -torch.sigmoid(logits) * F.logsigmoid(logits) - torch.sigmoid(-logits) * F.logsigmoid(-logits)


class EntropyMaximisation(Objective):
    """Cross-entropy on known labels, entropy to be had on unknown ones; all labels free at prediction.

    Args:
        space: the declared label space.
        alpha: weight of the entropy, above 0.
    """

    name = "em"

    def __init__(self, space: LabelSpace, alpha: float = 0.1):
        super().__init__(space)
        if alpha <= 0:
            raise ConfigError(f"alpha must be above 0, not {alpha}")
        self.alpha = alpha

    def _loss(self, step: Step) -> Tensor:
        unknown = self._unknown(step)
        each = torch.where(step.observed == -1, unknown, known_cross_entropy(step.logits, step.observed))
        return batch_mean(each.sum(-1))

    def _unknown(self, step: Step) -> Tensor:
        return -self.alpha * _entropy(step.logits)


class AsymmetricPseudoLabels(EntropyMaximisation):
    """`em`, and after some epochs soft pseudo-labels where probabilities are lowest; all labels free at prediction.

    In evaluation mode it is `em`.

    Args:
        space: the declared label space.
        alpha: weight of the entropy, above 0.
        beta: weight of pseudo-labels, at least 0.
        warmup: epochs without them.
        rounds: epochs, from then on, at whose start some are given.
        share: of a label's unknown values that have one in the end, in [0, 1].
    """

    name = "em-apl"
    keeps_images = True
    needs_start = True
    quota: Tensor
    target: Tensor
    chosen: Tensor
    rows: Tensor
    unknown: Tensor

    def __init__(
        self,
        space: LabelSpace,
        alpha: float = 0.1,
        beta: float = 0.9,
        warmup: int = 5,
        rounds: int = 5,
        share: float = 0.9,
    ):
        super().__init__(space, alpha)
        if beta < 0 or warmup < 0 or rounds < 1 or not 0 <= share <= 1:
            raise ConfigError(
                f"beta and warmup must be at least 0, rounds at least 1 and share in [0, 1], not {beta}, {warmup}, {rounds} "
                f"and {share}"
            )
        self.beta, self.warmup, self.rounds, self.share = beta, warmup, rounds, share

    @property
    def ramp_epochs(self) -> int:
        """Until the last round has given its pseudo-labels."""
        return self.warmup + self.rounds

    def start(self, known: Known) -> None:
        """Count the unknown values of each label."""
        super().start(known)
        unknown = known.counted(-1)
        self.register_buffer("quota", (self.share * unknown.double() / self.rounds + 1e-9).long())  # (K,) of each round
        self.register_buffer("target", torch.zeros(known.observed.shape))  # (N, K) where chosen
        self.register_buffer("chosen", torch.zeros(known.observed.shape, dtype=torch.bool))
        self.register_buffer("rows", known.rows, persistent=False)
        self.register_buffer("unknown", known.observed[known.rows] == -1, persistent=False)  # (n, K)

    def looks_at_all(self, epoch: int) -> bool:
        """In the rounds."""
        return self.warmup <= epoch < self.warmup + self.rounds

    def look(self, marginals: Tensor) -> None:
        """Give the pseudo-labels of a round, to the lowest probabilities of each label."""
        p, before = marginals.to(self.target), self.chosen[self.rows]
        open_ = self.unknown & ~before
        order = p.masked_fill(~open_, torch.inf).argsort(dim=0, stable=True)
        first = torch.arange(len(order), device=order.device).unsqueeze(1) < self.quota
        new = torch.zeros_like(open_).scatter(0, order, first) & open_
        self.target[self.rows] = torch.where(new, p, self.target[self.rows])
        self.chosen[self.rows] = before | new

    def _unknown(self, step: Step) -> Tensor:
        plain = super()._unknown(step)
        if not self.training or step.index is None:
            return plain
        chosen, target = self.chosen[step.index], self.target[step.index].to(plain.dtype)
        pseudo = F.binary_cross_entropy_with_logits(step.logits, target, reduction="none")
        return torch.where(chosen, self.beta * pseudo, plain)
