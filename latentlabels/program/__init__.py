"""The Pyro program: the model, the guide and the closed-form ELBO."""

from .amortizer import Amortizer
from .decoder import FeatureDecoder
from .elbo import CollapsedELBO
from .model import LabelGuide, LabelModel
from .prior import LabelPrior
from .sites import AnnotationGiven, ComponentOf, LabelsOfComponent, TiedLabelVector

__all__ = [
    "Amortizer",
    "AnnotationGiven",
    "CollapsedELBO",
    "ComponentOf",
    "FeatureDecoder",
    "LabelGuide",
    "LabelModel",
    "LabelPrior",
    "LabelsOfComponent",
    "TiedLabelVector",
]
