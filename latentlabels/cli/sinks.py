"""Where the rows of a command go: to stdout, to a file that can be continued, to a pipe, or into one JSON document."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TextIO

from ..words import count, listed, printable
from ..writing import Part, replacing, scratch
from .interrupt import advise
from .output import Output, UsageError, plain
from .tables import Table, table_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ..inputs import InputBlock

    Values = NDArray[np.float32]

_SHOWN = 3
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass
class Tally:
    """What was seen so far; it is kept beside a table that is being written.

    Attributes:
        rows: images, those that cannot be read included.
        unreadable: names of images that cannot be read.
        why: the first reasons.
        escaped: image names with bytes that are no UTF-8.
        formulas: image names that a spreadsheet takes for a formula.
        known: entries that were known before,
        filled: and that were filled, where a table is completed.
    """

    rows: int = 0
    unreadable: list[str] = field(default_factory=list)
    why: list[str] = field(default_factory=list)
    escaped: int = 0
    formulas: int = 0
    known: int = 0
    filled: int = 0

    def see(self, block: InputBlock) -> None:
        """Count a block."""
        names = {image.name for image in block.inputs.left_out}
        self.rows += len(block)
        read = {*block.inputs.rows.tolist()}
        if names:
            self.unreadable += [printable(name) for row, name in enumerate(block.names) if row not in read]
            self.why += [image.why for image in block.inputs.left_out][: _SHOWN - len(self.why)]
        self.escaped += sum(printable(name) != name for name in block.names)
        self.formulas += sum(name.startswith(_FORMULA) for name in block.names)


class Sink(ABC):
    """Where rows go. Abstract.

    Attributes:
        tally: what was seen, also by an earlier process that this one continues.
        for_spreadsheets: whether spreadsheets open the format.
        unreadable: what becomes of images that cannot be read.
    """

    tally: Tally
    for_spreadsheets = False
    unreadable = Table.unreadable

    @abstractmethod
    def add(self, names: Sequence[str], values: Values) -> None:
        """Write some rows, after `tally` has counted them."""

    @abstractmethod
    def finish(self) -> None:
        """All rows are there."""


class Printed(Sink):
    """Rows of CSV on stdout."""

    for_spreadsheets = True

    def __init__(self, table: Table, stdout: TextIO):
        self.tally, self._table, self._stdout, self._begun = Tally(), table, stdout, False

    def add(self, names: Sequence[str], values: Values) -> None:
        """Print some rows; the head with the first ones, so that an error before leaves stdout empty."""
        head = b"" if self._begun else self._table.head()
        self._begun = True
        self._stdout.write((head + self._table.rows(names, values)).decode("utf-8"))
        self._stdout.flush()

    def finish(self) -> None:
        """Nothing is left to do."""


class Document(Sink):
    """One JSON document on stdout, with the rows in it under `images`; what is known at the end stands at its end."""

    def __init__(self, begun: Mapping[str, Any], labels: Sequence[str], stdout: TextIO, name: str = "probabilities"):
        self.tally, self._labels, self._stdout, self._rows = Tally(), [printable(label) for label in labels], stdout, 0
        self._begun, self._name = begun, name

    def add(self, names: Sequence[str], values: Values) -> None:
        """Print some rows."""
        for name, row in zip(names, values.tolist(), strict=True):
            start = ",\n" if self._rows else json.dumps(plain(self._begun), ensure_ascii=False)[:-1] + ', "images": [\n'
            numbers = None if all(v != v for v in row) else {k: plain(v) for k, v in zip(self._labels, row, strict=True)}
            one = {"image": printable(name), self._name: numbers}
            self._stdout.write(start + json.dumps(one, ensure_ascii=False))
            self._rows += 1

    def finish(self) -> None:
        """Nothing is left to do; `close` prints what was counted."""

    def close(self, counted: Mapping[str, Any]) -> None:
        """Print the end of the document."""
        self._stdout.write("],\n" + json.dumps(plain(counted), ensure_ascii=False)[1:] + "\n")


class Piped(Sink):
    """Rows into something other than a file, such as a named pipe: written at once, or at the end if the format needs that."""

    def __init__(self, table: Table, path: Path, held: ExitStack):
        self.tally, self._table, self._path = Tally(), table, path
        self.for_spreadsheets, self.unreadable = table.opened_by_spreadsheets, table.unreadable
        self._content: IO[bytes] = held.enter_context(scratch())

    def add(self, names: Sequence[str], values: Values) -> None:
        """Keep some rows."""
        self._content.write((b"" if self._content.tell() else self._table.head()) + self._table.rows(names, values))

    def finish(self) -> None:
        """Write them."""
        self._content.seek(0)
        with replacing(self._path) as path, path.open("wb") as target:
            self._table.copy(self._content, target)


class Continued(Sink):
    """Rows in a file that a later command can continue.

    Args:
        table: the format.
        path: the file.
        about: what was given, by name; a part that was begun with the same is continued.
        resume: a part that was begun with something else is an error; otherwise the file is begun again.
        output: where notes go.

    Raises:
        UsageError: such a part, with `resume`.
    """

    def __init__(self, table: Table, path: Path, about: Mapping[str, str], resume: bool, output: Output):
        self.part, self._table, self._about = Part(path), table, dict(about)
        self.for_spreadsheets, self.unreadable = table.opened_by_spreadsheets, table.unreadable
        begun = continued(self.part, about, resume, output)
        self.tally = Tally() if begun is None else Tally(**begun["tally"])
        self._size = 0 if begun is None else int(begun["size"])

    def add(self, names: Sequence[str], values: Values) -> None:
        """Write some rows, and that they are there."""
        rows = (b"" if self._size else self._table.head()) + self._table.rows(names, values)
        self._size = self.part.add(self._size, rows, {"about": self._about, "tally": asdict(self.tally)})
        advise(f"{count(self.tally.rows, 'image')} written; run the same command again to continue")

    def finish(self) -> None:
        """Give the file its name."""
        self._table.finish(self.part, self._size)


def continued(part: Part, about: Mapping[str, str], resume: bool, output: Output) -> dict[str, Any] | None:
    """What an interrupted command with the same arguments has left; None where there is nothing to go on from.

    Args:
        part: of a file.
        about: what was given, by name.
        resume: whether a part that was begun with something else is an error.
        output: where notes go.

    Raises:
        UsageError: such a part.
    """
    begun = part.begun()
    if begun is not None:
        differ = [key for key, value in about.items() if begun.get("about", {}).get(key) != value]
        if not differ:
            output.note(f"{part.content}: {count(begun['tally']['rows'], 'image')} already done; continuing")
            return begun
        message = f"{part.content}: left by an interrupted command, but with other {listed(differ)}"
        if resume:
            raise UsageError(f"{message}; leave out --resume to start again, or give another file")
        output.note(f"{message}; starting again")
    part.begin()
    return None


def open_sink(
    output: Output, target: Path | None, labels: Sequence[str], begun: Mapping[str, Any], about: Mapping[str, str],
    resume: bool, held: ExitStack, name: str = "probabilities",
) -> Sink:  # fmt: skip
    """Where the rows of a command go.

    Args:
        output: stdout, and where notes go.
        target: a file; None for stdout.
        labels: of the K columns.
        begun: what a JSON document on stdout begins with.
        about: what was given, by name, as texts that change with it.
        resume: whether to refuse what was begun with something else.
        held: closes what is open.
        name: what the numbers of an image are called in a JSON document.
    """
    if target is None:
        if resume:
            raise UsageError("--resume continues a file; name it with -o FILE")
        if output.as_json:
            return Document(begun, labels, output.stdout, name)
        return Printed(table_of(labels, None), output.stdout)
    return file_sink(output, table_of(labels, target), target, about, resume, held)


def file_sink(output: Output, table: Table, target: Path, about: Mapping[str, str], resume: bool, held: ExitStack) -> Sink:
    """As `open_sink`, for a table into a file or a pipe."""
    if target.exists() and not target.is_file():
        return Piped(table, target, held)
    return Continued(table, target, about, resume, output)
