"""Templates: what is escaped, how long bars are, and what a page holds of its style and script."""

from __future__ import annotations

import math
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pytest

import latentlabels as ll
from latentlabels.show import blocks, colours, rendering
from latentlabels.show.blocks import Cell, Details, Notice, Row, Section, Source, Span, Table, Text
from latentlabels.show.pages import page
from latentlabels.show.rendering import asset, bar_length, environment

TEMPLATES = Path(rendering.__file__).with_name("templates")
EVIL = '<script>alert("x")</script>&\'\x00'
SHOWN = "&lt;script&gt;alert(&#34;x&#34;)&lt;/script&gt;&amp;&#39;\ufffd"


def macros() -> Any:
    return environment().get_template("notebook/macros.html").make_module({"style": ""})


@pytest.mark.parametrize(
    "given, shown",
    [
        ("two\nlines\tand  more", "<bdi>two lines and more</bdi>"),
        ("a\x00b\x1b\ud800c", "<bdi>a\ufffdb\ufffd\ufffdc</bdi>"),
        ("سيارة 自行车 🚲 e\u0301", "<bdi>سيارة 自行车 🚲 e\u0301</bdi>"),
        (3.5, "<bdi>3.5</bdi>"),
        (EVIL, f"<bdi>{SHOWN}</bdi>"),
        ("x" * 40, f"<bdi>{'x' * 40}</bdi>"),
        ('"' + "x" * 40, f'<bdi title="&#34;{"x" * 40}">&#34;{"x" * 38}…</bdi>'),
    ],
)
def test_a_name_is_escaped_and_short(given: Any, shown: str):
    found = str(macros().named(given))
    assert found == shown
    found.encode("utf-8")


def test_names_say_how_many_they_leave_out():
    assert macros().names(["a", "b", "c"], 2) == "<bdi>a</bdi>, <bdi>b</bdi> and 1 more"
    assert macros().names([], 2) == "" and macros().names(["a"], 2) == "<bdi>a</bdi>"


@pytest.mark.parametrize(
    "share, width", [(0.0, "0"), (0.123456, "12.35"), (1.0, "100"), (1.2, "100"), (-0.1, "0"), (math.nan, "0")]
)
def test_a_bar_is_as_long_as_its_share(share: float, width: str):
    assert bar_length(share) == bar_length(np.float64(share)) == width
    assert f'<div style="width:{width}%;' in macros().bar(share)


def test_everything_that_a_block_holds_is_escaped():
    rows = [Row([EVIL, Cell([EVIL, Span(EVIL, "small")], value=1.0)])]
    tables = [Table([EVIL, EVIL], rows, frozenset([1]), EVIL, sortable=True, search=EVIL)]
    sections = [Section(EVIL, [*tables, Details(EVIL, [Source(EVIL)])]), Section("left out", [])]
    html = page(EVIL, [Text([EVIL, Span(EVIL, "code")]), Notice(EVIL, [EVIL])], sections, script=True)
    assert 'alert("x")' not in html
    assert html.count(SHOWN) == 2 + 2 + 2 + 3 + 3 + 2 + 2 + 1  # title, text, notice, section and table, cells, search, details
    assert "left out" not in html
    HTMLParser().feed(html)


def test_a_name_that_a_template_is_not_given_is_an_error():
    with pytest.raises(jinja2.UndefinedError):
        rendering.render("page.html", title="no more than that")


def test_every_kind_of_block_has_a_template():
    source = (TEMPLATES / "blocks.html").read_text(encoding="utf-8")
    kinds = [thing.what for thing in vars(blocks).values() if isinstance(thing, type) and hasattr(thing, "what")]
    assert len(kinds) == 16
    assert sorted(re.findall(r'block.what == "(\w+)"', source)) == sorted(kinds)


def test_the_style_of_a_view_holds_inside_of_the_frame_alone():
    html = ll.LabelSpace.free(["<a>"])._repr_html_()
    (style,) = re.findall(r"<style>(.*?)</style>", html)
    selectors = [part.strip() for rule in re.findall(r"([^{}]+)\{[^{}]*\}", style) for part in rule.split(",")]
    assert len(selectors) > 10 and all(selector.startswith(".ll-view") for selector in selectors)
    assert html.startswith('<div class="ll-view">') and html.rstrip().endswith("</div>")
    HTMLParser().feed(html)


def _luminance(colour: str) -> float:
    """Relative luminance by WCAG 2."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    r, g, b = (x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def _contrast(one: str, other: str) -> float:
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_text_can_be_read_on_light_and_on_dark_paper():
    for scheme in (colours.LIGHT, colours.DARK):
        assert all(
            _contrast(text, paper) >= 4.5 for text in (scheme.ink, scheme.quiet) for paper in (scheme.paper, scheme.card)
        )
        assert all(_contrast(mark, scheme.paper) >= 4.5 for mark in (scheme.good, scheme.bad))
        assert _contrast(scheme.ink, scheme.warn) >= 4.5
    for colour in colours.ON_ANY_PAPER.values():
        assert min(_contrast(colour, "#ffffff"), _contrast(colour, "#000000")) >= 3


def test_colours_are_named_in_one_place_alone():
    for path in [*TEMPLATES.rglob("*.*"), *TEMPLATES.parents[1].rglob("*.py")]:
        if path.name == "colours.py" or "datasets" in path.parts:
            continue
        assert not set(re.findall(r"#[0-9a-fA-F]{6}\b", path.read_text(encoding="utf-8"))) - {"#ffffff"}, path
    sheet = asset("page.css")
    assert f"--ink: {colours.LIGHT.ink};" in sheet and f"--ink: {colours.DARK.ink};" in sheet
