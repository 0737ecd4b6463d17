"""The file formats of known labels: one module each, found by name or by the file itself."""

from .registry import NAMES, Format, Labelled, find, recognise

__all__ = ["NAMES", "Format", "Labelled", "find", "recognise"]
