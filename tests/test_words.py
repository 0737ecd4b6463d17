"""Numbers and lists in words."""

from __future__ import annotations

import math

import numpy as np
import pytest

from latentlabels.words import count, finite, listed, number, percent


@pytest.mark.parametrize("size, said", [(0, "0 labels"), (1, "1 label"), (2, "2 labels"), (1200, "1,200 labels")])
def test_a_count_has_its_plural(size: int, said: str):
    assert count(size, "label") == said


@pytest.mark.parametrize(
    "probability, said",
    [
        (0.0, "0 %"),
        (1e-9, "<1 %"),
        (0.005, "<1 %"),
        (0.0051, "1 %"),
        (0.5, "50 %"),
        (0.994, "99 %"),
        (0.995, ">99 %"),
        (0.9999, ">99 %"),
        (1.0, "100 %"),
        (1 - 1e-9, "100 %"),
        (math.nan, "no value"),
    ],
)
def test_a_probability_is_never_rounded_to_certainty(probability: float, said: str):
    assert percent(probability) == said
    assert percent(np.float64(probability)) == said


@pytest.mark.parametrize("value", [None, "3", True, math.nan, math.inf, -math.inf, [1.0]])
def test_what_is_no_number_is_a_dash(value: object):
    assert finite(value) is None
    assert number(value) == "–"


def test_numbers_by_style():
    assert number(2.345) == "2.35" and number(0.12345) == "0.123" and number(-1.5) == "−1.50"
    assert number(1234567.0, "count") == "1,234,567" and number(0.8764, "share") == "87.6 %"
    assert finite(3) == 3.0 and isinstance(finite(3), float)


def test_a_list_says_how_many_it_leaves_out():
    assert listed([]) == "" and listed(["a"]) == "a" and listed(["a", "b"], 2) == "a, b"
    assert listed([str(i) for i in range(1500)], 2) == "0, 1 and 1,498 more"
