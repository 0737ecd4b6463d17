"""What a page is made of, as data: texts, tables, charts, pictures. `pages` renders them; no markup is written in Python.

Whatever text a block holds is escaped by the templates, so that no name of a user's can become markup.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from .axis import Axis
    from .pixels import Embedded


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
class Verdict:
    """The first thing that a page says: how good something is, as a colour and as a word.

    Attributes:
        level: "strong", "fair", "weak" or "unknown".
        sentence: why.
        notes: what else belongs to it, one sentence each.
    """

    what: ClassVar[str] = "verdict"
    level: str
    sentence: Words
    notes: Sequence[Words] = ()


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
class Bar:
    """A track with parts that are filled, or with dots on it. What it shows stands in words beside it.

    Attributes:
        parts: shares of the track from the left, each with its colour: "blue", "orange", "green", "grey" or "pale".
        dots: places on the track from 0 to 1, each with its colour; "ring" is a grey one that is hollow.
    """

    parts: Sequence[tuple[float, str]] = ()
    dots: Sequence[tuple[float, str]] = ()


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    Attributes:
        words: what it says.
        kind: its classes; "num" is set to the right, "wide" wraps.
        value: what a column of numbers is sorted by; None sorts last.
        bar: what is drawn below the words, or in place of them.
        span: how many columns it takes.
    """

    words: Words
    kind: str = ""
    value: float | None = None
    bar: Bar | None = None
    span: int = 1


@dataclass(frozen=True)
class Row:
    """A row of a table, with a class."""

    cells: Sequence[Cell | str]
    kind: str = ""


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        head: names of the columns; none if empty.
        rows: cells, each a text or a `Cell`.
        numbers: columns that are set to the right.
        caption: above it.
        kind: its class; of kind "stacked" a narrow screen sets the cells of a row below each other, each after the name of
            its column, but for those of kind "main", which head the row.
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
class Legend:
    """What colours mean: pairs of a colour as in `Bar`, perhaps with a mark ("grey dashes", "green dot"), and words."""

    what: ClassVar[str] = "legend"
    entries: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class HeatMap:
    """Shares as shades, each with its number: a table with a name for each row and each column.

    Attributes:
        corner: what rows and columns are.
        rows: R names.
        columns: C names.
        values: R rows of C shares in [0, 1]; None where there is none.
        said: R rows of C texts.
        column_rules: columns that a line stands before, as between groups.
        row_rules: rows likewise.
        hints: R rows of C texts that a pointer shows; none if empty.
        caption: above it.
    """

    what: ClassVar[str] = "heat"
    corner: str
    rows: Sequence[str]
    columns: Sequence[str]
    values: Sequence[Sequence[float | None]]
    said: Sequence[Sequence[str]]
    column_rules: frozenset[int] = frozenset()
    row_rules: frozenset[int] = frozenset()
    hints: Sequence[Sequence[str]] = ()
    caption: str = ""


@dataclass(frozen=True)
class Series:
    """Points of a chart, (x, y) in the units of its axes.

    Attributes:
        points: in the order of x.
        colour: as in `Bar`.
        mark: "line", "dashes", "dots" or "bars".
        width: of a bar, in units of x.
        hints: a text for each point that a pointer shows; none if empty.
    """

    points: Sequence[tuple[float, float]]
    colour: str
    mark: str
    width: float = 0.8
    hints: Sequence[str] = ()


@dataclass(frozen=True)
class Chart:
    """Lines, dots or upright bars over two axes.

    Attributes:
        x: the axis below.
        y: the axis at the left.
        series: what is drawn, the first one undermost.
        alt: what it shows, in words.
        tall: its height in rem.
    """

    what: ClassVar[str] = "chart"
    x: Axis
    y: Axis
    series: Sequence[Series]
    alt: str
    tall: float = 11.0


@dataclass(frozen=True)
class Photo:
    """A small picture with what is said about it.

    Attributes:
        picture: None where there is none: the name then stands alone.
        name: of the image.
        words: below the name.
        kind: of its frame: "known", "absent", "wrong" or none.
        bars: its labels.
    """

    picture: Embedded | None
    name: str = ""
    words: Words = ""
    kind: str = ""
    bars: Table | None = None


@dataclass(frozen=True)
class Photos:
    """Pictures side by side: of kind "strip", small ones with a line below, or "photocards", each beside its bars."""

    what: ClassVar[str] = "photos"
    photos: Sequence[Photo]
    kind: str = "strip"


@dataclass(frozen=True)
class Picture:
    """A figure inside the page, whose colours dark pages invert.

    Attributes:
        data: its SVG in base64.
        alt: what it shows, in words.
        least: pixels of width below which a narrow page scrolls it.
    """

    what: ClassVar[str] = "picture"
    data: str
    alt: str
    least: int


@dataclass(frozen=True)
class Beside:
    """Blocks side by side where there is room: of kind "pair", "charts", "maps", "strips" or "stack"."""

    what: ClassVar[str] = "beside"
    blocks: Sequence[Block]
    kind: str = "pair"


@dataclass(frozen=True)
class Details:
    """Blocks that are folded up, on paper unfolded: of kind "passed" a mark says that all is well."""

    what: ClassVar[str] = "details"
    summary: str
    blocks: Sequence[Block]
    kind: str = ""


@dataclass(frozen=True)
class Source:
    """A file's text as it is."""

    what: ClassVar[str] = "source"
    text: str


@dataclass(frozen=True)
class Live:
    """Images with the card on which labels are stated. A page holds one at most.

    Attributes:
        document: what `show.card.explore_document` gives.
    """

    what: ClassVar[str] = "live"
    document: Mapping[str, Any]


Block = (
    Text | Heading | Tiles | Notice | Verdict | Listing | Table | Legend | HeatMap | Chart | Photos | Picture | Beside | Details
    | Source | Live
)  # fmt: skip


@dataclass(frozen=True)
class Section:
    """A headed part of a page; left out where it has no blocks."""

    title: str
    blocks: Sequence[Block]


def plain_table(head: Sequence[str], rows: Sequence[Sequence[Cell | str]], numbers: Sequence[int] = ()) -> Table:
    """A table of cells without classes of rows."""
    return Table(head, [Row(row) for row in rows], frozenset(numbers))
