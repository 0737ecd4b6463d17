"""Numbers and lists in words, as pictures, pages and notebooks show them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any


def count(number: int, what: str) -> str:
    """A number of things in words: "1 label", "1,200 labels"."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def percent(probability: float) -> str:
    """A probability short enough for a bar: never 0 % or 100 % for what is only nearly so; NaN is "no value"."""
    if math.isnan(probability):
        return "no value"
    if 0 < probability <= 0.005:
        return "<1 %"
    if 0.995 <= probability < 1 - 1e-6:
        return ">99 %"
    return f"{100 * probability:.0f} %"


def finite(value: Any) -> float | None:
    """A number as a float; None for anything else, NaN and infinities included."""
    real = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if real else None


def number(value: Any, style: str = "number") -> str:
    """A value in words: a plain "number", a "share" in percent, or a "count"; a dash where there is none."""
    real = finite(value)
    if real is None:
        return "–"
    if style == "share":
        return f"{100 * real:.1f} %"
    return f"{real:,.0f}" if style == "count" else f"{real:,.{2 if abs(real) >= 1 else 3}f}".replace("-", "−")


def listed(names: Sequence[str], most: int = 40) -> str:
    """Names in a sentence, the first ones of very many."""
    return ", ".join(names[:most]) + (f" and {len(names) - most:,} more" if len(names) > most else "")
