"""Numbers and lists in words."""

from __future__ import annotations

import math

import numpy as np
import pytest

from latentlabels.words import count, digits_for, finite, listed, number, percent, percent_of, shown, whole


@pytest.mark.parametrize("size, said", [(0, "0 labels"), (1, "1 label"), (2, "2 labels"), (1200, "1,200 labels")])
def test_a_count_has_its_plural(size: int, said: str):
    assert count(size, "label") == said
    assert count(2, "box", "boxes") == "2 boxes" and count(1, "box", "boxes") == "1 box"


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


def test_digits_of_a_percentage():
    assert (percent(0.1234, 1), percent(None), percent(1, 0), percent("x")) == ("12.3 %", "–", "100 %", "–")
    assert (percent(0.0004, 1), percent(0.9996, 1), percent(0.0006, 1)) == ("<0.1 %", ">99.9 %", "0.1 %")


@pytest.mark.parametrize("value", [None, "3", True, math.nan, [1.0]])
def test_what_is_no_number_is_a_dash(value: object):
    assert finite(value) is None
    assert number(value) == whole(value) == "–"


def test_numbers():
    assert (number(-0.0004), number(-0.0), number(-0.4, 0), number(-0.004)) == ("0.000", "0.000", "0", "−0.004")
    assert number(2.345) == "2.35" and number(0.12345) == "0.123" and number(-1.5) == "−1.50" and number(1.23456, 1) == "1.2"
    assert whole(1234567.0) == "1,234,567"
    assert (number(math.inf), number(-math.inf)) == ("infinite", "−infinite") and finite(math.inf) is None
    assert finite(3) == 3.0 and isinstance(finite(3), float)


@pytest.mark.parametrize(
    "error, digits", [(None, 3), (0.0, 3), (math.nan, 3), (30.0, 0), (3.0, 0), (0.9, 1), (0.3, 1), (0.02, 2), (1e-9, 3)]
)
def test_a_figure_ends_where_its_uncertainty_begins(error: float | None, digits: int):
    assert digits_for(error, 3) == digits


@pytest.mark.parametrize(
    "share, images, said",
    [
        (0.876, 60, "88 %"),  # 4.3 percentage points
        (0.876, 1000, "88 %"),  # 1.04
        (0.876, 1200, "87.6 %"),  # 0.95
        (0.8764, 200_000, "87.64 %"),  # 0.07
        (0.003, 1000, "0.3 %"),
        (0.0, 1000, "0 %"),
        (1.0, 1000, "100 %"),
        (0.5, None, "50 %"),
        (None, 10, "–"),
        (math.nan, 10, "no value"),
    ],
)
def test_a_percentage_has_the_digits_that_its_images_allow(share: object, images: object, said: str):
    assert percent_of(share, images) == said


def test_a_list_says_how_many_it_leaves_out():
    assert listed([]) == "" and listed(["a"]) == "a" and listed(["a", "b"], 2) == "a, b"
    assert listed(list("abcdefgh"), 2) == "a, b and 6 more" and listed(range(7)) == "0, 1, 2, 3, 4 and 2 more"
    assert listed([str(i) for i in range(1500)], 2) == "0, 1 and 1,498 more"


@pytest.mark.parametrize(
    ("name", "printed"),
    [
        ("cat.png", "cat.png"),
        (
            "caf\u00e9 \u732b \U0001f697\u00a0\u05e9\u05dc\u05d5\u05dd",
            "caf\u00e9 \u732b \U0001f697\u00a0\u05e9\u05dc\u05d5\u05dd",
        ),
        (b"caf\xe9.png".decode("utf-8", "surrogateescape"), r"caf\xe9.png"),
        ("two\nlines\t\x1b[31m", r"two\nlines\t\x1b[31m"),
        ("\u202egnp.exe\u2066", r"\u202egnp.exe\u2066"),
        ("\ud800", r"\ud800"),
        ("\u2028", r"\u2028"),
        (12, "12"),
    ],
)
def test_any_name_can_be_printed(name: object, printed: str):
    assert shown(name) == printed and listed([name, "b"]) == f"{printed}, b"
    shown(name).encode("utf-8")
