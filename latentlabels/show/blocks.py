"""What a page is made of, as data: texts, tables, pictures. `pages` renders them; no markup is written in Python.

Whatever text a block holds is escaped by the templates, so that no name of a user's can become markup.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class Span:
    """A few words with a look of their own: "code", "small", or a mark's class."""

    text: str
    kind: str


Words = str | Sequence[str | Span]
"""A text, some of its words with a look of their own."""


@dataclass(frozen=True)
class Text:
    """A paragraph: of kind "lead", "quiet" or "fine", or a usual one."""

    what: ClassVar[str] = "text"
    words: Words
    kind: str = ""


@dataclass(frozen=True)
class Heading:
    """A heading within a section."""

    what: ClassVar[str] = "heading"
    text: str


@dataclass(frozen=True)
class Tile:
    """A figure with its name above and a note below."""

    name: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Tiles:
    """Figures side by side."""

    what: ClassVar[str] = "tiles"
    tiles: Sequence[Tile]


@dataclass(frozen=True)
class Notice:
    """What a reader should see before anything else."""

    what: ClassVar[str] = "notice"
    title: str
    items: Sequence[str]


@dataclass(frozen=True)
class Item:
    """An entry of a list, with a class for its mark."""

    words: Words
    kind: str = ""


@dataclass(frozen=True)
class Listing:
    """A list."""

    what: ClassVar[str] = "listing"
    items: Sequence[Item]
    kind: str = ""


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    Attributes:
        words: what it says.
        kind: its classes; "num" is set to the right, "wide" wraps.
        value: what a column of numbers is sorted by; None sorts last.
    """

    words: Words
    kind: str = ""
    value: float | None = None


@dataclass(frozen=True)
class Row:
    """A row of a table, with a class."""

    cells: Sequence[Cell | str]
    kind: str = ""


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        head: names of the columns.
        rows: cells, each a text or a `Cell`.
        numbers: columns that are set to the right.
        caption: above it.
        kind: its class.
        sortable: whether a click on a heading sorts it.
        search: what its search field is for; none if empty.
    """

    what: ClassVar[str] = "table"
    head: Sequence[str]
    rows: Sequence[Row]
    numbers: frozenset[int] = frozenset()
    caption: str = ""
    kind: str = ""
    sortable: bool = False
    search: str = ""


@dataclass(frozen=True)
class Picture:
    """A figure inside the page.

    Attributes:
        data: its SVG in base64.
        alt: what it shows, in words.
        kind: "plot", which dark pages invert, or "photos".
        least: pixels of width below which a narrow page scrolls it.
    """

    what: ClassVar[str] = "picture"
    data: str
    alt: str
    kind: str
    least: int


@dataclass(frozen=True)
class Beside:
    """Blocks side by side where there is room: of kind "pair" or "cards"."""

    what: ClassVar[str] = "beside"
    blocks: Sequence[Block]
    kind: str = "pair"


@dataclass(frozen=True)
class Details:
    """Blocks that are folded up."""

    what: ClassVar[str] = "details"
    summary: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Source:
    """A file's text as it is."""

    what: ClassVar[str] = "source"
    text: str


Block = Text | Heading | Tiles | Notice | Listing | Table | Picture | Beside | Details | Source


@dataclass(frozen=True)
class Section:
    """A headed part of a page; left out where it has no blocks."""

    title: str
    blocks: Sequence[Block]


def plain_table(head: Sequence[str], rows: Sequence[Sequence[Cell | str]], numbers: Sequence[int] = ()) -> Table:
    """A table of cells without classes of rows."""
    return Table(head, [Row(row) for row in rows], frozenset(numbers))
