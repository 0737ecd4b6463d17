"""The page's own files: HTML, scripts and styles. The card's are those of `show.card`."""

from __future__ import annotations

from pathlib import Path

from ...show.card import SCRIPTS

_PLACES = (Path(__file__).parent, SCRIPTS, SCRIPTS / "vendor")
_ENDINGS = (".html", ".js", ".css")


def page_file(name: str) -> Path | None:
    """The file that the page loads by a name such as "app.js" or "card.css"; None where there is none."""
    if not name.endswith(_ENDINGS) or Path(name).name != name:
        return None
    return next((place / name for place in _PLACES if (place / name).is_file()), None)
