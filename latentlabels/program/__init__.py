"""The Pyro program: the model, the guide and the closed-form ELBO."""

from __future__ import annotations

import warnings
from typing import Any

from .. import distributions
from .adjustment import Adjustment
from .amortizer import Amortizer, num_rows
from .decoder import FeatureDecoder
from .elbo import CollapsedELBO
from .head import Head
from .model import LabelGuide, LabelModel
from .named_head import NamedHead
from .prior import LabelPrior
from .region_head import RegionHead
from .sites import AnnotationGiven, ComponentOf, LabelsOfComponent, TiedLabelVector

__all__ = [
    "Adjustment",
    "Amortizer",
    "AnnotationGiven",
    "CollapsedELBO",
    "ComponentOf",
    "FeatureDecoder",
    "Head",
    "LabelGuide",
    "LabelModel",
    "LabelPrior",
    "LabelsOfComponent",
    "NamedHead",
    "RegionHead",
    "TiedLabelVector",
    "num_rows",
]


def __getattr__(name: str) -> Any:
    """The distributions under their home of version 0.1, for one release."""
    if name in ("LabelVector", "NonEmptyLabelVector", "can_be_empty"):
        home = "latentlabels" if name in ("LabelVector", "NonEmptyLabelVector") else "latentlabels.distributions"
        text = f"latentlabels.program.{name} has moved, and the old place will be removed in version 0.3; import it from {home}"
        warnings.warn(text, DeprecationWarning, stacklevel=2)
        return getattr(distributions, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
