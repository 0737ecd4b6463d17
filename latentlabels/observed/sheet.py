"""A table as columns of text, each stored once: what stands in a file, before anything is made of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ObservationError
from .names import label_name

Codes = NDArray[np.integer[Any]]
_INDEX = ("", "unnamed: 0")  # headings of an index of a DataFrame


@dataclass(frozen=True, eq=False)
class Column:
    """One column: row r holds ``texts[codes[r]]``.

    Attributes:
        name: the heading.
        codes: (R,) which text a row holds.
        texts: the different texts, stripped and in Unicode form NFC; "" for an empty or missing cell.
    """

    name: str
    codes: Codes
    texts: tuple[str, ...]

    @property
    def words(self) -> tuple[str, ...]:
        """The texts that are not empty."""
        return tuple(text for text in self.texts if text)

    def text(self, row: int) -> str:
        """What a row holds."""
        return self.texts[int(self.codes[row])]

    def rows_of(self, text: str) -> NDArray[np.intp]:
        """The rows that hold a text, ascending."""
        return np.flatnonzero(self.codes == self.texts.index(text))

    def cells(self) -> list[str]:
        """What each row holds."""
        return [self.texts[code] for code in self.codes.tolist()]


@dataclass(frozen=True, eq=False)
class Sheet:
    """A table.

    Attributes:
        source: the file.
        columns: its columns, of R rows each; headings are different.
        unit: what a place counts: "line", or "row" where the file has no lines.
        places: the line or row of each of the R rows, from 1.
        locate: where a row stands, as text, where the rows are from several files; None: by `source` and `places`.
    """

    source: str
    columns: tuple[Column, ...]
    unit: str
    places: Callable[[], Sequence[int]]
    locate: Callable[[int], str] | None = None

    def __post_init__(self) -> None:
        names = [column.name for column in self.columns]
        for number, name in enumerate(names, 1):
            if not name:
                index = " (if it is the index of a DataFrame, write the table with index=False)" if number == 1 else ""
                raise ObservationError(f"{self.head}: column {number} has no name; name or remove it{index}")
            if names.index(name) + 1 < number:
                raise ObservationError(f'{self.head}: two columns are called "{name}"; remove or rename one')

    @property
    def head(self) -> str:
        """Where the headings stand."""
        return f"{self.source}:1" if self.unit == "line" else self.source

    @property
    def num_rows(self) -> int:
        """R."""
        return len(self.columns[0].codes) if self.columns else 0

    @property
    def names(self) -> tuple[str, ...]:
        """The headings."""
        return tuple(column.name for column in self.columns)

    def column(self, name: str) -> Column | None:
        """The column of a heading: spelt so, or else the only one that differs in capitals alone; None without one."""
        exact = [column for column in self.columns if column.name == name]
        alike = exact or [column for column in self.columns if column.name.lower() == name.lower()]
        return alike[0] if len(alike) == 1 else None

    def at(self, row: int) -> str:
        """Where a row stands: "labels.csv:12"."""
        if self.locate is not None:
            return self.locate(row)
        place = self.places()[row]
        return f"{self.source}:{place}" if self.unit == "line" else f"{self.source}, row {place}"


def encoded(name: str, cells: Iterable[str]) -> Column:
    """A column of cells."""
    number: dict[str, int] = {}
    codes = [number.setdefault(cell, len(number)) for cell in cells]
    return recoded(label_name(name), np.array(codes, dtype=np.int32), list(number))


def recoded(name: str, codes: Codes, texts: Sequence[str]) -> Column:
    """A column of numbered texts, which are made tidy; those that become the same are one."""
    number: dict[str, int] = {}
    new = [number.setdefault(label_name(text), len(number)) for text in texts]
    if new != list(range(len(texts))):
        codes = np.asarray(new, dtype=np.int32)[codes] if len(texts) else codes
    return Column(name, codes, tuple(number))


def sheet_of(source: str, columns: Sequence[Column], unit: str, places: Callable[[], Sequence[int]]) -> Sheet:
    """A table as programs leave it, without what is empty in it.

    Rows all of whose cells are empty, and columns without heading and cells, are left out. A first column without heading is
    the index of a DataFrame: one that only counts is left out, another one holds the names of the images.

    Args:
        source: the file.
        columns: its columns, of R rows each.
        unit: "line" or "row".
        places: the line or row of each of the R rows.

    Raises:
        ObservationError: two columns of one heading, or a column without one.
    """
    kept = _not_empty(columns)
    if kept is not None:
        columns = [_of_rows(column, kept) for column in columns]
    columns = [column for column in columns if column.name or column.words]
    if columns and columns[0].name.lower() in _INDEX:
        if _counts(columns[0]):
            columns = columns[1:]
        elif not columns[0].name and "image" not in [column.name.lower() for column in columns]:
            columns = [Column("image", columns[0].codes, columns[0].texts), *columns[1:]]
    if kept is None:
        return Sheet(source, tuple(columns), unit, places)
    return Sheet(source, tuple(columns), unit, lambda: [places()[row] for row in kept.tolist()])


def _not_empty(columns: Sequence[Column]) -> NDArray[np.intp] | None:
    """The rows with a cell that is not empty; None where all have one."""
    empty = np.ones(len(columns[0].codes) if columns else 0, bool)
    for column in columns:
        if "" not in column.texts:
            return None
        empty &= column.codes == column.texts.index("")
        if not empty.any():
            return None
    return np.flatnonzero(~empty)


def _of_rows(column: Column, rows: NDArray[np.intp]) -> Column:
    """Some rows of a column, with the texts that occur in them."""
    used, codes = np.unique(column.codes[rows], return_inverse=True)
    return Column(column.name, codes.astype(column.codes.dtype), tuple(column.texts[code] for code in used.tolist()))


def _counts(column: Column) -> bool:
    """Whether a column only numbers the rows, from 0 or from 1."""
    cells = column.cells()
    return len(cells) > 1 and any(cells == [str(start + row) for row in range(len(cells))] for start in (0, 1))
