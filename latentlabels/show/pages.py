"""A whole page in one file that needs no network, and its pictures.

The one script sorts tables, unfolds what is folded before the page is printed, and marks the section that is read in the
contents; the page names it by its hash, so that nothing else runs. Without it nothing is missing.
"""

from __future__ import annotations

import base64
import hashlib
import io
import re
from collections.abc import Sequence

import matplotlib
from matplotlib.figure import Figure

from . import card
from .blocks import Block, Live, Picture, Section
from .rendering import asset, render

_LEGIBLE = 0.75  # of a picture's natural size
_CONTENTS = 4  # sections from which a page lists them
_PHONE = 340  # pixels that the narrowest page has


def page(title: str, top: Sequence[Block], sections: Sequence[Section], script: bool = False, wide: bool = False) -> str:
    """The whole file.

    Args:
        title: its heading, and the window's.
        top: what stands above the first section.
        sections: those without blocks are left out.
        script: whether tables can be sorted.
        wide: whether it is as wide as tables of many columns.
    """
    live = any(isinstance(block, Live) for section in sections for block in section.blocks)
    code = (asset("page.js") if script else "") + (card.script() if live else "")
    named = _named([one for one in sections if one.blocks])
    digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode("ascii")
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'" + f"; script-src 'sha256-{digest}'" * bool(code)
    return render(
        "page.html",
        title=title,
        top=top,
        sections=named,
        contents=named if len(named) >= _CONTENTS and not wide else [],
        policy=policy,
        style=asset("page.css") + asset("charts.css") + (card.style() if live else ""),
        script=code,
        wide=wide,
    )


def _named(sections: Sequence[Section]) -> list[tuple[str, Section]]:
    """Sections with names that links lead to: the words of the title, numbered where two are alike."""
    names: list[str] = []
    for section in sections:
        name = re.sub("[^a-z0-9]+", "-", section.title.lower()).strip("-") or "section"
        names.append(name if name not in names else f"{name}-{len(names) + 1}")
    return list(zip(names, sections, strict=True))


def embedded(figure: Figure, alt: str) -> Picture:
    """A figure as an SVG inside the page; letters are outlines, so that it looks the same without its fonts."""
    buffer = io.BytesIO()
    with matplotlib.rc_context({"svg.fonttype": "path", "svg.hashsalt": "latentlabels"}):  # the same run, the same file
        figure.savefig(buffer, format="svg", dpi=160, transparent=True, metadata={"Date": None, "Creator": None})
    wide = 96 * figure.get_size_inches()[0]
    least = max(min(wide, _PHONE), _LEGIBLE * wide if wide > 2 * _PHONE else 0)
    return Picture(base64.b64encode(buffer.getvalue()).decode("ascii"), alt, round(least))
