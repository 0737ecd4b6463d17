"""The building blocks of a report: the page and its style, its one script, tables, pictures.

What is put between tags is escaped here, so that no name of a user's can become markup.
"""

from __future__ import annotations

import base64
import hashlib
import io
import re
from collections.abc import Callable, Iterable, Sequence
from html import escape
from typing import Any, NamedTuple

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from ..words import finite, number


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
    """A figure as an SVG inside the page, photographs in it as JPEG."""
    buffer = io.BytesIO()
    with matplotlib.rc_context({"svg.fonttype": "path", "svg.hashsalt": "latentlabels"}):  # the same run, the same file
        figure.savefig(buffer, format="svg", dpi=160, transparent=not photos, metadata={"Date": None, "Creator": None})
    svg = _PNG.sub(_as_jpeg, buffer.getvalue()) if photos else buffer.getvalue()
    data = base64.b64encode(svg).decode("ascii")
    kind = "photos" if photos else "plot"
    wide = 96 * figure.get_size_inches()[0]
    least = max(min(wide, _PHONE), _LEGIBLE * wide if photos or wide > 2 * _PHONE else 0)
    style = f"min-width: {least:.0f}px"  # a narrow page scrolls what would be too small to read
    return f'<figure class="{kind}"><img src="data:image/svg+xml;base64,{data}" alt="{escape(alt)}" style="{style}"></figure>'


_LEGIBLE = 0.75  # of a picture's natural size
_PHONE = 340  # pixels that the narrowest page has
_PNG = re.compile(rb"data:image/png;base64,([A-Za-z0-9+/=\s]+)")


def _as_jpeg(match: re.Match[bytes]) -> bytes:
    """A fifth of the size; what is transparent somewhere stays as it is."""
    with Image.open(io.BytesIO(base64.b64decode(match[1]))) as image:
        if image.mode == "RGBA" and np.asarray(image)[..., 3].min() < 255:
            return match[0]
        buffer = io.BytesIO()
        image.convert("RGB").save(buffer, format="JPEG", quality=88)
    return b"data:image/jpeg;base64," + base64.b64encode(buffer.getvalue())


class Number(NamedTuple):
    """A cell of a number: what it is sorted by, and how `wording.number` writes it."""

    value: Any
    style: str = "number"


def sortable(head: Sequence[str], rows: Iterable[Sequence[Any]], find: str = "") -> str:
    """A table that a click on a heading sorts, with a field to search it where `find` says what for; cells are escaped.

    Without scripts it is the table as it is.
    """

    def cell(value: Any) -> str:
        if isinstance(value, Number):
            real = finite(value.value)
            return f'<td class="num" data-value="{"" if real is None else repr(real)}">{escape(number(*value))}</td>'
        return f"<td>{escape(str(value))}</td>"

    cells = [list(row) for row in rows]
    kinds = [' class="num"' if cells and isinstance(cells[0][i], Number) else "" for i in range(len(head))]
    heads = "".join(
        f'<th{kind}><button type="button">{escape(name)}</button></th>' for name, kind in zip(head, kinds, strict=True)
    )
    body = "".join(f"<tr>{''.join(map(cell, row))}</tr>\n" for row in cells)
    search = f'<input type="search" placeholder="{escape(find)}" aria-label="{escape(find)}" hidden>\n' if find else ""
    return (
        f'<div class="sorted">{search}<div class="scroll tall"><table class="sortable"><thead><tr>{heads}</tr></thead>\n'
        f"<tbody>{body}</tbody></table></div></div>"
    )


def page(title: str, body: str, css: str = "", script: bool = False) -> str:
    """The whole file; `title` is escaped, `body` is markup. If `script`, `SCRIPT` and nothing else may run, by its hash."""
    digest = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode("ascii")
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'" + f"; script-src 'sha256-{digest}'" * script
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<title>{escape(title)} – latentlabels</title>
<style>{CSS}{css}</style>
</head>
<body><main>
{body}
</main>{f"<script>{SCRIPT}</script>" * script}</body>
</html>
"""


SCRIPT = """
for (const box of document.querySelectorAll(".sorted")) {
  const table = box.querySelector("table"), body = table.tBodies[0], search = box.querySelector("input");
  table.classList.add("live");
  const heads = [...table.tHead.rows[0].cells];
  const key = (row, column) => {
    const cell = row.cells[column];
    if (cell.dataset.value === undefined) return cell.textContent;
    return cell.dataset.value === "" ? null : Number(cell.dataset.value);
  };
  heads.forEach((head, column) => head.firstChild.addEventListener("click", () => {
    const numeric = head.classList.contains("num"), before = head.ariaSort;
    const up = before ? before === "descending" : !numeric;
    heads.forEach(other => other.removeAttribute("aria-sort"));
    head.ariaSort = up ? "ascending" : "descending";
    const rows = [...body.rows].map(row => [key(row, column), row]);
    rows.sort(([a], [b]) => {
      if (a === null || b === null) return (a === null) - (b === null);  // what has no value comes last
      const order = numeric ? a - b : a.localeCompare(b, undefined, {numeric: true});
      return up ? order : -order;
    });
    body.append(...rows.map(([, row]) => row));
  }));
  if (search) {
    search.hidden = false;
    search.addEventListener("input", () => {
      const wanted = search.value.toLowerCase();
      for (const row of body.rows) row.hidden = !row.textContent.toLowerCase().includes(wanted);
    });
  }
}
"""

CSS = """
:root { --ink: #1c2024; --quiet: #5b636b; --line: #dfe3e7; --paper: #ffffff; --card: #f5f7f8;
  --warn: #fff4e5; --edge: #d55e00; --hint: #e6c300; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e9ec; --quiet: #a3acb5; --line: #363c43; --paper: #16191c; --card: #1f2428;
    --warn: #33261a; --edge: #f08a3c; --hint: #c9ae1c; }
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
figure { margin: 1rem 0; overflow-x: auto; }
figure.photos { border-radius: 8px; }
img { display: block; max-width: 100%; height: auto; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: 0.9375rem; }
th, td { text-align: left; vertical-align: top; padding: 0.35rem 0.9rem 0.35rem 0; border-bottom: 1px solid var(--line); }
th { color: var(--quiet); font-weight: 500; white-space: nowrap; }
td { overflow-wrap: anywhere; min-width: 6.5rem; }
.num { min-width: 3rem; text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.cards { display: flex; flex-wrap: wrap; gap: 0 1.5rem; }
.cards figure { margin: 0.5rem 0; }
.pair { display: flex; flex-wrap: wrap; gap: 1rem 2.5rem; align-items: flex-start; }
.pair .scroll { flex: 1 1 28rem; }
.tall { max-height: 32rem; overflow: auto; }
.tall thead th { position: sticky; top: 0; background: var(--paper); box-shadow: inset 0 -1px var(--line); }
.sorted button { all: unset; }
.live button { cursor: pointer; }
.live button:focus-visible { outline: 2px solid var(--edge); outline-offset: 2px; }
.live button::after { content: "↕"; opacity: 0.4; padding-left: 0.3em; }
.live [aria-sort=ascending] button::after { content: "↑"; opacity: 1; }
.live [aria-sort=descending] button::after { content: "↓"; opacity: 1; }
input[type=search] { font: inherit; color: inherit; background: var(--card); border: 1px solid var(--line);
  border-radius: 6px; padding: 0.35rem 0.6rem; margin: 0 0 0.5rem; width: min(100%, 20rem); }
.advice td:first-child { white-space: nowrap; }
.advice .act td:first-child { border-left: 4px solid var(--edge); padding-left: 0.6rem; }
.advice .look td:first-child { border-left: 4px solid var(--hint); padding-left: 0.6rem; }
.advice .fine td:first-child { border-left: 4px solid var(--line); padding-left: 0.6rem; }
.advice .fine td { color: var(--quiet); }
@media (max-width: 40rem) {
  .advice thead { display: none; }
  .advice tr { display: block; padding: 0.4rem 0; border-bottom: 1px solid var(--line); }
  .advice td { display: block; border: 0; padding: 0.1rem 0; }
  .advice td:first-child { font-weight: 600; }
  .advice .fine td:last-child { display: none; }
}
details { margin: 0.75rem 0; }
summary { cursor: pointer; font-weight: 500; }
pre { background: var(--card); border-radius: 8px; padding: 1rem; overflow-x: auto; font-size: 0.8125rem; line-height: 1.45; }
"""
