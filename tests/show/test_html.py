"""Pieces of HTML: what is escaped, how tables hang together, how long bars are, and which pictures can be read."""

from __future__ import annotations

import base64
import io
import math
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from latentlabels.show.html import Html, bar, escaped, facts, joined, named, names, paragraph, table, thumbnail, view


def image_of(html: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(re.findall(r"data:image/jpeg;base64,([^\"]+)\"", html)[0])))


# --- text -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given, shown",
    [
        ("<b>&\"'", "&lt;b&gt;&amp;&quot;&#x27;"),
        ("two\nlines\tand  more", "two lines and more"),
        ("a\x00b\x1b\ud800c", "a�b��c"),
        ("سيارة 自行车 🚲 e\u0301", "سيارة 自行车 🚲 e\u0301"),
        (3.5, "3.5"),
        (Html("<b>bold</b>"), "<b>bold</b>"),
    ],
)
def test_text_is_escaped_once(given: Any, shown: str):
    assert escaped(given) == shown
    assert escaped(escaped(given)) == shown
    shown.encode("utf-8")


def test_joined_parts_are_escaped_each():
    assert joined(["<", Html("<br>"), ">"], " & ") == "&lt; &amp; <br> &amp; &gt;"
    assert paragraph("") == "" and paragraph("a < b") == "<p>a &lt; b</p>"


def test_a_long_name_is_cut_and_stands_in_the_tooltip():
    assert named("red") == "<bdi>red</bdi>"
    assert named("x" * 40) == f"<bdi>{'x' * 40}</bdi>"
    assert named('"' + "x" * 40) == f'<bdi title="&quot;{"x" * 40}">&quot;{"x" * 38}…</bdi>'
    assert names(["a", "b", "c"], 2) == "<bdi>a</bdi>, <bdi>b</bdi> and 1 more"


# --- tables and bars --------------------------------------------------------------------------------------


def test_a_table_has_its_cells():
    html = table(("a", "b"), [("<", 1), (Html("<i>x</i>"), 2)], {1})
    assert html == (
        '<table><thead><tr><th>a</th><th class="ll-num">b</th></tr></thead><tbody>'
        '<tr><td>&lt;</td><td class="ll-num">1</td></tr><tr><td><i>x</i></td><td class="ll-num">2</td></tr></tbody></table>'
    )
    assert table((), []) == "<table><tbody></tbody></table>"


def test_cells_reach_down_and_across():
    html = table((), [("group", "a", 1), (None, "b", 2), ("none", "c", 3), ("that is all",)])
    assert '<tr><td rowspan="2">group</td><td>a</td><td>1</td></tr><tr><td>b</td><td>2</td></tr>' in html
    assert '<tr><td colspan="3">that is all</td></tr>' in html


def test_facts_without_a_value_are_left_out():
    assert facts([("a", "1"), ("b", ""), ("c", None)]).count("<tr>") == 1


@pytest.mark.parametrize(
    "share, width", [(0.0, "0%"), (0.123456, "12.35%"), (1.0, "100%"), (1.2, "100%"), (-0.1, "0%"), (math.nan, "0%")]
)
def test_a_bar_is_as_long_as_its_share(share: float, width: str):
    assert f'<div style="width:{width};' in bar(share) == bar(np.float64(share))


def test_the_style_holds_inside_of_the_frame_alone():
    html = view("<title>", paragraph("content"), "", None)
    style = re.findall(r"<style>(.*?)</style>", html)
    assert len(style) == 1
    selectors = [part.strip() for rule in re.findall(r"([^{}]+)\{[^{}]*\}", style[0]) for part in rule.split(",")]
    assert len(selectors) > 10 and all(selector.startswith(".ll-view") for selector in selectors)
    assert "&lt;title&gt;" in html and html.startswith('<div class="ll-view">') and html.endswith("</div>")
    HTMLParser().feed(html)


# --- pictures ---------------------------------------------------------------------------------------------

RED = np.zeros((3, 40, 60), np.uint8)
RED[0] = 255


def shows_red(html: str, size: tuple[int, int] = (60, 40)) -> bool:
    image = image_of(html)
    r, g, b = np.asarray(image.convert("RGB")).reshape(-1, 3).mean(0)
    return image.size == size and r > 230 and g < 25 and b < 25


PICTURES: dict[str, Any] = {
    "uint8": RED,
    "channels last": RED.transpose(1, 2, 0),
    "bool": RED > 0,
    "int64": RED.astype(np.int64),
    "float16": (RED / 255).astype(np.float16),
    "float32": (RED / 255).astype(np.float32),
    "float to 255": RED.astype(np.float64),
    "standardised": RED.astype(np.float32) / 64 - 2,
    "with NaN": np.where(np.arange(60) == 3, np.nan, RED / 255),
    "four channels": np.concatenate([RED, np.full((1, 40, 60), 255, np.uint8)]),
    "tensor": torch.from_numpy(RED),
    "bfloat16": (torch.from_numpy(RED) / 255).bfloat16(),
    "with a gradient": (torch.from_numpy(RED) / 255).requires_grad_(),
    "item of a Dataset": (torch.from_numpy(RED), 3, "what else there is"),
    "PIL": Image.fromarray(RED.transpose(1, 2, 0)),
    "read-only": np.frombuffer(RED.tobytes(), np.uint8).reshape(RED.shape),
    "nested list": RED.tolist(),
}


@pytest.mark.parametrize("kind", PICTURES)
def test_pictures_of_every_kind(kind: str):
    html = thumbnail(PICTURES[kind], 'a "b"')
    assert shows_red(html)
    assert 'alt="a &quot;b&quot;" width="96" height="64"' in html


@pytest.mark.parametrize("values", [np.full((20, 20), 0.5), np.full((1, 20, 20), 127, np.uint8), np.full((20, 20, 1), 127.0)])
def test_grey_pictures(values: np.ndarray):
    assert abs(float(np.asarray(image_of(thumbnail(values))).mean()) - 127) < 2


@pytest.mark.parametrize("height, width", [(2000, 1000), (1000, 3000), (1, 4000), (3, 3), (5000, 1)])
def test_a_thumbnail_is_small(height: int, width: int):
    html = thumbnail(np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8))
    image = image_of(html)
    assert max(image.size) <= 96 and min(image.size) >= 1 and len(html) < 25_000
    shown = [int(side) for side in re.findall(r'(?:width|height)="(\d+)"', html)]
    assert max(shown) == 96 and min(shown) >= 1


def test_files_are_read_upright_and_over_white(tmp_path: Path):
    red = Image.fromarray(RED.transpose(1, 2, 0))
    exif = Image.Exif()
    exif[0x0112] = 6  # turned
    red.save(tmp_path / "turned.jpg", exif=exif)
    assert shows_red(thumbnail(tmp_path / "turned.jpg"), (40, 60))
    red.save(tmp_path / "plain.png")
    assert shows_red(thumbnail(str(tmp_path / "plain.png")))
    red.convert("P").save(tmp_path / "palette.gif")
    assert shows_red(thumbnail(tmp_path / "palette.gif"))
    clear = red.convert("RGBA")
    clear.putalpha(0)
    clear.save(tmp_path / "clear.png")
    assert np.asarray(image_of(thumbnail(tmp_path / "clear.png"))).min() > 250
    deep = np.tile(np.linspace(0, 65535, 40).astype(np.uint16), (30, 1))
    Image.fromarray(deep).save(tmp_path / "deep.png")
    grey = np.asarray(image_of(thumbnail(tmp_path / "deep.png")).convert("L"))
    assert grey[:, 0].max() < 20 and grey[:, -1].min() > 235 and abs(int(grey[10, 20]) - 128) < 12


class Failing:
    def __array__(self, *_: Any, **__: Any) -> np.ndarray:
        raise RuntimeError("no data")


@pytest.mark.parametrize(
    "picture",
    [
        None,
        "no-such-file.jpg",
        "",
        Path("."),
        b"bytes",
        3,
        (),
        [],
        np.zeros((0, 0, 3)),
        np.zeros((2, 20, 20)),
        np.zeros((2, 3, 20, 20)),
        np.zeros(20),
        np.array(["text"]),
        np.array([None, 3]),
        np.zeros((4, 4), complex),
        {"image": RED},
        object(),
        Failing(),
    ],
    ids=lambda picture: type(picture).__name__,
)
def test_what_is_no_picture_shows_nothing(picture: Any):
    assert thumbnail(picture) == ""


def test_damaged_files_show_nothing(tmp_path: Path):
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "text.png").write_text("no image")
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (99, 99, 3), dtype=np.uint8)).save(tmp_path / "whole.png")
    (tmp_path / "half.png").write_bytes((tmp_path / "whole.png").read_bytes()[:9000])
    for name in ("empty.jpg", "text.png", "half.png"):
        assert thumbnail(tmp_path / name) == ""


def test_a_constant_picture_out_of_range_is_no_error():
    assert image_of(thumbnail(np.full((20, 20, 3), -7.0))).size == (20, 20)
    assert image_of(thumbnail(np.full((20, 20, 3), np.nan))).size == (20, 20)
