"""Many labels per image, learned from data in which most labels are missing.

Every public name is here and nowhere deeper. Names are loaded when first used, so that the command line answers ``--help``
without importing torch.
"""

from __future__ import annotations

import importlib
import warnings
from typing import TYPE_CHECKING, Any

from . import _moved
from .providers import provide

__version__ = "0.2.0.dev0"

if TYPE_CHECKING:
    from . import annotation, checks, decisions, exact, metrics, objectives, review
    from .checks import even_count_check, fit_warnings, known_label_check, linked_label_check, suspect_labels
    from .datasets.class_and_colour import class_and_colour
    from .datasets.hiding import hide
    from .datasets.mosaics import mosaic_scenes
    from .datasets.street_scenes import TOY_SPACE, ToyScenes, draw_labels, render_scene, render_scenes, write_scenes
    from .distributions import LabelVector, NonEmptyLabelVector
    from .encoders import TinyCNN, build_encoder
    from .errors import (
        AnchorWarning,
        ConfigError,
        DataError,
        DataWarning,
        ExportError,
        LabelSpaceError,
        LatentLabelsError,
        ObservationError,
        RunError,
        WeightsError,
    )
    from .estimator import LatentLabels
    from .export import export_model
    from .inputs import Inputs
    from .observed import Observed
    from .posterior import Posterior
    from .program import (
        Amortizer,
        AnnotationGiven,
        CollapsedELBO,
        ComponentOf,
        FeatureDecoder,
        LabelGuide,
        LabelModel,
        LabelPrior,
        LabelsOfComponent,
        TiedLabelVector,
    )
    from .program.starting_point import derive_prior
    from .questions import Question
    from .report import write_report
    from .review import find_mistakes
    from .show import plots
    from .space import Free, LabelSpace, OneOf

_HOMES = {
    "Free": "space",
    "LabelSpace": "space",
    "OneOf": "space",
    "Observed": "observed",
    "LabelVector": "distributions",
    "NonEmptyLabelVector": "distributions",
    "Amortizer": "program",
    "AnnotationGiven": "program",
    "CollapsedELBO": "program",
    "ComponentOf": "program",
    "FeatureDecoder": "program",
    "LabelGuide": "program",
    "LabelModel": "program",
    "LabelPrior": "program",
    "LabelsOfComponent": "program",
    "TiedLabelVector": "program",
    "derive_prior": "program.starting_point",
    "TinyCNN": "encoders",
    "build_encoder": "encoders",
    "Inputs": "inputs",
    "LatentLabels": "estimator",
    "Posterior": "posterior",
    "find_mistakes": "review",
    "Question": "questions",
    "even_count_check": "checks",
    "known_label_check": "checks",
    "linked_label_check": "checks",
    "suspect_labels": "checks",
    "fit_warnings": "checks",
    "write_report": "report",
    "export_model": "export",
    "TOY_SPACE": "datasets.street_scenes",
    "ToyScenes": "datasets.street_scenes",
    "draw_labels": "datasets.street_scenes",
    "render_scene": "datasets.street_scenes",
    "render_scenes": "datasets.street_scenes",
    "write_scenes": "datasets.street_scenes",
    "mosaic_scenes": "datasets.mosaics",
    "class_and_colour": "datasets.class_and_colour",
    "hide": "datasets.hiding",
    "AnchorWarning": "errors",
    "ConfigError": "errors",
    "DataError": "errors",
    "DataWarning": "errors",
    "ExportError": "errors",
    "LabelSpaceError": "errors",
    "LatentLabelsError": "errors",
    "ObservationError": "errors",
    "RunError": "errors",
    "WeightsError": "errors",
}
_ROOMS = {
    "annotation": "annotation",
    "checks": "checks",
    "decisions": "decisions",
    "exact": "exact",
    "metrics": "metrics",
    "objectives": "objectives",
    "plots": "show.plots",
    "review": "review",
}

__all__ = [
    "TOY_SPACE",
    "Amortizer",
    "AnchorWarning",
    "AnnotationGiven",
    "CollapsedELBO",
    "ComponentOf",
    "ConfigError",
    "DataError",
    "DataWarning",
    "ExportError",
    "FeatureDecoder",
    "Free",
    "Inputs",
    "LabelGuide",
    "LabelModel",
    "LabelPrior",
    "LabelSpace",
    "LabelSpaceError",
    "LabelVector",
    "LabelsOfComponent",
    "LatentLabels",
    "LatentLabelsError",
    "NonEmptyLabelVector",
    "ObservationError",
    "Observed",
    "OneOf",
    "Posterior",
    "Question",
    "RunError",
    "TiedLabelVector",
    "TinyCNN",
    "ToyScenes",
    "WeightsError",
    "__version__",
    "annotation",
    "build_encoder",
    "checks",
    "class_and_colour",
    "decisions",
    "derive_prior",
    "draw_labels",
    "even_count_check",
    "exact",
    "export_model",
    "find_mistakes",
    "fit_warnings",
    "hide",
    "known_label_check",
    "linked_label_check",
    "metrics",
    "mosaic_scenes",
    "objectives",
    "plots",
    "render_scene",
    "render_scenes",
    "review",
    "suspect_labels",
    "write_report",
    "write_scenes",
]

# services that classes of lower rooms offer, and that rooms above them do
provide("distribution", "distributions:LabelVector")
provide("notebook view", "show.notebook:notebook_view")
provide("explore", "show.notebook:explore")
provide("one line", "show.notebook:one_line")

_moved.install(__name__)


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    if name in _ROOMS:
        return importlib.import_module(f".{_ROOMS[name]}", __name__)
    if name in _moved.RENAMED:
        later = _moved.RENAMED[name]
        warnings.warn(f"{name} is now {later}; the old name will be removed in version 0.3", DeprecationWarning, stacklevel=2)
        return getattr(importlib.import_module(".checks", __name__), later)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
