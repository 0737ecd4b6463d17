"""The building blocks of `report.html`: the page and its style, tables, pictures, numbers in words.

What is put between tags is escaped here, so that no name of a user's can become markup.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterable, Sequence
from html import escape
from typing import Any

import matplotlib
from matplotlib.figure import Figure


def section(title: str, content: str) -> str:
    """A headed part of the page; nothing if it is empty."""
    return f"<section><h2>{title}</h2>\n{content}\n</section>" if content else ""


def table(head: Iterable[str], rows: Iterable[Sequence[Any]], numbers: set[int]) -> str:
    """A table whose cells are escaped; the columns in `numbers` are set to the right."""

    def cells(row: Iterable[Any], tag: str) -> str:
        kinds = dict.fromkeys(numbers, ' class="num"')
        return "".join(f"<{tag}{kinds.get(i, '')}>{escape(str(cell))}</{tag}>" for i, cell in enumerate(row))

    body = "".join(f"<tr>{cells(row, 'td')}</tr>\n" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{cells(head, "th")}</tr></thead>\n<tbody>{body}</tbody></table></div>'


def picture(draw: Callable[[Figure], object], alt: str, photos: bool = False) -> str:
    """What `draw` draws, as an SVG inside the page; letters are outlines, so that it looks the same without its fonts."""
    figure = Figure()
    draw(figure)
    return embedded(figure, alt, photos)


def embedded(figure: Figure, alt: str, photos: bool = False) -> str:
    """A figure as an SVG inside the page."""
    buffer = io.BytesIO()
    with matplotlib.rc_context({"svg.fonttype": "path", "svg.hashsalt": "latentlabels"}):  # the same run, the same file
        figure.savefig(buffer, format="svg", dpi=200, transparent=not photos, metadata={"Date": None, "Creator": None})
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    kind = "photos" if photos else "plot"
    return f'<figure class="{kind}"><img src="data:image/svg+xml;base64,{data}" alt="{escape(alt)}"></figure>'


PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>{title} – latentlabels</title>
<style>{css}</style>
</head>
<body><main>
{body}
</main></body>
</html>
"""

CSS = """
:root { --ink: #1c2024; --quiet: #5b636b; --line: #dfe3e7; --paper: #ffffff; --card: #f5f7f8;
  --warn: #fff4e5; --edge: #d55e00; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e9ec; --quiet: #a3acb5; --line: #363c43; --paper: #16191c; --card: #1f2428;
    --warn: #33261a; --edge: #f08a3c; }
  figure.plot img { filter: invert(0.91) hue-rotate(180deg); }
  figure.photos { background: #ffffff; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif; }
main { max-width: 68rem; margin: 0 auto; padding: 2rem 1.25rem 4rem; }
h1 { margin: 0 0 0.5rem; font-size: 1.9rem; line-height: 1.2; overflow-wrap: anywhere; }
h2 { margin: 2.5rem 0 0.75rem; padding-top: 1rem; border-top: 1px solid var(--line); font-size: 1.25rem; }
p { margin: 0.5rem 0; overflow-wrap: anywhere; }
.lead { font-size: 1.15rem; }
.quiet { color: var(--quiet); }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(12.5rem, 1fr)); gap: 0.75rem; margin: 1.25rem 0; }
.tiles div { background: var(--card); border-radius: 8px; padding: 0.75rem 1rem; }
.tiles dt { color: var(--quiet); font-size: 0.875rem; }
.tiles dd { margin: 0; }
.tiles b { display: block; font-size: 1.5rem; font-weight: 600; line-height: 1.35; }
.tiles small { color: var(--quiet); font-size: 0.875rem; }
.warning { background: var(--warn); border-left: 4px solid var(--edge); border-radius: 4px;
  padding: 0.75rem 1rem; margin: 1.25rem 0; }
.warning ul { margin: 0.25rem 0 0; padding-left: 1.25rem; overflow-wrap: anywhere; }
.fine { color: var(--quiet); }
figure { margin: 1rem 0; }
figure.photos { border-radius: 8px; }
img { display: block; max-width: 100%; height: auto; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: 0.9375rem; }
th, td { text-align: left; vertical-align: top; padding: 0.35rem 0.9rem 0.35rem 0; border-bottom: 1px solid var(--line); }
th { color: var(--quiet); font-weight: 500; white-space: nowrap; }
td { overflow-wrap: anywhere; min-width: 6.5rem; }
.num { min-width: 3rem; text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.pair { display: flex; flex-wrap: wrap; gap: 1rem 2.5rem; align-items: flex-start; }
.pair .scroll { flex: 1 1 28rem; }
details { margin: 0.75rem 0; }
summary { cursor: pointer; font-weight: 500; }
pre { background: var(--card); border-radius: 8px; padding: 1rem; overflow-x: auto; font-size: 0.8125rem; line-height: 1.45; }
"""
