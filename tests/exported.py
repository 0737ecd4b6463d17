"""Models to export: prepared, with random weights, as a fit adds nothing to what has to be equal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from latentlabels import LatentLabels
from latentlabels import annotation as ann
from latentlabels.space import Free, LabelSpace, OneOf
from latentlabels.space.feasibility import feasible

FEATURES = 6
FOREST = LabelSpace(
    [
        OneOf("vehicle", ["car", "truck", "bike"], optional=True),
        OneOf("doors", ["2-doors", "4-doors"], requires=("car", "truck")),
        Free("empty road", excludes=("car", "truck", "bike")),
        Free("striped"),
    ]
)
FREE = LabelSpace.free(["a", "b", "c", "d", "e"])


class Case(NamedTuple):
    """A model.

    Attributes:
        space: its labels.
        how: its annotation.
        settings: arguments of `LatentLabels`.
        formats: that it is exported to.
    """

    space: LabelSpace
    how: ann.Annotation
    settings: dict[str, Any]
    formats: tuple[str, ...]


CASES = {
    "a forest of groups": Case(FOREST, ann.UniformPositive(), {}, ("onnx", "openvino", "torch-export")),
    "at least one label": Case(FREE, ann.WeightedPositive([1, 2, 3, 0.1, 5], noise=0.1), {"at_least_one": True}, ("onnx",)),
    "mixture": Case(FREE, ann.Scar(0.4, noise=0.1), {"mixture": 3, "beta": 1.0}, ("openvino",)),
    "found by label": Case(FREE, ann.PerLabelSearch([1, 2, 3, 4, 5], noise=0.2), {}, ("onnx",)),
    "asked at random": Case(FOREST, ann.Ignorable(), {"at_least_one": True, "objective": "collapsed"}, ("torch-export",)),
    "revealed group": Case(FOREST, ann.UniformPositive(), {"objective": "revealed-group"}, ("torch-export",)),
    "unknown class": Case(FOREST, ann.UniformPositive(), {"objective": "unknown-class"}, ("openvino",)),
    "all labels free": Case(FOREST, ann.UniformPositive(), {"objective": "assume-negative"}, ("torch-export",)),
}


def known_rows(space: LabelSpace, size: int, seed: int = 0, share: float = 0.4) -> NDArray[np.int8]:
    """What is known of random valid label sets: int8 (size, K)."""
    rng = np.random.default_rng(seed)
    sets = np.array(list(space.label_sets()), np.int8)
    truth = sets[rng.integers(len(sets), size=size)]
    return np.where(rng.random(truth.shape) < share, truth, -1).astype(np.int8)


def at_most_one(known: NDArray[np.int8]) -> NDArray[np.int8]:
    """The same with the first known positive of each row."""
    further = (known == 1) & (np.cumsum(known == 1, 1) > 1)
    return np.where(further, -1, known).astype(np.int8)


def described(model: LatentLabels, known: NDArray[np.int8]) -> NDArray[np.int8]:
    """Known labels that the annotation describes, and that are possible in the groups by which the objective predicts."""
    known = at_most_one(known) if model.conditions_by.one_positive else known
    return np.where(feasible(known, model.fitted_.program.space)[:, None], known, -1).astype(np.int8)


def prepared(case: Case, inputs: NDArray[Any] | None = None, **settings: Any) -> LatentLabels:
    """A model with a random head, on embeddings if no images are given."""
    values = np.random.default_rng(1).normal(size=(200, FEATURES)).astype(np.float32) if inputs is None else inputs
    observed = at_most_one(known_rows(case.space, len(values), 3))
    how = {"encoder": "embedding"} if inputs is None else {}
    model = LatentLabels(case.space, case.how, **{**how, **case.settings, **settings}).prepare(values, observed)
    with torch.no_grad():
        model.model.amortizer.head.weight.normal_(std=0.7)
    return model


def embeddings(size: int, seed: int = 0) -> NDArray[np.float32]:
    """(size, D)."""
    return np.random.default_rng(seed).normal(size=(size, FEATURES)).astype(np.float32)


def pictures(size: int, side: Sequence[int] = (32, 32), seed: int = 0) -> NDArray[np.uint8]:
    """uint8 (size, 3, H, W), noise but for a black and a white one where there are three or more."""
    out = np.random.default_rng(seed).integers(0, 256, (size, 3, *side), dtype=np.uint8)
    if size > 2:
        out[0], out[1] = 0, 255
    return out
