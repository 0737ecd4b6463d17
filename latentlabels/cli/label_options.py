"""Options of the verbs that read known labels: what tables, folders and files of other tools mean."""

from __future__ import annotations

import functools
import inspect
import shlex
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import AmbiguousError, Choice, ObservationError, nearest
from .output import UsageError

if TYPE_CHECKING:
    from ..config import DataConfig
    from ..observed.options import ReadOptions

_PANEL = "What the known labels mean"


def _option(name: str, metavar: str, text: str) -> Any:
    return typer.Option(name, metavar=metavar, help=text, rich_help_panel=_PANEL)


_ALL = "*"  # as `observed.options.ALL`, whose import takes longer than `--help` may
_MANY = list[str] | None
_ONE = str | None
_FLAGS: dict[str, Any] = {
    "format": Annotated[_ONE, _option("--format", "NAME", "Format of the known labels. Default: recognised from the file.")],
    "unlisted": Annotated[
        _ONE, _option("--unlisted", "unknown|absent", "Meaning of labels that the table does not mention: unknown or absent.")
    ],
    "present": Annotated[
        _MANY, _option("--present", "VALUE", "A value that means present, or COLUMN=VALUE for one column. May be repeated.")
    ],
    "absent": Annotated[_MANY, _option("--absent", "VALUE", "A value that means absent, for example -1. May be repeated.")],
    "unknown": Annotated[_MANY, _option("--unknown", "VALUE", "A value that means unknown, for example 0. May be repeated.")],
    "image_column": Annotated[_ONE, _option("--image-column", "COLUMN", "The column of image names.")],
    "label_columns": Annotated[
        _MANY,
        _option("--label-columns", "COLUMN", "A column of 1 and 0 for one label, or a column of label names. May be repeated."),
    ],
    "ignore": Annotated[_MANY, _option("--ignore", "NAME", "A column or folder to leave out. May be repeated.")],
    "classes": Annotated[
        _MANY,
        _option(
            "--classes",
            "NAMES|FILE",
            "The names of classes 0, 1, ..., separated by commas, or a file with one name on each line.",
        ),
    ],
    "separator": Annotated[
        _ONE, _option("--separator", "TEXT", 'What separates several labels in a cell; "" for one label in each cell.')
    ],
    "part": Annotated[_MANY, _option("--part", "NAME", "The part of the data set to use, for example train. May be repeated.")],
    "split": Annotated[
        _ONE,
        _option("--split", "COLUMN|FILE", "Which images are held out: a column of the table, or a file with another table."),
    ],
    "together": Annotated[
        _ONE,
        _option(
            "--together",
            "COLUMN|FILE",
            "Which images belong together, such as those of one patient: all or none of them are held out.",
        ),
    ],
    "unlabelled": Annotated[_MANY, _option("--unlabelled", "FOLDER", "A folder of images without any known label.")],
    "contradictions": Annotated[
        _ONE, _option("--contradictions", "refuse|unknown|vote", "What to do with known labels that exclude each other.")
    ],
    "white": Annotated[float | None, _option("--white", "NUMBER", "The value of white in the image files, for example 4095.")],
}
TABLES = (
    *("format", "unlisted", "present", "absent", "unknown", "image_column", "label_columns", "ignore", "classes", "separator"),
    *("part", "contradictions"),
)
"""The options that are about a table alone."""


def reads_labels(*names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A verb with options of this module, which it gets as one mapping `reading`: what the user gave, by name.

    Args:
        names: which options; all of them if none is named.
    """
    chosen = {name: _FLAGS[name] for name in names or _FLAGS}

    def decorate(verb: Callable[..., None]) -> Callable[..., None]:
        own = inspect.signature(verb, eval_str=True)
        first = [one for name, one in own.parameters.items() if name != "reading"]
        last = [one for one in first if one.name in ("strict", "as_json", "debug")]
        added = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=kind)
            for name, kind in chosen.items()
        ]
        parameters = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in (*first, *last) if one not in last]
        parameters += [*added, *(one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in last)]

        @functools.wraps(verb)
        def with_reading(**given: Any) -> None:
            reading = {name: given.pop(name) for name in chosen}
            verb(**given, reading={name: value for name, value in reading.items() if value is not None})

        with_reading.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        with_reading.__annotations__ = {one.name: one.annotation for one in parameters}
        del with_reading.__wrapped__  # type: ignore[attr-defined]
        return with_reading

    return decorate


def by_column(values: list[str]) -> list[str] | dict[str, list[str]]:
    """Values as a config has them: a list, or where some are written COLUMN=VALUE, a list for each column.

    >>> by_column(["0", "bus=-1"])
    {'*': ['0'], 'bus': ['-1']}
    """
    pairs = [value.partition("=") for value in values]
    if not any(column and sign for column, sign, _ in pairs):
        return values
    out: dict[str, list[str]] = {}
    for value, (column, sign, text) in zip(values, pairs, strict=True):
        own = bool(column and sign)
        out.setdefault(column if own else _ALL, []).append(text if own else value)
    return out


def as_keys(reading: dict[str, Any]) -> dict[str, Any]:
    """The options as values of a config's `data` section."""
    lists = ("present", "absent", "unknown")
    return {name: by_column(value) if name in lists else value for name, value in reading.items()}


def as_flags(data: DataConfig) -> str:
    """What a config states about known labels, as the flags of a command: " --absent -1 --unlisted unknown"."""
    words: list[str] = []
    for name in _FLAGS:
        value = getattr(data, name)
        if value == type(data).model_fields[name].default or value is None:
            continue
        pairs = value.items() if isinstance(value, dict) else [("", value)]
        for column, given in pairs:
            for one in given if isinstance(given, list) else [given]:
                words += [f"--{name.replace('_', '-')}", str(one) if column in ("", _ALL) else f"{column}={one}"]
    return "".join(f" {shlex.quote(word)}" for word in words)


def as_options(reading: dict[str, Any], **more: Any) -> ReadOptions:
    """The options of a verb that reads a table without a config; what can mean two things is refused.

    Raises:
        UsageError: a value that an option cannot have.
    """
    from ..observed.options import CONTRADICTIONS, UNLISTED, stated_options

    for name, known in (("unlisted", UNLISTED), ("contradictions", CONTRADICTIONS)):
        value = reading.get(name)
        if value is not None and value not in known:
            expected = " or ".join(f'"{one}"' for one in known)
            raise UsageError(f"--{name} {value}: expected {expected}{nearest(value, known)}")
    return stated_options(**as_keys(reading), ambiguous="refuse", **more)


@contextmanager
def in_words_of_the_command_line(flags: Collection[str] | None = None) -> Iterator[None]:
    """Errors about an argument of a function speak of the flag instead.

    Args:
        flags: the options of a verb that reads no config, by name: what only others can state is no choice. None for all.
    """
    try:
        yield
    except AmbiguousError as error:
        if flags is not None:
            possible = [choice for choice in error.choices if {*choice.settings} <= {*flags}]
            raise UsageError(AmbiguousError(error.what, possible or error.choices).worded(Choice.as_flags)) from None
        keys = sorted({f"data.{key}" for choice in error.choices for key in choice.settings})
        raise UsageError(error.worded(Choice.as_flags, f"; in a config, {', '.join(keys)}")) from None
    except ObservationError as error:
        from ..observed.contradictions import ContradictionError  # it loads numpy, which `--help` need not wait for

        if isinstance(error, ContradictionError):
            raise ObservationError(error.worded(Choice.as_flags)) from None
        raise
