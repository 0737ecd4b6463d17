"""`AnswerFile`: answers of a person, one line each in a table of known labels, safe from a killed process.

The table has the columns ``image,label,value``, with a value of 1, 0 or nothing (skipped), so that `fit` reads it as it is. An
answer is appended by one call of the system and flushed to the disk before it is acknowledged. An answer that replaces an
earlier one rewrites the file under a temporary name, so the table never contradicts itself.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import DataError
from ..words import printable
from ..writing import append_text, separated, write_text

_HEAD = ("image", "label", "value")
_VALUES = {"1": 1, "0": 0, "": None}


@dataclass(frozen=True)
class Entry:
    """One line: what was said about a label of an image.

    Attributes:
        image: the image's name.
        label: the label's name.
        value: 1 present, 0 absent, None skipped.
    """

    image: str
    label: str
    value: int | None


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
        if path.exists() and path.stat().st_size:
            self._read()

    def _read(self) -> None:
        content = self.path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        rows = self._rows(whole)
        if not rows and content:  # the head itself was cut off
            if not (",".join(_HEAD) + "\n").encode().startswith(content):
                raise DataError(f"{self.path}: no table of answers; its first line should be {','.join(_HEAD)}")
            write_text(self.path, "")
            return
        if tuple(rows[0]) != _HEAD:
            raise DataError(
                f"{self.path}: its first line is {','.join(rows[0])}, but expected {','.join(_HEAD)}; "
                "give another file by --answers"
            )
        self.entries = [self._entry(row, number) for number, row in enumerate(rows[1:], 2)]
        if len(whole) < len(content):
            last = self._rows(content[len(whole) :])
            if last and len(last[0]) == len(_HEAD) and last[0][2] in ("1", "0"):  # all but the end of the line
                self.entries.append(self._entry(last[0], len(rows) + 1))
                append_text(self.path, "\n")
            else:
                self._cut(len(whole))

    def _rows(self, content: bytes) -> list[list[str]]:
        try:
            return [row for row in csv.reader(io.StringIO(content.decode("utf-8"), newline="")) if row]
        except (UnicodeDecodeError, csv.Error) as error:
            raise DataError(f"{self.path}: not a table in UTF-8 ({error}); give another file by --answers") from None

    def _entry(self, row: Sequence[str], line: int) -> Entry:
        if len(row) != len(_HEAD) or row[2] not in _VALUES:
            raise DataError(f"{self.path}:{line}: expected an image, a label, and 1, 0 or nothing; correct or remove the line")
        return Entry(row[0], row[1], _VALUES[row[2]])

    def _cut(self, size: int) -> None:
        with self.path.open("rb+") as file:
            file.truncate(size)
            os.fsync(file.fileno())

    def add(self, entries: Sequence[Entry], replaced: Sequence[Entry] = ()) -> None:
        """Write entries, which are on the disk when this returns.

        Args:
            entries: in this order.
            replaced: earlier entries that these take the place of.
        """
        entries = [Entry(printable(one.image), one.label, one.value) for one in entries]
        if replaced:
            gone = {*replaced}
            kept = [one for one in self.entries if one not in gone]
            write_text(self.path, _text([*kept, *entries], head=True))
            self.entries = [*kept, *entries]
            return
        new = not self.path.exists() or not self.path.stat().st_size
        if new:
            write_text(self.path, _text([], head=True))
        append_text(self.path, _text(entries))
        self.entries += entries


def _text(entries: Sequence[Entry], head: bool = False) -> str:
    rows = [[one.image, one.label, "" if one.value is None else str(one.value)] for one in entries]
    return separated([list(_HEAD), *rows] if head else rows)
