"""What a notebook shows: the few things that matter in a label space, known labels, posteriors and a fit."""

from .view import notebook_view, one_line

__all__ = ["notebook_view", "one_line"]
