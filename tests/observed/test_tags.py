"""Cells that hold names of labels: one or several."""

from __future__ import annotations

import csv
import json
import random
from pathlib import Path

import numpy as np
import pytest
from asking import asked, readings

from latentlabels.errors import DataWarning
from latentlabels.observed import Observed
from latentlabels.space import LabelSpace

COCO = ["traffic light", "stop sign", "fire hydrant", "hot dog", "dog", "baseball bat", "baseball glove", "cell phone", "car"]
SYNSETS = ["tench, Tinca tinca", "projectile, missile", "missile", "tabby, tabby cat", "Egyptian cat", "crane", "ant, emmet"]


def table(tmp_path: Path, cells: list[str], heading: str = "tags") -> Path:
    path = tmp_path / "t.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["image", heading], *([f"{row}.png", cell] for row, cell in enumerate(cells))])
    return path


def drawn(seed: int = 0) -> list[list[str]]:
    draw = random.Random(seed)
    return [draw.sample(["red", "blue", "dark"], draw.randint(1, 2)) for _ in range(24)]


@pytest.mark.parametrize("sign", ["|", ";", "#", ",", "\n", "/", "+", "&", " "])
def test_a_separator_is_asked_and_both_choices_work(tmp_path: Path, sign: str) -> None:
    cells = drawn()
    path = table(tmp_path, [sign.join(names) for names in cells])
    found = {str(stated["separator"]): read for stated, read in readings(path) if stated["unlisted"] == "unknown"}
    assert {*found} == {sign, ""}
    assert {*found[sign].space.labels} == {"red", "blue", "dark"}
    shown = [
        {label for label, value in zip(found[sign].space.labels, row, strict=True) if value == 1} for row in found[sign].values
    ]
    assert shown == [{*names} for names in cells]
    assert {*found[""].space.labels} == {sign.join(names) for names in cells}
    with pytest.warns(DataWarning, match="one label in each cell"):
        assert Observed.from_table(path, unlisted="unknown").space == found[""].space


def test_one_cell_with_a_comma_is_enough(tmp_path: Path) -> None:
    assert asked(table(tmp_path, ["cat,dog", "bird"]), unlisted="unknown") is not None


@pytest.mark.parametrize("names", [COCO, SYNSETS, ["C#", "F&", "19in rack"], ["1,000 m", "5,000 m"]])
def test_names_with_blanks_and_commas_are_not_asked_about(tmp_path: Path, names: list[str]) -> None:
    path = table(tmp_path, [names[row % len(names)] for row in range(40)])
    assert asked(path, unlisted="unknown") is None
    assert list(Observed.from_table(path, unlisted="unknown").space.labels) == names


@pytest.mark.parametrize(
    "write",
    [
        json.dumps, str, lambda names: json.dumps({"choices": names}), lambda names: str(tuple(names)),
        lambda names: str({*names}), lambda names: str(np.array(names)),
    ],
)  # fmt: skip
def test_lists_need_no_separator(tmp_path: Path, write: object) -> None:
    cells = [["it's, so", "red"], [], ["null"]]
    path = table(tmp_path, [write(names) for names in cells])  # type: ignore[operator]
    read = Observed.from_table(path, unlisted="absent")
    assert read.space.labels == ("it's, so", "red", "null")
    assert read.values.tolist() == [[1, 1, 0], [0, 0, 0], [0, 0, 1]]


def test_a_label_of_the_space_is_not_split(tmp_path: Path) -> None:
    space = LabelSpace.free(["red|blue", "red", "dark"])
    path = table(tmp_path, ["red|blue", "red|dark", "dark"])
    found = {stated["separator"] for stated in [one.settings for one in asked(path, space=space, unlisted="unknown").choices]}  # type: ignore[union-attr]
    assert found == {"|", ""}
    read = Observed.from_table(path, space, unlisted="unknown", separator="|")
    assert read.values.tolist() == [[1, -1, -1], [-1, 1, 1], [-1, -1, 1]]


def test_texts_for_missing_cells_are_noted(tmp_path: Path) -> None:
    path = table(tmp_path, ["cat", "nan", "dog"])
    with pytest.warns(DataWarning, match='"nan" is read as the name of a label'):
        assert "nan" in Observed.from_table(path, unlisted="unknown").space.labels
    read = Observed.from_table(path, unlisted="unknown", unknown="nan")
    assert read.values.tolist() == [[1, -1], [-1, -1], [-1, 1]]


STRANGE = [
    "yes",
    "null",
    "1",
    "=cmd|' /C calc'!A0",
    "a, b",
    "two\nlines",
    "x" * 300,
    "\u05e9\u05dc\u05d5\u05dd",
    "#",
    "'",
    '"',
    "~",
]


@pytest.mark.parametrize("ending", ["csv", "tsv", "parquet", "jsonl"])
def test_names_that_mean_something_elsewhere_go_through(tmp_path: Path, ending: str) -> None:
    space = LabelSpace.free(STRANGE)
    values = [[(row + k) % 3 - 1 for k in range(len(STRANGE))] for row in range(len(STRANGE))]
    known = Observed.from_array(values, space, images=STRANGE)
    again = Observed.from_table(known.write(tmp_path / f"t.{ending}"))
    assert again.images == tuple(STRANGE) and again.space.labels == tuple(STRANGE)
    assert again.values.tolist() == values
    long = table(tmp_path, STRANGE, "label")
    assert Observed.from_table(long, space, unlisted="unknown", separator="").values.argmax(1).tolist() == [
        *range(len(STRANGE))
    ]
