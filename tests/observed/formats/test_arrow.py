"""Labels beside images in Parquet and Arrow."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pyarrow as pa
import pytest
from packed_files import class_label, pictures, write_parquet
from pyarrow import parquet
from stated import NAMES, read, refused, said

from latentlabels.errors import AmbiguousError, ObservationError
from latentlabels.observed.formats import arrow, recognise
from latentlabels.observed.options import ReadOptions
from latentlabels.space import LabelSpace, OneOf

IMAGE = {"_type": "Image"}
FILES = ["a.png", "b.png", "c.png"]


def test_class_numbers_are_named_by_the_schema(tmp_path: Path):
    columns = {"image": pictures(FILES), "label": [1, 0, -1]}
    path = write_parquet(tmp_path / "x.parquet", columns, {"image": IMAGE, "label": class_label(["cat", "dog", "bus"])})
    found = read(path, "arrow")
    assert said(found) == {"a.png": {"dog": 1}, "b.png": {"cat": 1}, "c.png": {}}
    assert found.labels == ["cat", "dog", "bus"] and ("names of classes", str(path)) in found.reading


@pytest.mark.parametrize(
    "wrap",
    [lambda one: {"feature": one, "_type": "Sequence"}, lambda one: [one], lambda one: {"feature": one, "_type": "List"}],
)
def test_lists_of_class_numbers(wrap: object, tmp_path: Path):
    features = {"image": IMAGE, "tags": wrap(class_label(["cat", "dog", "bus"]))}  # type: ignore[operator]
    path = write_parquet(tmp_path / "x.parquet", {"image": pictures(FILES), "tags": [[0, 2], [], None]}, features)
    assert said(read(path)) == {"a.png": {"cat": 1, "bus": 1}, "b.png": {}, "c.png": {}}


def test_objects_state_their_categories_once(tmp_path: Path):
    inner = [{"category": [1, 1, 0], "bbox": [[1.0]] * 3}, {"category": [], "bbox": []}, None]
    features = {"image": IMAGE, "objects": {"category": {"feature": class_label(["cat", "dog"]), "_type": "List"}}}
    columns = {"image": pictures(FILES), "objects": pa.array(inner), "width": [1, 2, 3]}
    found = read(write_parquet(tmp_path / "x.parquet", columns, features))
    assert said(found) == {"a.png": {"dog": 1, "cat": 1}, "b.png": {}, "c.png": {}}
    assert ("columns left out", "width") in found.reading


def test_texts_are_names_and_a_column_that_may_be_more_labels_is_asked_about(tmp_path: Path):
    columns = {"image": pictures(FILES), "label": ["cat", "a,b", None], "colour": ["red", "blue", "red"]}
    path = write_parquet(tmp_path / "x.parquet", columns)
    with pytest.raises(AmbiguousError, match="colour"):
        arrow.read(path, ReadOptions(ambiguous="refuse", separator=""))
    assert said(read(path, label_columns=("label",), separator="")) == {"a.png": {"cat": 1}, "b.png": {"a,b": 1}, "c.png": {}}


def test_two_columns_of_one_class_each_are_groups(tmp_path: Path):
    columns = {"image": pictures(FILES), "colour": [0, 1, 0], "vehicle": [1, 0, 0]}
    features = {"image": IMAGE, "colour": class_label(["red", "blue"]), "vehicle": class_label(["car", "bike"])}
    found = read(write_parquet(tmp_path / "x.parquet", columns, features))
    assert found.space == LabelSpace([OneOf("colour", ["red", "blue"]), OneOf("vehicle", ["bike", "car"])])
    assert said(found)["a.png"] == {"red": 1, "bike": 1}


def test_columns_with_several_labels_beside_others_are_asked_about(tmp_path: Path):
    columns = {"image": pictures(FILES), "label": [0, 1, 0], "tags": [[0, 1], [1], []]}
    tags = {"feature": class_label(["big", "old"]), "_type": "List"}
    path = write_parquet(tmp_path / "x.parquet", columns, {"image": IMAGE, "label": class_label(["cat", "dog"]), "tags": tags})
    assert 'label_columns="tags"' in refused(path, "arrow")
    assert said(read(path, label_columns=("tags",)))["a.png"] == {"big": 1, "old": 1}


def test_a_column_of_yes_and_no_for_each_label(tmp_path: Path):
    columns = {"image": pictures(FILES), "smiling": [True, False, None], "hat": [True, True, False]}
    found = read(write_parquet(tmp_path / "x.parquet", columns, {"image": IMAGE}), "arrow")
    assert found.labels == ["smiling", "hat"] and found.matrix is not None
    assert found.matrix.tolist() == [[1, 1], [0, 1], [-2, 0]]


def test_vectors_of_ones_and_zeros_need_the_names_of_their_places(tmp_path: Path):
    path = write_parquet(tmp_path / "x.parquet", {"image": pictures(FILES), "labels": [[1, 0, 0], [0, 1, 1], [0, 0, 1]]})
    assert "vectors of 3 numbers, 1 and 0" in refused(path, "arrow")
    assert "2 names are given" in refused(path, "arrow", classes=("cat", "dog"))
    found = read(path, classes=("cat", "dog", "bus"))
    assert found.labels == ["cat", "dog", "bus"] and found.matrix is not None
    assert found.matrix.tolist() == [[1, 0, 0], [0, 1, 1], [0, 0, 1]]


def test_lists_of_class_numbers_are_not_taken_for_vectors(tmp_path: Path):
    path = write_parquet(tmp_path / "x.parquet", {"image": pictures(FILES), "labels": [[0, 1], [1, 0], [0, 1]]})
    assert said(read(path, classes=("cat", "dog")))["a.png"] == {"cat": 1, "dog": 1}


def test_names_that_mean_something_elsewhere(tmp_path: Path):
    names = [unicodedata.normalize("NFC", name) for name in NAMES]
    files = [f"{row}.png" for row in range(len(names))]
    columns = {"image": pictures(files), "label": list(range(len(names)))}
    found = read(write_parquet(tmp_path / "x.parquet", columns, {"image": IMAGE, "label": class_label(NAMES)}))
    assert [*said(found).values()] == [{name: 1} for name in names] and found.labels == names


def test_a_class_number_without_a_class_and_broken_metadata_are_refused(tmp_path: Path):
    columns = {"image": pictures(FILES), "label": [0, 5, 1]}
    path = write_parquet(tmp_path / "x.parquet", columns, {"image": IMAGE, "label": class_label(["cat", "dog"])})
    assert "x.parquet, row 2" in refused(path, "arrow") and "class 5, but there are 2 classes" in refused(path, "arrow")
    table = parquet.read_table(path).replace_schema_metadata({"huggingface": "{"})
    parquet.write_table(table, path)
    assert "`huggingface` metadata cannot be read" in refused(path, "arrow")


def test_a_stated_column_that_is_not_there_is_named(tmp_path: Path):
    path = write_parquet(tmp_path / "x.parquet", {"image": pictures(FILES), "label": ["a", "b", "c"]})
    with pytest.raises(ObservationError, match='no column "tags"'):
        arrow.read(path, ReadOptions(label_columns=("tags",)))


def test_only_tables_with_images_are_recognised(tmp_path: Path):
    images = write_parquet(tmp_path / "x.parquet", {"image": pictures(FILES), "label": ["a", "b", "a"]})
    table = write_parquet(tmp_path / "y.parquet", {"image": FILES, "cat": [1, 0, 1]})
    assert recognise(images).NAME == "arrow" and recognise(table).NAME == "table"
    for number in range(2):
        write_parquet(tmp_path / f"p{number}.parquet", {"image": pictures([f"{number}.png"]), "label": ["cat"]})
    assert said(read(tmp_path / "p*.parquet", "arrow")) == {"0.png": {"cat": 1}, "1.png": {"cat": 1}}
