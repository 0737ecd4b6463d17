"""Many labels per image, learned from data in which most labels are missing.

The public names. They are loaded when first used, so that the command line answers ``--help`` without torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from . import annotation
    from .errors import LatentLabelsError
    from .estimator import LatentLabels
    from .labels import Free, LabelSpace, OneOf
    from .observed import Observed
    from .posterior import Posterior
    from .program import LabelVector

__all__ = [
    "Free",
    "LabelSpace",
    "LabelVector",
    "LatentLabels",
    "LatentLabelsError",
    "Observed",
    "OneOf",
    "Posterior",
    "__version__",
    "annotation",
]

_HOMES = {
    "Free": "labels",
    "LabelSpace": "labels",
    "OneOf": "labels",
    "LabelVector": "program",
    "LatentLabels": "estimator",
    "LatentLabelsError": "errors",
    "Observed": "observed",
    "Posterior": "posterior",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    if name in __all__ or name in ("demo", "evaluation", "exact", "losses", "plots", "program"):
        return importlib.import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
