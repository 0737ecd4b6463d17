"""The Pyro side: the distribution over label sets, the model, the guide and the closed-form ELBO."""

from .decoder import FeatureDecoder
from .distribution import LabelVector
from .elbo import CollapsedELBO
from .model import Amortizer, AnnotationGiven, LabelGuide, LabelModel, TiedLabelVector
from .nonempty import NonEmptyLabelVector, can_be_empty
from .prior import LabelPrior

__all__ = [
    "Amortizer",
    "AnnotationGiven",
    "CollapsedELBO",
    "FeatureDecoder",
    "LabelGuide",
    "LabelModel",
    "LabelPrior",
    "LabelVector",
    "NonEmptyLabelVector",
    "TiedLabelVector",
    "can_be_empty",
]
