"""What values mean: asked where it can be two things, for each column by itself, and with choices that work."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from asking import asked, readings

from latentlabels.errors import DataWarning, ObservationError
from latentlabels.observed import Observed
from latentlabels.observed.meaning import key

ROWS = 24


def table(tmp_path: Path, columns: dict[str, list[Any]]) -> Path:
    path = tmp_path / "t.csv"
    rows = len(next(iter(columns.values())))
    lines = [",".join(["image", *columns])]
    lines += [",".join([f"{row}.png", *(str(cells[row]) for cells in columns.values())]) for row in range(rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def cells(seed: int, *values: Any) -> list[Any]:
    draw = random.Random(seed)
    return [*values, *(draw.choice(values) for _ in range(ROWS - len(values)))]


def meant(values: list[Any], **meaning: int) -> list[int]:
    return [meaning[{"1": "one", "0": "zero", "-1": "minus", "": "empty"}[str(value)]] for value in values]


def test_numbers_are_compared_by_value() -> None:
    assert [key(text) for text in ("1.0", " +1", "-1.00", "TRUE", "inf", "1a")] == ["1", "1", "-1", "true", "inf", "1a"]


@pytest.mark.parametrize(
    "values, choices, usual",
    [
        ((1, -1), [{"one": 1, "minus": 0}, {"one": 1, "minus": -1}], 0),
        ((1, -1, ""), [{"one": 1, "minus": 0, "empty": -1}, {"one": 1, "minus": -1, "empty": -1}], 0),
        ((1, 0, -1), [{"one": 1, "minus": 0, "zero": -1}, {"one": 1, "minus": -1, "zero": 0}], 0),
        (
            (1, 0, -1, ""),
            [{"one": 1, "minus": 0, "zero": -1, "empty": -1}, {"one": 1, "minus": -1, "zero": 0, "empty": -1}],
            1,
        ),
    ],
)
def test_minus_one_is_asked_and_every_choice_is_what_it_says(
    tmp_path: Path, values: tuple[Any, ...], choices: list[dict[str, int]], usual: int
) -> None:
    columns = {"cat": cells(1, *values), "dog": cells(2, *values)}
    path = table(tmp_path, columns)
    expected = [np.array([meant(one, **choice) for one in columns.values()]).T.tolist() for choice in choices]
    found = [read.values.tolist() for stated, read in readings(path) if stated.get("unlisted") != "absent"]
    assert found == expected
    with pytest.warns(DataWarning, match="the meaning of -1 is unclear.*Read for now as"):
        assert Observed.from_table(path).values.tolist() == expected[usual]
    with pytest.raises(ObservationError, match="unclear"):
        Observed.from_table(path, strict=True)


def test_columns_of_minus_one_beside_columns_of_zero(tmp_path: Path) -> None:
    bus, car = cells(1, 1, -1), cells(2, 1, 0)
    path = table(tmp_path, {"bus": bus, "car": car})
    found = [read.values.T.tolist() for _, read in readings(path)]
    assert found == [
        [meant(bus, one=1, minus=0), meant(car, one=1, zero=0)],
        [meant(bus, one=1, minus=0), meant(car, one=1, zero=-1)],
        [meant(bus, one=1, minus=-1), meant(car, one=1, zero=0)],
    ]


@pytest.mark.parametrize("column", ["bus", "BUS"])
def test_what_is_stated_for_one_column_says_nothing_about_others(tmp_path: Path, column: str) -> None:
    bus, car, dog = cells(1, 1, -1), cells(2, 1, 0), cells(3, 1, 0, -1)
    path = table(tmp_path, {"bus": bus, "car": car})
    read = Observed.from_table(path, absent={column: -1})
    assert read.values.T.tolist() == [meant(bus, one=1, minus=0), meant(car, one=1, zero=0)]
    path = table(tmp_path, {"bus": bus, "car": car, "dog": dog})
    assert asked(path, absent={column: -1}) is not None  # what -1 means of the dog is still open
    read = Observed.from_table(path, absent={column: -1, "*": 0}, unknown=-1)
    assert read.values.T.tolist() == [
        meant(bus, one=1, minus=0),
        meant(car, one=1, zero=0),
        meant(dog, one=1, zero=0, minus=-1),
    ]


def test_a_column_that_is_not_there(tmp_path: Path) -> None:
    path = table(tmp_path, {"bus": cells(1, 1, 0)})
    with pytest.raises(ObservationError, match='no column "bsu", which a stated value names; did you mean "bus"'):
        Observed.from_table(path, absent={"bsu": -1})


def test_one_value_with_two_meanings(tmp_path: Path) -> None:
    path = table(tmp_path, {"bus": cells(1, 1, 0)})
    with pytest.raises(ObservationError, match='"0.0" is stated to mean absent and unknown'):
        Observed.from_table(path, absent=0, unknown="0.0")


@pytest.mark.parametrize("one, zero", [("1", "0"), ("True", "False"), ("1.0", "0.0"), ("yes", "no")])
def test_one_hot_is_asked_in_the_words_of_the_table(tmp_path: Path, one: str, zero: str) -> None:
    names = ("cat", "dog", "cow")
    path = table(tmp_path, {name: [one if row % 3 == k else zero for row in range(ROWS)] for k, name in enumerate(names)})
    hot = np.eye(3, dtype=int)[np.arange(ROWS) % 3]
    assert [read.values.tolist() for _, read in readings(path)] == [np.where(hot == 1, 1, -1).tolist(), hot.tolist()]
    with pytest.warns(DataWarning, match="as one-hot tables have"):
        assert Observed.from_table(path).values.tolist() == hot.tolist()


def test_ordinary_tables_of_one_and_zero_are_not_asked_about(tmp_path: Path) -> None:
    for seed in range(20):  # 3 of 20 labels on average
        draw = np.random.default_rng(seed)
        values = (draw.random((200, 20)) < 0.15).astype(int)
        path = table(tmp_path, {f"label {k}": values[:, k].tolist() for k in range(20)})
        assert asked(path) is None
        assert Observed.from_table(path).values.tolist() == values.tolist()
    assert asked(table(tmp_path, {"a": [1, 0, 0], "b": [0, 1, 0], "c": [0, 0, 1]})) is None  # too few rows to tell


def test_a_few_strange_values_are_asked_about(tmp_path: Path) -> None:
    path = table(tmp_path, {"cat": cells(1, 1, 0), "dog": cells(2, 1, 0, 1, 0, "maybe")})
    question = asked(path)
    assert question is not None
    assert str(question).startswith(
        f'{path}:6, column "dog": expected 1 (present), 0 (absent), -1 or empty (unknown), not "maybe"'
    )
    maybe = [read.values[4].tolist() for _, read in readings(path)]
    first = maybe[0][0]
    assert maybe == [[first, 1], [first, 0], [first, -1], [first]]


@pytest.mark.parametrize("complete, zero", [(True, 0), (False, None)])
def test_minus_one_in_complete_labels_is_absent(tmp_path: Path, complete: bool, zero: int | None) -> None:
    path = table(tmp_path, {"cat": cells(1, 1, -1), "dog": cells(2, 1, -1)})
    question = asked(path, complete=complete)
    assert (question is None) == complete
    if complete:
        assert not (Observed.from_table(path, complete=True).values == -1).any()
