"""What a notebook shows of `Posterior.explore`: the page of the card in a frame of its own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

from ...posterior import Posterior
from ...writing import write_text
from ..card import most_instructive, static_page


@dataclass(frozen=True)
class Exploration:
    """A page on which labels are stated and the others move; a notebook shows it, and `save` writes it to a file.

    Attributes:
        html: the whole page.
        height: of the frame, pixels.
    """

    html: str = field(repr=False)
    height: int = 760

    def save(self, path: str | Path) -> Path:
        """Write the page, which can be opened from disk."""
        path = Path(path)
        write_text(path, self.html)
        return path

    def _repr_html_(self) -> str:
        return (
            f'<iframe srcdoc="{escape(self.html)}" sandbox="allow-scripts" title="Explore" loading="lazy" '
            f'style="width: 100%; height: {self.height}px; border: 0"></iframe>'
        )


def explore(posterior: Posterior, rows: Iterable[int] | None = None, title: str = "Explore", height: int = 760) -> Exploration:
    """See `Posterior.explore`."""
    return Exploration(static_page(posterior, most_instructive(posterior) if rows is None else rows, title), height)
