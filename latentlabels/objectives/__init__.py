"""What a fit minimises: the collapsed ELBO, and published losses on the same logits for comparison, one short module each.

Names are loaded when first used, so that a config can be checked against them without importing torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from .registry import COUNTED, DEFAULT, HOMES, NAMES, OBJECTIVES, current, find, make, of_run

if TYPE_CHECKING:
    from .base import HeldOut, Known, Objective, Step, Value
    from .group_outcomes import flat_groups

_CLASSES = {name: module for module, _, name in (home.partition(":") for home in HOMES.values())}
_HOMES = {
    **_CLASSES,
    **dict.fromkeys(("HeldOut", "Known", "Objective", "Step", "Value"), "base"),
    "flat_groups": "group_outcomes",
}

__all__ = [
    "COUNTED",
    "DEFAULT",
    "NAMES",
    "OBJECTIVES",
    "HeldOut",
    "Known",
    "Objective",
    "Step",
    "Value",
    "current",
    "find",
    "flat_groups",
    "make",
    "of_run",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{home}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_CLASSES})
