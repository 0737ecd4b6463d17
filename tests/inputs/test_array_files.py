"""Arrays in files, read in rows: what is read is what numpy reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from latentlabels.errors import DataError
from latentlabels.inputs import array_files
from latentlabels.inputs.array_files import open_arrays

RNG = np.random.default_rng(0)
ARRAYS: dict[str, Any] = {
    "embeddings": RNG.normal(size=(50, 7)).astype(np.float32),
    "by_column": np.asfortranarray(RNG.normal(size=(50, 3))),
    "big_endian": RNG.integers(-5, 5, (50, 2)).astype(">i4"),
    "names": np.array([f"é{row}" * (row % 3) for row in range(50)]),
    "bytes": np.arange(50, dtype=np.uint8),
    "deep": RNG.normal(size=(50, 2, 3)).astype(np.float16),
    "flags": RNG.random((50, 4)) < 0.5,
    "empty": np.zeros((0, 3)),
    "narrow": np.zeros((50, 0)),
}


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("chunk", [1, 37, 1 << 22])
def test_rows_are_those_that_numpy_reads(tmp_path: Path, save: Any, chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(array_files, "CHUNK", chunk)
    save(tmp_path / "a.npz", **ARRAYS)
    found = open_arrays(tmp_path / "a.npz")
    assert [*found] == [*ARRAYS]
    for name, array in ARRAYS.items():
        stored = found[name]
        assert (stored.shape, stored.dtype) == (array.shape, array.dtype)
        assert np.array_equal(stored.all(), array)
        parts = list(stored.blocks())
        assert np.array_equal(np.concatenate([array[:0], *(part for _, part in parts)]), array)
        assert [start for start, _ in parts] == list(range(0, len(array), stored.block))
        if len(array):
            for rows in (
                np.array([], np.int64),
                np.array([3]),
                np.arange(10, 20),
                RNG.integers(0, 50, 30),
                np.arange(50)[::-1],
            ):
                assert np.array_equal(stored.rows(rows), array[rows])


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_single_array(tmp_path: Path, order: Any) -> None:
    array = np.asarray(ARRAYS["embeddings"], order=order)
    np.save(tmp_path / "a.npy", array)
    assert np.array_equal(open_arrays(tmp_path / "a.npy")["embeddings"].rows(np.array([4, 2])), array[[4, 2]])


def test_a_version_of_the_header_that_holds_other_letters(tmp_path: Path) -> None:
    array = np.zeros(3, dtype=[("長さ", "f4")])
    with pytest.warns(UserWarning, match="NumPy"):
        np.save(tmp_path / "a.npy", array)
    assert open_arrays(tmp_path / "a.npy")["embeddings"].shape == (3,)


def test_a_file_that_becomes_shorter_is_named(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", ARRAYS["embeddings"])
    found = open_arrays(tmp_path / "a.npy")["embeddings"]
    (tmp_path / "a.npy").write_bytes((tmp_path / "a.npy").read_bytes()[:300])
    with pytest.raises(DataError, match=r"a\.npy: cannot be read any more"):
        found.rows(np.array([40]))
    (tmp_path / "a.npy").unlink()
    with pytest.raises(DataError, match=r"a\.npy: cannot be read any more"):
        found.rows(np.array([0]))


def test_only_the_rows_that_are_asked_for_are_in_memory(tmp_path: Path) -> None:
    import tracemalloc

    np.save(tmp_path / "a.npy", np.zeros((50_000, 100), np.float32))  # 20 MB
    tracemalloc.start()
    try:
        found = open_arrays(tmp_path / "a.npy")["embeddings"]
        for start in range(0, 50_000, 1000):
            found.rows(np.arange(start, start + 1000))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2 * array_files.CHUNK + 2e6 < 12e6
