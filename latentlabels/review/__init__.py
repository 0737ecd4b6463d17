"""A second look at known labels: which may be mistakes, judged by fits that have not seen their images."""

from .mistakes import Mistakes, PossibleMistake, find_mistakes
from .storing import read_mistakes, to_frame, write_mistakes, write_table

__all__ = [
    "Mistakes",
    "PossibleMistake",
    "find_mistakes",
    "read_mistakes",
    "to_frame",
    "write_mistakes",
    "write_table",
]
