"""A page in one file on which a person asks the model about a few images: it needs no server and no network."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from ...posterior import Posterior
from ...words import count, printable
from ...writing import write_text
from ..pixels import embedded
from ..rendering import render
from .documents import Document, image_document, space_document

SCRIPTS = Path(__file__).parent
_ORDER = ("vendor/preact.js", "vendor/hooks.js", "vendor/htm.js", "space.js", "card.js")

MOST = 200  # images of a page: each holds a picture of some 15 kB
_SIDE = 400  # pixels of its longer side


@lru_cache(maxsize=2)
def script(explore: bool = True) -> str:
    """All scripts of the card as one, with the one that shows a document inside the page."""
    files = (*_ORDER, "explore.js") if explore else _ORDER
    return "\n".join((SCRIPTS / file).read_text(encoding="utf-8") for file in files)


@lru_cache(maxsize=1)
def style() -> str:
    """The card's style sheet, whose rules hold for elements of class "ll" and below."""
    return (SCRIPTS / "card.css").read_text(encoding="utf-8")


def explore_document(posterior: Posterior, rows: Iterable[int] | None = None, size: int = _SIDE) -> Document:
    """A label space and some images with their pictures, as JSON.

    Args:
        posterior: of N images.
        rows: which of them; None for the first `MOST`.
        size: pixels of the longer side of a picture.

    Returns:
        ``space``: `space_document`. ``images``: of each its ``name``, ``card`` (`image_document`) and ``picture``, a data URL
        or None.
    """
    chosen = list(range(min(len(posterior), MOST)) if rows is None else rows)
    images = [
        {
            "name": printable(posterior.images[row]),
            "card": image_document(posterior, row),
            "picture": _picture(posterior.pictures, row, size),
        }
        for row in chosen
    ]
    return {"space": space_document(posterior.space), "images": images}


def _picture(pictures: Any, row: int, size: int) -> str | None:
    if pictures is None:
        return None
    try:
        given = pictures[row]
    except Exception:  # a Dataset of the user's may fail in every way; its picture is then not shown
        return None
    shown = embedded(given, size=size)
    return None if shown is None else f"data:image/jpeg;base64,{shown.data}"


def static_page(posterior: Posterior, rows: Iterable[int] | None = None, title: str = "Explore", size: int = _SIDE) -> str:
    """The whole page; arguments as of `explore_document`.

    Its policy lets nothing run but its own script, known by a hash, and nothing be fetched.
    """
    document, code = explore_document(posterior, rows, size), script()
    digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode("ascii")
    return render(
        "explore.html",
        title=title,
        shown=f"{count(len(document['images']), 'image')}, {count(posterior.space.num_labels, 'label')}",
        policy=f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'",
        style=style(),
        document=document,
        script=code,
    )


def write_static(
    posterior: Posterior, path: str | Path, rows: Sequence[int] | None = None, title: str = "Explore", size: int = _SIDE
) -> Path:
    """Write the page to a file, which can be opened from disk and sent by mail.

    Args:
        posterior: of N images; its pictures are embedded.
        path: of the file.
        rows: which images; None for the most instructive ones, by `most_instructive`.
        title: its heading.
        size: pixels of the longer side of a picture.

    Returns:
        The path.
    """
    chosen = most_instructive(posterior) if rows is None else rows
    path = Path(path)
    write_text(path, static_page(posterior, chosen, title, size))
    return path


def most_instructive(posterior: Posterior, most: int = 24) -> list[int]:
    """Rows of the images that teach most about a model: every other one by how uncertain it is, the others spread evenly.

    The uncertain ones have labels of a probability near one half; the others are a fair sample of the collection.
    """
    size = len(posterior)
    if size <= most:
        return list(range(size))
    p = posterior.marginals.astype(np.float64)
    doubt = (p * (1 - p)).sum(1)
    uncertain = np.argsort(-doubt, kind="stable")[: most // 2].tolist()
    spread = np.linspace(0, size - 1, most - len(uncertain)).round().astype(int).tolist()
    return list(dict.fromkeys(row for pair in zip(spread, uncertain, strict=False) for row in pair))
