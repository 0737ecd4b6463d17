"""Names of shards."""

from __future__ import annotations

from pathlib import Path

import pytest

from latentlabels.errors import DataError
from latentlabels.shards import expand, is_packed


def test_a_name_with_numbers_in_braces_means_all_of_them(tmp_path: Path):
    for number in range(3):
        (tmp_path / f"s-{number:03d}.tar").touch()
    assert [path.name for path in expand(tmp_path / "s-{000..002}.tar")] == ["s-000.tar", "s-001.tar", "s-002.tar"]
    assert expand(tmp_path / "s-*.tar") == expand(tmp_path / "s-{000..002}.tar")
    assert expand(tmp_path / "s-001.tar") == [tmp_path / "s-001.tar"]
    with pytest.raises(DataError, match=r"2 of 5 shards not found: s-003.tar, s-004.tar"):
        expand(tmp_path / "s-{000..004}.tar")


def test_two_ranges_are_all_pairs(tmp_path: Path):
    for name in ("a1-b8", "a1-b9", "a2-b8", "a2-b9"):
        (tmp_path / f"{name}.tar").touch()
    assert [path.stem for path in expand(tmp_path / "a{1..2}-b{8..9}.tar")] == ["a1-b8", "a1-b9", "a2-b8", "a2-b9"]


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(tmp_path: Path):
    path = tmp_path / "a[1]{0..1}.tar"
    path.touch()
    assert expand(path) == [path]


@pytest.mark.parametrize("name", ["x.tar.gz", "x.TGZ", "x.tar.zst", "x.zip"])
def test_what_is_compressed_is_refused_with_the_way_round(name: str, tmp_path: Path):
    (tmp_path / name).touch()
    assert is_packed(tmp_path / name)
    with pytest.raises(DataError, match="unpack it"):
        expand(tmp_path / name)


def test_what_is_not_there_is_named(tmp_path: Path):
    with pytest.raises(DataError, match=r"nothing\.tar: file not found"):
        expand(tmp_path / "nothing.tar")
    with pytest.raises(DataError, match="no file matches"):
        expand(tmp_path / "*.parquet")


def test_folders_and_images_are_not_packed(tmp_path: Path):
    (tmp_path / "folder.tar").mkdir()
    assert not is_packed(tmp_path / "folder.tar")
    assert not is_packed("a.jpg") and not is_packed("photos") and is_packed("s/{000..009}.tar") and is_packed("x/*.parquet")
