"""Images in Parquet and Arrow tables."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from packed_files import hugging_face, pictures, png, write_parquet
from pyarrow import feather

from latentlabels.errors import AmbiguousError, DataError
from latentlabels.observed.packed import arrow
from latentlabels.observed.packed.contents import contents_of

IMAGE = {"image": {"_type": "Image"}}


def contents(found: object) -> list[bytes]:
    return [image.read() for image in found]  # type: ignore[attr-defined]


def stored(tmp_path: Path, how: str, table: pa.Table) -> Path:
    """A table as Parquet in small row groups, as Feather, or as the Arrow stream of `save_to_disk`."""
    if how == "parquet":
        return write_parquet(tmp_path / "x.parquet", {name: table.column(name) for name in table.schema.names}, IMAGE, 2)
    path = tmp_path / f"x.{'feather' if how == 'feather' else 'arrow'}"
    if how == "feather":
        feather.write_feather(table, path, chunksize=2)
        return path
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table.schema) as stream:
        for batch in table.to_batches(max_chunksize=2):
            stream.write_batch(batch)
    return path


@pytest.mark.parametrize("how", ["parquet", "feather", "stream"])
def test_images_are_read_by_row_whatever_the_file(how: str, tmp_path: Path):
    names = [f"{row}.png" for row in range(7)]
    path = stored(tmp_path, how, hugging_face({"image": pictures(names)}, IMAGE))
    found = contents_of(path)
    assert found.names == tuple(names) and found.naming == '"image.path"'
    order = [6, 0, 3, 3, 5]
    assert contents(found.take(order)) == [png(10 * row) for row in order]
    assert contents(pickle.loads(pickle.dumps(found))) == [png(10 * row) for row in range(7)]
    assert "row 3 (3.png)" in str(found[3])


def test_only_a_few_groups_are_kept_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = stored(tmp_path, "parquet", hugging_face({"image": pictures([f"{row}.png" for row in range(8)])}, IMAGE))
    monkeypatch.setattr(arrow, "CACHE", 1)
    found = contents_of(path)
    assert contents(found) == [png(10 * row) for row in range(8)]
    assert len(found.archive._groups) == 1  # type: ignore[attr-defined]


def test_several_files_are_one_data_set(tmp_path: Path):
    for number in range(3):
        write_parquet(tmp_path / f"d-{number}.parquet", {"image": pictures([f"{number}a.png", f"{number}b.png"])}, IMAGE)
    found = contents_of(tmp_path / "d-*.parquet")
    assert found.names == ("0a.png", "0b.png", "1a.png", "1b.png", "2a.png", "2b.png")
    assert contents(found) == [png(0), png(10)] * 3


def test_a_name_in_two_files_is_refused_with_both_rows(tmp_path: Path):
    for number in range(2):
        write_parquet(tmp_path / f"d-{number}.parquet", {"image": pictures(["a.png", f"{number}.png"])}, IMAGE)
    with pytest.raises(DataError, match=r'"a\.png" is in d-0\.parquet#0 and in d-1\.parquet#0'):
        contents_of(tmp_path / "d-*.parquet")
    assert contents_of(tmp_path / "d-*.parquet", "#").names == (
        "d-0.parquet#0",
        "d-0.parquet#1",
        "d-1.parquet#0",
        "d-1.parquet#1",
    )


def test_images_without_a_name_are_named_by_file_and_row(tmp_path: Path):
    some = write_parquet(tmp_path / "x.parquet", {"image": pictures(["a.png", None])}, IMAGE)
    assert contents_of(some).names == ("x.parquet#0", "x.parquet#1") and contents_of(some).naming == "file and row"
    plain = write_parquet(tmp_path / "y.parquet", {"picture": pa.array([png(), png(1)]), "label": ["a", "b"]})
    assert contents_of(plain).names == ("y.parquet#0", "y.parquet#1") and contents(contents_of(plain)) == [png(), png(1)]


def test_a_column_of_names_counts_before_the_path(tmp_path: Path):
    columns = {"image": pictures(["x", "x"]), "file_name": ["a.png", "b.png"], "code": [7, 8]}
    path = write_parquet(tmp_path / "x.parquet", columns, IMAGE)
    assert contents_of(path).names == ("a.png", "b.png")
    assert contents_of(path, "code").names == ("7", "8")
    with pytest.raises(DataError, match='no column "colour"'):
        contents_of(path, "colour")


def test_several_columns_of_images_are_asked_about(tmp_path: Path):
    path = write_parquet(tmp_path / "x.parquet", {"left": pictures(["a"]), "right": pictures(["b"])})
    with pytest.raises(AmbiguousError, match='image_column="left"'):
        contents_of(path)
    assert contents_of(path, "right").names == ("b",)


def test_a_row_without_bytes_reads_the_file_of_its_path(tmp_path: Path):
    (tmp_path / "a.png").write_bytes(png(9))
    cells = [{"bytes": None, "path": "a.png"}, {"bytes": None, "path": "gone.png"}, {"bytes": None, "path": None}]
    column = pa.array(cells, pa.struct([("bytes", pa.binary()), ("path", pa.string())]))
    found = contents_of(write_parquet(tmp_path / "x.parquet", {"image": column}, IMAGE))
    assert found[0].read() == png(9)
    with pytest.raises(DataError, match=r"row 1 \(.*\): holds no bytes but the path gone\.png"):
        found[1].read()
    with pytest.raises(DataError, match=r"row 2 \(.*\): holds no image"):
        found[2].read()


@pytest.mark.parametrize("ending", ["parquet", "feather", "arrow"])
def test_a_file_that_is_cut_off_is_refused(ending: str, tmp_path: Path):
    how = {"parquet": "parquet", "feather": "feather", "arrow": "stream"}[ending]
    path = stored(tmp_path, how, hugging_face({"image": pictures([f"{row}.png" for row in range(6)])}, IMAGE))
    path.write_bytes(path.read_bytes()[:-40] if how != "stream" else path.read_bytes()[:-300])
    with pytest.raises(DataError, match=rf"x\.{ending}"):
        contents(contents_of(path))
    path.write_bytes(b"not at all a table")
    with pytest.raises(DataError, match=rf"x\.{ending}"):
        contents_of(path)


def test_files_of_several_kinds_or_columns_are_refused(tmp_path: Path):
    write_parquet(tmp_path / "a.parquet", {"image": pictures(["a"])}, IMAGE)
    write_parquet(tmp_path / "b.parquet", {"image": pictures(["b"]), "label": [1]}, IMAGE)
    with pytest.raises(DataError, match=r"b\.parquet: has other columns than \S+a\.parquet \(label\)"):
        contents_of(tmp_path / "*.parquet")
    (tmp_path / "c.tar").write_bytes(b"")
    with pytest.raises(DataError, match="give shards of one kind"):
        contents_of(tmp_path / "[bc].*")


def test_a_table_of_labels_holds_no_images(tmp_path: Path):
    path = write_parquet(tmp_path / "x.parquet", {"image": ["a.png"], "cat": [1]})
    assert not arrow.has_images(path)
    with pytest.raises(DataError, match="no column of images"):
        contents_of(path)


def test_random_access_gives_each_row_its_own_image(tmp_path: Path):
    rng = np.random.default_rng(0)
    values = rng.permutation(200)
    path = write_parquet(tmp_path / "x.parquet", {"image": pictures([str(v) for v in values], values.tolist())}, IMAGE, rows=7)
    found = contents_of(path)
    for row in rng.permutation(200)[:50].tolist():
        assert found[row].read() == png(int(found.names[row]))
