"""The two functions that are exported, as modules: p(label | image), and p(label | image, known labels).

They are the model's own operations in a fixed sequence, whatever the images and known labels hold: nothing is refused, and what
is impossible gives NaN.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .. import exact
from ..annotation import Annotation
from ..distributions import LabelVector, NonEmptyLabelVector
from ..program import Amortizer


class Graph(nn.Module):
    """What both have: inputs to p(y | x). Abstract.

    Args:
        amortizer: of a fitted model, on the CPU, in evaluation mode.
    """

    def __init__(self, amortizer: Amortizer):
        super().__init__()
        self.amortizer = amortizer

    def vector(self, inputs: Tensor) -> LabelVector:
        """p(y | x)."""
        return self.amortizer.vector(self.amortizer.head(self.amortizer.encoder(inputs)))


class LabelGraph(Graph):
    """Inputs to p(label | x)."""

    def forward(self, inputs: Tensor) -> Tensor:
        """Images (N, 3, H, W) in [0, 1], or embeddings (N, D), to probabilities (N, K)."""
        return self.vector(inputs).marginals.clamp(0.0, 1.0)


class KnownGraph(Graph):
    """Inputs and known labels to p(label | x, known).

    Args:
        amortizer: of a fitted model, on the CPU, in evaluation mode.
        how: the annotation by which known labels enter the posterior.
    """

    def __init__(self, amortizer: Amortizer, how: Annotation):
        super().__init__(amortizer)
        space = self.amortizer.space
        forest = exact.compile_forest(space)
        for block in forest.blocks:
            block.ready_for_graphs()
        self.evidence = how.evidence_of_any(space.num_labels, forest.max_count)
        self.complete = how.complete
        self.most_known = 1 if how.one_positive else space.num_labels

    def forward(self, inputs: Tensor, known: Tensor) -> Tensor:
        """Inputs, and known labels (N, K) int8 of 1, 0 and -1 (unknown), to probabilities (N, K).

        NaN in rows whose known labels no valid label set agrees with, hold other numbers, or are more positives than the
        annotation describes, unless all labels are known.
        """
        prior = self.vector(inputs)
        evidence = self.evidence(known).joined()
        log_z, logits = exact.posterior_logits(prior.forest, prior.logits, evidence)
        joint = (log_z + evidence.log_weight.unsqueeze(-2) + prior.log_weights.unsqueeze(-1)).flatten(-2)
        found = LabelVector(prior.space, logits.flatten(-3, -2), joint.to(logits.dtype), validate_args=False)
        if isinstance(prior, NonEmptyLabelVector):
            found = prior.reweighted(found)
        possible = ~torch.isneginf(joint.amax(-1)) & ((known >= -1) & (known <= 1)).all(-1)
        possible = possible & (((known == 1).sum(-1) <= self.most_known) | self.complete(known))
        return torch.where(possible.unsqueeze(-1), found.marginals.clamp(0.0, 1.0), torch.nan)
