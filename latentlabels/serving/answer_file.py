"""`AnswerFile`: answers of a person, one line each in a table of known labels, safe from a killed process.

The table has the columns ``image,label,value,kind,decision``, with a value of 1, 0 or nothing (skipped), so that `fit` reads it
as it is; the last two columns say how an answer came about, and `fit` leaves them out. An answer is appended by one call of the
system and flushed to the disk before it is acknowledged. An answer that replaces an earlier one rewrites the file under a
temporary name, so the table never contradicts itself.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import DataError
from ..words import printable
from ..writing import append_text, separated, write_text

_HEAD = ("image", "label", "value", "kind", "decision")
_READ = (_HEAD, _HEAD[:3])  # tables of earlier versions have three columns
KINDS = ("question", "random", "mistake", "complete")
DECISIONS = ("keep", "change", "unsure")
_VALUES = {"1": 1, "0": 0, "": None}


@dataclass(frozen=True)
class Entry:
    """One line: what was said about a label of an image.

    Attributes:
        image: the image's name.
        label: the label's name.
        value: 1 present, 0 absent, None skipped.
        kind: why it was asked: "question", "random", "mistake" or "complete"; empty where nobody knows.
        decision: about a possible mistake: "keep", "change" or "unsure"; empty otherwise.
    """

    image: str
    label: str
    value: int | None
    kind: str = ""
    decision: str = ""


class AnswerFile:
    """The table of answers. One process writes it at a time; its methods are called by one thread at a time.

    Args:
        path: a .csv file, which need not exist. A last line that a killed process did not finish is dropped.

    Raises:
        DataError: the file is there and is no table of answers.
    """

    def __init__(self, path: Path):
        self.path = path
        self.entries: list[Entry] = []
        self._width = len(_HEAD)
        self._torn: int | None = None  # the size of what is whole, where an end that was not acknowledged could not be removed
        if path.exists() and path.stat().st_size:
            self._read()

    def _read(self) -> None:
        try:
            content = self.path.read_bytes()
        except OSError as error:
            raise DataError(f"{self.path}: cannot be read ({error.strerror}); give another file by --answers FILE") from None
        whole = content[: content.rfind(b"\n") + 1]
        rows = self._rows(whole)
        if not rows and content:  # the head itself was cut off
            if not (",".join(_HEAD) + "\n").encode().startswith(content):
                raise DataError(f"{self.path}: no table of answers; its first line should be {','.join(_HEAD)}")
            write_text(self.path, "")
            return
        if tuple(rows[0]) not in _READ:
            raise DataError(
                f"{self.path}: its first line is {','.join(rows[0])}, but expected {','.join(_HEAD)}; "
                "give another file by --answers"
            )
        self._width = len(rows[0])
        self.entries = [self._entry(row, number) for number, row in enumerate(rows[1:], 2)]
        if len(whole) < len(content):
            last = self._rows(content[len(whole) :])
            if last and self._is_whole(last[0]):  # all but the end of the line
                self.entries.append(self._entry(last[0], len(rows) + 1))
                append_text(self.path, "\n")
            else:
                self._cut(len(whole))

    def _is_whole(self, row: Sequence[str]) -> bool:
        """Whether a line without an end says all that it was to say."""
        if len(row) != self._width or row[2] not in ("1", "0"):
            return False
        return self._width == 3 or (row[3] in ("", *KINDS) and row[4] in ("", *DECISIONS))

    def _rows(self, content: bytes) -> list[list[str]]:
        try:
            return [row for row in csv.reader(io.StringIO(content.decode("utf-8"), newline="")) if row]
        except (UnicodeDecodeError, csv.Error) as error:
            raise DataError(f"{self.path}: not a table in UTF-8 ({error}); give another file by --answers") from None

    def _entry(self, row: Sequence[str], line: int) -> Entry:
        if len(row) != self._width or row[2] not in _VALUES:
            raise DataError(
                f"{self.path}:{line}: expected {self._width} cells: an image, a label, 1, 0 or nothing"
                f"{', ...' if self._width > 3 else ''}; correct or remove the line"
            )
        return Entry(row[0], row[1], _VALUES[row[2]], *row[3:])

    def _cut(self, size: int) -> None:
        with self.path.open("rb+") as file:
            file.truncate(size)
            os.fsync(file.fileno())

    def add(self, entries: Sequence[Entry], replaced: Sequence[Entry] = ()) -> None:
        """Write entries, which are on the disk when this returns.

        Args:
            entries: in this order.
            replaced: earlier entries that these take the place of.

        Raises:
            OSError: they cannot be written; the table holds what it held before.
        """
        entries = [replace(one, image=printable(one.image)) for one in entries]
        if replaced or self._width < len(_HEAD):
            gone = {*replaced}
            kept = [one for one in self.entries if one not in gone]
            write_text(self.path, _text([*kept, *entries], head=True))
            self.entries, self._width, self._torn = [*kept, *entries], len(_HEAD), None
            return
        if not self.path.exists() or not self.path.stat().st_size:
            write_text(self.path, _text([*self.entries, *entries], head=True))
        else:
            self._append(_text(entries))
        self.entries += entries

    def _append(self, text: str) -> None:
        """Add lines to the end; what cannot be written whole is taken back, now or before the next lines."""
        if self._torn is not None:
            self._cut(self._torn)
            self._torn = None
        size = self.path.stat().st_size
        try:
            append_text(self.path, text)
        except OSError:
            self._torn = size
            with suppress(OSError):
                self._cut(size)
                self._torn = None
            raise


def _text(entries: Sequence[Entry], head: bool = False) -> str:
    rows = [
        [one.image, one.label, "" if one.value is None else str(one.value), one.kind, one.decision] for one in entries
    ]  # fmt: skip
    return separated([list(_HEAD), *rows] if head else rows)
