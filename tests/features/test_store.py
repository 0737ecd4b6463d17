"""`FeatureStore`: what is found is what was kept, whatever happened to the folder, its disk, or the process that wrote."""

from __future__ import annotations

import copy
import errno
import json
import os
import pickle
import signal
import time
import warnings
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kept_features import WIDTH, Writers, assert_holds, contents, features, store

from latentlabels.errors import DataError, DataWarning
from latentlabels.features import FeatureStore
from latentlabels.features.rows import FileRows, MemoryRows, fits_half
from latentlabels.features.store import ABOUT, read_about, remove_store


@pytest.fixture(params=["folder", "memory"])
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> FeatureStore:
    return store(tmp_path / "store" if request.param == "folder" else None)


def test_what_is_kept_is_found(kept: FeatureStore) -> None:
    assert kept.find(contents(1, 2)).tolist() == [-1, -1]
    numbers = kept.add(contents(1, 2, 3), features(1, 2, 3))
    np.testing.assert_array_equal(kept.rows(numbers[[2, 0]]), features(3, 1))
    assert kept.find(contents(3, 9, 1)).tolist() == [numbers[2], -1, numbers[0]]
    kept.add(contents(4), features(4))
    assert_holds(kept, [4, 2, 2, 1, 3])
    assert kept.rows(np.empty(0, np.int64)).shape == (0, WIDTH)


def test_another_process_finds_it(tmp_path: Path) -> None:
    store(tmp_path / "store").add(contents(*range(700)), features(*range(700)))
    assert_holds(store(tmp_path / "store"), range(700))  # more than one question to the index


def test_rows_that_half_precision_cannot_hold_are_kept_in_single(kept: FeatureStore) -> None:
    rows = np.stack([features(1)[0] * 1e6, features(2)[0], features(3)[0] * 1e-9, np.zeros(WIDTH, np.float32)])
    numbers = kept.add(contents(1, 2, 3, 4), rows)
    np.testing.assert_array_equal(kept.rows(numbers), rows)
    np.testing.assert_array_equal(kept.rows(kept.find(contents(4, 3, 2, 1))), rows[::-1])


def test_features_without_maps_are_kept_as_they_were_computed(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(5, WIDTH)).astype(np.float32)
    for folder in (tmp_path / "store", None):
        found = store(folder, halved=False)
        np.testing.assert_array_equal(found.rows(found.add(contents(*range(5)), rows)), rows)
    np.testing.assert_array_equal((again := store(tmp_path / "store", halved=False)).rows(again.find(contents(3))), rows[3:4])


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=8))
@settings(deadline=None)
def test_no_number_is_kept_with_fewer_than_eleven_binary_digits_of_the_largest(values: list[float]) -> None:
    row = np.array([values], np.float32)
    found = store(None)
    kept = found.rows(found.add(contents(1), row))
    assert np.abs(kept - row).max() <= 2.0**-11 * np.abs(row).max()


def test_half_precision_is_chosen_where_it_is_enough() -> None:
    assert fits_half(np.array([[65504.0, 0], [65520, 0], [0, 0], [3.1e-5, -1e-9], [1e-5, 0]], np.float32)).tolist() == [
        *(True, False, True, True, False),
    ]


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_features_that_are_no_numbers_are_refused(kept: FeatureStore, wrong: float) -> None:
    rows = features(1, 2)
    rows[1, 3] = wrong
    with pytest.raises(DataError, match=r"NaN or infinity for 1 of 2 images"):
        kept.add(contents(1, 2), rows)
    assert kept.find(contents(1, 2)).tolist() == [-1, -1]


def test_copies_read_and_write_by_themselves(kept: FeatureStore) -> None:
    kept.add(contents(1), features(1))
    for made in (pickle.loads(pickle.dumps(kept)), copy.deepcopy(kept)):
        made.add(contents(2), features(2))
        assert_holds(made, [1, 2])
    assert_holds(kept, [1])


# --- damage -------------------------------------------------------------------------------------------------------------


def only(folder: Path, pattern: str) -> Path:
    (found,) = folder.glob(pattern)
    return found


def test_a_damaged_row_is_computed_again_alone(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    store(folder).add(contents(*range(10)), features(*range(10)))
    rows = only(folder, "rows-*.f16")
    content = bytearray(rows.read_bytes())
    content[4 * 2 * WIDTH + 5] ^= 1  # one bit of row 4
    rows.write_bytes(content)
    found = store(folder)
    with pytest.warns(DataWarning, match="some of the features kept there are damaged"):
        numbers = found.find(contents(*range(10)))
    assert np.flatnonzero(numbers < 0).tolist() == [4]
    found.add(contents(4), features(4))
    assert_holds(store(folder), range(10))


def test_rows_that_are_cut_off_are_computed_again(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    store(folder).add(contents(*range(10)), features(*range(10)))
    os.truncate(only(folder, "rows-*.f16"), 3 * 2 * WIDTH + 7)
    found = store(folder)
    with pytest.warns(DataWarning, match="damaged"):
        missing = np.flatnonzero(found.find(contents(*range(10))) < 0)
    assert missing.tolist() == [*range(3, 10)]
    found.add(contents(*range(3, 10)), features(*range(3, 10)))
    assert_holds(store(folder), range(10))


def _cut_index(folder: Path) -> None:
    path = only(folder, "index-*.sqlite")
    path.write_bytes(path.read_bytes()[:5000])


def _no_index(folder: Path) -> None:
    only(folder, "index-*.sqlite").write_bytes(b"this is no database, but it is long enough to be taken for one" * 100)


def _other_tables(folder: Path) -> None:
    import sqlite3

    path = only(folder, "index-*.sqlite")
    path.unlink()
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE features (colour TEXT)")
    connection.execute("CREATE TABLE counts (colour TEXT)")
    connection.commit()
    connection.close()


def _no_about(folder: Path) -> None:
    (folder / ABOUT).unlink()


def _half_an_about(folder: Path) -> None:
    (folder / ABOUT).write_text((folder / ABOUT).read_text()[:30])


def _about(folder: Path, **changed: Any) -> None:
    (folder / ABOUT).write_text(json.dumps(json.loads((folder / ABOUT).read_text()) | changed))


DAMAGES = {
    "index cut": (_cut_index, "index is damaged"),
    "index overwritten": (_no_index, "index is damaged"),
    "index of another kind": (_other_tables, "index is damaged"),
    "about removed": (_no_about, "about.json is missing or damaged"),
    "about cut": (_half_an_about, "about.json is missing or damaged"),
    "another version": (lambda folder: _about(folder, format=99), "written by another version"),
    "another encoder": (lambda folder: _about(folder, encoder="resnet18"), "names another encoder"),
    "no width": (lambda folder: _about(folder, numbers=0), "about.json is damaged"),
    "a path for a name": (lambda folder: _about(folder, name="../../x"), "about.json is damaged"),
}


@pytest.mark.parametrize("what", DAMAGES)
def test_a_folder_that_cannot_be_used_is_made_again_with_one_message(tmp_path: Path, what: str) -> None:
    folder, (damage, message) = tmp_path / "store", DAMAGES[what]
    store(folder).add(contents(*range(300)), features(*range(300)))
    damage(folder)
    found = store(folder)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert (found.find(contents(*range(300))) < 0).all()
        found.add(contents(*range(5)), features(*range(5)))
        found.add(contents(*range(5, 9)), features(*range(5, 9)))
    assert [str(one.message) for one in caught if message in str(one.message)]
    assert len(caught) == 1
    assert str(folder) in str(caught[0].message)
    assert_holds(found, range(9))
    assert (found.find(contents(9)) < 0).all()
    assert_holds(store(folder), range(5 if what.startswith("index") else 0, 9))


def test_features_of_another_width_replace_those_that_are_there(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    store(folder).add(contents(1), features(1))
    found = store(folder)
    with pytest.warns(DataWarning, match="its features have 24 numbers, but the encoder gives 3"):
        numbers = found.add(contents(1), np.ones((1, 3), np.float32))
    assert found.rows(numbers).tolist() == [[1, 1, 1]]
    assert read_about(folder) is not None


def test_numbers_stay_what_they_are_when_the_folder_is_made_again(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    found = store(folder)
    before = found.add(contents(1, 2), features(1, 2))
    remove_store(folder)  # as another process would
    after = found.add(contents(3), features(3))
    np.testing.assert_array_equal(found.rows(np.concatenate([after, before])), features(3, 1, 2))
    other = store(folder)
    other.add(contents(7, 8), features(7, 8))
    more = found.add(contents(4, 5, 6), features(4, 5, 6))
    np.testing.assert_array_equal(found.rows(np.concatenate([before, after, more])), features(1, 2, 3, 4, 5, 6))
    assert_holds(other, [7, 8])
    assert_holds(store(folder), [7, 8])


def test_only_what_is_ours_is_removed(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    store(folder).add(contents(1), features(1))
    (folder / "notes.txt").write_text("mine")
    remove_store(folder)
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]


# --- a full disk, a folder that cannot be written ---------------------------------------------------------------------------


def test_a_full_disk_leaves_whole_features_and_the_others_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "store"
    found = store(folder)
    found.add(contents(1, 2), features(1, 2))
    real = os.pwrite

    def full(handle: int, content: memoryview, place: int) -> int:
        if len(content) <= 10:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(handle, content[:10], place)

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.warns(DataWarning, match=r"cannot be kept there \(no space left on device\).*fit\.cache") as caught:
        found.add(contents(3, 4), features(3, 4))
        found.add(contents(5), features(5))
    assert len(caught) == 1
    assert_holds(found, [1, 2, 3, 4, 5])
    monkeypatch.undo()
    assert only(folder, "rows-*.f16").stat().st_size == 2 * 2 * WIDTH  # the broken rows give their space back
    again = store(folder)
    assert_holds(again, [1, 2])
    assert (again.find(contents(3, 4, 5)) < 0).all()
    again.add(contents(3), features(3))
    assert_holds(store(folder), [1, 2, 3])


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root writes everywhere")
def test_a_folder_that_cannot_be_written_is_said_once(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        found = store(tmp_path / "store")
        with pytest.warns(DataWarning, match="cannot be kept there") as caught:
            found.add(contents(1), features(1))
            found.add(contents(2), features(2))
        assert len(caught) == 1
        assert_holds(found, [1, 2])
    finally:
        tmp_path.chmod(0o700)


def test_a_file_in_the_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "root").write_text("a file")
    found = store(tmp_path / "root" / "store")
    with pytest.warns(DataWarning, match="cannot be kept there"):
        found.add(contents(1), features(1))
    assert_holds(found, [1])


# --- several processes, and killed ones ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def writers() -> Iterator[Writers]:
    if not hasattr(os, "fork"):
        pytest.skip("forks")
    with Writers() as made:
        yield made


def assert_whole(folder: Path, last: int) -> int:
    """Whatever is found is right; how many there are."""
    found = store(folder)
    numbers = found.find(contents(*range(last)))
    there = np.flatnonzero(numbers >= 0)
    rows, expected = found.rows(numbers[there]).reshape(-1, WIDTH), features(*there.tolist())
    large = np.abs(rows).max(1, initial=0) > 1000
    np.testing.assert_array_equal(rows[~large], expected[~large])
    np.testing.assert_array_equal(rows[large], expected[large] * np.float32(1e6))
    return len(there)


def test_a_killed_process_leaves_whole_features_and_the_next_goes_on(writers: Writers, tmp_path: Path) -> None:
    folder, last, counts = tmp_path / "store", 700, [0]
    rng = np.random.default_rng(0)
    for _ in range(10):
        process = writers.start(folder, 0, last)
        before, more = size_of(folder), int(rng.integers(1, 2000))
        while size_of(folder) < before + more and not writers.has_ended(process):
            pass
        time.sleep(float(rng.choice([0, 1e-4, 1e-3])))
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
        assert writers.wait(process) in (0, -signal.SIGKILL)
        counts.append(assert_whole(folder, last))
    assert counts == sorted(counts)  # nothing that was kept is ever lost
    assert counts[-1] > 0
    assert writers.wait(writers.start(folder, 0, last)) == 0
    assert assert_whole(folder, last) == last
    assert {path.name for path in tmp_path.iterdir()} == {"store"}


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("rows-*"))


def test_processes_that_write_at_the_same_time_do_not_harm_each_other(writers: Writers, tmp_path: Path) -> None:
    folder = tmp_path / "store"
    some = [writers.start(folder, first, first + 200) for first in (0, 70, 140)]
    assert [writers.wait(process) for process in some] == [0, 0, 0]
    assert assert_whole(folder, 340) == 340
    assert [path.name for path in tmp_path.iterdir()] == ["store"]


def test_a_folder_that_is_removed_while_others_write_harms_nobody(writers: Writers, tmp_path: Path) -> None:
    """Each of them reads what it wrote, makes the folder again or gives up with one warning, and what is left is whole."""
    folder = tmp_path / "store"
    some = [writers.start(folder, first, first + 400) for first in (0, 200)]
    removed = 0
    for _ in range(200):
        removed += folder.exists()
        remove_store(folder)
        time.sleep(0.003)
    assert {writers.wait(process) for process in some} <= {0, 1}
    assert removed > 1
    assert_whole(folder, 600)


def test_a_limit_on_the_size_of_files_is_a_full_disk(writers: Writers, tmp_path: Path) -> None:
    """The system refuses, at sizes from nothing to enough: one warning, and what is there afterwards is whole."""
    said = []
    for limit in (0, 100, 3_000, 5_000, 9_000, 17_000, 1_000_000):
        folder = tmp_path / str(limit)
        said.append(writers.wait(writers.start(folder, 0, 200, limit)))
        there = assert_whole(folder, 200)
        assert there % 7 in (0, 200 % 7)
        assert writers.wait(writers.start(folder, 0, 200)) == 0
        assert assert_whole(folder, 200) == 200
    assert said == [1, 1, 1, 1, 1, 1, 0]


# --- rows -----------------------------------------------------------------------------------------------------------------


def test_rows_in_a_file_are_those_in_memory(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    both = FileRows(tmp_path / "rows", np.float16, 5), MemoryRows(np.float16, 5)
    for at, number in ((0, 3), (3, 4), (5, 1), (6, 200)):
        values = rng.normal(size=(number, 5)).astype(np.float16)
        for rows in both:
            rows.write(at, values)
        index = rng.integers(at + number, size=20)
        np.testing.assert_array_equal(both[0].read(index), both[1].read(index))
    with pytest.raises(IndexError):
        both[0].read(np.array([206]))
