"""The errors and warnings that users meet; each message says what happened, where, and what to do."""

from __future__ import annotations

import difflib
import json
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass


class LatentLabelsError(Exception):
    """Root of the errors that this package raises on purpose.

    Attributes:
        key: the key of a config that the error is about, such as "model.regions"; None where it is about none.
    """

    def __init__(self, message: str = "", *, key: str | None = None):
        super().__init__(message)
        self.key = key


class LabelSpaceError(LatentLabelsError, ValueError):
    """A label space that contradicts itself, or a label that a space lacks.

    Attributes:
        entry: number of the entry of a `labels` section, from 1; None where the error is about none.
    """

    def __init__(self, message: str = "", *, entry: int | None = None):
        super().__init__(message if entry is None else f"labels, entry {entry}{message}")
        self.entry = entry


class ObservationError(LatentLabelsError, ValueError):
    """Known labels that cannot be read, or that no valid label set agrees with."""


@dataclass(frozen=True)
class Choice:
    """One of the things that an ambiguous input can mean.

    Attributes:
        settings: the arguments that say so, by name: ``{"absent": "-1"}``; several values of one argument as a tuple.
        meaning: in words.
    """

    settings: Mapping[str, str | tuple[str, ...]]
    meaning: str

    def in_python(self) -> str:
        """As arguments of a function: ``absent="-1"``."""
        return ", ".join(f"{name}={_in_quotes(value)}" for name, value in self.settings.items())

    def as_flags(self) -> str:
        """As flags of a command: ``--absent -1``; a flag with several values is repeated."""
        return " ".join(
            f"--{name.replace('_', '-')} {shlex.quote(one)}"
            for name, value in self.settings.items()
            for one in ((value,) if isinstance(value, str) else value)
        )


def _in_quotes(value: str | tuple[str, ...]) -> str:
    if not isinstance(value, str):
        return _in_quotes(value[0]) if len(value) == 1 else "[" + ", ".join(map(_in_quotes, value)) + "]"
    return json.dumps(value, ensure_ascii=False)  # with quotation marks and line breaks escaped


class AmbiguousError(ObservationError):
    """Known labels that can mean two things, and what says which.

    Attributes:
        what: the ambiguity in words; it begins with the file.
        choices: the readings.
    """

    def __init__(self, what: str, choices: Sequence[Choice]):
        self.what, self.choices = what, tuple(choices)
        super().__init__(self.worded(Choice.in_python))

    def worded(self, spelt: Callable[[Choice], str], more: str = "") -> str:
        """The message, with the choices spelt as arguments or as flags."""
        shown = [f"{spelt(choice)} ({choice.meaning})" for choice in self.choices]
        either = " or ".join(shown) if len(shown) < 3 else ", ".join(shown[:-1]) + f", or {shown[-1]}"
        return f"{self.what}; give {either}{more}"


class ConfigError(LatentLabelsError, ValueError):
    """A configuration that cannot be used; names the file and the key."""

    def __init__(self, message: str = "", *, key: str | None = None):
        super().__init__(message if key is None else f"{key}: {message}", key=key)


class DataError(LatentLabelsError, ValueError):
    """Images, tables or embeddings that cannot be used."""


class WeightsError(LatentLabelsError, RuntimeError):
    """Encoder weights that cannot be found, downloaded or fitted to the encoder."""


class RunError(LatentLabelsError, RuntimeError):
    """A run folder that is incomplete, or that this version cannot read."""


class ExportError(LatentLabelsError, RuntimeError):
    """A model that cannot be exported, or whose exported graph gives other probabilities."""


class AnchorWarning(UserWarning):
    """The scale of the label probabilities has drifted from the stated prior, or nothing fixes it."""


class DataWarning(UserWarning):
    """Something in the data was left out or looks wrong; the message counts and names it."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return ``'; did you mean "x"?'`` for the name nearest to `name` in `known`, or an empty string."""
    found = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    if not found:
        lowered = {k.lower(): k for k in known}
        found = [lowered[name.lower()]] if name.lower() in lowered else []
    return f'; did you mean "{found[0]}"?' if found else ""
