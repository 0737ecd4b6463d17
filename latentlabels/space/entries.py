"""The entries of a labels.yaml, or of the `labels` section of a config: groups as plain values, and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..errors import LabelSpaceError, nearest
from .groups import Free, Group, OneOf

KEYS = ("name", "one_of", "optional", "none", "requires", "excludes")


def read_entries(entries: Sequence[Mapping[str, Any] | str]) -> list[Group]:
    """The groups of ``{name, one_of?, optional?, none?, requires?, excludes?}`` each, or of a name.

    Raises:
        LabelSpaceError: an entry without a name or with an unknown key; the entry is named.
    """
    return [_group(entry, number) for number, entry in enumerate(entries, 1)]


def to_entry(group: Group) -> dict[str, Any]:
    """A group as `read_entries` reads it."""
    entry: dict[str, Any] = {"name": group.name}
    if isinstance(group, OneOf):
        entry["one_of"] = list(group.labels)
        if group.optional:
            entry["optional"] = True
        if group.none is not None:
            entry["none"] = group.none
    if group.requires is not None:
        entry["requires"] = group.requires if isinstance(group.requires, str) else list(group.requires)
    if group.excludes is not None:
        entry["excludes"] = group.excludes if isinstance(group.excludes, str) else list(group.excludes)
    return entry


def _group(raw: Any, number: int) -> Group:
    entry: Any = {"name": raw} if isinstance(raw, str) else raw
    if not isinstance(entry, Mapping):
        raise LabelSpaceError(f": expected a name or {{name: ..., ...}}, not {entry!r}", entry=number)
    for key in entry:
        if key not in KEYS:
            raise LabelSpaceError(f': unknown key "{key}"{nearest(str(key), KEYS)} (known: {", ".join(KEYS)})', entry=number)
    if "name" not in entry:
        raise LabelSpaceError(f": {dict(entry)!r} has no name; add name: NAME", entry=number)
    name = _text(entry["name"], number)
    requires = _labels(entry.get("requires"), number)
    excludes = _labels(entry.get("excludes"), number)
    if "one_of" not in entry:
        for key, why in (("optional", "can always be absent"), ("none", "has no empty outcome to name")):
            if entry.get(key):
                raise LabelSpaceError(
                    f' ("{name}"): a free label {why}; remove {key}, or list the labels that exclude each other under one_of',
                    entry=number,
                )
        return _in_entry(number, name, lambda: Free(name, requires, excludes))
    members: Any = entry["one_of"]
    if not isinstance(members, list | tuple):
        raise LabelSpaceError(f' ("{name}"): one_of expects a list of labels', entry=number)
    labels = [_text(member, number) for member in members]
    none = None if entry.get("none") is None else _text(entry["none"], number)
    optional = bool(entry.get("optional", False))
    return _in_entry(number, name, lambda: OneOf(name, labels, optional, requires, none, excludes))


def _in_entry(number: int, name: str, make: Callable[[], Group]) -> Group:
    try:
        return make()
    except LabelSpaceError as error:
        raise LabelSpaceError(f' ("{name}"): {error}', entry=number) from None


def _labels(value: Any, number: int) -> str | tuple[str, ...] | None:
    if isinstance(value, list | tuple):
        return tuple(_text(one, number) for one in value)
    return None if value is None else _text(value, number)


def _text(value: Any, number: int) -> str:
    # YAML reads `no`, `on` and 4 as a boolean and a number: say so, the label would silently change its name
    if not isinstance(value, str):
        raise LabelSpaceError(f": {value!r} is not text; put quotes around it", entry=number)
    return value
