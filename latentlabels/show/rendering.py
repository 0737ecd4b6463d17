"""The templates of pages and notebook views, escaped as a rule."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from . import colours

_FOLDER = Path(__file__).with_name("templates")
_BROKEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")  # what no page can hold


@lru_cache(maxsize=1)
def environment() -> Environment:
    """Where templates are found: all that they print is escaped, and a name that is not given is an error."""
    found = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=False,
        finalize=_clean,
    )
    found.filters |= {"one_line": one_line, "bar_length": bar_length, "json_inside": json_inside, "place": place}
    found.globals |= {"light": colours.LIGHT._asdict(), "dark": colours.DARK._asdict(), "on_any_paper": colours.ON_ANY_PAPER}
    return found


def render(template: str, **given: Any) -> str:
    """A template with what it shows."""
    return environment().get_template(template).render(**given)


@lru_cache(maxsize=8)
def asset(template: str) -> str:
    """A style sheet or a script, which holds nothing that needs escaping."""
    return environment().overlay(autoescape=False).get_template(template).render()


def one_line(value: Any) -> str:
    """A text without line breaks and tabs."""
    return " ".join(str(value).split())


def json_inside(document: Mapping[str, Any]) -> Markup:
    """A document as JSON that can stand inside a script element."""
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029"))


def bar_length(share: float) -> str:
    """Percent of a bar's track for a share; nothing for NaN."""
    part = min(max(float(share), 0.0), 1.0) if math.isfinite(share) else 0.0
    return f"{100 * part:.4g}"


def place(value: float) -> str:
    """A share with as many digits as are seen."""
    return f"{value:.3g}"


def _clean(value: Any) -> Any:
    """Characters that no page can hold become "�"."""
    return value if isinstance(value, Markup) else _BROKEN.sub("�", str(value))
