"""The templates of pages and notebook views, escaped as a rule."""

from __future__ import annotations

import re
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
    found.globals |= {"light": colours.LIGHT._asdict(), "dark": colours.DARK._asdict(), "on_any_paper": colours.ON_ANY_PAPER}
    return found


def render(template: str, **given: Any) -> Markup:
    """A template with what it shows, as markup."""
    return Markup(environment().get_template(template).render(**given))


@lru_cache(maxsize=8)
def asset(template: str) -> str:
    """A style sheet or a script, which holds nothing that needs escaping."""
    return environment().overlay(autoescape=False).get_template(template).render()


def _clean(value: Any) -> Any:
    """Characters that no page can hold become "�"."""
    return value if isinstance(value, Markup) else _BROKEN.sub("�", str(value))
