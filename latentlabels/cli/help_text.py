"""What `--help` shows: a flag by its name and what it does, as it takes no value; paragraphs as wide as the terminal."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup


class _BareFlags:
    """Typer writes the type of a value behind each option, also behind a flag: `--json <bool>`."""

    def get_params(self, ctx: Any) -> Any:
        """The arguments and options, `--help` included."""
        params = super().get_params(ctx)  # type: ignore[misc]  # of the class that this one is mixed into
        for param in params:
            if getattr(param, "is_flag", False):
                param.metavar = ""
        return params


class Verb(_BareFlags, TyperCommand):
    """A command."""

    def __init__(self, *args: Any, help: str | None = None, **options: Any):
        super().__init__(*args, help=None if help is None else _unwrapped(help), **options)


def _unwrapped(text: str) -> str:
    """Each paragraph of a docstring on one line: Typer keeps the line ends of the source, beside those of the terminal."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in inspect.cleandoc(text).split("\n\n"))


class Verbs(_BareFlags, TyperGroup):
    """A command with subcommands."""


class Commands(typer.Typer):
    """Commands whose `--help` shows flags bare.

    Args:
        options: of `typer.Typer`.
    """

    def __init__(self, *, cls: type[Verbs] = Verbs, **options: Any):
        super().__init__(cls=cls, **options)

    def command(self, name: str | None = None, **options: Any) -> Callable[[Any], Any]:
        """A decorator that adds a function as a command."""
        return super().command(name, **{"cls": Verb, **options})
