"""Distributions over label sets: exact, differentiable, usable in any Pyro program."""

from .label_vector import LabelVector
from .mixing import mixed, sharpened
from .nonempty import NonEmptyLabelVector, can_be_empty

__all__ = ["LabelVector", "NonEmptyLabelVector", "can_be_empty", "mixed", "sharpened"]
