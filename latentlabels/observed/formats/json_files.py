"""JSON files of other tools: recognised by the keys at their beginning, read with a place for every mistake."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ...errors import DataError, nearest
from ...words import printable

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|["{}\[\]:,]', re.DOTALL)
_NAMES: dict[type, str] = {dict: "an object {...}", list: "a list [...]", str: "a text", int: "a number", float: "a number"}


def key_paths(head: bytes) -> frozenset[str]:
    """Where keys stand in the beginning of a JSON document: ``images.[].file_name``, ``[].data.image``.

    Args:
        head: the first bytes of a file; the document may be cut off anywhere.

    Returns:
        The paths of all keys that are there in full; none where the file is no JSON object or array.
    """
    text = head.decode("utf-8-sig", errors="ignore").lstrip()
    if not text.startswith(("{", "[")):
        return frozenset()
    found: set[str] = set()
    stack: list[str] = []  # of each open object its last key, of each open array "[]"
    key_next = False
    for match in _TOKEN.finditer(text):
        token = match[0]
        if token == '"':  # a text that is cut off
            break
        if token in "{[":
            stack.append("" if token == "{" else "[]")
            key_next = token == "{"
        elif token in "}]":
            if not stack:
                break
            stack.pop()
            key_next = False
        elif token == ",":
            key_next = bool(stack) and stack[-1] != "[]"
        elif token != ":" and key_next:
            stack[-1] = token[1:-1]
            found.add(".".join(stack))
            key_next = False
    return frozenset(found)


def load(path: Path, without: Iterable[str] = (), unique_keys: bool = False) -> Any:
    """The content of a JSON file.

    Args:
        path: the file.
        without: keys of number lists (outlines, boxes) that are emptied before the file is parsed: in a file of
            polygons they are nearly all there is, and cost gigabytes as Python objects.
        unique_keys: whether a key that an object has twice is an error.

    Raises:
        DataError: no file, not UTF-8, or not JSON; line and column are named.
    """
    if not path.is_file():
        raise DataError(f"{path}: file not found")
    data = path.read_bytes()
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        data = data.decode("utf-16", errors="replace").encode()
    small = data
    for key in without:
        name = re.escape(key).encode()
        small = re.sub(rb'"' + name + rb'"(\s*:\s*)\[[\[\]\d\s.,eE+-]*\]', rb'"' + name + rb'"\1[]', small)
    hook = _unique if unique_keys else None
    try:
        return json.loads(small.decode("utf-8-sig"), object_pairs_hook=hook)
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 text ({error.reason} at byte {error.start}); save it as UTF-8") from None
    except json.JSONDecodeError as error:
        raise DataError(_not_json(path, data, error)) from None
    except _TwiceError as error:
        raise DataError(f'{path}: the key "{error.args[0]}" occurs twice in one object; rename or remove one') from None
    except RecursionError:
        raise DataError(f"{path}: nested too deeply to be a file of labels") from None


class _TwiceError(Exception):
    """A key that an object has twice."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        seen: set[str] = set()
        raise _TwiceError(next(key for key, _ in pairs if key in seen or seen.add(key)))  # type: ignore[func-returns-value]
    return made


def _not_json(path: Path, data: bytes, error: json.JSONDecodeError) -> str:
    """The message about a file that is no JSON, with the place in the file as it is."""
    text = data.decode("utf-8-sig", errors="replace")
    try:
        json.loads(text)
    except json.JSONDecodeError as exact:
        error = exact
    if not text.strip():
        return f"{path}: empty"
    cut = error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated string")
    why = "the file ends in the middle, as a broken download does; get it again" if cut else "check the file from here on"
    return f"{path}:{error.lineno}: not valid JSON ({error.msg}, column {error.colno}); {why}"


def dumped(value: Any) -> str:
    """A value as JSON on one line; the bytes of a file name that are no UTF-8 as JSON's own escapes."""
    text = json.dumps(value, ensure_ascii=False)
    return text if text.isascii() or printable(text) == text else json.dumps(value)


def checked(value: Any, kind: type, where: str) -> Any:
    """A value of the expected kind.

    Raises:
        DataError: it is of another.
    """
    if not isinstance(value, kind) or (kind in (int, float) and isinstance(value, bool)):
        raise DataError(f"{where}: expected {_NAMES[kind]}, not {shown(value)}")
    return value


def part(record: Any, key: str, kind: type, where: str) -> Any:
    """What stands under a key of an object.

    Raises:
        DataError: no object, no such key, or a value of another kind.
    """
    checked(record, dict, where)
    if key not in record:
        raise DataError(f'{where}: no "{key}"{nearest(key, record)}')
    return checked(record[key], kind, f'{where}: "{key}"')


def column(records: list[Any], key: str, kinds: tuple[type, ...], where: str) -> list[Any]:
    """The values under one key of many objects, quickly.

    Args:
        records: the objects.
        key: the key.
        kinds: the types that are expected (a bool is no number).
        where: what the objects are, for messages: ``file.json: annotations``.

    Raises:
        DataError: an object without the key, or with a value of another type; its number is named.
    """
    try:
        values = [record[key] for record in records]
    except (KeyError, TypeError, IndexError):
        number, bad = next(
            (number, one) for number, one in enumerate(records, 1) if not isinstance(one, Mapping) or key not in one
        )
        checked(bad, dict, f"{where}, entry {number}")
        raise DataError(f'{where}, entry {number}: no "{key}"{nearest(key, bad)}') from None
    if not {type(value) for value in values} <= {*kinds}:
        number, value = next((number, one) for number, one in enumerate(values, 1) if type(one) not in kinds)
        raise DataError(f'{where}, entry {number}: "{key}": expected {_NAMES[kinds[0]]}, not {shown(value)}')
    return values


def shown(value: Any) -> str:
    """A value for a message, shortened."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:57] + "..."
