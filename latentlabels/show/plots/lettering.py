"""Names as a picture can show them: short, on one line, in fonts that have their characters."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from matplotlib import font_manager
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

LONGEST = 32  # characters of a name; the middle of a longer one is left out
_PLAIN = "DejaVu Sans"  # comes with matplotlib
_HINTING = 1.05  # pixels are whole: at 100 dpi text comes out up to this much wider than its outlines


def shorten(name: str, longest: int = LONGEST) -> str:
    """A name on one line, the middle of a long one left out."""
    name = "".join(c if c.isprintable() else " " for c in name)
    return name if len(name) <= longest else f"{name[: longest - longest // 3 - 1]}…{name[-(longest // 3) :]}"


class Lettering(NamedTuple):
    """Fonts for a set of names.

    Attributes:
        families: the default font, then those that have what it lacks.
        missing: the characters that no installed font has; they are drawn as boxes.
    """

    families: tuple[str, ...]
    missing: frozenset[str]

    def fit(self, name: str, column: int | None = None, longest: int = LONGEST) -> str:
        """The name as it can be drawn; where boxes hide which label it is, followed by its column, from 1."""
        short = shorten(name, longest)
        drawn = "".join("□" if c in self.missing else c for c in short)
        return drawn if drawn == short or column is None else f"{drawn} (column {column + 1})"

    def width(self, texts: Iterable[str], size: float) -> float:
        """Inches that the widest of the texts takes at `size` points; 0 without texts."""
        font = FontProperties(family=list(self.families), size=size)
        widths = [text_to_path.get_text_width_height_descent(text, font, False)[0] / 72 for text in texts if text]
        return _HINTING * max(widths, default=0.0)


def lettering(names: Iterable[str]) -> Lettering:
    """Fonts that have the characters of these names."""
    wanted = frozenset(shorten("".join(names), longest=1 << 30)) - _characters(font_manager.findfont(_PLAIN))
    return _fallbacks(wanted) if wanted else Lettering((_PLAIN,), frozenset())


@lru_cache(maxsize=64)
def _characters(path: str) -> frozenset[str]:
    return frozenset(map(chr, font_manager.get_font(path).get_charmap()))


@lru_cache(maxsize=64)
def _fallbacks(wanted: frozenset[str]) -> Lettering:
    families, missing = [_PLAIN], wanted
    for path, family in sorted({(entry.fname, entry.name) for entry in font_manager.fontManager.ttflist}):
        if not missing:
            break
        if family.startswith("Last Resort"):  # has a glyph for everything: the name of its script
            continue
        try:
            found = missing & _characters(path)
        except (OSError, RuntimeError):  # a font file that is gone or broken draws nothing
            continue
        resolved = font_manager.findfont(FontProperties(family=[family])) if found else None
        if resolved == path:  # else the family's name leads to another file
            families.append(family)
            missing = missing - found
    return Lettering(tuple(families), missing)
