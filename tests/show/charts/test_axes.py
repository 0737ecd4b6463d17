"""Axes: where values lie, and which ones are named."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentlabels.show.axis import Axis
from latentlabels.show.charts.axes import linear, powers, round_values, shares


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6), st.integers(1, 12), st.booleans())
def test_round_values_are_few_and_inside(low: float, span: float, most: int, whole: bool) -> None:
    high = low + span
    found = round_values(low, high, most, whole)
    assert len(found) <= most + 1
    slack = 1e-6 * max(abs(low), abs(high), span)
    assert all(low - slack <= value <= high + slack for value in found)
    if len(found) > 1:
        step = found[1] - found[0]
        assert all(math.isclose(b - a, step, rel_tol=1e-5) for a, b in itertools.pairwise(found))
        mantissa = step / 10 ** math.floor(math.log10(step * (1 + 1e-6)))
        assert min(abs(mantissa - wanted) for wanted in (1, 2, 5)) < 1e-3
    if whole:
        assert all(abs(value - round(value)) < 1e-6 * max(1, abs(value)) for value in found)


def test_places_are_percents_of_the_way() -> None:
    axis = Axis("x", -2.0, 2.0, ())
    assert [axis.place(value) for value in (-2, -1, 0, 2, 3, -9)] == [0, 25, 50, 100, 100, 0]
    log = Axis("n", 1.0, 100.0, (), log=True)
    assert [log.place(value) for value in (1, 10, 100, 0, 1000)] == [0, 50, 100, 0, 100]


@pytest.mark.parametrize("values", [[3.0], [0.0, 0.0], [-5.0], [1e-9, 2e-9]])
def test_an_axis_of_few_values_has_a_length(values: list[float]) -> None:
    axis = linear("y", values)
    assert axis.low < axis.high
    assert all(0 <= axis.place(value) <= 100 for value in values)
    assert linear("y", values, low=min(0.0, *values)).low == min(0.0, *values)


def test_what_is_written_is_the_value() -> None:
    axis = linear("y", [-3.0, -2.0])
    assert axis.ticks and all(float(text.replace("−", "-")) == pytest.approx(value) for value, text in axis.ticks)
    share = shares("share", 0.03)
    assert share.ticks and all(float(text.removesuffix(" %")) == pytest.approx(100 * value) for value, text in share.ticks)
    epochs = linear("epoch", [0.0, 3.0], whole=True)
    assert [text for _, text in epochs.ticks] == ["0", "1", "2", "3"]
    assert [value for value, _ in powers("n", 5000, str).ticks] == [1, 10, 100, 1000]
    assert [value for value, _ in powers("n", 1, str).ticks] == [1]
