"""Names as pictures can show them."""

from __future__ import annotations

import pytest
from drawn import check_layout
from matplotlib.figure import Figure

from latentlabels.show.plots import posterior_bars
from latentlabels.show.plots.lettering import Lettering, lettering, shorten
from latentlabels.space import LabelSpace, OneOf


def test_long_names_keep_both_ends() -> None:
    short = shorten("label " + "x" * 300 + " 17")
    assert len(short) == 32
    assert short.startswith("label ")
    assert short.endswith(" 17")
    assert shorten("a\nb\x00c") == "a b c"


def test_what_no_font_has_becomes_a_box_with_its_column(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("latentlabels.show.plots.lettering._fallbacks", lambda wanted: Lettering(("DejaVu Sans",), wanted))
    letters = lettering(["plain", "größe", "a日"])
    assert letters.missing == {"日"}
    assert letters.fit("a日", 4) == "a□ (column 5)"
    assert letters.fit("plain", 0) == "plain"
    check_layout(posterior_bars([0.5], LabelSpace([OneOf("日", ["日本"])]), ax=Figure()))


def test_letters_are_measured() -> None:
    letters = lettering(["größe", "Ω"])
    assert letters.missing == frozenset()
    assert letters.width([], 9) == letters.width([""], 9) == 0
    assert letters.width(["größe"], 18) == pytest.approx(2 * letters.width(["größe"], 9), rel=0.02)
