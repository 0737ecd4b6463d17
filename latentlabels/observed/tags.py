"""Cells that hold names of labels: one, or several by a separator or as a list; and when that has to be asked."""

from __future__ import annotations

import ast
import json
import re
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress

from ..errors import AmbiguousError, Choice
from ..words import count, listed
from .image_files import warn
from .meaning import key
from .names import label_name
from .options import ReadOptions

_SIGNS = ("|", ";", "#", ",", "\n", "/", "+", "&")
_SURE = ("|", ";", "#", "\n")  # signs that names of labels hardly ever hold
_SHARED = 0.25
"""Share of the words in cells with a sign that occur in other cells, from which the sign seems to separate labels."""
_TIGHT = re.compile(r"[^\W\d],[^\W\d]")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}\b)")  # as in "1,000 m"
_QUOTED = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\"""")
_BLANKS = re.compile(rf"\[\s*(?:{_QUOTED.pattern})(?:\s+(?:{_QUOTED.pattern}))*\s*\]")
_MISSING = ("nan", "na", "n/a", "null", "<na>")
"""Texts that programs write for a missing cell."""


def names_in(
    texts: Sequence[str], options: ReadOptions, where: str, column: str, known: frozenset[str] = frozenset()
) -> list[tuple[str, ...]]:
    """The names of labels that each text holds.

    Args:
        texts: different cells of a column.
        options: `separator` and what to do where cells look like several names.
        where: the file and column, for messages.
        column: the heading.
        known: the labels of a space: a text that is one of them is not split.

    Raises:
        AmbiguousError: no separator is stated, and cells look as if they held several names.
    """
    lists = [_as_list(text) for text in texts]
    separator = options.separator
    if separator is None:
        plain = [text for text, inner in zip(texts, lists, strict=True) if inner is None and text not in known]
        separator = _asked(plain, options, where, known)
    missing = {key(text) for text in options.stated("unknown", column)}
    out: list[tuple[str, ...]] = []
    for text, inner in zip(texts, lists, strict=True):
        parts = inner if inner is not None else ([text] if not separator or text in known else text.split(separator))
        names = [label_name(part) for part in parts]
        out.append(tuple(dict.fromkeys(name for name in names if name and key(name) not in missing)))
    single = [names for names, inner in zip(out, lists, strict=True) if inner is None]  # "null" in a list is a name like others
    odd = list(dict.fromkeys(name for names in single for name in names if name.lower() in _MISSING and name not in known))
    if odd:
        quoted = listed([f'"{name}"' for name in odd])
        what = "is read as the name of a label" if len(odd) == 1 else "are read as names of labels"
        warn(f"{where}: {quoted} {what}; if nothing is known there, state that the text means unknown")
    return out


def _as_list(text: str) -> list[str] | None:
    """The names in a list as JSON, Python or numpy write it, or Label Studio's ``{"choices": [...]}``; None for other texts.

    Python writes lists, tuples and sets; numpy writes no commas, and Python would read ``['a' 'b']`` as one name.
    """
    if text[:1] not in ("[", "{", "("):
        return [] if text == "set()" else None
    if _BLANKS.fullmatch(text):
        return [str(ast.literal_eval(quoted)) for quoted in _QUOTED.findall(text)]
    found: object = None
    for read in (json.loads, ast.literal_eval):
        with suppress(ValueError, SyntaxError, MemoryError, RecursionError):
            found = read(text)
            break
    if isinstance(found, dict) and {*found} == {"choices"}:
        found = found["choices"]
    if isinstance(found, set):
        found = sorted(found, key=str)
    if isinstance(found, list | tuple) and all(isinstance(one, str | int) for one in found):
        return [str(one) for one in found]
    return None


def _asked(texts: Sequence[str], options: ReadOptions, where: str, known: frozenset[str]) -> str:
    """The separator where cells look like one name each: none. Otherwise a question."""
    for sign in _SIGNS:
        holding = [text for text in texts if sign in _THOUSANDS.sub("", text).strip(sign)]
        if holding and _looks_split(texts, holding, sign, known):
            _ask(holding, sign, options, where)
            return ""
    holding = [text for text in texts if " " in text]
    tokens = Counter(token for text in texts for token in {*text.split()})
    shared = [text for text in holding if sum(tokens[token] > 1 for token in {*text.split()}) * 2 > len({*text.split()})]
    if (known and holding and all(token in known for text in holding for token in text.split())) or (
        len(holding) >= 2 and len(tokens) < len(texts)
    ):
        _ask(holding, " ", options, where)
    elif len(holding) >= 2 and 2 * len(shared) > len(holding):
        warn(
            f"{where}: cells such as {listed([repr(text) for text in holding], 2)} are read as one label each; "
            'if they hold several labels separated by blanks, state the separator " "'
        )
    return ""


def _looks_split(texts: Sequence[str], holding: Sequence[str], sign: str, known: frozenset[str]) -> bool:
    if known:
        return any(all(part.strip() in known for part in text.split(sign)) for text in holding)
    if sign in _SURE:
        return True
    number = Counter(piece for text in texts for piece in _pieces(text, sign))
    inside = {piece for text in holding for piece in _pieces(text, sign)}
    if sum(number[piece] > 1 for piece in inside) >= _SHARED * len(inside):
        return True
    return sign == "," and all(_TIGHT.search(text) for text in holding)  # "cat,dog", and not "tench, Tinca tinca"


def _pieces(text: str, sign: str) -> set[str]:
    return {part.strip() for part in text.split(sign) if part.strip()}


def _ask(holding: Sequence[str], sign: str, options: ReadOptions, where: str) -> None:
    name = {" ": "blanks", "\n": "line breaks"}.get(sign, f'"{sign}"')
    several = f"{count(len(holding), 'different cell')} {'holds' if len(holding) == 1 else 'hold'}"
    question = AmbiguousError(
        f"{where}: {several} several words separated by {name}, such as {holding[0]!r}",
        [
            Choice({"separator": sign}, "several labels in a cell"),
            Choice({"separator": ""}, "each cell is the name of one label"),
        ],
    )
    if options.ambiguous == "refuse" or options.strict:
        raise question
    warn(f"{question}. Read for now as: one label in each cell")
