"""The data of a fit, told apart by hashes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from conftest import MIXED, draw

from latentlabels.fitting.identity import differences, identify
from latentlabels.observed import Observed
from latentlabels.space import LabelSpace


def test_each_part_is_told_apart_and_named():
    data = draw(MIXED, 30)
    table = Observed.from_array(data.observed, MIXED, images=[f"{row}.jpg" for row in range(30)])
    begun = identify(table, data.inputs)
    assert begun["images"].startswith("30 images (") and begun["label space"].startswith("8 labels (")
    assert begun["known labels"].startswith("30 known labels (")
    assert begun["embeddings"].startswith("30 vectors of 16 numbers each (")
    assert not differences(begun, identify(table, data.inputs.copy(order="F")))
    observed = data.observed.copy()
    observed[np.nonzero(observed == -1)[0][0], np.nonzero(observed == -1)[1][0]] = 0
    others = {
        "images": (replace(table, images=table.images[::-1]), data.inputs),
        "known labels": (replace(table, known=observed), data.inputs),
        "label space": (replace(table, space=LabelSpace.free(MIXED.labels)), data.inputs),
        "embeddings": (table, np.nextafter(data.inputs, 9, dtype=np.float32)),
    }
    for name, (other, inputs) in others.items():
        (said,) = differences(begun, identify(other, inputs))
        assert said.startswith(f"the {name}: {begun[name]} then, ")
    assert not differences(begun, identify(table, ["files"]))  # of which the names tell
