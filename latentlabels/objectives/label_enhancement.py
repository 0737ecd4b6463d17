"""The soft labels of SMILE: an inference network tells soft labels, and the prediction is trained on them.

Source: Xu et al., "One positive label is sufficient: single-positive multi-label learning with label enhancement", NeurIPS
2022 (SMILE). This is its soft labels alone, not the method, and no figure here is one of SMILE:

    q(d_k | x) = Beta(a_k, b_k),  (a, b) = softplus of a network of one hidden layer on x
    loss = [ sum_k  w_k CE(p_k, t_k) ]  +  [ sum_k  w_k E_q[CE(d_k, [o_k = 1])] + kl KL(q(d_k | x), Beta(1, 1)) ]
    t_k = o_k where known, else E_q[d_k], not differentiated;   w_k = 1 where known, else 1 / (K - 1)

with p_k = s(l_k) and CE(p, t) = -t log p - (1 - t) log(1 - p). The second bracket is a negative ELBO of the soft labels d, in
closed form; it trains the network only. x are the embeddings, or for images the logits, not differentiated: pixels would
ask for an encoder of its own. Either is put to mean 0 and variance 1 for each image.

What differs from the paper: no graph of neighbouring images, hence no graph convolution and no p(graph | d); no latent z
and no p(x | d, z), to which the authors' program gives a weight of 0.001; unknown labels are weighted by 1 / (K - 1) in both
parts (there in the first); no averaging of t with 1/2; kl is 0.1, which is ours. As there, the network does not see o:
copying it would be the best that it could do.

About an unknown label it assumes that it is absent as far as the network cannot tell, with a weight by which all unknown
labels of an image count as much as one known one.

Pitfall: the balance of w_k decides where soft labels lie: if a share c of a label's presences is known,
they rank as c p does and come out near (kl + c p) / (2 kl + c p + (1 - c p) / (K - 1)), far above p for rare labels.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import ConfigError
from ..space import LabelSpace
from .base import Known, Objective, Step, batch_mean


class LabelEnhancement(Objective):
    """Cross-entropy on soft labels, which a variational network infers along the way; all labels free at prediction.

    Args:
        space: the declared label space.
        kl: weight of the divergence from the uniform density, above 0.
        hidden: units of the network.
    """

    name = "smile-soft-labels"
    needs_start = True

    def __init__(self, space: LabelSpace, kl: float = 0.1, hidden: int = 64):
        super().__init__(space)
        if kl <= 0 or hidden < 1:
            raise ConfigError(f"kl must be above 0 and hidden at least 1, not {kl} and {hidden}")
        self.kl, self.hidden = kl, hidden
        self.embedded = False
        self.network = nn.Sequential()

    def start(self, known: Known) -> None:
        """Build the network, on embeddings if the inputs are such."""
        super().start(known)
        example = known.inputs(known.rows[:1])
        self.embedded = example.dim() == 2
        size = example.shape[1] if self.embedded else self.space.num_logits
        labels = self.space.num_labels
        self.network = nn.Sequential(
            nn.LayerNorm(size, elementwise_affine=False),
            nn.Linear(size, self.hidden),
            nn.ReLU(),
            nn.Linear(self.hidden, 2 * labels),
        )

    def _loss(self, step: Step) -> Tensor:
        a, b = self._posterior(step)
        known = step.observed != -1
        positive = (step.observed == 1).to(step.logits.dtype)
        target = torch.where(known, positive, (a / (a + b)).detach())
        weight = known + ~known / max(step.observed.shape[1] - 1, 1)
        each = weight * F.binary_cross_entropy_with_logits(step.logits, target, reduction="none")
        total = torch.digamma(a + b)
        log_d, log_not = torch.digamma(a) - total, torch.digamma(b) - total  # expectations
        each = each - weight * (positive * log_d + (1 - positive) * log_not)
        divergence = torch.lgamma(a + b) - torch.lgamma(a) - torch.lgamma(b) + (a - 1) * log_d + (b - 1) * log_not
        return batch_mean((each + self.kl * divergence).sum(-1))

    def _posterior(self, step: Step) -> tuple[Tensor, Tensor]:
        """The two parameters of each label's Beta density: (B, K)."""
        if self.embedded and step.inputs is None:
            raise ConfigError(f'objective "{self.name}" infers soft labels from the embeddings: give inputs')
        x = step.inputs if self.embedded and step.inputs is not None else step.logits.detach()
        out = self.network(x.to(next(self.network.parameters()).dtype)).to(step.logits.dtype)
        a, b = (F.softplus(out) + 1e-3).chunk(2, -1)  # at 0 digamma is infinite
        return a, b
