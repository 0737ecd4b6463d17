"""Multi-label soft margin: PyTorch's own loss for complete labels, which many programs begin with.

Source: `torch.nn.MultiLabelSoftMarginLoss`.

    loss = sum_k  -y_k log s(l_k) - (1 - y_k) log(1 - s(l_k))

PyTorch takes the mean over labels; here it is K times that, as all objectives are sums, so that one learning rate serves
all. It is the binary cross-entropy of `full_labels` under another name, and has to come out the same.

It reads the truth, and `observed` not at all; labels that the truth itself leaves unknown (-1) are left out, for which
PyTorch has no sign.

Pitfall: given what is known in place of the truth, as programs do whose tables say 0 for "not known", it is assume-negative.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from .base import Objective, Step, batch_mean


class MultiLabelSoftMargin(Objective):
    """Binary cross-entropy with the complete truth; all labels free at prediction."""

    name = "multilabel-soft-margin"
    needs_truth = True

    def _loss(self, step: Step) -> Tensor:
        assert step.truth is not None  # forward has seen to it
        present, absent = F.softplus(-step.logits), F.softplus(step.logits)
        return batch_mean((present * (step.truth == 1) + absent * (step.truth == 0)).sum(-1))
