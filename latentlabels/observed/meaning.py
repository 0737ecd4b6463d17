"""What the values of a table mean: which say "present", which "absent", which "unknown", and when that has to be asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import AmbiguousError, Choice, ObservationError
from ..words import count, listed
from .image_files import warn
from .options import ReadOptions
from .sheet import Column, Sheet

OPEN = -2
"""A cell that the table leaves open: what it means is for `unlisted` to say."""

_PRESENT = ("1", "true", "yes", "y", "t", "x", "✓", "✔", "present", "positive", "pos")
_ABSENT = ("0", "false", "no", "n", "f", "absent", "negative", "neg")
_UNKNOWN = ("unknown", "uncertain", "?")
_EMPTY = ("", "nan", "na", "n/a", "none", "null", "<na>")
_USUAL: dict[str, int] = {
    **dict.fromkeys(_PRESENT, 1),
    **dict.fromkeys(_ABSENT, 0),
    **dict.fromkeys(_UNKNOWN, -1),
    **dict.fromkeys(_EMPTY, OPEN),
}
_WORDS = {1: "present", 0: "absent", -1: "unknown"}
ONE_HOT_ROWS = 10
"""Rows from which a table with exactly one 1 in each row is taken for one-hot."""
ONE_HOT_SHARE = 0.95


def key(text: str) -> str:
    """The form in which texts are compared: without capitals, and numbers by their value ("1.0" is "1")."""
    lowered = text.strip().lower()
    if lowered[:1] in "+-.0123456789" and lowered:
        try:
            number = float(lowered)
        except ValueError:
            return lowered
        if number == int(number) if np.isfinite(number) else False:
            return str(int(number))
    return lowered


def is_value(text: str) -> bool:
    """Whether a text usually says present, absent or unknown."""
    return key(text) in _USUAL or key(text) == "-1"


@dataclass(frozen=True)
class Meaning:
    """What the texts of one column mean.

    Attributes:
        values: 1, 0, -1 or `OPEN` by the key of a text.
    """

    values: Mapping[str, int]

    def value(self, text: str) -> int | None:
        """What a text means; None where it has no meaning."""
        return self.values.get(key(text))

    def table(self, column: Column) -> NDArray[np.int8]:
        """(T,) what each text of a column means; every one has a meaning."""
        return np.array([self.values[key(text)] for text in column.texts], dtype=np.int8)


def meanings(
    sheet: Sheet, columns: Sequence[Column], options: ReadOptions, *, wide: bool, several_roots: bool = True
) -> tuple[list[Meaning], list[tuple[str, str]]]:
    """What the texts of each column mean, and that in words.

    Args:
        sheet: the table, for messages.
        columns: its columns of values.
        options: what the user states; `options.ambiguous` says whether a question is an error or a warning.
        wide: whether there is one column for each label, so that zeros may come from one-hot rows.
        several_roots: whether the labels could be present together, so that a single 1 in each row is no rule.

    Raises:
        AmbiguousError: values that can mean two things.
        ObservationError: a text that two settings give different meanings, or texts without any meaning.
    """
    stated = [_stated(column, options) for column in columns]
    found = {key(text) for column in columns for text in column.texts}
    decided = {name: value for one in stated for name, value in one.items()}
    if options.complete and "0" not in found and "-1" not in decided:
        decided["-1"] = 0
        stated = [{"-1": 0, **one} for one in stated]
    minus = {} if "-1" in decided or "-1" not in found else _minus_one(found, decided, options, sheet.source)
    if wide and not options.complete and "0" not in decided and minus.get("0", 0) == 0:
        minus |= _one_hot(columns, options, sheet.source, several_roots)
    if "-1" in decided and "0" in found and "0" not in decided:
        minus = {"0": -1 if decided["-1"] == 0 else 0}
    out = [Meaning({**_USUAL, **minus, **one}) for one in stated]
    for column, one in zip(columns, out, strict=True):
        strange = [text for text in column.texts if one.value(text) is None]
        if strange:
            raise _no_meaning(sheet, column, strange)
    return out, _in_words(columns, out)


def _stated(column: Column, options: ReadOptions) -> dict[str, int]:
    out: dict[str, int] = {}
    for name, value in (("present", 1), ("absent", 0), ("unknown", -1)):
        for text in options.stated(name, column.name):  # type: ignore[arg-type]
            if out.setdefault(key(text), value) != value:
                raise ObservationError(
                    f'"{text}" is stated to mean {_WORDS[out[key(text)]]} and {_WORDS[value]} (column "{column.name}"); '
                    "state one of the two"
                )
    return out


def _minus_one(found: set[str], decided: Mapping[str, int], options: ReadOptions, source: str) -> dict[str, int]:
    """What -1 means, and what 0 means beside it."""
    zero = decided.get("0")
    if zero == 0:
        return {"-1": -1}
    if zero == -1:
        return {"-1": 0}
    zeros = "0" in found
    empty = any(_USUAL.get(text) == OPEN for text in found)
    first = {"absent": "-1", "unknown": "0"} if zeros else {"absent": "-1"}
    second = {"absent": "0", "unknown": "-1"} if zeros else {"unknown": "-1"}
    usual = {"-1": -1, "0": 0} if zeros and empty else {"-1": 0, **({"0": -1} if zeros else {})}
    values = "1, 0 and -1" if zeros else "1 and -1"
    more = (" and empty cells" if empty else ", and no empty cell") if zeros else ", no 0" + (" but empty cells" * empty)
    minus = "-1 is absent" + (", 0 is unknown" if zeros else "")
    other = "0 is absent, -1 is unknown" if zeros else "-1 is unknown"
    _ask(
        f"{source}: its values are {values}{more}, so the meaning of -1 is unclear",
        [Choice(first, minus), Choice(second, other)],
        options,
        minus if usual["-1"] == 0 else other,
    )
    return usual


def _one_hot(columns: Sequence[Column], options: ReadOptions, source: str, several_roots: bool) -> dict[str, int]:
    """Whether zeros may mean "not the one that was noted"."""
    rows = len(columns[0].codes) if columns else 0
    if rows < ONE_HOT_ROWS or len(columns) < 2 or not several_roots:
        return {}
    ones, zeros = np.zeros(rows, np.int32), np.zeros(rows, np.int32)
    for column in columns:
        known = np.array([_USUAL.get(key(text), OPEN) for text in column.texts], dtype=np.int8)[column.codes]
        ones += known == 1
        zeros += known == 0
    share = float(((ones == 1) & (zeros == len(columns) - 1)).mean())
    if share < ONE_HOT_SHARE or (ones > 1).any():
        return {}
    which = "each row" if share == 1 else f"{100 * share:.0f} % of the rows"
    _ask(
        f"{source}: {which} has exactly one 1 and 0 for every other label ({count(rows, 'row')}), as one-hot tables have, "
        "so the meaning of 0 is unclear",
        [
            Choice({"unknown": "0"}, "only one label of each image was noted, the others are unknown"),
            Choice({"absent": "0"}, "each image was checked for every label"),
        ],
        options,
        "0 is absent",
    )
    return {}


def _ask(what: str, choices: Sequence[Choice], options: ReadOptions, usual: str) -> None:
    """Refuse, or read the usual way with a warning that names the choices."""
    question = AmbiguousError(what, choices)
    if options.ambiguous == "refuse" or options.strict:
        raise question
    warn(f"{question}. Read for now as: {usual}")


def _no_meaning(sheet: Sheet, column: Column, strange: Sequence[str]) -> ObservationError:
    text = strange[0]
    row = int(column.rows_of(text)[0])
    more = f", and {count(len(strange) - 1, 'other value')}" if len(strange) > 1 else ""
    return ObservationError(
        f'{sheet.at(row)}, column "{column.name}": expected 1 (present), 0 (absent), -1 or empty (unknown), not '
        f'"{text}"{more}; '
        f"state what it means (present, absent or unknown: {text}), or leave the column out (ignore: {column.name})"
    )


def _in_words(columns: Sequence[Column], found: Sequence[Meaning]) -> list[tuple[str, str]]:
    """The texts that occur, by meaning: one line for all columns, or one for each kind of columns where they differ."""
    lines: dict[str, dict[int, set[str]]] = {}
    settings = [tuple(sorted(one.values.items())) for one in found]
    for column, one, setting in zip(columns, found, settings, strict=True):
        alike = [other.name for other, its in zip(columns, settings, strict=True) if its == setting]
        what = "values" if len(alike) == len(columns) else f"values of {listed(alike, 3)}"
        by_meaning = lines.setdefault(what, {})
        for text in column.texts:
            by_meaning.setdefault(int(one.values[key(text)]), set()).add(text)
    return [
        (what, "; ".join(f"{listed(sorted(texts[v]), 4)} {_WORDS[v]}" for v in (1, 0, -1) if v in texts))
        for what, texts in lines.items()
    ]
