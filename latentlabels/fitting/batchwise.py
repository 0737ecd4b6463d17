"""What a network gives for many rows, batch by batch; the answers are on the CPU."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..distributions import LabelVector
from ..inputs.batches import Batches
from ..program import Amortizer
from ..progress import Phase, phase
from .module import LabelModule


def label_vector(amortizer: Amortizer, batches: Batches, rows: Tensor, batch_size: int) -> LabelVector:
    """q(y | x) of some rows, batch shape (rows,), on the CPU."""
    return amortizer.vector(flat_logits(amortizer, batches, rows, batch_size))


@torch.no_grad()
def flat_logits(amortizer: Amortizer, batches: Batches, rows: Tensor, batch_size: int) -> Tensor:
    """What the head gives for some rows, (rows, `num_rows`), on the CPU."""
    amortizer.eval()
    device = next(amortizer.parameters()).device
    if not len(rows):  # encoders need not take an empty batch
        return torch.zeros(0, amortizer.head.out_features)
    parts = []
    with phase(Phase.EVALUATION, "predicting", len(rows)) as step:
        for part in rows.split(max(batch_size, 64)):
            parts.append(amortizer.head(amortizer.features(batches.inputs(part).to(device))).cpu())
            step(len(part))
    return torch.cat(parts)


@torch.no_grad()
def predict_marginals(
    module: LabelModule, batches: Batches, rows: Tensor, batch_size: int, device: torch.device | str = "cpu"
) -> NDArray[np.float32]:
    """Posterior label probabilities of some rows: (len(rows), K)."""
    was = module.training
    module.eval()
    parts = [module.amortizer(batches.inputs(part).to(device)).marginals.cpu() for part in rows.split(batch_size)]
    module.train(was)
    marginals: NDArray[np.float32] = torch.cat(parts).numpy()
    return marginals
