"""CelebA's list of attributes, and its split."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from stated import content, meaning, read, refused, said

from latentlabels.errors import DataError
from latentlabels.observed.formats import find, recognise

CELEBA = find("celeba")
TEXT = """3
5_o_Clock_Shadow Arched_Eyebrows Young \n000001.jpg -1  1  1
000002.jpg -1 -1 -1
000003.jpg  1 -1  1
"""
VALUES = {
    "000001.jpg": {"5_o_Clock_Shadow": 0, "Arched_Eyebrows": 1, "Young": 1},
    "000002.jpg": {"5_o_Clock_Shadow": 0, "Arched_Eyebrows": 0, "Young": 0},
    "000003.jpg": {"5_o_Clock_Shadow": 1, "Arched_Eyebrows": 0, "Young": 1},
}


def save(folder: Path, text: str, name: str = "list_attr_celeba.txt") -> Path:
    path = folder / name
    path.write_bytes(text.encode())
    return path


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("name", ["list_attr_celeba.txt", "attributes"])
def test_attributes(tmp_path: Path, ending: str, name: str) -> None:
    found = read(save(tmp_path, TEXT.replace("\n", ending), name), "celeba")
    assert said(found) == VALUES and found.extra == {}
    assert found.where is not None and found.where.tolist() == [3] * 3 + [4] * 3 + [5] * 3


def test_the_copy_as_csv(tmp_path: Path) -> None:
    rows = [line.split() for line in TEXT.splitlines()[1:]]
    text = "\n".join([",".join(["image_id", *rows[0]]), *(",".join(row) for row in rows[1:])]) + "\n"
    path = save(tmp_path, text, "list_attr_celeba.csv")
    save(tmp_path, "image_id,partition\n000001.jpg,0\n000002.jpg,1\n000003.jpg,2\n", "list_eval_partition.csv")
    found = read(path, "celeba")
    assert said(found) == VALUES and found.extra == {"split": ("train", "val", "test")}


def test_the_split_beside_it(tmp_path: Path) -> None:
    path = save(tmp_path, TEXT)
    save(tmp_path, "000003.jpg 2\n000001.jpg 0\n000002.jpg 0\n000009.jpg 1\n", "list_eval_partition.txt")
    found = read(path, "celeba")
    assert found.extra == {"split": ("train", "train", "test")}
    assert "list_eval_partition.txt" in dict(found.reading)["split"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (TEXT.replace("-1  1  1", "-1  0  1"), ":3: Arched_Eyebrows: expected 1 or -1, not '0'"),
        (TEXT.replace("-1 -1 -1", "-1 -1"), ":4: expected the name of an image and 3 values, not 3 cells"),
        (TEXT.replace("-1 -1 -1", "-1 -1 -1 -1"), ":4: expected the name of an image and 3 values, not 5 cells"),
        (TEXT.replace("-1  1  1", "-1  1"), ":3: expected the name of an image and 3 values, not 3 cells"),
        (TEXT.replace("-1 -1 -1", "-1 -1 1000"), ":4: Young: expected 1 or -1, not '1000'"),
        (TEXT.replace("-1 -1 -1", "-1 -1 x"), ":4: Young: expected 1 or -1, not 'x'"),
        (TEXT[:-6], ":5: expected the name of an image and 3 values, not 2 cells; the file is cut off"),
        (TEXT[: TEXT.index("000003")], ":1: says 3 images, but 2 lines follow"),
        (TEXT.replace("000003", "000001"), ":5: 000001.jpg is in line 3 as well"),
        (TEXT.replace("Young", "Arched_Eyebrows"), ":2: two attributes are called 'Arched_Eyebrows'"),
        (TEXT.replace("3\n", "many\n", 1), ":1: expected the number of images"),
        ("3\n\n000001.jpg 1\n", ":2: expected the names of the attributes"),
        ("3\nYoung\n", "has a header but no rows"),
        (" \n", "empty"),
    ],
)
def test_the_line_that_is_wrong_is_named(tmp_path: Path, text: str, expected: str) -> None:
    assert expected in refused(save(tmp_path, text), "celeba")


def test_a_split_that_is_wrong_is_named(tmp_path: Path) -> None:
    path = save(tmp_path, TEXT)
    beside = save(tmp_path, "000001.jpg 0\n000002.jpg train\n", "list_eval_partition.txt")
    with pytest.raises(DataError) as caught:
        read(path)
    assert f"{beside}:2: expected the name of an image and 0, 1 or 2" in str(caught.value)
    save(tmp_path, "000001.jpg 0\n000002.jpg 1\n", "list_eval_partition.txt")
    with pytest.raises(DataError, match=r"no line for 1 image of list_attr_celeba.txt \(000003.jpg\)"):
        read(path)


@pytest.mark.parametrize(
    "text", ["image,cat\n1.jpg,1\n", "3\n", "1\n2\n3\n", "12 a\nb c\n1.jpg 1\n", "3\na b\n1.jpg 2 1\nx y z\n"]
)
def test_other_texts_are_not_taken_for_it(tmp_path: Path, text: str) -> None:
    assert not CELEBA.recognise(tmp_path / "labels.txt", text.encode())


def test_an_empty_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="empty"):
        recognise(save(tmp_path, ""))


def test_known_labels_come_back(tmp_path: Path) -> None:
    one = content(np.random.default_rng(0).integers(0, 2, (1, 5)).tolist(), labels=("=cmd", "null", "1", "a,b", "\u732b"))
    CELEBA.write(tmp_path / "x.txt", one)
    assert said(read(tmp_path / "x.txt", "celeba")) == meaning(one)
    with pytest.raises(DataError, match="no value for unknown"):
        CELEBA.write(tmp_path / "y.txt", content([[1, 0, -1]]))
    with pytest.raises(DataError, match="has a blank"):
        CELEBA.write(tmp_path / "y.txt", content([[1]], labels=("a b",)))
    assert not (tmp_path / "y.txt").exists()
