"""What tests of several losses share: an objective that has seen its training data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from latentlabels.objectives import Known, Objective, make
from latentlabels.space import LabelSpace

Ready = Callable[..., Objective]


@pytest.fixture
def ready() -> Ready:
    def make_ready(
        name: str,
        observed: Tensor,
        space: LabelSpace | None = None,
        rows: Tensor | None = None,
        prevalence: Tensor | None = None,
        expected_labels: float = 1.5,
        inputs: Tensor | None = None,
        **options: Any,
    ) -> Objective:
        """An objective after `start` on training data of which `observed` is known; embeddings are 3 zeros if not given."""
        size, labels = observed.shape
        objective = make(name, LabelSpace.free([f"l{k}" for k in range(labels)]) if space is None else space, **options)
        data = torch.zeros(size, 3) if inputs is None else inputs
        objective.start(
            Known(
                observed,
                torch.arange(size) if rows is None else rows,
                torch.full((labels,), 0.5) if prevalence is None else prevalence,
                expected_labels,
                lambda at: data[at],
            )
        )
        return objective

    return make_ready
