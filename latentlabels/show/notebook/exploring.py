"""What a notebook shows of `Posterior.explore`: the page of the card in a frame of its own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

import numpy as np

from ...posterior import Posterior
from ...writing import write_text
from ..card import most_instructive, static_page
from .posterior_cards import posterior_html

# Where a notebook may not run scripts, as on GitHub, frames and style sheets are taken out of it: then the cards are seen.
_FRAME = (
    '<div class="ll-explored"><style>.ll-explored > .ll-instead {{ display: none }}</style>'
    '<iframe srcdoc="{page}" sandbox="allow-scripts" title="Explore" loading="lazy" '
    'style="width: 100%; height: {height}px; border: 0"></iframe><div class="ll-instead">{instead}</div></div>'
)


@dataclass(frozen=True)
class Exploration:
    """A page on which labels are stated and the others move; a notebook shows it, and `save` writes it to a file.

    Attributes:
        html: the whole page.
        height: of the frame, pixels.
        instead: HTML for where no frame is shown, such as a notebook on GitHub: the same images with their probabilities.
    """

    html: str = field(repr=False)
    height: int = 760
    instead: str = field(default="", repr=False)

    def save(self, path: str | Path) -> Path:
        """Write the page, which can be opened from disk."""
        path = Path(path)
        write_text(path, self.html)
        return path

    def _repr_html_(self) -> str:
        return _FRAME.format(page=escape(self.html), height=self.height, instead=self.instead)


def explore(posterior: Posterior, rows: Iterable[int] | None = None, title: str = "Explore", height: int = 760) -> Exploration:
    """See `Posterior.explore`."""
    chosen = most_instructive(posterior) if rows is None else list(rows)
    shown = posterior[np.asarray(chosen, np.int64)]
    instead = posterior_html(shown.marginals, shown.space, shown.images, shown.pictures, shown.known)
    return Exploration(static_page(posterior, chosen, title), height, instead)
