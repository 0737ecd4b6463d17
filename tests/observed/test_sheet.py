"""Sheets: what programs leave empty or without a name in a table."""

from __future__ import annotations

import numpy as np
import pytest

from latentlabels.errors import ObservationError
from latentlabels.observed.sheet import Sheet, encoded, sheet_of


def made(**columns: list[str]) -> Sheet:
    rows = len(next(iter(columns.values())))
    return sheet_of("t.csv", [encoded(name, cells) for name, cells in columns.items()], "line", lambda: range(2, rows + 2))


def test_a_column_stores_each_text_once_and_tidy() -> None:
    column = encoded(" gru\u0308n ", ["a ", "b", " a", "a", "\ufeffx".strip("\ufeff")])
    assert column.name == "grün"
    assert column.texts == ("a", "b", "x")
    assert column.cells() == ["a", "b", "a", "a", "x"]
    assert column.rows_of("a").tolist() == [0, 2, 3]


def test_empty_rows_are_left_out_and_the_others_keep_their_lines() -> None:
    sheet = made(image=["a", "", "b", " "], cat=["1", "", "", ""])
    assert [column.cells() for column in sheet.columns] == [["a", "b"], ["1", ""]]
    assert [sheet.at(row) for row in range(sheet.num_rows)] == ["t.csv:2", "t.csv:4"]
    assert sheet.columns[0].texts == ("a", "b")  # no text that no row holds


def test_columns_without_heading_and_cells_are_left_out() -> None:
    sheet = sheet_of("t", [encoded("image", ["a"]), encoded("", [""]), encoded("cat", [""])], "row", lambda: [1])
    assert sheet.names == ("image", "cat")


@pytest.mark.parametrize("heading", ["", "Unnamed: 0"])
@pytest.mark.parametrize("start", [0, 1])
def test_a_first_column_that_counts_is_the_index_of_a_frame(heading: str, start: int) -> None:
    cells = [encoded(heading, [str(start + row) for row in range(3)]), encoded("image", list("abc"))]
    assert sheet_of("t", cells, "row", lambda: range(3)).names == ("image",)


def test_a_first_column_without_heading_names_the_images_where_no_other_does() -> None:
    index = encoded("", ["a.png", "b.png"])
    assert sheet_of("t", [index, encoded("cat", ["1", "0"])], "row", lambda: [1, 2]).names == ("image", "cat")
    with pytest.raises(ObservationError, match="column 1 has no name"):
        sheet_of("t", [index, encoded("Image", ["1", "0"])], "row", lambda: [1, 2])
    with pytest.raises(ObservationError, match="column 2 has no name"):
        sheet_of("t", [encoded("cat", ["1", "0"]), index], "row", lambda: [1, 2])


def test_two_columns_of_one_heading() -> None:
    with pytest.raises(ObservationError, match='^t.csv:1: two columns are called "cat"'):
        made(**{"image": ["a"], "cat": ["1"], "cat ": ["0"]})


def test_a_heading_is_found_in_other_capitals_where_it_is_the_only_one() -> None:
    sheet = made(Image=["a"], cat=["1"], CAT=["0"])
    assert sheet.column("image") is sheet.columns[0]
    assert sheet.column("CAT") is sheet.columns[2]
    assert sheet.column("Cat") is None


def test_many_texts_fit_their_codes() -> None:
    texts = [str(number) for number in range(300)]
    assert made(image=texts).columns[0].cells() == texts
    assert np.issubdtype(made(image=texts).columns[0].codes.dtype, np.integer)
