"""An axis of a chart, as data."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Axis:
    """An axis.

    Attributes:
        name: what it shows, with its unit.
        low: the value at its beginning.
        high: the value at its end, above `low`.
        ticks: values with what is written there.
        log: whether equal factors are equally far apart; `low` is then above 0.
    """

    name: str
    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]
    log: bool = False

    def place(self, value: float) -> float:
        """Percent of the way from its beginning to its end; what lies outside is set to the nearer end."""
        low, high = self.low, self.high
        if self.log:
            value, low, high = math.log(max(value, low)), math.log(low), math.log(high)
        return round(100 * min(max((value - low) / (high - low), 0.0), 1.0), 2)

    @property
    def gutter(self) -> float:
        """Room beside it for what is written, in widths of a digit."""
        return max((len(text) for _, text in self.ticks), default=0) + 1.0
