"""How known labels come about: p(o | y), why some labels of an image are known and the others not.

The choice decides what a missing label means. `observed` o holds 1 (known present), 0 (known absent) and -1
(unknown) per label. Known absences are always allowed and pin their label; what the annotations differ in is
how the known positives were picked among the present labels.

Every annotation takes ``noise=e``: with probability e the known positives of an image are a mistake, and came
about as if every label (but the known absent ones) were present: p_e(o|y) = (1 - e) p(o|y) + e p(o|all). Where images
get into the data by their labels (`PerLabelSearch`), so do those with mistakes.

Sources: Rubin, 1976 (missing data mechanisms); Elkan and Noto, KDD 2008, and Bekker and Davis, 2020 (SCAR);
Cole et al., CVPR 2021 (single positive labels).
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from .registry import DEFAULT, HOMES, KINDS, NAMES, from_config

if TYPE_CHECKING:
    from .base import Annotation, CountBound
    from .ignorable import Ignorable
    from .label_search import PerLabelSearch
    from .scar import Scar
    from .uniform import UniformPositive
    from .weighted import WeightedPositive

_BASE = ("Annotation", "CountBound")
_CLASSES = {name: module for module, _, name in (home.partition(":") for home in HOMES.values())}

__all__ = [
    "DEFAULT",
    "KINDS",
    "NAMES",
    "Annotation",
    "CountBound",
    "Ignorable",
    "PerLabelSearch",
    "Scar",
    "UniformPositive",
    "WeightedPositive",
    "from_config",
]


def __getattr__(name: str) -> Any:
    home = "base" if name in _BASE else _CLASSES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{home}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
