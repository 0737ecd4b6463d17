"""What all tests share: one thread, seeds, and label spaces with observations drawn from a known truth."""

from __future__ import annotations

import os
from typing import NamedTuple

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from latentlabels.space import Free, LabelSpace, OneOf

torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Features that tests compute are kept in a folder of theirs, not in that of whoever runs them."""
    os.environ["LATENTLABELS_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session", autouse=True)
def _never_ended_by_a_signal() -> None:
    """Commands run inside the tests' own process, which must not end where a busy machine takes long to put things away."""
    from latentlabels.cli import interrupt

    interrupt.GRACE = 600.0


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)
    np.random.seed(0)


class Drawn(NamedTuple):
    """Embeddings that show their labels, complete labels, and one known label each, picked uniformly."""

    inputs: NDArray[np.float32]
    truth: NDArray[np.int8]
    observed: NDArray[np.int8]
    space: LabelSpace


MIXED = LabelSpace(
    [
        OneOf("colour", ["blue", "red", "green"]),
        OneOf("vehicle", ["car", "bike"], optional=True),
        OneOf("doors", ["2-doors", "4-doors"], requires="car"),
        Free("striped"),
    ]
)


def draw(space: LabelSpace, size: int, seed: int = 0, noise: float = 0.5, num_features: int = 16) -> Drawn:
    """`size` images: labels uniform over the valid sets that are not empty, features linear in them plus noise."""
    rng = np.random.default_rng(seed)
    sets = np.array([row for row in space.label_sets() if any(row)], dtype=np.int8)
    truth = sets[rng.integers(len(sets), size=size)]
    weight = np.random.default_rng(7).normal(size=(space.num_labels, num_features))
    inputs = truth @ weight + noise * rng.normal(size=(size, num_features))
    observed = np.full(truth.shape, -1, dtype=np.int8)
    picked = (truth * rng.random(truth.shape)).argmax(1)
    observed[np.arange(size), picked] = 1
    return Drawn(inputs.astype(np.float32), truth, observed, space)


@pytest.fixture(scope="session")
def mixed() -> Drawn:
    return draw(MIXED, 600)
