"""What excludes a known label."""

from __future__ import annotations

import numpy as np
import pytest

from latentlabels import Free, LabelSpace, OneOf
from latentlabels.review.rivals import Rivals

SPACE = LabelSpace(
    [
        OneOf("colour", ["blue", "red", "green"]),
        OneOf("vehicle", ["car", "bike"], optional=True),
        OneOf("doors", ["two", "four"], requires="car"),
        Free("bell", requires="bike"),
        Free("striped"),
        Free("plain", excludes=["striped"]),
        OneOf("wheels", ["steel", "alloy"], optional=True, none="no wheels"),
    ]
)

CASES = {
    "another label of its group": ("blue", 1, {"blue": 0.2, "red": 0.5, "green": 0.3}, "red", 0.5),
    "none of an optional group": ("car", 1, {"car": 0.1, "bike": 0.2}, "none", 0.7),
    "none as the space calls it": ("steel", 1, {"steel": 0.1, "alloy": 0.3}, "no wheels", 0.6),
    "its absence": ("bell", 1, {"bike": 0.9, "bell": 0.1}, None, 0.9),
    "its absence, of a root": ("striped", 1, {"striped": 0.3, "plain": 0.1}, None, 0.7),
    "what excludes it": ("striped", 1, {"striped": 0.1, "plain": 0.8}, "plain", 0.8),
    "what cannot be with its requirement": ("two", 1, {"car": 0.04, "two": 0.03, "four": 0.01, "bike": 0.9}, "bike", 0.9),
    "what cannot be with the requirement of a free label": ("bell", 1, {"bell": 0.02, "bike": 0.1, "car": 0.8}, "car", 0.8),
    "its requirement is not there": ("two", 1, {"car": 0.1, "two": 0.1, "bike": 0.1}, "none", 0.8),
    "presence of what is known to be absent": ("red", 0, {"red": 0.7, "blue": 0.3}, "red", 0.7),
}


@pytest.mark.parametrize("case", CASES)
def test_rival(case: str) -> None:
    label, value, given, rival, probability = CASES[case]
    present = np.zeros(SPACE.num_labels)
    for name, p in given.items():
        present[SPACE.index(name)] = p
    found = Rivals(SPACE).find(SPACE.index(label), value, present)
    assert found.label == rival
    assert found.probability == pytest.approx(probability)


def test_labels_that_exclude_a_label() -> None:
    rivals = Rivals(SPACE)
    for label, others in {"two": ["bike", "four", "bell"], "striped": ["plain"], "bell": ["car", "two", "four"]}.items():
        assert {SPACE.labels[k] for k in rivals.excluding(SPACE.index(label))} == set(others)
