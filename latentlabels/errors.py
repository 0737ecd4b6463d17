"""The errors and warnings that users meet; each message says what happened, where, and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class LatentLabelsError(Exception):
    """Root of the errors that this package raises on purpose."""


class LabelSpaceError(LatentLabelsError, ValueError):
    """A label space that contradicts itself, or a label that a space lacks."""


class ObservationError(LatentLabelsError, ValueError):
    """Known labels that cannot be read, or that no valid label set agrees with."""


class OpenCellsError(ObservationError):
    """A table that lists only present labels, without a statement of what the other labels mean.

    Attributes:
        table: the path of the table.
    """

    def __init__(self, table: object, mend: str = 'unlisted="unknown"', other: str = 'unlisted="absent"', more: str = ""):
        super().__init__(
            f"{table}: lists only labels that are present, so the meaning of the others is unclear; give {mend} (not "
            "checked or not "
            f"recorded) or {other}{more}"
        )
        self.table = table


class ConfigError(LatentLabelsError, ValueError):
    """A configuration that cannot be used; names the file and the key."""


class DataError(LatentLabelsError, ValueError):
    """Images, tables or embeddings that cannot be used."""


class WeightsError(LatentLabelsError, RuntimeError):
    """Encoder weights that cannot be found, downloaded or fitted to the encoder."""


class RunError(LatentLabelsError, RuntimeError):
    """A run folder that is incomplete, or that this version cannot read."""


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
