"""`Adjustment`: what calibration after a fit does to the logits of a head."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def adjusted(flat: Tensor, sharpness: Tensor, bias: Tensor) -> Tensor:
    """Logits z of every component become s z + b.

    Args:
        flat: (..., M * L), and M mixture logits after them if M > 1, which stay as they are.
        sharpness: s, a scalar: 1 / temperature.
        bias: b, (L,).
    """
    size = bias.shape[-1]
    parts = flat.shape[-1] // size if flat.shape[-1] == size else flat.shape[-1] // (size + 1)
    logits = flat[..., : parts * size] * sharpness + bias.repeat(parts)
    return logits if parts == 1 else torch.cat([logits, flat[..., parts * size :]], -1)


class Adjustment(nn.Module):
    """z / T + b, for the logits of every component. Not part of the state of a model: a run stores it with its decisions.

    Args:
        temperature: T, above 0.
        bias: b, (L,).
    """

    sharpness: Tensor
    bias: Tensor

    def __init__(self, temperature: float, bias: Tensor):
        super().__init__()
        self.register_buffer("sharpness", torch.tensor(1 / temperature, dtype=torch.float32), persistent=False)
        self.register_buffer("bias", bias.detach().float().clone(), persistent=False)

    def forward(self, flat: Tensor) -> Tensor:
        """What a head gives, (..., rows), to the same shape."""
        if flat.device == self.bias.device:
            return adjusted(flat, self.sharpness, self.bias)
        return adjusted(flat, self.sharpness.to(flat.device), self.bias.to(flat.device))  # logits are brought to the CPU
