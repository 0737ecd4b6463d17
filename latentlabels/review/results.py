"""What judging known labels hands on: the three numbers, which labels are wrong, and what looking at an image is worth."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_Floats = NDArray[np.float64]


class Setting(NamedTuple):
    """A rate, a sharpness and a share of exchanges with their probability.

    Attributes:
        rate: e.
        sharpness: s.
        weight: the probability of all three.
        share: f.
    """

    rate: float
    sharpness: float
    weight: float
    share: float = 0.0


class Wrong(NamedTuple):
    """Which known labels of N images are wrong at one setting.

    Attributes:
        flipped: (N, K) the probability that a known label is wrong, and not by an exchange.
        by_exchange: (N, K) that it is wrong by one.
        exchanged: (N,) that there is an exchange.
    """

    flipped: _Floats
    by_exchange: _Floats
    exchanged: _Floats

    @property
    def either(self) -> _Floats:
        """(N, K) the probability that a known label is wrong; 0 where nothing is known."""
        return self.flipped + self.by_exchange


class Gain(NamedTuple):
    """How much better known labels are predicted from their own image than from other images.

    Attributes:
        mean: of log p(known labels | image) - log p(known labels | some other image), in nats for each image.
        error: its standard error; infinite for fewer than two images.
    """

    mean: float
    error: float

    @property
    def clear(self) -> bool:
        """Whether it is above 0 by two standard errors."""
        return self.mean > 2 * self.error
