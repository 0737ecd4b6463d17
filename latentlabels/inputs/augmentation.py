"""Random changes of pictures that are trained on; the same for files, arrays and Datasets.

The strong ones are those of torchvision, one draw for each picture. They are chosen so that a label stays true: at least 60 %
of the area remains, at most 8 % of it is covered, and hue and saturation are left alone, since a label may be a colour.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor

Augment = Literal["strong"] | bool
"""False for none, True for small changes, "strong" for larger ones."""

SHARE = 16  # a batch is moved by at most a sixteenth of its height and width
LEAST_AREA = 0.6  # of a picture that a strong change leaves
LIGHT = 0.2  # by up to which brightness and contrast change, as factors around 1
COVERED = (0.02, 0.08)  # of the area, by a rectangle
COVERS = 0.25  # how many pictures have one


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


def augment_strongly(images: Tensor, generator: torch.Generator) -> Tensor:
    """Crop each picture to 60 to 100 % of its area, mirror half, change brightness and contrast by up to a fifth, cover some.

    The proportions of a crop differ from those of the picture by up to a third, and it is stretched to the picture's size. A
    grey rectangle of 2 to 8 % of the area covers a part of every fourth picture.

    Args:
        images: (B, 3, H, W) in [0, 1].
        generator: decides everything.

    Returns:
        The same shape, in [0, 1].
    """
    seed = int(torch.randint(2**62, (), generator=generator))
    change = _changes(int(images.shape[-2]), int(images.shape[-1]))
    with torch.random.fork_rng(devices=[]):  # torchvision draws from torch's own numbers, which belong to the fit
        torch.default_generator.manual_seed(seed)  # those of the CPU alone
        return torch.stack([change(picture) for picture in images]) if len(images) else images


def _changes(height: int, width: int) -> Callable[[Tensor], Any]:
    from torchvision.transforms import v2

    ratio = width / height * 3 / 4, width / height * 4 / 3
    return v2.Compose(
        [
            v2.RandomResizedCrop((height, width), scale=(LEAST_AREA, 1.0), ratio=ratio, antialias=True),
            v2.RandomHorizontalFlip(),
            v2.ColorJitter(brightness=LIGHT, contrast=LIGHT),
            v2.RandomErasing(p=COVERS, scale=COVERED, value=0.5),
        ]
    )


AUGMENTATIONS: dict[Augment, Callable[[Tensor, torch.Generator], Tensor]] = {True: augment, "strong": augment_strongly}
"""By what `fit.augment` says; without an entry, pictures stay as they are."""
