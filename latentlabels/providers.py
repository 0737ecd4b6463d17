"""What a class of a lower room offers through a room above it, found when first asked for.

A label space can make a `LabelVector`, and every public object has a view for notebooks. The rooms that do this work lie above
the classes that offer it. So the package states once, in `__init__`, where each service lives, and a lower room asks for it
by its name, without importing anything from above.
"""

from __future__ import annotations

import importlib
from typing import Any

_HOMES: dict[str, str] = {}


def provide(service: str, home: str) -> None:
    """State where a service lives, as ``"module:name"``, relative to the package."""
    _HOMES[service] = home


def provided(service: str) -> Any:
    """The service, imported when first asked for.

    Raises:
        KeyError: a service that nobody provides.
    """
    module, _, name = _HOMES[service].partition(":")
    return getattr(importlib.import_module(f".{module}", __package__), name)
