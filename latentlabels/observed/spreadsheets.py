"""Spreadsheets: the one sheet that holds the table, with its headings and without what stands above them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import DataError
from ..words import listed
from .image_files import warn
from .names import label_name
from .sheet import Sheet, encoded, sheet_of
from .sheet_arrow import cell_text

if TYPE_CHECKING:
    import pandas as pd

SPREADSHEETS = (".xlsx", ".xlsm", ".ods")
_TITLES = 10  # rows above the headings at most


def read_spreadsheet(path: Path, wanted: Sequence[str]) -> Sheet:
    """The table in a spreadsheet.

    Args:
        path: the file.
        wanted: headings of image names: of several sheets the one that has such a heading is read, with a warning.

    Raises:
        DataError: no spreadsheet, or several sheets that could be meant.
    """
    rows = {name: _rows(frame) for name, frame in _frames(path).items()}
    rows = {name: some for name, some in rows.items() if some}
    heads = {name: _head(some, wanted) for name, some in rows.items()}
    fitting = [name for name, head in heads.items() if _is_head(rows[name][head][1], wanted)]
    if len(rows) != 1 and len(fitting) != 1:
        several = listed(list(fitting or rows), 6) or "none with cells"
        raise DataError(f"{path}: expected one sheet with a table, found {several}; save the one that is meant as CSV in UTF-8")
    name = next(iter(rows)) if len(rows) == 1 else fitting[0]
    if len(rows) > 1:
        warn(f'{path}: reads the sheet "{name}" and leaves out {listed([other for other in rows if other != name], 6)}')
    _, names = rows[name][heads[name]]
    below = rows[name][heads[name] + 1 :]
    columns = tuple(encoded(title, [cells[number] for _, cells in below]) for number, title in enumerate(names))
    return sheet_of(str(path), columns, "row", lambda: [place for place, _ in below])


def _frames(path: Path) -> dict[Any, pd.DataFrame]:
    import pandas as pd

    try:
        return pd.read_excel(path, sheet_name=None, header=None, dtype=object, keep_default_na=False, na_values=[""])
    except ImportError as error:
        library = "odfpy" if path.suffix.lower() == ".ods" else "openpyxl"
        raise DataError(f"{path}: spreadsheets need {library}; pip install {library}, or save it as CSV in UTF-8") from error
    except Exception as error:  # zip, XML and format errors of several libraries
        raise DataError(f"{path}: cannot be read as a spreadsheet ({error})") from error


def _rows(frame: pd.DataFrame) -> list[tuple[int, list[str]]]:
    """The rows that are not empty: the number that the program shows beside each, and its cells."""
    cells = ([cell_of(cell) for cell in row] for row in frame.itertuples(index=False, name=None))
    return [(number, row) for number, row in enumerate(cells, 1) if any(cell.strip() for cell in row)]


def _head(rows: Sequence[tuple[int, Sequence[str]]], wanted: Sequence[str]) -> int:
    """Which row holds the headings: the first, unless what stands above them are titles of one cell each."""
    for number, (_, cells) in enumerate(rows[:_TITLES]):
        if _is_head(cells, wanted):
            return number
        if sum(bool(cell.strip()) for cell in cells) > 1:
            break
    return 0


def _is_head(cells: Sequence[str], wanted: Sequence[str]) -> bool:
    return bool({label_name(cell).lower() for cell in cells} & {name.lower() for name in wanted})


def cell_of(cell: Any) -> str:
    """The text of a cell: spreadsheets store 1 as 1.0 now and then, and a date with the time of midnight."""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    if isinstance(cell, datetime) and cell == cell and cell.time() == time():
        return str(cell.date())
    return cell_text(cell)
