"""Comparison of objectives: data sets, fits side by side, a table of figures."""

from .tasks import Task

__all__ = ["Task"]
