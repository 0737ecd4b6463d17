"""The label prior p(y): prevalences in a forest, and co-occurrence in a mixture of forests."""

from __future__ import annotations

import torch
from pyro.nn import PyroModule
from torch import Tensor, nn

from ..distributions.label_vector import LabelVector
from ..space import LabelSpace


class LabelPrior(PyroModule):
    """p(y), one forest or a mixture of M.

    Args:
        space: the label space.
        logits: (L,) at which every component starts; see `LabelVector`.
        mixture: M.
        learn: whether it is fitted by the ELBO. A fixed prior anchors the scale of the label probabilities;
            a fitted one learns which labels go together, for which M > 1 is needed.

    Shapes: `logits` (M, L), `mixture_logits` (M,).
    """

    logits: Tensor
    mixture_logits: Tensor

    def __init__(self, space: LabelSpace, logits: Tensor, mixture: int = 1, learn: bool = False):
        super().__init__()
        self.space = space
        start = logits.detach().clone().expand(mixture, -1).contiguous()
        if mixture > 1:  # equal components would stay equal: their gradients are
            noise = torch.randn(start.shape, generator=torch.Generator().manual_seed(0), dtype=start.dtype)
            start = start + 0.1 * noise
        weights = start.new_zeros(mixture)
        if learn:
            self.logits, self.mixture_logits = nn.Parameter(start), nn.Parameter(weights)
        else:
            self.register_buffer("logits", start)
            self.register_buffer("mixture_logits", weights)

    def forward(self) -> LabelVector:
        """The prior as a distribution of empty batch shape."""
        return LabelVector(self.space, self.logits, self.mixture_logits, validate_args=False)
