"""Published losses on the same logits, one short module each, for comparison with the collapsed ELBO."""

from .assume_negative import AssumeNegative
from .base import OBJECTIVES, Known, Objective, Step, flat_groups, make, register
from .entropy import AsymmetricPseudoLabels, EntropyMaximisation
from .expected_positive import ExpectedPositive, Role
from .focusing import Asymmetric, Focal
from .full_labels import FullLabels
from .generalized_robust import GeneralizedRobust
from .label_enhancement import LabelEnhancement
from .label_smoothing import LabelSmoothing
from .large_losses import LargeLossPermanent, LargeLossRejection, LargeLossTemporary
from .non_negative import NonNegative
from .one_positive_all_negatives import OnePositiveAllNegatives
from .revealed_group import RevealedGroup
from .self_paced import Hill, SelfPaced
from .soft_margin import MultiLabelSoftMargin
from .unknown_class import UnknownClass
from .virtual_adversarial import VirtualAdversarial
from .weighted_negative import WeightedNegative

__all__ = [
    "OBJECTIVES",
    "AssumeNegative",
    "Asymmetric",
    "AsymmetricPseudoLabels",
    "EntropyMaximisation",
    "ExpectedPositive",
    "Focal",
    "FullLabels",
    "GeneralizedRobust",
    "Hill",
    "Known",
    "LabelEnhancement",
    "LabelSmoothing",
    "LargeLossPermanent",
    "LargeLossRejection",
    "LargeLossTemporary",
    "MultiLabelSoftMargin",
    "NonNegative",
    "Objective",
    "OnePositiveAllNegatives",
    "RevealedGroup",
    "Role",
    "SelfPaced",
    "Step",
    "UnknownClass",
    "VirtualAdversarial",
    "WeightedNegative",
    "flat_groups",
    "make",
    "register",
]
