"""What an encoder is, as one hash: features of two encoders of one hash are the same."""

from __future__ import annotations

import hashlib
import json

import torch
from torch import nn


def fingerprint(module: nn.Module, name: str) -> str:
    """The hash of an encoder's name and of all its tensors.

    It depends on neither the device nor the memory layout of the tensors. Buffers that are not stored with a run, such as the
    mean and deviation of pixels, count too.

    Args:
        module: the encoder; what is trained or fitted behind it does not belong to it.
        name: of the encoder, which stands for what is not in tensors: its layers, their strides and paddings.

    Returns:
        64 hexadecimal digits of SHA-256.
    """
    found = hashlib.sha256(json.dumps([name]).encode())
    tensors = dict(module.named_parameters()) | dict(module.named_buffers())
    for key in sorted(tensors):
        value = tensors[key].detach().cpu().contiguous()
        found.update(json.dumps([key, str(value.dtype), list(value.shape)]).encode())
        found.update(value.reshape(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()
