"""Tables of known labels: every dialect reads the same, and every mistake is named by file, line and column."""

from __future__ import annotations

import csv
import io
import json
import string
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from latentlabels.errors import DataError, DataWarning, ObservationError
from latentlabels.observed import Observed
from latentlabels.observed.none_of_them import means_none
from latentlabels.space import Free, LabelSpace, OneOf
from latentlabels.space.feasibility import feasible

SPACE = LabelSpace(
    [
        OneOf("colour", ["red", "blue"]),
        OneOf("vehicle", ["car", "bike"], optional=True),
        OneOf("doors", ["2-doors", "4-doors"], requires="car"),
        Free("striped"),
    ]
)
FORMATS = ["csv", "bom", "crlf", "cr", "semicolon", "tab", "padded", "upper", "blank-lines", "parquet", "jsonl", "ndjson"]


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def table(tmp_path: Path, header: str, *rows: str) -> Path:
    return write(tmp_path / "t.csv", "\n".join([header, *rows]) + "\n")


def save(folder: Path, kind: str, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> Path:
    """The same table in each dialect; None is a missing cell."""
    if kind == "parquet":
        pd.DataFrame([list(row) for row in rows], columns=list(header)).to_parquet(folder / "t.parquet")
        return folder / "t.parquet"
    if kind in ("jsonl", "ndjson"):
        objects = [{k: v for k, v in zip(header, row, strict=True) if v is not None} for row in rows]
        text = "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in objects)
        return write(folder / f"t.{kind}", text)
    out = io.StringIO()
    delimiter = {"semicolon": ";", "tab": "\t"}.get(kind, ",")
    ending = {"crlf": "\r\n", "cr": "\r", "blank-lines": "\n\n"}.get(kind, "\n")
    writer = csv.writer(out, delimiter=delimiter, lineterminator=ending)
    pad = "  " if kind == "padded" else ""
    writer.writerow(
        [pad + (name.upper() if kind == "upper" and name in ("image", "label", "value") else name) for name in header]
    )
    for row in rows:
        writer.writerow(["" if cell is None else f"{pad}{cell}{pad}" for cell in row])
    path = folder / ("t.tsv" if kind == "tab" else "t.csv")
    path.write_bytes((b"\xef\xbb\xbf" if kind == "bom" else b"") + out.getvalue().encode())
    return path


def refused(path: Path, space: LabelSpace | None = SPACE, error: type[Exception] = ObservationError, **how: Any) -> str:
    with pytest.raises(error) as caught:
        Observed.from_table(path, space, **how)
    return str(caught.value)


# --- wide and long, in every dialect ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", FORMATS)
def test_wide(tmp_path: Path, kind: str) -> None:
    path = save(tmp_path, kind, ["image", "red", "striped", "car"], [["a.png", 1, 0, None], ["b/ü 1.png", None, 1, 0]])
    observed = Observed.from_table(path, SPACE)
    assert observed.images == ("a.png", "b/ü 1.png")
    assert observed.values.tolist() == [[1, -1, -1, -1, -1, -1, 0], [-1, -1, 0, -1, -1, -1, 1]]
    assert observed.space is SPACE


@pytest.mark.parametrize("kind", FORMATS)
def test_long(tmp_path: Path, kind: str) -> None:
    rows = [["b.png", "car", 1], ["a.png", "red", 1], ["b.png", "striped", 0], ["c.png", "bike", -1]]
    observed = Observed.from_table(save(tmp_path, kind, ["image", "label", "value"], rows), SPACE, unknown=-1)
    assert observed.images == ("b.png", "a.png", "c.png")  # in the order of the table
    assert observed.values.tolist() == [[-1, -1, 1, -1, -1, -1, 0], [1] + [-1] * 6, [-1] * 7]


@pytest.mark.parametrize("kind", FORMATS)
def test_long_of_positives(tmp_path: Path, kind: str) -> None:
    path = save(tmp_path, kind, ["image", "label"], [["a.png", "grün"], ["b.png", "赤 dark"], ["a.png", "赤 dark"]])
    observed = Observed.from_table(path, unlisted="unknown")
    assert observed.space == LabelSpace.free(["grün", "赤 dark"])
    assert observed.values.tolist() == [[1, 1], [-1, 1]]


def test_columns_in_any_order(tmp_path: Path) -> None:
    wide = table(tmp_path, "striped,image,red", "1,a.png,0")
    assert Observed.from_table(wide).values.tolist() == [[1, 0]]
    long = table(tmp_path, "value,label,image", "1,red,a.png", "0,car,a.png")
    assert Observed.from_table(long).values.tolist() == [[1, 0]]


def test_without_a_space_the_labels_are_free_in_order_of_the_table(tmp_path: Path) -> None:
    assert Observed.from_table(table(tmp_path, "image,z,a", "1.png,1,0")).space == LabelSpace.free(["z", "a"])
    assert Observed.from_table(table(tmp_path, "image,label", "1,z", "2,a"), unlisted="unknown").space.labels == ("z", "a")


def test_quoted_cells_hold_delimiters_quotes_and_line_breaks(tmp_path: Path) -> None:
    header = ["image", 'a,b;c\td"e', "two\nlines", "sep\u2028arated\x0b"]
    out = io.StringIO()
    csv.writer(out).writerows([header, ["one,\ntwo.png", 1, 0, 1], ["b.png", 0, 1, ""]])
    observed = Observed.from_table(write(tmp_path / "t.csv", out.getvalue()))
    assert observed.space.labels == tuple(name.strip() for name in header[1:])
    assert observed.images == ("one,\ntwo.png", "b.png")
    assert observed.values.tolist() == [[1, 0, 1], [0, 1, -1]]


def test_lines_are_counted_across_line_breaks_and_empty_lines(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", '"image","red"\n\n"one\ntwo\nthree.png",1\n\n\nb.png,maybe\n')
    assert refused(path).startswith(
        f'{path}:8, column "red": expected 1 (present), 0 (absent), -1 or empty (unknown), not "maybe"'
    )
    path = write(tmp_path / "t.csv", 'image,red\na.png,1\n"b\nc.png",maybe\n')
    assert refused(path).startswith(
        f'{path}:3, column "red": expected 1 (present), 0 (absent), -1 or empty (unknown), not "maybe"'
    )  # where the row begins


def test_the_delimiter_is_that_of_the_whole_header(tmp_path: Path) -> None:
    path = table(tmp_path, '"a,b";image;"c,d,e"', "1;x,y.png;0")
    assert Observed.from_table(path).space.labels == ("a,b", "c,d,e")
    path = table(tmp_path, 'image,"a;b;c;d"', "x.png,0")
    assert Observed.from_table(path).space.labels == ("a;b;c;d",)


def test_json_lines_keep_labels_that_look_like_dates_or_numbers(tmp_path: Path) -> None:
    text = '{"image": 7, "modified": 1, "2024": 0, "2024-01-01": true}\n\n{"image": "x", "007": false, "2024": null}\n'
    observed = Observed.from_table(write(tmp_path / "t.jsonl", text))
    assert observed.space.labels == ("modified", "2024", "2024-01-01", "007")
    assert observed.images == ("7", "x")
    assert observed.values.tolist() == [[1, 0, 1, -1], [-1, -1, -1, 0]]


def test_parquet_with_images_as_index(tmp_path: Path) -> None:
    expected = Observed.from_array([[1, 0], [-1, 1]], LabelSpace.free(["a", "b"]), images=["x", "y"])
    observed = Observed.from_table(expected.write(tmp_path / "t.parquet"))
    assert observed.images == ("x", "y")
    assert observed.values.tolist() == expected.values.tolist()


def test_parquet_with_two_names_in_its_index(tmp_path: Path) -> None:
    frame = pd.DataFrame({"image": ["x", "y"], "label": ["a", "b"], "value": [1, 0]}).set_index(["image", "label"])
    frame.to_parquet(tmp_path / "t.parquet")
    assert Observed.from_table(tmp_path / "t.parquet").values.tolist() == [[1, -1], [-1, 0]]


@pytest.mark.parametrize(
    "cell, value",
    [("1", 1), ("1.0", 1), ("True", 1), ("yes", 1), ("0", 0), ("0.0", 0), ("FALSE", 0), ("no", 0), ("-1", -1), ("-1.0", -1)]
    + [(empty, -1) for empty in ("", " ", "nan", "NaN", "NA", "N/A", "None", "null", "<NA>")],
)
def test_how_a_value_may_be_written(tmp_path: Path, cell: str, value: int) -> None:
    path = table(tmp_path, "image,red,striped", f"a.png,{cell},0")
    stated = {"unknown": -1} if value == -1 else {}
    assert Observed.from_table(path, SPACE, unlisted="unknown", **stated).values[0, SPACE.index("red")] == value


@pytest.mark.parametrize("name", ["./a/b.png", "a//b.png", "a\\b.png", "a/./b.png"])
def test_one_image_named_in_other_ways_is_one_row(tmp_path: Path, name: str) -> None:
    path = table(tmp_path, "image,label", "a/b.png,red", f"{name},car")
    observed = Observed.from_table(path, SPACE, unlisted="unknown")
    assert observed.images == ("a/b.png",)
    assert observed.num_known.tolist() == [2]


def test_an_image_of_which_nothing_is_known_is_kept(tmp_path: Path) -> None:
    long = Observed.from_table(table(tmp_path, "image,label", "a.png,red", "b.png,"), SPACE, unlisted="unknown")
    assert long.num_known.tolist() == [1, 0]
    wide = Observed.from_table(table(tmp_path, "image,red", "a.png,0", "b.png,"), SPACE)
    assert wide.num_known.tolist() == [1, 0]


def test_one_label(tmp_path: Path) -> None:
    assert Observed.from_table(table(tmp_path, "image,cat", "a.png,1", "b.png,0")).values.tolist() == [[1], [0]]
    long = table(tmp_path, "image,label", "a.png,cat")
    assert Observed.from_table(long, unlisted="absent").values.tolist() == [[1]]


# --- unlisted ---------------------------------------------------------------------------------------------------

POSITIVES = {"long": ("image,label", "a.png,red", "b.png,car"), "wide": ("image,red,car", "a.png,1,", "b.png,,1")}


@pytest.mark.parametrize("shape", POSITIVES)
def test_positives_alone_need_unlisted(tmp_path: Path, shape: str) -> None:
    path = table(tmp_path, *POSITIVES[shape])
    for space in (None, SPACE):
        message = refused(path, space)
        assert str(path) in message
        assert 'unlisted="unknown"' in message
        assert 'unlisted="absent"' in message


@pytest.mark.parametrize("shape", POSITIVES)
def test_unlisted_unknown_and_absent(tmp_path: Path, shape: str) -> None:
    path = table(tmp_path, *POSITIVES[shape])
    assert Observed.from_table(path, unlisted="unknown").values.tolist() == [[1, -1], [-1, 1]]
    assert Observed.from_table(path, unlisted="absent").values.tolist() == [[1, 0], [0, 1]]


def test_unlisted_is_also_of_labels_without_a_column(tmp_path: Path) -> None:
    path = table(tmp_path, "image,red", "a.png,1")
    assert Observed.from_table(path, SPACE, unlisted="absent").values.tolist() == [[1, 0, 0, 0, 0, 0, 0]]
    assert 'unlisted="absent"' in refused(path)


def test_a_table_that_says_absent_needs_no_unlisted(tmp_path: Path) -> None:
    path = table(tmp_path, "image,red,car", "a.png,1,", "b.png,,0")
    assert Observed.from_table(path).values.tolist() == [[1, -1], [-1, 0]]
    assert Observed.from_table(path, unlisted="absent").values.tolist() == [[1, 0], [0, 0]]


def test_a_complete_table_of_positives_needs_no_unlisted(tmp_path: Path) -> None:
    assert Observed.from_table(table(tmp_path, "image,red", "a.png,1")).values.tolist() == [[1]]


def test_minus_one_is_unknown_whatever_unlisted_says(tmp_path: Path) -> None:
    path = table(tmp_path, "image,red,car", "a.png,-1,")
    assert Observed.from_table(path, unlisted="absent", unknown=-1).values.tolist() == [[-1, 0]]


def test_unlisted_is_one_of_two_words(tmp_path: Path) -> None:
    path = table(tmp_path, *POSITIVES["long"])
    assert refused(path, unlisted="negative") == 'expected unlisted="unknown" or "absent", not \'negative\''


def test_unlisted_absent_that_leaves_no_label_of_a_group(tmp_path: Path) -> None:
    path = table(tmp_path, "image,label", "a.png,red", "x: y.png,striped", "b.png,striped")
    message = refused(path, unlisted="absent")
    assert message.startswith(
        f'{path}: 2 contradictions: b.png: all labels of group "colour" are known to be absent, but every'
    )
    assert f"({path}:4); x: y.png: all labels" in message


def test_contradictions_name_the_line(tmp_path: Path) -> None:
    path = table(tmp_path, "image,red,blue,striped", "a.png,1,0,", "", "b.png,1,1,")
    assert refused(path, unlisted="unknown").startswith(
        f'{path}: b.png: "red" and "blue" exclude each other (group "colour") ({path}:4)'
    )
    path = table(tmp_path, "image,label", "a.png,red", "b.png,bike", "b.png,2-doors")
    assert refused(path, unlisted="unknown").startswith(f'{path}: b.png: "car" (required by "2-doors") and "bike"')


# --- labels and values that cannot be ---------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["csv", "parquet", "jsonl"])
def test_labels_that_the_space_lacks(tmp_path: Path, kind: str) -> None:
    where = {"csv": ":1", "parquet": "", "jsonl": ":1"}[kind]
    path = save(tmp_path, kind, ["image", "red", "Stripes"], [["a.png", 1, 0]])
    assert refused(path).startswith(f'{path}{where}: the label space has no label "Stripes"; did you mean "striped"?')
    where = {"csv": ":3", "parquet": ", row 2", "jsonl": ":2"}[kind]
    path = save(tmp_path, kind, ["image", "label"], [["a.png", "red"], ["b.png", "4-door"]])
    message = refused(path, unlisted="unknown")
    assert message.startswith(f'{path}{where}: the label space has no label "4-door"; did you mean "4-doors"?')
    assert "correct the table, or add the label to the label space" in message


@pytest.mark.parametrize("cell", ["2", "maybe", "0.5", "-2", "jein"])
@pytest.mark.parametrize("kind", ["csv", "parquet", "jsonl"])
def test_values_that_cannot_be(tmp_path: Path, kind: str, cell: str) -> None:
    where = {"csv": ":3", "parquet": ", row 2", "jsonl": ":2"}[kind]
    words = f'expected 1 (present), 0 (absent), -1 or empty (unknown), not "{cell}"'
    path = save(tmp_path, kind, ["image", "red", "car"], [["a.png", "1", "0"], ["b.png", "1", cell]])
    assert refused(path).startswith(f'{path}{where}, column "car": {words}')
    path = save(tmp_path, kind, ["image", "label", "value"], [["a.png", "red", "1"], ["b.png", "red", cell]])
    assert refused(path).startswith(f'{path}{where}, column "value": {words}')


def test_a_list_in_a_cell(tmp_path: Path) -> None:
    path = write(tmp_path / "t.jsonl", '{"image": "a", "label": "red"}\n{"image": "b", "label": ["red", "car"]}\n')
    assert Observed.from_table(path, SPACE, unlisted="unknown").values[:, [0, 2]].tolist() == [[1, -1], [1, 1]]
    pd.DataFrame({"image": ["a"], "label": [["red", "car"]]}).to_parquet(tmp_path / "t.parquet")
    assert Observed.from_table(tmp_path / "t.parquet", unlisted="unknown").values.tolist() == [[1, 1]]


def test_an_image_without_a_name(tmp_path: Path) -> None:
    path = table(tmp_path, "image,red", "a.png,0", ",1")
    assert refused(path) == f'{path}:3: the name of the image is missing (column "image")'


def test_a_value_without_a_label(tmp_path: Path) -> None:
    for value in (0, 1):
        path = table(tmp_path, "image,label,value", "a.png,red,1", f"b.png,,{value}")
        assert refused(path).startswith(f"{path}:3: b.png has a value but no label")
    path = table(tmp_path, "image,label,value", "a.png,red,0", "b.png,,")
    assert Observed.from_table(path, SPACE).num_known.tolist() == [1, 0]


def test_columns_that_say_how_an_answer_came_about_are_left_out(tmp_path: Path) -> None:
    rows = ["a.png,red,1,,question", "b.png,red,0,keep,mistake"]
    path = table(tmp_path, "image,label,value,decision,kind", *rows)
    for space in (SPACE, None):
        found = Observed.from_table(path, space, unlisted="unknown")
        assert found.values[:, found.space.index("red")].tolist() == [1, 0]
    path = table(tmp_path, "image,label,value,camera,kind", *rows)
    assert '"camera"' in refused(path) and '"kind"' not in refused(path)


# --- duplicates -------------------------------------------------------------------------------------------------


def test_rows_of_one_image_that_agree_are_merged_and_named(tmp_path: Path) -> None:
    path = table(tmp_path, "image,red,car,striped", "a.png,1,,0", "b.png,,1,", "a.png,1,,", "a.png,,1,0")
    with pytest.warns(DataWarning) as caught:
        observed = Observed.from_table(path, SPACE)
    assert [str(one.message) for one in caught] == [
        f"{path}: 2 labels of an image stated more than once, merged: a.png (red), a.png (striped)"
    ]
    assert [one.filename for one in caught] == [__file__]
    assert observed.images == ("a.png", "b.png")
    assert observed.values[:, [0, 2, 6]].tolist() == [[1, 1, 0], [-1, 1, -1]]


def test_repeated_pairs_of_a_long_table_are_merged_and_named(tmp_path: Path) -> None:
    path = table(tmp_path, "image,label,value", "a.png,red,1", "a.png,car,0", "a.png,red,1", "b.png,red,", "b.png,red,1")
    with pytest.warns(DataWarning, match=r"1 label of an image stated more than once, merged: a\.png \(red\)"):
        observed = Observed.from_table(path, SPACE)
    assert observed.values[:, [0, 2]].tolist() == [[1, 0], [1, -1]]


def test_rows_that_contradict_each_other_name_both_lines(tmp_path: Path) -> None:
    path = table(tmp_path, "image,red,striped", "a.png,1,", "b.png,,1", "a.png,,0", "", "a.png,1,1")
    clash = "is present by 1 and absent by 1 statement"
    assert refused(path).startswith(f'{path}: a.png: "striped" {clash} ({path}:4; {path}:6)')
    path = table(tmp_path, "image,label,value", "a.png,red,1", "b.png,red,0", "./a.png,red,0")
    assert refused(path).startswith(f'{path}: a.png: "red" {clash} ({path}:2; {path}:4)')
    path = save(tmp_path, "parquet", ["image", "red"], [["a", 1], ["b", 1], ["a", 0]])
    assert refused(path).startswith(f'{path}: a: "red" {clash} ({path}, row 1; {path}, row 3)')


@pytest.mark.parametrize("shape", ["wide", "long"])
def test_strict_makes_an_error_of_duplicates(tmp_path: Path, shape: str) -> None:
    row = {"wide": "a.png,1,", "long": "a.png,red"}[shape]
    path = table(tmp_path, POSITIVES[shape][0], row, row)
    assert refused(path, unlisted="unknown", strict=True).endswith("merged: a.png (red) (strict)")


# --- files that are no tables -----------------------------------------------------------------------------------


def test_no_such_file(tmp_path: Path) -> None:
    assert refused(tmp_path / "gone.csv", error=DataError).startswith(f"{tmp_path}/gone.csv: file not found")
    assert refused(tmp_path, error=DataError).startswith(f"{tmp_path}: not a format that can be read")


@pytest.mark.parametrize("name", ["t.csv", "t.jsonl"])
@pytest.mark.parametrize("text", ["", "\n\n", " \n", "\ufeff"])
def test_an_empty_file(tmp_path: Path, name: str, text: str) -> None:
    assert refused(write(tmp_path / name, text), error=DataError) == f"{tmp_path / name}: empty"


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_header_alone(tmp_path: Path, kind: str) -> None:
    path = save(tmp_path, kind, ["image", "label"], [])
    assert refused(path, error=DataError) == f"{path}: has a header but no rows"


@pytest.mark.parametrize(
    "header, words",
    [
        ("Imgae,red", ':1: no column `image`; did you mean "Imgae"? (columns: Imgae, red); name the column'),
        ("place,label", ":1: no column `image` (columns: place, label); name the column"),
        ("image", ":1: no columns of labels (columns: image)"),
        (",image,red", ":1: column 1 has no name; name or remove it (if it is the index of a DataFrame"),
        ("image,red,", ":1: column 3 has no name"),
        ("image,red,car, red", ':1: two columns are called "red"; remove or rename one'),
    ],
)
def test_headers_that_cannot_be(tmp_path: Path, header: str, words: str) -> None:
    path = table(tmp_path, header, ",".join("1" * (header.count(",") + 1)))
    assert refused(path, None).startswith(f"{path}{words}")


@pytest.mark.parametrize("row, count", [("a.png,1", 2), ("a.png,1,0,", 4)])
def test_rows_of_another_length(tmp_path: Path, row: str, count: int) -> None:
    path = table(tmp_path, "image,red,car", "a.png,1,0", row)
    assert refused(path) == f"{path}:3: {count} cells, but the header has 3 columns"


def test_a_long_table_without_any_label(tmp_path: Path) -> None:
    path = table(tmp_path, "image,label", "a.png,", "b.png,")
    assert refused(path, None, unlisted="unknown") == f'{path}: its column "label" is empty; give at least one known label'


def test_a_quotation_mark_that_is_never_closed_does_not_swallow_rows(tmp_path: Path) -> None:
    path = table(tmp_path, "image,label", "a.png,red", 'b.png,"car', "c.png,red", "d.png,car")
    assert refused(path, None, unlisted="unknown").startswith(f"{path}:3: not valid CSV from here on")


def test_a_quotation_mark_inside_a_cell_is_one(tmp_path: Path) -> None:
    observed = Observed.from_table(table(tmp_path, 'image,19" rack', 'my "best" shot.png,0'))
    assert observed.images == ('my "best" shot.png',)
    assert observed.space.labels == ('19" rack',)


@pytest.mark.parametrize("encoding, words", [("utf-16-le", "not UTF-8 text"), ("latin-1", "not UTF-8 text")])
def test_other_encodings(tmp_path: Path, encoding: str, words: str) -> None:
    (tmp_path / "t.csv").write_bytes("image,grün\na.png,0\n".encode(encoding))
    message = refused(tmp_path / "t.csv", error=DataError)
    assert words in message
    assert "CSV" in message


@pytest.mark.parametrize(
    "line, error, words",
    [
        ('{"image": "b", "label": ', DataError, ":2: not valid JSON ("),
        ('["b", "red"]', DataError, ":2: expected an object; write"),
        ("7", DataError, ":2: expected an object; write"),
        ('{"image": "b", "label": "red", "label": "car"}', ObservationError, ':2: "label" occurs twice; remove one'),
    ],
)
def test_json_lines_that_are_none(tmp_path: Path, line: str, error: type[Exception], words: str) -> None:
    path = write(tmp_path / "t.jsonl", '{"image": "a", "label": "red"}\n' + line + "\n")
    assert refused(path, error=error).startswith(f"{path}{words}")


def test_a_parquet_file_that_is_none(tmp_path: Path) -> None:
    path = write(tmp_path / "t.parquet", "image,red\na.png,0\n")
    assert refused(path, error=DataError).startswith(f"{path}: cannot be read as Parquet (")


# --- where the images are ---------------------------------------------------------------------------------------


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("a.png", "b.jpg", "sub/c.png", "sub/d.v2.png", "x/same.png", "y/same.png"):
        (tmp_path / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (2, 2)).save(tmp_path / "images" / name)
    return tmp_path / "images"


def of_images(tmp_path: Path, *names: str) -> Path:
    return table(tmp_path, "image,red,car", *(f"{name},{number % 2},{(number + 1) % 2}" for number, name in enumerate(names)))


def test_images_are_found_by_short_names(tmp_path: Path, root: Path) -> None:
    path = of_images(tmp_path, "a.png", "b", "c", "sub/c", "d.v2", "x/same", f"{root}/y/same.png")
    with pytest.raises(ObservationError, match=r"c and sub/c both name the image .*/sub/c\.png; use one of the names"):
        Observed.from_table(path, SPACE, images_root=root)
    path = of_images(tmp_path, "a.png", "b", "c", "d.v2", "x/same", f"{root}/y/same.png")
    observed = Observed.from_table(path, SPACE, images_root=str(root))
    assert observed.images == ("a.png", "b.jpg", "sub/c.png", "sub/d.v2.png", "x/same.png", f"{root}/y/same.png")
    assert observed.values[:, 0].tolist() == [0, 1, 0, 1, 0, 1]


def test_images_that_are_not_there_are_left_out_and_named(tmp_path: Path, root: Path) -> None:
    path = of_images(tmp_path, "a.png", "gone.png", "c.png", "same", "a")
    with pytest.raises(ObservationError, match=r"a\.png and a both"):
        Observed.from_table(path, SPACE, images_root=root)
    path = of_images(tmp_path, "a.png", "gone.png", "c.png", "same")
    with pytest.warns(DataWarning) as caught:
        observed = Observed.from_table(path, SPACE, images_root=root)
    assert [str(one.message) for one in caught] == [
        f"{path}: 2 of its 4 images are not in {root}, left out: gone.png, same (2 files fit: x/same.png, y/same.png)"
    ]
    assert [one.filename for one in caught] == [__file__]
    assert observed.images == ("a.png", "sub/c.png")
    assert observed.values[:, 0].tolist() == [0, 0]
    assert refused(path, images_root=root, strict=True).endswith("(strict)")


def test_no_image_is_there(tmp_path: Path, root: Path) -> None:
    path = of_images(tmp_path, "images/e.png", "images/f.jpg")
    message = refused(path, error=DataError, images_root=root)
    assert (
        message
        == f"{path}: none of its images is in {root} (2 in all, for example images/e.png); image names must be relative to "
        "that folder"
    )
    message = refused(path, error=DataError, images_root=tmp_path / "gone")
    assert message == f"{tmp_path}/gone: folder of images not found"


# --- properties -------------------------------------------------------------------------------------------------

# names as a reader gives them back: without white space at the ends, and images as the shortest form of their path
LETTERS = string.ascii_letters + string.digits + " ,;\t\"'#|.:-_äß猫\u2028\x85"
NAMES = st.text(LETTERS, min_size=1, max_size=8).map(str.strip).filter(bool)
LABELS = NAMES.filter(lambda name: name.lower() not in ("image", "label", "value") and not means_none(name))
IMAGES = NAMES.filter(lambda name: name not in (".", ".."))


@st.composite
def observations(draw: st.DrawFn) -> Observed:
    labels = draw(st.lists(LABELS, min_size=1, max_size=5, unique=True))
    images = draw(st.lists(IMAGES, min_size=1, max_size=5, unique=True))
    cut = draw(st.integers(0, len(labels)))
    groups = [OneOf("a group", labels[:cut], optional=draw(st.booleans()))] if cut else []
    space = LabelSpace([*groups, *(Free(label) for label in labels[cut:])])
    rows = st.lists(st.sampled_from([-1, 0, 1]), min_size=len(labels), max_size=len(labels))
    values = np.array(draw(st.lists(rows, min_size=len(images), max_size=len(images))), dtype=np.int8)
    values[~feasible(values, space)] = -1
    return Observed(values, space, tuple(images))


@pytest.mark.parametrize("ending", ["csv", "tsv", "parquet", "jsonl"])
def test_what_is_written_is_read_again(tmp_path: Path, ending: str) -> None:
    @settings(deadline=None, max_examples=50)
    @given(observations())
    def check(observed: Observed) -> None:
        again = Observed.from_table(
            observed.write(tmp_path / f"t.{ending}"), observed.space, unlisted="unknown", absent=0, image_column="image"
        )
        assert again.images == observed.images
        np.testing.assert_array_equal(again.values, observed.values)

    check()


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_the_order_of_a_long_table_is_the_order_of_images_alone(tmp_path: Path, kind: str) -> None:
    @settings(deadline=None, max_examples=50)
    @given(observations(), st.randoms(use_true_random=False))
    def check(observed: Observed, random: Any) -> None:
        assert observed.images is not None
        rows = [
            [image, label, int(value)]
            for image, known in zip(observed.images, observed.values, strict=True)
            for label, value in zip(observed.space.labels, known, strict=True)
        ]
        random.shuffle(rows)
        path = save(tmp_path, kind, ["image", "label", "value"], rows)
        again = Observed.from_table(path, observed.space, unlisted="absent", unknown=-1, absent=0)
        assert again.images == tuple(dict.fromkeys(image for image, _, _ in rows))
        order = [again.images.index(image) for image in observed.images]
        np.testing.assert_array_equal(again.values[order], observed.values)

    check()
