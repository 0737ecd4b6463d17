"""What a network gives for many rows, batch by batch, on the CPU."""

from __future__ import annotations

import torch
from torch import Tensor

from ..distributions import LabelVector
from ..inputs.batches import Batches
from ..program import Amortizer


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
    parts = [
        amortizer.head(amortizer.features(batches.inputs(part).to(device))).cpu() for part in rows.split(max(batch_size, 64))
    ]
    return torch.cat(parts)
