"""The file formats of known labels: one module each, found by name or by the file itself."""

from .probabilities import probabilities_in
from .registry import NAMES, Format, Labelled, find, recognise

__all__ = ["NAMES", "Format", "Labelled", "find", "probabilities_in", "recognise"]
