"""How far a long command is: one bar from reading to report, with the time that is left.

Who does the work says how far it is, with `phase`; who runs the command opens the bar around all of it, with `following`. On a
terminal the bar stands on the last line, and what is printed meanwhile above it. Elsewhere, as in a log file, a line is written
at the end of each phase, and every half minute in a longer one. Without a bar around it, `phase` shows nothing.
"""

from .follower import Follower, Phase, Plan, duration
from .shown import Handed, Step, following, handed, line, phase, shown_here, silent

__all__ = [
    "Follower",
    "Handed",
    "Phase",
    "Plan",
    "Step",
    "duration",
    "following",
    "handed",
    "line",
    "phase",
    "shown_here",
    "silent",
]
