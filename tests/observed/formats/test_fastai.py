"""fastai's tables of tags, `fname,labels,is_valid`: a table like any other, whose separator and split are stated."""

from __future__ import annotations

from pathlib import Path

import pytest
from stated import read, said

from latentlabels.errors import AmbiguousError
from latentlabels.observed.formats import table
from latentlabels.observed.options import ReadOptions

TAGS = ("chair", "car", "horse person", "car person", "bicycle", "person horse", "car chair", "horse chair person")


def written(tmp_path: Path) -> Path:
    rows = "".join(f"{number:06d}.jpg,{tags},{number % 2 == 0}\n" for number, tags in enumerate(TAGS))
    (tmp_path / "train.csv").write_text("fname,labels,is_valid\n" + rows)
    return tmp_path / "train.csv"


def test_tags_between_blanks_and_the_split(tmp_path: Path):
    found = read(written(tmp_path), "table", separator=" ", split="is_valid", ambiguous="refuse")
    assert said(found) == {f"{number:06d}.jpg": dict.fromkeys(tags.split(), 1) for number, tags in enumerate(TAGS)}
    assert list(found.extra["is_valid"]) == ["True", "False"] * 4


def test_cells_of_several_words_are_asked_about(tmp_path: Path):
    with pytest.raises(AmbiguousError, match='separator=" "'):
        table.read(written(tmp_path), ReadOptions(split="is_valid", ambiguous="refuse"))
