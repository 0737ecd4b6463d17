"""Which images a fit holds out, and what it says about them."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from conftest import MIXED, Drawn

from latentlabels.errors import DataWarning
from latentlabels.estimator import LatentLabels
from latentlabels.fitting.stratified import split_rows
from latentlabels.space import LabelSpace, OneOf

COLOURS = LabelSpace([OneOf("colour", ["blue", "red", "green"])])


def rare_green(green: int, size: int = 120) -> Drawn:
    """Green on the last images, and blue and red in turn."""
    label = np.where(np.arange(size) < size - green, np.arange(size) % 2, 2)
    values = np.where(np.eye(3, dtype=int)[label] == 1, 1, -1).astype(np.int8)
    vectors = np.eye(3)[label] + 0.1 * np.random.default_rng(0).normal(size=(size, 3))
    return Drawn(vectors.astype(np.float32), (values == 1).astype(np.int8), values, COLOURS)


@pytest.mark.parametrize("seed", range(6))
def test_a_label_of_two_images_is_learned_and_said_to_be_rare(seed: int) -> None:
    data = rare_green(2)
    model = LatentLabels(COLOURS, encoder="embedding", epochs=60, learning_rate=0.1, stop="none", seed=seed)
    with pytest.warns(DataWarning, match=r'1 label has fewer than 5 training images \("green" 2\)'):
        model.fit(data.inputs, data.observed)
    assert model.predict_proba(np.eye(3, dtype=np.float32))[2, 2] > 0.8
    assert model.diagnostics_["held_out"]["labels_with_few_training_images"] == {"green": 2}


def test_a_fit_holds_out_by_label_and_says_so() -> None:
    data = rare_green(30)
    model = LatentLabels(COLOURS, encoder="embedding", epochs=1, held_out=0.2).fit(data.inputs, data.observed)
    assert model.diagnostics_["held_out"] == {
        "num_training": 96, "num_held_out": 24, "num_test": 0, "chosen_by": "labels", "share": 0.2, "together_by": "",
        "num_together": 0, "labels_without_training_image": [], "labels_with_few_training_images": {}, "num_straddling": 0,
    }  # fmt: skip
    held = split_rows(120, 0.2, 0, data.observed)[1].numpy()
    assert (data.observed[held] == 1).sum(0).tolist() == [9, 9, 6]


def test_where_each_image_is_the_only_one_of_a_label_nothing_is_held_out() -> None:
    values = np.where(np.eye(4) == 1, 1, -1).astype(np.int8)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = LatentLabels(LabelSpace.free("abcd"), encoder="embedding", epochs=3).fit(np.eye(4, dtype=np.float32), values)
    assert any("no image can be held out" in str(one.message) for one in caught)
    assert model.diagnostics_["held_out"]["num_held_out"] == 0
    assert len(model.history_) == 3


def test_the_split_of_an_interrupted_fit_is_that_of_the_resumed_one(mixed: Drawn, tmp_path: Path) -> None:
    settings = {"encoder": "embedding", "seed": 3, "patience": 20}
    whole = LatentLabels(MIXED, epochs=4, **settings).fit(mixed.inputs, mixed.observed)
    LatentLabels(MIXED, epochs=2, **settings).fit(mixed.inputs, mixed.observed, checkpoints=tmp_path)
    rest = LatentLabels(MIXED, epochs=4, **settings).fit(mixed.inputs, mixed.observed, checkpoints=tmp_path, resume=True)
    assert [row["score"] for row in rest.history_] == [row["score"] for row in whole.history_]
