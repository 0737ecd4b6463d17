"""What the values of a table mean: which say "present", which "absent", which "unknown", and when that has to be asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import AmbiguousError, Choice, ObservationError
from ..words import count, listed, shown
from .image_files import warn
from .options import MEANINGS, ReadOptions
from .sheet import Column, Sheet

OPEN = -2
"""A cell that the table leaves open: what it means is for `unlisted` to say."""

_PRESENT = ("1", "true", "yes", "y", "t", "x", "✓", "✔", "present", "positive", "pos")
_ABROAD = {
    1: ("wahr", "vrai", "verdadero", "vero", "ja", "oui", "sí", "si", "sim", "да"),
    0: ("falsch", "faux", "falso", "nein", "non", "não", "нет"),
}
"""TRUE, FALSE, yes and no as spreadsheets and people write them in other languages."""
_ABSENT = ("0", "false", "no", "n", "f", "absent", "negative", "neg")
_UNKNOWN = ("unknown", "uncertain", "?")
_EMPTY = ("", "nan", "na", "n/a", "none", "null", "<na>")
_USUAL: dict[str, int] = {
    **dict.fromkeys((*_PRESENT, *_ABROAD[1]), 1),
    **dict.fromkeys((*_ABSENT, *_ABROAD[0]), 0),
    **dict.fromkeys(_UNKNOWN, -1),
    **dict.fromkeys(_EMPTY, OPEN),
}
_WORDS = {1: "present", 0: "absent", -1: "unknown"}
ONE_HOT_ROWS = 10
"""Rows from which a table with exactly one 1 in each row is taken for one-hot."""
ONE_HOT_SHARE = 0.95
_FEW = 3  # different texts without a meaning up to which each may have one


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


def usual_value(text: str) -> int | None:
    """What a text usually says of a label: 1 present, 0 absent, -1 not known or empty; None for any other text, -1 included."""
    found = _USUAL.get(key(text))
    return -1 if found == OPEN else found


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
    kinds = [_Kind(column, one) for column, one in zip(columns, stated, strict=True)]
    if options.complete and not any(kind.zero for kind in kinds):
        stated = [{"-1": 0, **one} for one in stated]
        kinds = [_Kind(column, one) for column, one in zip(columns, stated, strict=True)]
    found = _minus_one(kinds, options, sheet.source)
    if wide and not options.complete and not any(found):
        found = _one_hot(columns, stated, options, sheet.source, several_roots)
    out = [Meaning({**_USUAL, **usual, **one}) for usual, one in zip(found, stated, strict=True)]
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


class _Kind:
    """Which of the texts -1 and 0 a column holds, and whether somebody says what they mean.

    Attributes:
        minus, zero: whether -1, or 0, occurs.
        says_minus, says_zero: what it is stated to mean; None where nothing is stated.
        empty: whether a cell is empty.
    """

    def __init__(self, column: Column, stated: Mapping[str, int]):
        keys = {key(text) for text in column.texts}
        self.minus, self.zero = "-1" in keys, "0" in keys
        self.says_minus, self.says_zero = stated.get("-1"), stated.get("0")
        self.empty = any(_USUAL.get(text) == OPEN for text in keys)

    @property
    def open_zero(self) -> bool:
        """Whether it holds a 0 and nobody says what that means."""
        return self.zero and self.says_zero is None


def _minus_one(kinds: Sequence[_Kind], options: ReadOptions, source: str) -> list[dict[str, int]]:
    """What -1 means in each column, and what 0 means beside it, where nobody says it."""
    if not any(kind.minus for kind in kinds):
        return [{} for _ in kinds]
    both = any(kind.minus and kind.zero for kind in kinds)  # then 0 means the same in all columns
    asked = [kind for kind in kinds if kind.minus and kind.says_minus is None and kind.says_zero is None]
    usual = _ask_minus_one(kinds, asked, both, options, source) if asked else {}
    unclear = [kind for kind in kinds if kind.open_zero and kind.says_minus == 0 and not both]
    if unclear and not options.complete:
        why = "the meaning of -1 is stated, and no column holds both"
        _ask(
            f"{source}: some columns hold -1 and others 0; {why}, so the meaning of 0 is unclear",
            [Choice({"absent": "0"}, "0 is absent as well"), Choice({"unknown": "0"}, "0 is unknown")],
            options,
            "0 is absent",
        )
    out = []
    for kind in kinds:
        if kind.says_minus is not None:
            out.append({"0": -1} if kind.open_zero and kind.says_minus == 0 and both else {})
        elif kind.says_zero is not None:
            out.append({"-1": -1 if kind.says_zero == 0 else 0})
        else:
            out.append(usual)
    return out


def _ask_minus_one(
    kinds: Sequence[_Kind], asked: Sequence[_Kind], both: bool, options: ReadOptions, source: str
) -> dict[str, int]:
    """The usual meaning of -1 and 0, after a question."""
    zeros = any(kind.open_zero for kind in kinds)
    empty = any(kind.empty for kind in asked)
    choices = [
        Choice({"absent": "-1", "unknown": "0"} if zeros else {"absent": "-1"}, "-1 is absent" + ", 0 is unknown" * zeros),
        Choice({"absent": "0", "unknown": "-1"} if zeros else {"unknown": "-1"}, "0 is absent, " * zeros + "-1 is unknown"),
    ]
    if zeros and not both:
        what = "some columns hold -1 and others 0"
        choices.insert(0, Choice({"absent": ("-1", "0")}, "-1 and 0 are absent"))
        usual, place = {"-1": 0, "0": 0}, 0
    elif zeros:
        what = "its values are 1, 0 and -1" + (" and empty cells" if empty else ", and no empty cell")
        usual, place = ({"-1": -1, "0": 0}, 1) if empty else ({"-1": 0, "0": -1}, 0)
    else:
        what = "its values are 1 and -1, no 0" + (" but empty cells" if empty else "")
        usual, place = {"-1": 0}, 0
    _ask(f"{source}: {what}, so the meaning of -1 is unclear", choices, options, choices[place].meaning)
    return usual


def _one_hot(
    columns: Sequence[Column], stated: Sequence[Mapping[str, int]], options: ReadOptions, source: str, several_roots: bool
) -> list[dict[str, int]]:
    """Ask whether zeros may mean "not the one that was noted", where nobody says what they mean."""
    nothing: list[dict[str, int]] = [{} for _ in columns]
    rows = len(columns[0].codes) if columns else 0
    if rows < ONE_HOT_ROWS or len(columns) < 2 or not several_roots:
        return nothing
    ones, zeros = np.zeros(rows, np.int32), np.zeros(rows, np.int32)
    texts: dict[str, str] = {}
    for column, says in zip(columns, stated, strict=True):
        meant = [{**_USUAL, **says}.get(key(text), OPEN) for text in column.texts]
        absent = [text for text, one in zip(column.texts, meant, strict=True) if one == 0]
        if any(key(text) in says for text in absent):
            return nothing
        texts.update({key(text): text for text in absent})
        known = np.array(meant, dtype=np.int8)[column.codes]
        ones += known == 1
        zeros += known == 0
    share = float(((ones == 1) & (zeros == len(columns) - 1)).mean())
    if share < ONE_HOT_SHARE or (ones > 1).any():
        return nothing
    which = "each row" if share == 1 else f"{100 * share:.0f} % of the rows"
    words = "0" if {*texts} == {"0"} else listed([f'"{text}"' for text in texts.values()])
    values = tuple(texts.values())
    _ask(
        f"{source}: {which} has exactly one 1 and {words} for every other label ({count(rows, 'row')}), as one-hot tables "
        f"have, so the meaning of {words} is unclear",
        [
            Choice({"unknown": values}, "only one label of each image was noted, the others are unknown"),
            Choice({"absent": values}, "each image was checked for every label"),
        ],
        options,
        f"{words} is absent",
    )
    return nothing


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
    return AmbiguousError(
        f'{sheet.at(row)}, column "{column.name}": expected 1 (present), 0 (absent), -1 or empty (unknown), not '
        f'"{shown(text)}"{more}',
        [
            *(Choice({name: text}, f'"{shown(text)}" means {name}') for name in MEANINGS if len(strange) <= _FEW),
            Choice({"ignore": column.name}, "to leave the column out"),
        ],
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
