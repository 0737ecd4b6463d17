"""What is compared on: training inputs with their known labels, and inputs with complete ones to measure on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..annotation import Annotation
from ..space import LabelSpace


@dataclass(frozen=True)
class Task:
    """One data set of a comparison.

    Attributes:
        name: by which the table calls it.
        space: the label space, K labels.
        annotation: how the known labels came about.
        train: N inputs as `LatentLabels.fit` takes them: embeddings (N, D), uint8 images (N, 3, H, W), or files.
        observed: (N, K) int8 of 1, 0, -1.
        truth: (N, K) int8 complete labels of the training inputs, which only oracles and the generous protocol read;
            None if there are none.
        test: M inputs of the same kind.
        test_truth: (M, K) int8 complete labels.
        model: settings of the `model` section, which every objective shares.
        fit: settings of the `fit` section, likewise.
        source: a line on where it comes from.
    """

    name: str
    space: LabelSpace
    annotation: Annotation
    train: Any
    observed: NDArray[np.int8]
    truth: NDArray[np.int8] | None
    test: Any
    test_truth: NDArray[np.int8]
    model: Mapping[str, Any] = field(default_factory=dict)
    fit: Mapping[str, Any] = field(default_factory=dict)
    source: str = ""
