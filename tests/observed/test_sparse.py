"""Known labels kept sparse say the same as those kept dense."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from latentlabels.errors import ObservationError
from latentlabels.observed import Observed, sparse
from latentlabels.observed.known_table import DenseKnown
from latentlabels.observed.sparse import SparseKnown, known_table
from latentlabels.space import Free, LabelSpace, OneOf

SPACE = LabelSpace(
    [OneOf("colour", ["red", "green", "blue"], optional=True), Free("striped"), Free("shiny", requires="striped")]
)


@pytest.fixture
def kept_sparse(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every table that takes less memory so is kept sparse, however small."""
    monkeypatch.setattr(sparse, "SPARSE_FROM", 0)


def draw(seed: int, rows: int = 40, columns: int = 30, share: float = 0.03) -> NDArray[np.int8]:
    """Random known labels, some rows without any."""
    rng = np.random.default_rng(seed)
    return np.where(rng.random((rows, columns)) < share, rng.integers(0, 2, (rows, columns)), -1).astype(np.int8)


def entries(values: NDArray[np.int8], seed: int = 0) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int8]]:
    """The known entries in a random order."""
    row, column = np.nonzero(values >= 0)
    order = np.random.default_rng(seed).permutation(len(row))
    return row[order], column[order], values[row, column][order]


@pytest.mark.parametrize("seed", range(5))
def test_both_ways_to_keep_a_table_say_the_same(kept_sparse: None, seed: int) -> None:
    values = draw(seed)
    space = LabelSpace.free(f"label {k}" for k in range(values.shape[1]))
    few = known_table(*entries(values), values.shape, space.labels)
    all_ = DenseKnown(values)
    assert isinstance(few, SparseKnown)
    assert few.shape == all_.shape
    assert np.array_equal(few.dense(), values)
    assert np.array_equal(few.num_known, all_.num_known)
    assert np.array_equal(few.num_present, all_.num_present)
    assert all(np.array_equal(a, b) for a, b in zip(few.counts(), all_.counts(), strict=True))
    assert few.digest() == all_.digest()
    rows = np.random.default_rng(seed).integers(0, len(values), 25)  # some several times
    assert np.array_equal(few.rows(rows), values[rows])
    assert np.array_equal(few.take(rows).dense(), values[rows])
    order = np.random.default_rng(seed).permutation(values.shape[1])
    assert np.array_equal(few.in_columns(order).dense(), values[:, order])
    assert np.array_equal(few.in_columns(order).take(rows).dense(), values[rows][:, order])


@pytest.mark.parametrize("seed", range(5))
def test_distinct_rows_hold_every_combination_once(kept_sparse: None, seed: int) -> None:
    values = draw(seed, rows=300, columns=40, share=0.02)[np.random.default_rng(seed).integers(0, 300, 900)]
    few = known_table(*entries(values), values.shape, [str(k) for k in range(40)])
    assert isinstance(few, SparseKnown)
    found = values[few.distinct()]
    assert {row.tobytes() for row in found} == {row.tobytes() for row in values}
    assert len(found) == len({row.tobytes() for row in values})


def test_blocks_go_over_all_rows_in_order(kept_sparse: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("latentlabels.observed.known_table.BLOCK", 7 * 30)
    values = draw(3)
    for table in (DenseKnown(values), known_table(*entries(values), values.shape, [""] * 30)):
        blocks = list(table.blocks())
        assert [block.start for block in blocks] == [0, 7, 14, 21, 28, 35]
        assert np.array_equal(np.concatenate([block.values for block in blocks]), values)
        some = np.arange(39, 0, -3)
        assert np.array_equal(np.concatenate([block.values for block in table.blocks(some)]), values[some])


def test_a_table_without_rows_or_entries(kept_sparse: None) -> None:
    space = LabelSpace.free("abc")
    nobody = Observed.from_entries([], [], [], 0, space)
    assert nobody.values.shape == (0, 3)
    nothing = Observed.from_entries(np.empty(0, np.int64), np.empty(0, np.int32), np.empty(0, np.int8), 30, space)
    assert (nothing.values == -1).all()
    assert nothing.values.shape == (30, 3)
    assert nothing.known.distinct().tolist() == [0] or len(nothing.known.distinct()) == 30


def test_small_and_full_tables_are_kept_dense(kept_sparse: None) -> None:
    full = np.ones((20, 10), np.int8)
    assert isinstance(known_table(*entries(full), full.shape, [""] * 10), DenseKnown)


def test_large_tables_of_which_little_is_known_are_kept_sparse() -> None:
    rows, columns = np.arange(300_000), np.arange(300_000) % 2000
    space = LabelSpace.free(f"label {k}" for k in range(2000))
    known = Observed.from_entries(rows, columns, np.ones(300_000, np.int8), 300_000, space)
    assert known.known.num_bytes < 5e6
    assert known.counts()["label 7"] == (150, 0)
    assert int(known.num_known.sum()) == 300_000
    assert "values" not in vars(known)  # nothing has asked for all of it


def test_unknown_entries_say_nothing_and_equal_ones_are_one() -> None:
    known = Observed.from_entries([1, 0, 0, 0], [2, 1, 1, 0], [-1, 0, 0, 1], 2, LabelSpace.free("abc"), images=["x", "y"])
    assert known.values.tolist() == [[1, 0, -1], [-1, -1, -1]]
    assert known.images == ("x", "y")


@pytest.mark.parametrize(
    "rows, columns, values, message",
    [
        ([0, 0], [1, 1], [0, 1], 'row 0: label "b" is both present and absent'),
        ([3], [1], [1], "name a row out of range; expected whole numbers from 0 to 1"),
        ([-1], [1], [1], "name a row out of range"),
        ([0], [3], [1], "name a column out of range; expected whole numbers from 0 to 2"),
        ([0.5], [1], [1], "name a row out of range"),
        ([0], [2], [2], 'row 0, label "c": expected 1 .present., 0 .absent. or -1 .unknown., not 2'),
        ([0, 1], [1], [1], "one of each for every entry"),
    ],
)
def test_entries_that_cannot_be_are_refused(
    rows: list[int], columns: list[int], values: list[int], message: str
) -> None:  # fmt: skip
    with pytest.raises(ObservationError, match=message):
        Observed.from_entries(rows, columns, values, 2, LabelSpace.free("abc"))


def test_contradictions_are_found_and_counted_alike(kept_sparse: None) -> None:
    wide = LabelSpace([*SPACE.groups, *(Free(f"other {k}") for k in range(60))])
    rng = np.random.default_rng(4)
    values = np.full((200, wide.num_labels), -1, np.int8)
    values[np.arange(200), rng.integers(0, wide.num_labels, 200)] = 1
    good = Observed.from_entries(*entries(values), 200, wide)
    assert isinstance(good.known, SparseKnown)
    values[[50, 120, 130]] = -1
    values[50, :2] = values[130, :2] = 1
    values[120, 3:5] = (0, 1)
    said = []
    for make in (lambda: Observed(values, wide), lambda: Observed.from_entries(*entries(values), 200, wide)):
        with pytest.raises(ObservationError) as caught:
            make()
        said.append(str(caught.value))
    assert said[0] == said[1]
    assert said[0].startswith('row 50: "red" and "green" exclude each other')
    assert "(2 more rows are impossible)" in said[0]


def test_in_space_and_take_keep_it_sparse(kept_sparse: None) -> None:
    values = draw(2, rows=60)
    space = LabelSpace.free(f"label {k}" for k in range(30))
    known = Observed.from_entries(*entries(values), 60, space, images=[f"{n}.png" for n in range(60)])
    other = LabelSpace.free(reversed(space.labels))
    moved = known.in_space(other)
    assert isinstance(moved.known, SparseKnown)
    assert np.array_equal(moved.values, values[:, ::-1])
    some = known.take(np.arange(60) % 2 == 0)
    assert isinstance(some.known, SparseKnown)
    assert np.array_equal(some.values, values[::2])
    assert some.images is not None
    assert some.images[1] == "2.png"
