"""Where it is shown how far a command is: a bar on a terminal, lines in a log, or nowhere."""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from .follower import Follower, Phase, Plan, Running, duration

if TYPE_CHECKING:
    from rich.text import Text

HEARTBEAT = 30.0
"""Seconds between two lines of a log."""
_BRIEF = 1.0  # seconds; a phase that takes no longer has no line of its own in a log
_WIDTH = 20  # of the bar, in characters


class _Shown(ABC):
    """Where a follower is shown. Abstract."""

    def __init__(self, follower: Follower):
        self.follower = follower

    @abstractmethod
    def open(self) -> None:
        """Begin to show it; also again, after `close`."""

    @abstractmethod
    def close(self) -> None:
        """Show it no more."""

    @abstractmethod
    def line(self, text: str) -> None:
        """Write a line that stays."""

    def ended(self, one: Running) -> None:  # noqa: B027
        """A phase is over."""


class _Log(_Shown):
    """Plain lines in a file."""

    def open(self) -> None:
        self._over, self._said = threading.Event(), time.monotonic()
        self._thread = threading.Thread(target=self._beat, daemon=True, name="progress")
        self._thread.start()

    def close(self) -> None:
        self._over.set()
        self._thread.join()

    def line(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)
        self._said = time.monotonic()

    def ended(self, one: Running) -> None:
        spent = self.follower.seconds(one)
        if spent > _BRIEF and not one.detailed and not one.is_part:
            self.line(f"{one.what}: done in {duration(spent)}; {self.follower.remaining()}")

    def _beat(self) -> None:
        """A line every half minute, also where nothing moves; other lines put it off."""
        wait = HEARTBEAT
        while not self._over.wait(wait):
            since = time.monotonic() - self._said
            if since >= HEARTBEAT:
                self.line(self.follower.status())
            wait = HEARTBEAT - since if since < HEARTBEAT else HEARTBEAT


class _Terminal(_Shown):
    """A bar on the last line of a terminal."""

    def open(self) -> None:
        from rich.console import Console
        from rich.live import Live

        # what goes to sys.stderr meanwhile is printed above it; drawn anew also where nothing moves
        self._console = Console(stderr=True, highlight=False, markup=False, emoji=False)
        self._live = Live(get_renderable=self._draw, console=self._console, refresh_per_second=4, transient=True)
        self._live.start()

    def close(self) -> None:
        self._live.stop()

    def line(self, text: str) -> None:
        self._console.print(text, soft_wrap=True)

    def _draw(self) -> Text:
        from rich.text import Text

        full, empty = "━╌" if (self._console.encoding or "").lower().startswith("utf") else "#."
        width = _WIDTH if self._console.width >= 80 else _WIDTH // 3
        cells = round(width * min(max(self.follower.share, 0.0), 1.0))
        text = f"{full * cells}{empty * (width - cells)} {self.follower.remaining()}"  # which a narrow terminal shows, too
        doing = self.follower.doing()
        return Text(f"{text}: {doing}" if doing else text, no_wrap=True, overflow="ellipsis")


_CURRENT: ContextVar[_Shown | None] = ContextVar("progress", default=None)


def _current() -> _Shown | None:
    """What this process shows; a process that was forked shows nothing."""
    shown = _CURRENT.get()
    return shown if shown is not None and shown.follower.process == os.getpid() else None


class Step:
    """A phase, for whoever does its work: call it with the number of steps that were done."""

    def __init__(self, running: Running | None = None):
        self._running = running

    def __call__(self, steps: float = 1) -> None:
        """So many steps more are done."""
        if self._running is not None:
            self._running.done += steps

    def stage(self, text: str) -> None:
        """Say where it stands."""
        if self._running is not None:
            self._running.stage = text


@contextmanager
def phase(phase: Phase, what: str, total: float | None = None, start: float = 0.0, alone: bool = False) -> Iterator[Step]:
    """A phase of the command that is followed, if any.

    Args:
        phase: which one.
        what: what is done, in words.
        total: its steps, where they can be counted.
        start: of these, how many an earlier process has done.
        alone: open a bar on a terminal where no command is followed.
    """
    with ExitStack() as stack:
        if alone:
            stack.enter_context(following(Plan({phase: 0.0}), log=False))
        shown = _current()
        if shown is None:
            yield Step()
            return
        running = shown.follower.begin(phase, what, total, start)
        try:
            yield Step(running)
        except BaseException:
            shown.follower.end()
            raise
        shown.follower.end()
        shown.ended(running)


def line(text: str) -> None:
    """Write a line that stays, if a command is followed."""
    shown = _current()
    if shown is not None:
        shown.line(text)


@contextmanager
def following(plan: Plan, log: bool = True) -> Iterator[None]:
    """Show how far the work inside is, on a terminal or, with `log`, as lines; inside another one, that one goes on.

    Of several processes that do the same, or that another one has started, it is shown by the first.
    """
    first = all(os.environ.get(rank, "0") == "0" for rank in ("LOCAL_RANK", "NODE_RANK"))
    if _current() is not None or not first or multiprocessing.parent_process() is not None:
        yield
        return
    with _opened(plan, log):
        yield


@contextmanager
def _opened(plan: Plan, log: bool) -> Iterator[None]:
    terminal = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
    if not (terminal or log):
        yield
        return
    shown = (_Terminal if terminal else _Log)(Follower(plan))
    before = _CURRENT.set(shown)
    shown.open()
    try:
        yield
    finally:
        shown.close()
        _CURRENT.reset(before)


@dataclass(frozen=True)
class Handed:
    """What a process that was started for the work needs to show it in the place of the first one."""

    plan: Plan
    log: bool

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Show it, in that process."""
        with _opened(self.plan, self.log):
            yield


def handed() -> Handed | None:
    """What is followed here, for another process; None where nothing is."""
    shown = _current()
    return None if shown is None else Handed(shown.follower.plan, isinstance(shown, _Log))


@contextmanager
def silent() -> Iterator[None]:
    """Show nothing while other processes are started, one of which shows it; `shown_here` in this one ends the silence."""
    with _changed("close", "open"):
        yield


@contextmanager
def shown_here() -> Iterator[None]:
    """Within `silent`: it is this process, after all, that does the work and shows it."""
    with _changed("open", "close"):
        yield


@contextmanager
def _changed(first: Literal["open", "close"], then: Literal["open", "close"]) -> Iterator[None]:
    shown = _current()
    if shown is None:
        yield
        return
    getattr(shown, first)()
    try:
        yield
    finally:
        getattr(shown, then)()
