"""Published losses on the same logits, one short module each, for comparison with the collapsed ELBO."""

from .assume_negative import AssumeNegative
from .base import OBJECTIVES, Known, Objective, Step, flat_groups, make, register
from .focusing import Asymmetric, Focal
from .full_labels import FullLabels
from .label_smoothing import LabelSmoothing
from .one_positive_all_negatives import OnePositiveAllNegatives
from .revealed_group import RevealedGroup
from .unknown_class import UnknownClass
from .weighted_negative import WeightedNegative

__all__ = [
    "OBJECTIVES",
    "AssumeNegative",
    "Asymmetric",
    "Focal",
    "FullLabels",
    "Known",
    "LabelSmoothing",
    "Objective",
    "OnePositiveAllNegatives",
    "RevealedGroup",
    "Step",
    "UnknownClass",
    "WeightedNegative",
    "flat_groups",
    "make",
    "register",
]
