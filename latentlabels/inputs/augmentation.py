"""Small random changes of pictures that are trained on; the same for files, arrays and Datasets."""

from __future__ import annotations

import torch
from torch import Tensor

SHARE = 16  # a batch is moved by at most a sixteenth of its height and width


def augment(images: Tensor, generator: torch.Generator) -> Tensor:
    """Mirror half of the pictures, and move the batch by up to a sixteenth of its size; what is moved in repeats the border.

    Switch it off with ``fit.augment: false`` where left and right matter, as in text, or where a Dataset augments by itself.

    Args:
        images: (B, 3, H, W).
        generator: decides everything, so that the same seed gives the same pictures.

    Returns:
        The same shape.
    """
    mirrored = torch.rand(len(images), generator=generator) < 0.5
    images = torch.where(mirrored.view(-1, 1, 1, 1), images.flip(-1), images)
    height, width = images.shape[-2:]
    down, right = (int(torch.randint(-(side // SHARE), side // SHARE + 1, (), generator=generator)) for side in (height, width))
    top, left = max(down, 0), max(right, 0)
    padded = torch.nn.functional.pad(images, (left, max(-right, 0), top, max(-down, 0)), mode="replicate")
    return padded[..., max(-down, 0) : max(-down, 0) + height, max(-right, 0) : max(-right, 0) + width]
