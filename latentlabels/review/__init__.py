"""A second look at known labels: which may be mistakes, judged by fits that have not seen their images."""

from .mistakes import Mistakes, PossibleMistake, find_mistakes

__all__ = ["Mistakes", "PossibleMistake", "find_mistakes"]
