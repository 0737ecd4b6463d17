"""The Pyro side: the distribution over label sets, the model, the guide and the closed-form ELBO."""

from .amortizer import Amortizer
from .decoder import FeatureDecoder
from .distribution import LabelVector
from .elbo import CollapsedELBO
from .model import LabelGuide, LabelModel
from .nonempty import NonEmptyLabelVector, can_be_empty
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
    "LabelVector",
    "LabelsOfComponent",
    "NonEmptyLabelVector",
    "TiedLabelVector",
    "can_be_empty",
]
