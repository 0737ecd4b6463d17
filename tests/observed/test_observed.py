"""`Observed`: what it accepts, what it refuses and in which words, and what it tells."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from latentlabels.errors import ObservationError
from latentlabels.observed import Observed
from latentlabels.space import Free, LabelSpace, OneOf

SPACE = LabelSpace([OneOf("colour", ["red", "blue"]), Free("striped")])
VALUES = [[1, 0, -1], [-1, -1, -1], [0, 1, 1]]


# --- from arrays ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "values",
    [
        VALUES,
        np.array(VALUES, dtype=np.int64),
        np.array(VALUES, dtype=np.float32),
        torch.tensor(VALUES),
        [[1, 0, np.nan], [np.nan, np.nan, -1], [0, 1, 1]],
        [[1, 0, None], [None, np.nan, -1.0], [False, True, 1]],
        pd.DataFrame({"red": [1, None, 0], "blue": [0, None, 1], "striped": [None, None, 1]}),
        pd.DataFrame({"red": [1, None, 0], "blue": [0, None, 1], "striped": [None, None, 1]}, dtype="Int8"),
        pd.DataFrame({"red": [1, pd.NA, 0], "blue": [0, pd.NA, 1], "striped": [pd.NA, None, 1]}, dtype=object),
    ],
    ids=["list", "int64", "float32", "tensor", "nan", "none", "frame", "frame-Int8", "frame-object"],
)
def test_from_array_reads_every_kind_of_missing(values: Any) -> None:
    observed = Observed.from_array(values, SPACE, images=["a.png", "b.png", "c.png"])
    assert observed.values.dtype == np.int8
    assert observed.values.tolist() == VALUES
    assert observed.images == ("a.png", "b.png", "c.png")


def test_booleans_are_present_and_absent() -> None:
    assert Observed.from_array(np.array([[True, False, True]]), SPACE).values.tolist() == [[1, 0, 1]]


def test_the_array_given_is_not_shared() -> None:
    given = np.array(VALUES, dtype=np.int8)
    observed = Observed.from_array(given, SPACE)
    given[0] = -1
    assert observed.values.tolist() == VALUES


@pytest.mark.parametrize(
    "value, shown", [(2, "2"), (-2, "-2"), (0.5, "0.5"), (np.inf, "inf"), ("x", "'x'"), ("1", "'1'"), (1e300, "1e+300")]
)
def test_other_values_are_named_with_row_and_label(value: Any, shown: str) -> None:
    values: list[list[Any]] = [[1, 0, -1], [0, 1, value]]
    with pytest.raises(ObservationError) as caught:
        Observed.from_array(values if not isinstance(value, str) else np.array(values, dtype=object), SPACE)
    assert f'observed, row 1, label "striped": expected 1 (present), 0 (absent) or -1 (unknown), not {shown}' in str(
        caught.value
    )


def test_text_is_not_taken_for_numbers() -> None:
    with pytest.raises(ObservationError, match=r'row 0, label "red": expected 1 \(present\).* not \'1\''):
        Observed.from_array(np.array([["1", "0", "-1"]]), SPACE)


@pytest.mark.parametrize("shape", [(3,), (2, 2), (2, 4), (2, 3, 1), ()])
def test_wrong_shapes_name_both_sizes(shape: tuple[int, ...]) -> None:
    with pytest.raises(ObservationError) as caught:
        Observed.from_array(np.full(shape, -1), SPACE)
    assert f"shape {shape}" in str(caught.value)
    assert "3 labels; give (N, 3)" in str(caught.value)


def test_a_wrong_value_in_a_column_too_many() -> None:
    with pytest.raises(ObservationError, match="observed, row 1: expected 1 .* not 5"):
        Observed.from_array([[1, 0, -1, 0], [1, 0, -1, 5]], SPACE)


def test_rows_of_different_lengths() -> None:
    with pytest.raises(ObservationError, match="rows of different lengths"):
        Observed.from_array([[1, 0, -1], [1, 0]], SPACE)


def test_names_of_another_number() -> None:
    with pytest.raises(ObservationError, match="2 image names, but 3 rows"):
        Observed.from_array(VALUES, SPACE, images=["a", "b"])


def test_no_rows_at_all() -> None:
    observed = Observed.from_array(np.empty((0, 3)), SPACE, images=[])
    assert len(observed) == 0
    assert observed.never_present == SPACE.labels
    assert observed.to_frame().shape == (0, 3)


# --- the constructor itself -------------------------------------------------------------------------------------


@pytest.mark.parametrize("values, kind", [(np.array(VALUES), "int64"), (np.array(VALUES, float), "float64"), (VALUES, "list")])
def test_constructor_takes_int8_alone(values: Any, kind: str) -> None:
    with pytest.raises(ObservationError, match=rf"observed is of {kind}, but int8 is expected; use Observed\.from_array"):
        Observed(values, SPACE)


def test_constructor_refuses_other_values() -> None:
    with pytest.raises(ObservationError, match=r'row 0, label "blue": expected 1 .* not 3'):
        Observed(np.array([[-1, 3, -1]], dtype=np.int8), SPACE)


# --- contradictions ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("images, name", [(None, "row 1"), (["a.png", "b.png", "c.png"], "b.png")])
def test_a_contradiction_names_its_row(images: list[str] | None, name: str) -> None:
    with pytest.raises(ObservationError) as caught:
        Observed.from_array([[1, 0, 1], [1, 1, -1], [-1, -1, 0]], SPACE, images=images)
    assert str(caught.value) == (
        f'{name}: "red" and "blue" exclude each other (group "colour"); correct the known labels or the label space'
    )


@pytest.mark.parametrize(
    "others, words",
    [(1, "(1 more row is impossible)"), (2, "(2 more rows are impossible)"), (1200, "(1,200 more rows are impossible)")],
)
def test_further_contradictions_are_counted(others: int, words: str) -> None:
    with pytest.raises(ObservationError) as caught:
        Observed.from_array([[1, 0, 1]] + [[0, 0, -1]] * (1 + others), SPACE)
    assert str(caught.value).startswith('row 1: all labels of group "colour" are known to be absent')
    assert str(caught.value).endswith(words)


# --- what it tells ----------------------------------------------------------------------------------------------


def test_counts_and_never_present() -> None:
    observed = Observed.from_array([[1, 0, -1], [1, -1, 0], [-1, -1, 0], [0, -1, -1]], SPACE)
    assert observed.counts() == {"red": (2, 1), "blue": (0, 1), "striped": (0, 2)}
    assert observed.never_present == ("blue", "striped")
    assert observed.num_known.tolist() == [2, 2, 1, 1]
    assert repr(observed) == "Observed(4 images, 3 labels, 6 known)"


@pytest.mark.parametrize("group", [Free("a"), OneOf("g", ["a"]), OneOf("g", ["a"], optional=True)])
def test_one_label(group: Free | OneOf) -> None:
    observed = Observed.from_array([[1], [-1]], LabelSpace([group]))
    assert observed.counts() == {"a": (1, 0)}
    assert observed.num_known.tolist() == [1, 0]


def test_all_unknown_and_all_known() -> None:
    assert Observed.from_array(np.full((2, 3), -1), SPACE).num_known.tolist() == [0, 0]
    complete = Observed.from_array([[1, 0, 0], [0, 1, 1]], SPACE)
    assert complete.num_known.tolist() == [3, 3]
    assert complete.never_present == ()


@pytest.mark.parametrize("rows", [[2, 0], np.array([2, 0]), torch.tensor([2, 0]), (-1, 0)])
def test_take_by_number(rows: Any) -> None:
    part = Observed.from_array(VALUES, SPACE, images=["a", "b", "c"]).take(rows)
    assert part.values.tolist() == [VALUES[2], VALUES[0]]
    assert part.images == ("c", "a")


def test_take_by_mask() -> None:
    observed = Observed.from_array(VALUES, SPACE, images=["a", "b", "c"])
    assert observed.take([True, False, True]).images == ("a", "c")
    assert len(observed.take([])) == 0
    for mask in ([True, False], [True, False, True, False]):
        with pytest.raises(ObservationError, match=rf"mask has shape \({len(mask)},\), but observed has 3 rows"):
            observed.take(mask)


def test_to_tensor() -> None:
    tensor = Observed.from_array(np.asfortranarray(VALUES), SPACE).to_tensor()
    assert tensor.dtype == torch.int8
    assert tensor.tolist() == VALUES


def test_to_frame() -> None:
    frame = Observed.from_array(VALUES, SPACE, images=["a", "b", "c"]).to_frame()
    assert list(frame.columns) == list(SPACE.labels)
    assert frame.index.tolist() == ["a", "b", "c"]
    assert frame.index.name == "image"
    assert frame.isna().to_numpy().tolist() == [[value == -1 for value in row] for row in VALUES]
    assert frame["red"].dropna().tolist() == [1, 0]
    assert Observed.from_array(frame, SPACE).values.tolist() == VALUES


def test_write_is_a_table_with_empty_cells(tmp_path: Path) -> None:
    path = Observed.from_array(VALUES, SPACE, images=["a", "b", "c"]).write(tmp_path / "known.csv")
    assert path.read_text() == "image,red,blue,striped\na,1,0,\nb,,,\nc,0,1,1\n"
