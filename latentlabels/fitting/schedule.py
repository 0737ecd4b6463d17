"""How the learning rate changes in the course of a fit.

Source of the cosine: Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR 2017, without
restarts, after a linear warm-up as in Goyal et al., 2017.

A rate is a function of how much of the fit is done and of nothing else, so that a resumed fit needs no state of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from ..errors import ConfigError, nearest

WARM_UP = 0.05  # share of the fit


class Schedule(NamedTuple):
    """A schedule.

    Attributes:
        factor: of the learning rate, in (0, 1], by the share of the fit that is done, from 0 to below 1.
        spans_fit: whether it needs all epochs: it says most in the last ones, so that nothing ends the fit before.
    """

    factor: Callable[[float], float]
    spans_fit: bool


def _cosine(done: float) -> float:
    """Up from 0 in the first twentieth of the fit, then down to 0 along half a cosine."""
    if done < WARM_UP:
        return done / WARM_UP
    return (1 + math.cos(math.pi * (done - WARM_UP) / (1 - WARM_UP))) / 2


SCHEDULES: dict[str, Schedule] = {"constant": Schedule(lambda done: 1.0, False), "cosine": Schedule(_cosine, True)}
"""By the name that a config calls them."""


def schedule_named(name: str) -> Schedule:
    """A schedule by name.

    Raises:
        ConfigError: an unknown name.
    """
    if name not in SCHEDULES:
        raise ConfigError(f'unknown schedule "{name}"{nearest(name, SCHEDULES)} (known: {", ".join(SCHEDULES)})')
    return SCHEDULES[name]
