"""Numbers and lists in words: for the terminal, messages, pictures, pages and notebooks alike."""

from __future__ import annotations

import math
import shlex
import unicodedata
from collections.abc import Sequence
from typing import Any

from .writing import ESCAPED

NONE = "–"
"""What stands where there is no number."""


def count(number: int, one: str, many: str | None = None) -> str:
    """A number of things: "1 label", "1,200 labels", "2 boxes"."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def none_readable(images: int) -> str:
    """That none of a number of images can be read: "none of 3 images can be read", "the image cannot be read"."""
    return "the image cannot be read" if images == 1 else f"none of {images:,} images can be read"


def grouping(labels: int, free: int, groups: int) -> str:
    """Which of a number of labels are free: "6 free, 15 in 4 groups".

    Args:
        labels: of them all.
        free: of those that nothing excludes, each a group of its own.
        groups: of them all, free ones included.
    """
    if free == labels:
        return "all free"
    return f"{free:,} free, " * (free > 0) + f"{labels - free:,} in {count(groups - free, 'group')}"


def quoted(path: object) -> str:
    """A path as a shell reads it back: in quotation marks where it has blanks or other signs of the shell."""
    return shlex.quote(str(path))


def shown(name: object) -> str:
    r"""A name that can be printed: bytes that are not UTF-8, control signs and those that turn text around as escapes.

    >>> shown("a\udcff.png"), shown("two\nlines")
    ('a\\xff.png', 'two\\nlines')
    """
    text = str(name)
    return text if text.isprintable() else "".join(_escaped(sign) for sign in text)


def _escaped(sign: str) -> str:
    code = ord(sign)
    if 0xDC80 <= code <= 0xDCFF:  # what Python makes of a byte in a file name that is not UTF-8
        return f"\\x{code - 0xDC00:02x}"
    if unicodedata.category(sign) in ("Cc", "Cs", "Zl", "Zp") or sign in _TURNS:
        return sign.encode("unicode_escape").decode("ascii")
    return sign


_TURNS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def epoch_number(epoch: object) -> str:
    """An epoch as people count: from 1, where data count from 0."""
    counted = finite(epoch)
    return NONE if counted is None else whole(counted + 1)


def listed(names: Sequence[Any], most: int = 5) -> str:
    """The first few names, and how many more there are: "a, b and 3 more"; see `shown`."""
    first = ", ".join(shown(name) for name in names[:most])
    return first if len(names) <= most else f"{first} and {len(names) - most:,} more"


def printable(name: str) -> str:
    r"""A file name as text: each byte that is no UTF-8, which Python keeps as a lone surrogate, as ``\xNN``.

    >>> printable("caf\udce9.png")
    'caf\\xe9.png'
    """
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return name.encode("utf-8", ESCAPED).decode("utf-8")
    return name


def any_of(names: Sequence[Any]) -> str:
    """Alternatives, any one of them will do: "a", "a or b", "a, b or c"."""
    shown = [str(name) for name in names]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} or {shown[-1]}"


def finite(value: Any) -> float | None:
    """A number as a float; None for anything else, NaN and infinities included."""
    real = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if real else None


def number(value: Any, digits: int | None = None) -> str:
    """A number with a comma at thousands and a true minus sign; a dash where there is none.

    Args:
        value: anything; only numbers are shown, an infinite one as "infinite".
        digits: after the point; two from 1 upwards and three below, if not given.
    """
    if isinstance(value, float) and math.isinf(value):
        return "infinite" if value > 0 else "−infinite"
    real = finite(value)
    if real is None:
        return NONE
    places = (2 if abs(real) >= 1 else 3) if digits is None else digits
    said = f"{real:,.{places}f}"
    return said.lstrip("-") if not said.strip("-0.,") else said.replace("-", "−")  # no minus sign before a zero


def whole(value: Any) -> str:
    """A number without digits after the point; a dash where there is none."""
    return number(value, 0)


def percent(share: Any, digits: int = 0) -> str:
    """A share in percent, never 0 % or 100 % for what is only nearly so.

    Args:
        share: in [0, 1]; None gives a dash, NaN "no value".
        digits: after the point.
    """
    if isinstance(share, float) and math.isnan(share):
        return "no value"
    real = finite(share)
    if real is None:
        return NONE
    unit = 10.0**-digits
    if 0 < real <= unit / 200:
        return f"<{unit:.{digits}f} %"
    if 1 - unit / 200 <= real < 1 - 1e-6:
        return f">{100 - unit:.{digits}f} %"
    return f"{100 * real:.{digits}f} %".replace("-", "−")


def digits_for(uncertainty: float | None, most: int) -> int:
    """How many digits after the point a figure may have: up to the first one that its uncertainty reaches.

    Args:
        uncertainty: standard error, in the unit of the figure; None or 0 where it is not known.
        most: digits at most.
    """
    if uncertainty is None or not math.isfinite(uncertainty) or uncertainty <= 0:
        return most
    return min(max(-math.floor(math.log10(uncertainty)), 0), most)


def percent_of(share: Any, size: Any) -> str:
    """A share that was measured on `size` images, with as many digits as its sampling error allows, two at most.

    The standard error is that of a share of independent images, sqrt(p (1 - p) / size).
    """
    real, images = finite(share), finite(size)
    if real is None or not images or images <= 0:
        return percent(share)
    inside = min(max(real, 0.0), 1.0)
    if inside in (0.0, 1.0):
        return percent(share)
    error = 100 * math.sqrt(max(inside * (1 - inside), 1 / (4 * images)) / images)
    return percent(share, digits_for(error, 2))
