"""A small data set, and tables of rows made by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from conftest import MIXED, draw

from latentlabels.annotation import UniformPositive
from latentlabels.bench import Task
from latentlabels.bench.fits import Row


@pytest.fixture(scope="session")
def task() -> Task:
    """40 embeddings to train on, 20 to measure on."""
    drawn = draw(MIXED, 60)
    train, test = slice(0, 40), slice(40, 60)
    return Task(
        "d", drawn.space, UniformPositive(), drawn.inputs[train], drawn.observed[train], drawn.truth[train], drawn.inputs[test],
        drawn.truth[test], {"encoder": "embedding"}, {"epochs": 2, "held_out": 0.25, "accelerator": "cpu"}, "drawn",
    )  # fmt: skip


@pytest.fixture
def without_truth(task: Task) -> Task:
    return replace(task, truth=None)


@pytest.fixture
def scored(task: Task) -> Any:
    """Summarises rows of the task, and gives its tables by protocol."""
    from latentlabels.bench.summary import summarize

    def scored(*parts: list[Row]) -> Any:
        return {table.protocol: table for table in summarize([row for part in parts for row in part], [task]).data[0].tables}

    return scored
