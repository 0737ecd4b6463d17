"""Published losses on the same logits, one short module each, for comparison with the collapsed ELBO."""

from .assume_negative import AssumeNegative
from .base import OBJECTIVES, Objective, flat_groups, make, register
from .full_labels import FullLabels
from .one_positive_all_negatives import OnePositiveAllNegatives
from .revealed_group import RevealedGroup
from .unknown_class import UnknownClass

__all__ = [
    "OBJECTIVES",
    "AssumeNegative",
    "FullLabels",
    "Objective",
    "OnePositiveAllNegatives",
    "RevealedGroup",
    "UnknownClass",
    "flat_groups",
    "make",
    "register",
]
