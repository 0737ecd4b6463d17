"""What a fit is begun with, told apart by hashes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import MIXED, draw

from latentlabels.fitting.identity import OtherFitError, identity_of, refuse_other
from latentlabels.inputs import Inputs, Wanted, read_inputs
from latentlabels.kind import Kind
from latentlabels.observed import Observed
from latentlabels.observed.known_table import table_of
from latentlabels.space import LabelSpace

HELD = torch.arange(3)


def read(vectors: np.ndarray, table: Observed) -> Inputs:
    return read_inputs(vectors, table, space=table.space, wanted=Wanted(Kind.EMBEDDINGS))


def test_each_part_is_told_apart_and_named() -> None:
    data = draw(MIXED, 30)
    table = Observed.from_array(data.observed, MIXED, images=[f"{row}.jpg" for row in range(30)])
    inputs = read(data.inputs, table)
    begun = identity_of(inputs, HELD, {"seed": 0})
    assert begun["images"].startswith("30 images (") and begun["label space"].startswith("8 labels (")
    assert begun["known labels"].startswith("30 known labels (")
    assert begun["embeddings"].startswith("30 vectors of 16 numbers each (")
    refuse_other(Path("run"), begun, identity_of(read(data.inputs.copy(order="F"), table), HELD, {"seed": 0}))
    observed = data.observed.copy()
    observed[np.nonzero(observed == -1)[0][0], np.nonzero(observed == -1)[1][0]] = 0
    others = {
        "images": (replace(inputs, observed=replace(table, images=table.images[::-1])), HELD, {"seed": 0}),
        "known labels": (replace(inputs, observed=replace(table, known=observed)), HELD, {"seed": 0}),
        "label space": (replace(inputs, observed=replace(table, space=LabelSpace.free(MIXED.labels))), HELD, {"seed": 0}),
        "embeddings": (read(np.nextafter(data.inputs, 9, dtype=np.float32), table), HELD, {"seed": 0}),
        "answers": (replace(inputs, answers=table_of(observed)), HELD, {"seed": 0}),
        "held-out images": (inputs, HELD + 1, {"seed": 0}),
        "settings": (inputs, HELD + 1, {"seed": 1}),  # other settings hold out other images
    }
    for name, other in others.items():
        now = identity_of(*other)
        with pytest.raises(OtherFitError, match=f"run: the fit was started with other {name} ") as caught:
            refuse_other(Path("run"), begun, now)
        assert caught.value.differing == {name: (begun.get(name), now[name])}
        assert f"{begun.get(name, 'none')} then, {now[name]} now" in str(caught.value)
