"""Small pieces of HTML: escaped names, tables, bars of probability, thumbnails, and a frame with a style of its own.

Notebooks run no script of what they show, and one that is not trusted loses its style sheets as well: so bars carry their
style with them, and all the rest is tables, which read well without one. Writing takes the notebook's colour, tracks and lines
are see-through grey: legible on light and on dark. Selectors say their class
thrice, as notebooks have rules of their own for every table.
"""

from __future__ import annotations

import base64
import contextlib
import io
import math
import os
import re
import warnings
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

BLUE, VERMILION, GREY = "#1f83c1", "#d55e00", "#80868d"  # on white and on black at least 3 : 1
_BROKEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")  # what no page can hold
_SPACE = re.compile(r"\s+")
_MOST_PIXELS = 512  # per side of an array that is made smaller; beyond it pixels are left out first


class Html(str):
    """Text that is markup already; whatever else is put into a page is escaped."""

    __slots__ = ()


def escaped(value: Any) -> Html:
    """A value as text of a page or of an attribute in quotes, on one line; characters that no page can hold become "�"."""
    return value if isinstance(value, Html) else Html(escape(_BROKEN.sub("\ufffd", _SPACE.sub(" ", str(value)))))


def joined(parts: Iterable[Any], between: str = "") -> Html:
    """Parts one after the other, each escaped."""
    return Html(escape(between).join(escaped(part) for part in parts))


def named(name: Any, most: int = 40) -> Html:
    """A user's name of a thing, in a direction of its own; the end of a long one is left to the tooltip."""
    text = " ".join(str(name).split())
    if len(text) <= most:
        return Html(f"<bdi>{escaped(text)}</bdi>")
    return Html(f'<bdi title="{escaped(text)}">{escaped(text[: most - 1])}…</bdi>')


def names(given: Sequence[Any], most: int = 12, left_out: str = "more") -> Html:
    """Names in a sentence, the first ones of very many."""
    shown = joined((named(name) for name in given[:most]), ", ")
    rest = len(given) - most
    return joined([shown, f" and {rest:,} {left_out}"]) if rest > 0 else shown


def quiet(text: Any) -> Html:
    """A remark, paler than the rest."""
    return Html(f'<span class="ll-quiet">{escaped(text)}</span>')


def code(text: Any) -> Html:
    """A piece of Python."""
    return Html(f"<code>{escaped(text)}</code>")


def paragraph(text: Any) -> Html:
    """A paragraph; nothing where there is no text."""
    return Html(f"<p>{escaped(text)}</p>") if text else Html()


def table(head: Sequence[Any], rows: Iterable[Sequence[Any]], numbers: Iterable[int] = ()) -> Html:
    """A table whose cells are escaped; without `head` there is no line of headings.

    Args:
        head: of the columns.
        rows: cells; None goes on with the cell above, and the last cell of a row that is too short with those beside it.
        numbers: columns that are set to the right.
    """
    lines, kinds = [list(row) for row in rows], dict.fromkeys(numbers, ' class="ll-num"')
    width = max(map(len, [head, *lines]), default=0)
    top = "".join(f"<th{kinds.get(i, '')}>{escaped(cell)}</th>" for i, cell in enumerate(head))
    body = "".join(f"<tr>{_cells(lines, y, width, kinds)}</tr>" for y in range(len(lines)))
    return Html(f"<table>{f'<thead><tr>{top}</tr></thead>' if head else ''}<tbody>{body}</tbody></table>")


def _cells(lines: list[list[Any]], y: int, width: int, kinds: dict[int, str]) -> str:
    out = []
    for x, cell in enumerate(lines[y]):
        if cell is None and y:
            continue
        down, across = 1, width - x if x == len(lines[y]) - 1 else 1
        while y + down < len(lines) and x < len(lines[y + down]) and lines[y + down][x] is None:
            down += 1
        kind = kinds.get(x, "") if across == 1 else f' colspan="{across}"'
        kind += f' rowspan="{down}"' if down > 1 else ""
        out.append(f"<td{kind}>{'' if cell is None else escaped(cell)}</td>")
    return "".join(out)


def facts(pairs: Iterable[tuple[Any, Any]]) -> Html:
    """What is called how, a line each; those that are empty are left out."""
    rows = (f"<tr><th>{escaped(name)}</th><td>{escaped(value)}</td></tr>" for name, value in pairs if value)
    return Html(f'<table class="ll-facts"><tbody>{"".join(rows)}</tbody></table>')


def bar(share: float, colour: str = BLUE, width: str = "7em") -> Html:
    """A bar as long as a share in [0, 1] of its track; empty for NaN."""
    part = min(max(float(share), 0.0), 1.0) if math.isfinite(share) else 0.0
    fill = f"width:{100 * part:.4g}%;height:0.65em;background-color:{colour}"
    track = f"width:{width};height:0.65em;background-color:rgba(128,128,128,0.22)"
    return Html(f'<div class="ll-bar" style="{track}"><div style="{fill}"></div></div>')


def view(title: Any, *parts: Any) -> Html:
    """A frame with a heading and the style, which holds inside of it alone."""
    content = joined(part for part in parts if part)
    return Html(f'<div class="ll-view"><style>{CSS}</style><p class="ll-title">{escaped(title)}</p>{content}</div>')


def thumbnail(picture: Any, alt: str = "", size: int = 96) -> Html:
    """A small picture inside the page, at most `size` pixels wide and high; nothing if it cannot be read.

    Args:
        picture: the path of an image file; a PIL image; an array or tensor (3, H, W), (H, W, 3) or (H, W), of one or four
            channels too, of 0 to 255, or of floating point in [0, 1] (any other range is stretched to it); or a tuple or list
            that starts with one of these, as an item of a Dataset does.
        alt: what it is.
        size: pixels.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a picture's size or of damaged EXIF data: not what was asked for
            data, width, height = _jpeg(picture, size)
    except Exception:  # decoders and arrays of a user's stumble in every way, and a page without a picture is a page still
        return Html()
    scale = size / max(width, height)  # small ones are shown as large as the others
    box = f'width="{max(1, round(scale * width))}" height="{max(1, round(scale * height))}"'
    return Html(f'<img src="data:image/jpeg;base64,{data}" alt="{escaped(alt)}" {box}>')


def _jpeg(picture: Any, size: int) -> tuple[str, int, int]:
    from PIL import Image

    image = _image(picture, size)
    image.thumbnail((size, size), Image.Resampling.BILINEAR, reducing_gap=2.0)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=85, subsampling=0)
    return base64.b64encode(buffer.getvalue()).decode("ascii"), *image.size


def _image(picture: Any, size: int) -> Any:
    """As PIL's RGB, transparency over white."""
    from PIL import Image, ImageOps

    if isinstance(picture, tuple | list) and len(picture) and not isinstance(picture[0], int | float | list):
        picture = picture[0]
    if isinstance(picture, str | os.PathLike):
        with Image.open(picture) as file:
            file.draft("RGB", (2 * size, 2 * size))
            file.load()
            image: Any = file.copy()
        with contextlib.suppress(Exception):  # the picture is there, its EXIF data are not
            image = ImageOps.exif_transpose(image)
    elif isinstance(picture, Image.Image):
        image = picture.copy()
    else:
        return _from_array(picture)
    if image.mode.startswith("I") or image.mode == "F":  # sixteen bits and more, which PIL would cut off at 255
        return _from_array(image, stretched=True)
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, (255, 255, 255, 255)), image)
    return image.convert("RGB")


def _from_array(picture: Any, stretched: bool = False) -> Any:
    import numpy as np
    from PIL import Image

    if hasattr(picture, "detach"):  # a tensor, of any device and type
        picture = picture.detach().cpu()
        picture = picture.float() if picture.is_floating_point() else picture
    values = np.asarray(picture)
    if values.dtype.kind not in "buif" or not values.size:
        raise ValueError("no array of numbers")
    if values.ndim == 3 and (values.shape[0] == 3 or (values.shape[0] in (1, 4) and values.shape[2] != 3)):
        values = values.transpose(1, 2, 0)
    if values.ndim == 3 and values.shape[2] == 1:
        values = values[..., 0]
    if values.ndim == 3 and values.shape[2] == 4:
        values = values[..., :3]
    if values.ndim not in (2, 3) or (values.ndim == 3 and values.shape[2] != 3):
        raise ValueError(f"no image: an array of shape {values.shape}")
    steps = [max(1, side // _MOST_PIXELS) for side in values.shape[:2]]
    small = np.nan_to_num(values[:: steps[0], :: steps[1]].astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    low, high = float(small.min()), float(small.max())
    if values.dtype.kind == "b" or (values.dtype.kind == "f" and low >= 0 and high <= 1):
        low, high = 0.0, 1.0
    elif not stretched and low >= 0 and high <= 255:
        low, high = 0.0, 255.0
    small = (small - low) * (255.0 / (high - low if high > low else 1.0))
    return Image.fromarray(small.round().clip(0, 255).astype(np.uint8)).convert("RGB")


CSS = """
.ll-view { font: 13px/1.45 system-ui, -apple-system, "Segoe UI", sans-serif; color: inherit; overflow-wrap: break-word; }
.ll-view p { margin: 0.35em 0; max-width: 60em; }
.ll-view p.ll-title { font-size: 1.15em; font-weight: 600; }
.ll-view .ll-quiet, .ll-view table thead th, .ll-view table.ll-facts th { opacity: 0.72; font-weight: 400; }
.ll-view table { border: 0; border-collapse: collapse; margin: 0.35em 0; font-size: 1em; color: inherit; }
.ll-view.ll-view.ll-view thead { border: 0; }
.ll-view.ll-view.ll-view th, .ll-view.ll-view.ll-view td { border: 0; padding: 0.1em 1em 0.1em 0; text-align: left;
  vertical-align: top; background: none; white-space: normal; max-width: none; }
.ll-view.ll-view.ll-view .ll-num { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
.ll-view.ll-view.ll-view tbody tr:nth-child(n) { background: none; }
.ll-view.ll-view.ll-view .ll-facts th { white-space: nowrap; }
.ll-view code { font-size: 0.95em; background: rgba(128, 128, 128, 0.16); color: inherit; padding: 0.05em 0.3em;
  border-radius: 3px; }
.ll-view .ll-bar, .ll-view .ll-bar div { border-radius: 2px; }
.ll-view .ll-bar { margin-top: 0.4em; }
.ll-view .ll-cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 31em), 1fr)); gap: 1.1em 1.5em; }
.ll-view .ll-card { min-width: 0; }
.ll-view .ll-card > div { display: flex; gap: 1em; align-items: flex-start; }
.ll-view .ll-card table { margin: 0; }
.ll-view.ll-view.ll-view .ll-card td { padding-right: 0.7em; }
.ll-view i { white-space: nowrap; }
.ll-view img { flex: none; margin: 0.2em 0 0; border-radius: 4px; max-width: none; }
.ll-view .ll-warning { border-left: 3px solid #d55e00; padding-left: 0.7em; }
""".replace("\n", " ").strip()
