"""The Pyro program: the model, the guide and the closed-form ELBO."""

from .decoder import FeatureDecoder
from .elbo import CollapsedELBO
from .model import Amortizer, AnnotationGiven, LabelGuide, LabelModel, TiedLabelVector
from .prior import LabelPrior

__all__ = [
    "Amortizer",
    "AnnotationGiven",
    "CollapsedELBO",
    "FeatureDecoder",
    "LabelGuide",
    "LabelModel",
    "LabelPrior",
    "TiedLabelVector",
]
