"""Renders the toy scenes: canvas, figures, backdrop and the drawing of the whole."""

from .drawing import Throw, draw_scene

__all__ = ["Throw", "draw_scene"]
