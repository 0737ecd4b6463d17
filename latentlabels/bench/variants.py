"""Objectives of a comparison that are told more than their name says: "role:true-count" is ROLE, given the true count.

Some papers give their losses the data set's true number of labels per image, which complete labels alone tell. Both are
shown: the loss with the number that everybody has to state, and, under a name that says so, with the true one.
"""

from __future__ import annotations

from typing import Any

from ..config.sections import TRUE_COUNT
from ..objectives import DEFAULT, OBJECTIVES
from .tasks import Task


def base_of(name: str) -> str:
    """The objective without what it is told."""
    return name.removesuffix(TRUE_COUNT)


def is_ours(name: str) -> bool:
    """Whether it is the objective of this package, whatever it is told."""
    return base_of(name) == DEFAULT


def is_oracle(name: str) -> bool:
    """Whether it learns from complete labels: a ceiling, which nobody with missing labels can reach."""
    base = base_of(name)
    return base in OBJECTIVES and OBJECTIVES[base].needs_truth


def reads_truth(name: str) -> bool:
    """Whether complete labels of the training images are needed, if only for their number."""
    return is_oracle(name) or name.endswith(TRUE_COUNT)


def settings_of(name: str, task: Task) -> dict[str, Any]:
    """The arguments of `LatentLabels` that make the variant."""
    settings: dict[str, Any] = {"objective": base_of(name)}
    if name.endswith(TRUE_COUNT):
        assert task.truth is not None  # the grid leaves out what needs it otherwise
        settings["expected_labels"] = float(task.truth.sum(1).mean())
    return settings
