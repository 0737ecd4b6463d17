"""The palette: every colour that plots, pages, notebooks and charts show is named here.

The hues are those of Okabe and Ito, told apart by the colour-blind. Plots are drawn on white, and a dark page inverts
them. What a notebook shows stands on light or dark paper, so it has hues of its own: at least 3 : 1 on white and on black.
"""

from __future__ import annotations

from typing import NamedTuple

BLUE, VERMILION, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#6B7278"
PALE, TRACK, MISSING = "#9AA3AD", "#ECEEF1", "#C9CED4"
SHADES = "Blues"  # matplotlib's name of the shades of a heat map

ON_ANY_PAPER = {"blue": "#1f83c1", "vermilion": "#d55e00", "grey": "#80868d"}


class Scheme(NamedTuple):
    """The colours of a page: text, remarks, lines, paper, boxes, marks of what to look at, and what charts are drawn in.

    `heat` is the shade of a heat map's largest share, on which text stands.
    """

    ink: str
    quiet: str
    line: str
    paper: str
    card: str
    warn: str
    edge: str
    hint: str
    good: str
    bad: str
    blue: str
    orange: str
    green: str
    grey: str
    pale: str
    track: str
    heat: str


LIGHT = Scheme(
    ink="#1c2024", quiet="#5b636b", line="#dfe3e7", paper="#ffffff", card="#f5f7f8", warn="#fff4e5", edge="#d55e00",
    hint="#e6c300", good="#00734f", bad="#b34700",
    blue=BLUE, orange=VERMILION, green=GREEN, grey=GREY, pale="#c3c9cf", track=TRACK, heat="#4d9fd0",
)  # fmt: skip
DARK = Scheme(
    ink="#e6e9ec", quiet="#a3acb5", line="#363c43", paper="#16191c", card="#1f2428", warn="#33261a", edge="#f08a3c",
    hint="#c9ae1c", good="#3fc79a", bad="#f08a3c",
    blue="#56b4e9", orange="#f08a3c", green="#3fc79a", grey="#a3acb5", pale="#5d666f", track="#2a3036", heat="#1f6796",
)  # fmt: skip
