"""A whole page in one file that needs no network, and its pictures.

The one script sorts tables; the page says so by its hash, so that nothing else runs. Without it nothing is missing.
"""

from __future__ import annotations

import base64
import hashlib
import io
import re
from collections.abc import Callable, Sequence

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from .blocks import Block, Picture, Section
from .rendering import asset, render

_LEGIBLE = 0.75  # of a picture's natural size
_PHONE = 340  # pixels that the narrowest page has
_PNG = re.compile(rb"data:image/png;base64,([A-Za-z0-9+/=\s]+)")


def page(title: str, top: Sequence[Block], sections: Sequence[Section], script: bool = False, wide: bool = False) -> str:
    """The whole file.

    Args:
        title: its heading, and the window's.
        top: what stands above the first section.
        sections: those without blocks are left out.
        script: whether tables can be sorted.
        wide: whether it is as wide as tables of many columns.
    """
    code = asset("page.js") if script else ""
    digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode("ascii")
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'" + f"; script-src 'sha256-{digest}'" * script
    return render(
        "page.html",
        title=title,
        top=top,
        sections=[one for one in sections if one.blocks],
        policy=policy,
        style=asset("page.css") + asset("charts.css"),
        script=code,
        wide=wide,
    )


def picture(draw: Callable[[Figure], object], alt: str, photos: bool = False) -> Picture:
    """What `draw` draws, as an SVG inside the page; letters are outlines, so that it looks the same without its fonts."""
    figure = Figure()
    draw(figure)
    return embedded(figure, alt, photos)


def embedded(figure: Figure, alt: str, photos: bool = False) -> Picture:
    """A figure as an SVG inside the page, photographs in it as JPEG."""
    buffer = io.BytesIO()
    with matplotlib.rc_context({"svg.fonttype": "path", "svg.hashsalt": "latentlabels"}):  # the same run, the same file
        figure.savefig(buffer, format="svg", dpi=160, transparent=not photos, metadata={"Date": None, "Creator": None})
    svg = _PNG.sub(_as_jpeg, buffer.getvalue()) if photos else buffer.getvalue()
    wide = 96 * figure.get_size_inches()[0]
    least = max(min(wide, _PHONE), _LEGIBLE * wide if photos or wide > 2 * _PHONE else 0)
    return Picture(base64.b64encode(svg).decode("ascii"), alt, "photos" if photos else "plot", round(least))


def _as_jpeg(match: re.Match[bytes]) -> bytes:
    """A fifth of the size; what is transparent somewhere stays as it is."""
    with Image.open(io.BytesIO(base64.b64decode(match[1]))) as image:
        if image.mode == "RGBA" and np.asarray(image)[..., 3].min() < 255:
            return match[0]
        buffer = io.BytesIO()
        image.convert("RGB").save(buffer, format="JPEG", quality=88)
    return b"data:image/jpeg;base64," + base64.b64encode(buffer.getvalue())
