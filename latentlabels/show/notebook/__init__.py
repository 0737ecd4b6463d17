"""What a notebook shows: the few things that matter in a label space, known labels, posteriors and a fit."""

from .exploring import Exploration, explore
from .view import notebook_view, one_line

__all__ = ["Exploration", "explore", "notebook_view", "one_line"]
