"""Hugging Face's imagefolder: metadata beside the images."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
import pytest
from stated import IMAGES, NAMES, read, refused, said

from latentlabels.errors import AmbiguousError
from latentlabels.observed.formats import imagefolder, recognise
from latentlabels.observed.options import ReadOptions

Rows = Sequence[Mapping[str, object]]
CARD = """---
license: mit
dataset_info:
- config_name: default
  features:
  - name: image
    dtype: image
  - name: label
    dtype:
      class_label:
        names:
          '0': cat
          '1': dog
          '2': bus
  - name: tags
    sequence:
      class_label:
        names: {'0': big, '1': 'no'}
  - name: objects
    struct:
    - name: bbox
      list:
        list: float32
        length: 4
    - name: categories
      list:
        class_label:
          names: {'0': cup, '1': plate}
---
# A data set
"""


def metadata(folder: Path, rows: Rows, ending: str = "jsonl") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"metadata.{ending}"
    if ending == "jsonl":
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    elif ending == "csv":
        pd.DataFrame(rows).to_csv(path, index=False)
    else:
        pd.DataFrame(rows).to_parquet(path, index=False)
    return path


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_names_of_labels_in_a_column(ending: str, tmp_path: Path):
    rows = [{"file_name": "a.png", "label": "cat"}, {"file_name": "d/b.png", "label": "dog"}]
    metadata(tmp_path, rows, ending)
    expected = {"a.png": {"cat": 1}, "d/b.png": {"dog": 1}}
    for path in (tmp_path, tmp_path / f"metadata.{ending}"):
        found = read(path, "imagefolder")
        assert said(found) == expected and found.unlisted is None
        assert ("image names", 'column "file_name"') in found.reading and not found.extra


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_class_numbers_are_named_by_the_dataset_card(ending: str, tmp_path: Path):
    metadata(tmp_path, [{"file_name": "a.png", "label": 2}, {"file_name": "b.png", "label": 0}], ending)
    assert 'classes="NAME,NAME,..."' in refused(tmp_path, "imagefolder")
    assert said(read(tmp_path, classes=("x", "y", "z"))) == {"a.png": {"z": 1}, "b.png": {"x": 1}}
    (tmp_path / "README.md").write_text(CARD)
    found = read(tmp_path)
    assert said(found) == {"a.png": {"bus": 1}, "b.png": {"cat": 1}} and found.labels == ["cat", "dog", "bus"]


def test_lists_and_objects_are_named_by_the_card(tmp_path: Path):
    (tmp_path / "README.md").write_text(CARD)
    rows: Rows = [
        {"file_name": "a.png", "tags": [0, 1], "objects": {"bbox": [[1, 2, 3, 4]] * 2, "categories": [1, 1]}},
        {"file_name": "b.png", "tags": [], "objects": {"bbox": [], "categories": []}},
    ]
    metadata(tmp_path, rows)
    assert said(read(tmp_path, label_columns=("tags",))) == {"a.png": {"big": 1, "no": 1}, "b.png": {}}
    assert said(read(tmp_path, label_columns=("objects",))) == {"a.png": {"plate": 1}, "b.png": {}}
    assert 'label_columns="objects"' in refused(tmp_path, "imagefolder")


def test_splits_are_folders_with_metadata_of_their_own(tmp_path: Path):
    for part, names in (("train", ["a.png", "b.png"]), ("test", ["a.png"])):
        metadata(tmp_path / part, [{"file_name": name, "label": "cat"} for name in names])
    (tmp_path / "other").mkdir()
    found = read(tmp_path, "imagefolder")
    assert list(found.images) == ["test/a.png", "train/a.png", "train/b.png"]
    assert list(found.extra["split"]) == ["test", "train", "train"]
    assert list(read(tmp_path / "train").images) == ["a.png", "b.png"]


def test_a_mistake_in_one_of_several_splits_names_its_file_and_line(tmp_path: Path):
    metadata(tmp_path / "test", [{"file_name": "a.png", "label": 0}])
    metadata(tmp_path / "train", [{"file_name": "a.png", "label": 1}, {"file_name": "b.png", "label": 7}])
    assert f"{tmp_path / 'train' / 'metadata.jsonl'}:2" in refused(tmp_path, "imagefolder", classes=("cat", "dog"))
    metadata(tmp_path / "train", [{"file_name": "a.png", "colour": 1}])
    assert "has other columns than" in refused(tmp_path, "imagefolder", classes=("cat", "dog"))


def test_wide_metadata_is_a_table_like_any_other(tmp_path: Path):
    metadata(tmp_path, [{"file_name": "a.png", "cat": 1, "dog": 0}, {"file_name": "b.png", "cat": 0, "dog": 0}], "csv")
    found = read(tmp_path, "imagefolder")
    assert found.labels == ["cat", "dog"] and found.matrix is not None and found.matrix.tolist() == [[1, 0], [0, 0]]


def test_a_column_that_may_be_more_labels_is_asked_about(tmp_path: Path):
    metadata(tmp_path, [{"file_name": "a.png", "label": "cat", "colour": "red"}])
    with pytest.raises(AmbiguousError, match="colour"):
        imagefolder.read(tmp_path, ReadOptions(ambiguous="refuse"))
    found = read(tmp_path, label_columns=("label",))
    assert said(found) == {"a.png": {"cat": 1}} and ("columns left out", "colour") in found.reading


def test_other_columns_of_file_names(tmp_path: Path):
    metadata(tmp_path, [{"input_file_name": "a.png", "label": "cat"}])
    assert said(read(tmp_path, "imagefolder")) == {"a.png": {"cat": 1}}
    metadata(tmp_path, [{"in_file_name": "a.png", "out_file_name": "b.png", "label": "cat"}])
    assert 'image_column="out_file_name"' in refused(tmp_path, "imagefolder")
    assert list(read(tmp_path, image_column="out_file_name", label_columns=("label",)).images) == ["b.png"]
    metadata(tmp_path, [{"file_names": ["a.png", "b.png"], "label": "cat"}])
    assert "names several images" in refused(tmp_path, "imagefolder")


def test_names_that_mean_something_elsewhere(tmp_path: Path):
    images = [IMAGES[row % len(IMAGES)].replace(".", f"{row}.") for row in range(len(NAMES))]
    metadata(tmp_path, [{"file_name": image, "label": [name]} for image, name in zip(images, NAMES, strict=True)])
    found = said(read(tmp_path, "imagefolder"))
    assert [*found] == [unicodedata.normalize("NFC", image) for image in images]
    assert [*found.values()] == [{unicodedata.normalize("NFC", name): 1} for name in NAMES]


def test_what_is_no_imagefolder_is_not_recognised(tmp_path: Path):
    metadata(tmp_path, [{"image": "a.png", "label": "cat"}])
    assert recognise(tmp_path / "metadata.jsonl").NAME == "table"
    assert not imagefolder.recognise(tmp_path, b"")
    (tmp_path / "metadata.parquet").write_bytes(b"PAR1 no")
    assert not imagefolder.recognise(tmp_path / "metadata.parquet", b"PAR1")


@pytest.mark.parametrize(
    "content, message",
    [
        ('{"file_name": "a.png", "label": 0}\n{"file_name": ', "metadata.jsonl:2: not valid JSON"),
        ('{"file_name": "a.png", "label": "cat"}\n{"label": "cat"}\n', "the name of the image is missing"),
        ('{"file_name": "a.png", "objects": {"bbox": [1]}}\n', "an object without a field of labels"),
    ],
)
def test_bad_metadata_is_refused_with_its_line(content: str, message: str, tmp_path: Path):
    (tmp_path / "metadata.jsonl").write_text(content)
    assert message in refused(tmp_path, "imagefolder", classes=("cat",))


def test_a_card_that_is_no_yaml_is_refused_with_its_line(tmp_path: Path):
    metadata(tmp_path, [{"file_name": "a.png", "label": 0}])
    (tmp_path / "README.md").write_text("---\nlicense: mit\ndataset_info: [\n---\n")
    assert "README.md:3" in refused(tmp_path, "imagefolder")


def test_two_metadata_files_and_none(tmp_path: Path):
    assert "no metadata.csv" in refused(tmp_path, "imagefolder")
    metadata(tmp_path, [{"file_name": "a.png", "label": "cat"}], "csv")
    metadata(tmp_path, [{"file_name": "a.png", "label": "cat"}], "jsonl")
    assert "holds metadata.csv and metadata.jsonl" in refused(tmp_path, "imagefolder")
