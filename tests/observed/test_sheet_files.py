"""Files as sheets: the fast and the careful reader of text agree; spreadsheets as programs write them."""

from __future__ import annotations

import csv
import io
import random
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from latentlabels.errors import DataError, DataWarning, LatentLabelsError
from latentlabels.observed import Observed, sheet_csv, spreadsheets
from latentlabels.observed.sheet import Sheet
from latentlabels.observed.sheet_files import read_sheet

CAREFUL, FAST = 1 << 60, 0
CELLS = ("1", "0", "-1", "", " 1", "a", "b c", 'q"x', "l\nine", "c,d", "ü", "u\u0308", "nan", "01", "\t", "x\u2028y", "#", "'")


def found(path: Path, big: int) -> Any:
    """Headings, cells and places, or the words of the error."""
    try:
        sheet: Sheet = read_sheet(path, big=big)
    except LatentLabelsError as error:
        return str(error)
    return sheet.names, [c.cells() for c in sheet.columns], [sheet.at(row) for row in range(sheet.num_rows)]


def drawn(draw: random.Random) -> bytes:
    out = io.StringIO(newline="")
    kinds = (csv.QUOTE_MINIMAL, csv.QUOTE_ALL)
    writer = csv.writer(
        out, delimiter=draw.choice(",;\t|"), lineterminator=draw.choice(["\n", "\r\n"]), quoting=draw.choice(kinds)
    )
    width = draw.randint(1, 5)
    writer.writerow(["image", *(f"c{number}" for number in range(width))])
    pool = draw.choice([CELLS, ("1", "0", "-1", ""), ("1", "0")])
    for _ in range(draw.randint(0, 7)):
        writer.writerow([draw.choice(pool) for _ in range(width + 1)])
        if draw.random() < 0.2:
            out.write("\n")
        if draw.random() < 0.1:
            writer.writerow([""] * (width + 1))
    return (b"\xef\xbb\xbf" if draw.random() < 0.2 else b"") + out.getvalue().encode()


def test_the_fast_reader_is_the_careful_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fast: list[bool] = []
    by_arrow = sheet_csv._parsed_by_arrow

    def counted(*given: Any) -> Any:
        out = by_arrow(*given)
        fast.append(out is not None)
        return out

    monkeypatch.setattr(sheet_csv, "_parsed_by_arrow", counted)
    draw = random.Random(0)
    for _ in range(400):
        path = tmp_path / "t.csv"
        path.write_bytes(drawn(draw))
        assert found(path, FAST) == found(path, CAREFUL), path.read_bytes()
    assert sum(fast) > 350  # it was the fast reader that was compared


@pytest.mark.parametrize("big", [CAREFUL, FAST])
@pytest.mark.parametrize(
    "text, words",
    [
        ("image,a\nx,1\ny,1,2\n", ":3: 3 cells, but the header has 2 columns"),
        ('image,a\n"x\ny",1\nz\n', ":4: 1 cells, but the header has 2 columns"),
        ('image,a\nx,1\n"y,1\n', ":3: not valid CSV from here on"),
        ("image,a\nx,1\n\xff,1\n", ":3: not UTF-8 text"),
        ("image,a,a\nx,1,1\n", ':1: two columns are called "a"'),
    ],
)
def test_mistakes_are_named_with_their_line(tmp_path: Path, big: int, text: str, words: str) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(text.encode("latin-1"))
    assert found(path, big).startswith(f"{path}{words}")


@pytest.mark.parametrize("big", [CAREFUL, FAST])
def test_rows_of_empty_cells_do_not_move_the_lines(tmp_path: Path, big: int) -> None:
    path = tmp_path / "t.csv"
    path.write_text('image,a\n,\n"x\ny",1\n\n,\nz,0\n')
    assert found(path, big) == (("image", "a"), [["x\ny", "z"], ["1", "0"]], [f"{path}:3", f"{path}:7"])


@pytest.mark.parametrize("big", [CAREFUL, FAST])
def test_a_semicolon_table_as_excel_writes_it(tmp_path: Path, big: int) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes("\ufeffBild;Hund;Katze;;\r\na.png;WAHR;FALSCH;;\r\nb.png;FALSCH;WAHR;;\r\n;;;;\r\n".encode())
    assert found(path, big)[:2] == (("Bild", "Hund", "Katze"), [["a.png", "b.png"], ["WAHR", "FALSCH"], ["FALSCH", "WAHR"]])
    read = Observed.from_table(path, image_column="Bild")
    assert read.values.tolist() == [[1, 0], [0, 1]]


def test_a_parquet_of_get_dummies(tmp_path: Path) -> None:
    frame = pd.get_dummies(pd.DataFrame({"image": ["a", "b", "c"], "x": ["u", "v", "u"]}), columns=["x"])
    frame.to_parquet(tmp_path / "t.parquet")
    assert Observed.from_table(tmp_path / "t.parquet").values.tolist() == [[1, 0], [0, 1], [1, 0]]


# --- spreadsheets: what pandas hands over, since no library for them is needed to test -----------------------------------


def opened(monkeypatch: pytest.MonkeyPatch, **sheets: list[list[Any]]) -> Path:
    frames = {name: pd.DataFrame(rows, dtype=object) for name, rows in sheets.items()}
    monkeypatch.setattr(spreadsheets, "_frames", lambda path: frames)
    return Path("t.xlsx")


def read(monkeypatch: pytest.MonkeyPatch, **sheets: list[list[Any]]) -> Sheet:
    return spreadsheets.read_spreadsheet(opened(monkeypatch, **sheets), ("image", "file"))


def test_numbers_dates_and_truth_in_a_spreadsheet(monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = float("nan")
    rows = [["image", 2024, 3.0, "day", nothing], ["a", 1.0, True, pd.Timestamp("2024-01-02"), nothing], [nothing] * 5]
    rows.append([7.0, 0, False, nothing, nothing])
    sheet = read(monkeypatch, one=rows)
    assert sheet.names == ("image", "2024", "3", "day")
    assert [column.cells() for column in sheet.columns] == [["a", "7"], ["1", "0"], ["True", "False"], ["2024-01-02", ""]]
    assert sheet.at(1) == "t.xlsx, row 4"  # as the program numbers it


def test_titles_above_the_headings(monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = float("nan")
    sheet = read(monkeypatch, one=[["Our animals", nothing], [nothing, nothing], ["File", "cat"], ["a", 1]])
    assert sheet.names == ("File", "cat") and sheet.at(0) == "t.xlsx, row 4"


def test_the_sheet_with_a_column_of_images_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.warns(DataWarning, match=r't\.xlsx: reads the sheet "Labels" and leaves out Notes'):
        sheet = read(monkeypatch, Notes=[["by", "me"]], Labels=[["image", "cat"], ["a", 1]])
    assert sheet.names == ("image", "cat")


def test_two_sheets_that_could_be_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match="expected one sheet with a table, found A, B; save the one that is meant"):
        read(monkeypatch, A=[["image", "cat"], ["a", 1]], B=[["image", "cat"], ["a", 0]])


def test_a_spreadsheet_that_names_a_column_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(LatentLabelsError, match='two columns are called "cat"'):
        read(monkeypatch, one=[["image", "cat", "cat"], ["a", 1, 0]])


def test_a_file_that_is_no_spreadsheet(tmp_path: Path) -> None:
    (tmp_path / "t.xlsx").write_bytes(b"PK\x03\x04 not a workbook")
    with pytest.raises(DataError, match="spreadsheet"):
        read_sheet(tmp_path / "t.xlsx")


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_the_line_by_which_excel_is_told_the_delimiter_is_no_heading(tmp_path: Path, mark: bytes) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(mark + b"sep=;\r\nimage;cat\r\na.png;1\r\nb.png;0\r\n")
    for big in (0, 1 << 30):
        sheet = read_sheet(path, big=big)
        assert sheet.names == ("image", "cat") and sheet.at(1) == f"{path}:4"


@pytest.mark.parametrize(("head", "what"), [(b"PK\x03\x04 and more", "a spreadsheet"), (b"PAR1....PAR1", "a Parquet file")])
def test_a_file_whose_ending_is_not_that_of_its_content(tmp_path: Path, head: bytes, what: str) -> None:
    (tmp_path / "t.csv").write_bytes(head)
    with pytest.raises(DataError, match=what):
        read_sheet(tmp_path / "t.csv")
