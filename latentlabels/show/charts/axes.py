"""Axes of a chart: where a value lies, and which values are named."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from ...words import number
from ..axis import Axis

_STEPS = (1.0, 2.0, 5.0, 10.0)


def linear(name: str, values: Iterable[float], *, low: float | None = None, whole: bool = False, most: int = 5) -> Axis:
    """An axis that spans finite values, with round numbers named.

    Args:
        name: what it shows.
        values: at least one.
        low: where it begins; at the smallest value if not given.
        whole: whether only whole numbers are named.
        most: how many values are named, roughly.
    """
    given = list(values)
    bottom, top = min(given) if low is None else low, max(given)
    if not top > bottom:
        room = max(abs(top), 1.0) / 2
        bottom, top = (bottom if low is not None else bottom - room), top + room
    found = round_values(bottom, top, most, whole)
    step = found[1] - found[0] if len(found) > 1 else 1.0
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    return Axis(name, bottom, top, tuple((value, f"{number(value, digits)}") for value in found))


def shares(name: str, top: float = 1.0) -> Axis:
    """An axis of shares from 0, written in percent."""
    top = max(top, 1e-3)
    axis = linear(name, [100 * top], low=0.0)
    return Axis(name, 0.0, top, tuple((value / 100, f"{text} %") for value, text in axis.ticks))


def powers(name: str, top: float, say: Callable[[float], str]) -> Axis:
    """An axis of counts whose powers of ten are named."""
    most = max(1, math.ceil(math.log10(max(top, 2))))
    step = -(-most // 4)
    return Axis(
        name,
        0.7,
        max(1.5 * top, 2.0),
        tuple((10.0**n, say(10.0**n)) for n in range(0, most + 1, step) if 10**n <= 1.5 * top),
        True,
    )


def round_values(low: float, high: float, most: int, whole: bool = False) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten from `low` to `high`, at most one more than `most`."""
    rough = (high - low) / max(most, 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in _STEPS if power * factor >= rough * (1 - 1e-9))
    if whole:
        step = max(1.0, step)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [n * step for n in range(first, last + 1)]
