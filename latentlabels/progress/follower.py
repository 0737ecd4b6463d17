"""What is known of a long command: its phases, how far it is, and the time that is left.

The time that is left is that of the running phase, by its own speed, and what the plan expects of those to come.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

_TRUSTED = 0.5  # seconds after which the speed of a phase is believed


class Phase(StrEnum):
    """The parts of a long command, in their order."""

    READING = "reading"
    FEATURES = "features"
    TRAINING = "training"
    EVALUATION = "evaluation"
    REPORT = "report"


@dataclass(frozen=True)
class Plan:
    """What a command is expected to do.

    Attributes:
        fixed: seconds that each of its phases takes in any case; a phase that is not named is not to come.
        per_image: seconds that each takes for an image.
        may_stop: whether training may end before its last epoch, so that what is left is "at most".
    """

    fixed: Mapping[Phase, float]
    per_image: Mapping[Phase, float] = field(default_factory=dict)
    may_stop: bool = False


@dataclass
class Running:
    """A phase that was begun.

    Attributes:
        phase: which one.
        what: what is done, in words.
        total: how many steps it has, if that is known.
        begun: when.
        start: how many steps were done before, by an earlier process.
        done: how many are done.
        stage: a word on where it stands, such as its epoch.
        detailed: whether a phase within it said how far it was.
        is_part: whether it is within a phase whose steps are counted, which says how far the command is.
    """

    phase: Phase
    what: str
    total: float | None
    begun: float
    start: float = 0.0
    done: float = 0.0
    stage: str = ""
    detailed: bool = False
    is_part: bool = False

    @property
    def share(self) -> float:
        """How much of it is done, in [0, 1]; 0 where its steps are not counted."""
        return min((self.done - self.start) / (self.total - self.start), 1.0) if self.total and self.total > self.start else 0.0


class Follower:
    """What is known of the command that runs.

    Args:
        plan: what is expected.
        clock: seconds, from any start.
    """

    def __init__(self, plan: Plan, clock: Callable[[], float] = time.monotonic):
        self.plan, self._clock = plan, clock
        self.begun = clock()
        self.process = os.getpid()
        self.running: list[Running] = []  # the innermost last
        self._images = 0.0
        self._reached: set[Phase] = set()

    @property
    def elapsed(self) -> float:
        """Seconds since the command began."""
        return self._clock() - self.begun

    def begin(self, phase: Phase, what: str, total: float | None, start: float = 0.0) -> Running:
        """A phase begins, perhaps within another one."""
        is_part = any(outer.total is not None for outer in self.running)
        self.running.append(Running(phase, what, total, self._clock(), start, start, is_part=is_part))
        if is_part:
            return self.running[-1]
        if total is not None:
            for outer in self.running[:-1]:
                outer.detailed = True
        order = list(Phase)
        self._reached |= set(order[: order.index(phase) + 1])
        if phase in (Phase.READING, Phase.FEATURES):
            self._images = max(self._images, total or 0.0)
        return self.running[-1]

    def end(self) -> Running:
        """The innermost phase is over."""
        return self.running.pop()

    def seconds(self, one: Running) -> float:
        """How long a phase has been running."""
        return self._clock() - one.begun

    @property
    def left(self) -> float:
        """Seconds that are expected to be left."""
        coming = sum(self._expected(phase) for phase in self.plan.fixed if phase not in self._reached)
        return coming + max((self._left_of(one, self.running[-1]) for one in self.running), default=0.0)

    @property
    def share(self) -> float:
        """How much of the time has passed, in [0, 1]."""
        whole = self.elapsed + self.left
        return self.elapsed / whole if whole > 0 else 0.0

    def _left_of(self, one: Running, inner: Running) -> float:
        """Of one of the running phases, seconds; the innermost one is a part of its first step, where none is done."""
        spent = self.seconds(one)
        if one.total and spent > _TRUSTED:
            first = inner.share * (inner.total or 0.0) if one.phase is Phase.EVALUATION else inner.share
            done = one.done - one.start or (first if inner is not one else 0.0)
            if done > 0:
                return spent * max(one.total - one.start - done, 0.0) / done
        return max(self._expected(one.phase) - spent, 0.0)

    def _expected(self, phase: Phase) -> float:
        return self.plan.fixed.get(phase, 0.0) + self._images * self.plan.per_image.get(phase, 0.0)

    def status(self) -> str:
        """Where the command stands, in a line."""
        doing = self.doing()
        return f"{doing}; {self.remaining()}" if doing else self.remaining()

    def doing(self) -> str:
        """What is done now."""
        if not self.running:
            return ""
        inner = self.running[-1]
        one = next((outer for outer in self.running if outer.total is not None), inner)
        if one is inner or one.stage or not inner.total:
            return _counted(one)
        return f"{_counted(one)} ({_counted(inner)})"

    def remaining(self) -> str:
        """How far it is and how long it still takes, in words."""
        share = f"{self.share:.0%} after {duration(self.elapsed)}".replace("%", " %")
        if not self.running and round(self.left) == 0:
            return share
        training = Phase.TRAINING not in self._reached or any(one.phase is Phase.TRAINING for one in self.running)
        bound = "at most" if self.plan.may_stop and training else "about"
        return f"{share}, {bound} {duration(self.left)} left"


def _counted(one: Running) -> str:
    """What a phase does, and how far it is."""
    if one.stage:
        return f"{one.what}, {one.stage}"
    return f"{one.what}, {one.done:,.0f} of {one.total:,.0f}" if one.total else one.what


def duration(seconds: float) -> str:
    """Seconds in words: "8 s", "3 min 20 s", "2 h 5 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if minutes < 10 and rest else f"{round(whole / 60)} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"
