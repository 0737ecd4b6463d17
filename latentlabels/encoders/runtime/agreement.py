"""Whether one runtime gives the features of another: error, and order of neighbours, on pictures that look like photos."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ...inputs.rgb import Size

LIMIT = 0.02
"""Largest relative error."""

_TIE = 1e-3  # cosines that differ by less have no order


@dataclass(frozen=True)
class Agreement:
    """Features of a runtime beside those of the module itself.

    Attributes:
        error: the Frobenius norm of the difference over that of the features.
        worst: the same of the image where it is largest.
        same_order: whether each image has its neighbours, by cosine of the centred features, in the same order.
    """

    error: float
    worst: float
    same_order: bool

    @property
    def holds(self) -> bool:
        """Whether the features may be taken for those of the module."""
        return self.error <= LIMIT and self.worst <= LIMIT and self.same_order  # not a number is beyond the limit


def agreement(found: Tensor, reference: Tensor) -> Agreement:
    """Compare features.

    Args:
        found: (B, D).
        reference: (B, D), those of the module itself.
    """
    if found.shape != reference.shape:
        return Agreement(float("inf"), float("inf"), False)
    difference = (found - reference).double()
    norms = reference.double().norm(dim=1).clamp_min(1e-30)
    worst = (difference.norm(dim=1) / norms).max()
    return Agreement(float(difference.norm() / norms.norm()), float(worst), _same_order(found.double(), reference.double()))


def _same_order(found: Tensor, reference: Tensor) -> bool:
    centre = reference.mean(0)
    ours, theirs = (_cosines(features - centre) for features in (found, reference))
    gap, own_gap = (cosines[:, :, None] - cosines[:, None, :] for cosines in (theirs, ours))  # (B, B, B)
    return not bool(((gap > _TIE) & (own_gap <= 0)).any())


def _cosines(features: Tensor) -> Tensor:
    unit = torch.nn.functional.normalize(features, dim=1)
    return unit @ unit.T


def pictures(size: Size, number: int = 8, seed: int = 0) -> Tensor:
    """Pictures with the statistics of photos: amplitudes fall with frequency, and things with edges stand before a background.

    Noise alone would not do: the features of noise are much alike, and rounding errors of theirs are not those of photos.

    Args:
        size: (height, width).
        number: B.
        seed: of what is drawn.

    Returns:
        uint8 (B, 3, height, width).
    """
    rng = np.random.default_rng(seed)
    height, width = size
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    fall = 1 / np.maximum(frequency, 1 / max(size))
    noise = np.fft.irfft2(np.fft.rfft2(rng.normal(size=(number, 4, height, width))) * fall, s=size)
    noise /= noise.std(axis=(2, 3), keepdims=True) + 1e-12
    image = noise[:, :1] + 0.4 * noise[:, 1:]  # light and shade, and a little colour
    image = rng.uniform(60, 190, (number, 3, 1, 1)) + rng.uniform(25, 55, (number, 1, 1, 1)) * image
    rows, columns = np.mgrid[:height, :width] / np.array([height, width])[:, None, None]
    for one in image:
        for _ in range(4):
            centre, radii = rng.uniform(0.1, 0.9, 2), rng.uniform(0.05, 0.35, 2)
            inside = ((rows - centre[0]) / radii[0]) ** 2 + ((columns - centre[1]) / radii[1]) ** 2 < 1
            one[:, inside] = 0.3 * one[:, inside] + 0.7 * rng.uniform(0, 255, (3, 1))
    return torch.from_numpy(image.clip(0, 255).astype(np.uint8))
