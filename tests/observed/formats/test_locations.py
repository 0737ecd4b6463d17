"""Where tools say that an image is, and its name in a user's folder."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from latentlabels.observed.formats.locations import file_at, likely_image, names_of
from latentlabels.observed.options import ReadOptions

RESOLVE = "/tasks/7/resolve/?fileuri=" + base64.b64encode(b"s3://bucket/dir/3.jpg").decode()


@pytest.mark.parametrize(
    ("location", "file"),
    [
        ("/data/upload/1/ab12cd34-1.jpg", "1.jpg"),
        ("/data/upload/ab12cd34-1.jpg", "1.jpg"),
        ("/data/upload/1/ab12cd34-2024-05.jpg", "2024-05.jpg"),
        ("/data/upload/1/ab12cd34-%C3%BC.jpg", "\u00fc.jpg"),
        ("/data/upload/1/photo-1.jpg", "photo-1.jpg"),  # no prefix: p is no hexadecimal figure
        ("/data/local-files/?d=dir/a%20b.jpg", "dir/a b.jpg"),
        ("/data/local-files/?d=C%3A%5Cdir%5C1.jpg", "C:/dir/1.jpg"),
        ("https://example.com/a/b/1.jpg?X-Amz-Signature=ab/cd.png", "1.jpg"),
        ("http://localhost:8080/data/upload/1/ab12cd34-1.jpg", "1.jpg"),
        ("s3://bucket/dir/%231.jpg", "#1.jpg"),
        (RESOLVE, "3.jpg"),
        ("dir/1.jpg", "dir/1.jpg"),
        ("/home/me/50%25.jpg", "home/me/50%25.jpg"),
        ("dir\\1.jpg", "dir/1.jpg"),
    ],
)
def test_one(location: str, file: str) -> None:
    assert names_of([location], ReadOptions())[0][0].removeprefix("dir/" if location == RESOLVE else "") == file
    assert likely_image(location)


def test_two_of_one_name_stay_two() -> None:
    uploads = ["/data/upload/1/aaaa1111-1.jpg", "/data/upload/1/bbbb2222-1.jpg", "/data/upload/1/cccc3333-2.jpg"]
    names, _ = names_of(uploads, ReadOptions())
    assert len({*names}) == 3 and names[0].endswith("aaaa1111-1.jpg") and names[2] == "2.jpg"
    remote, _ = names_of(["s3://b/x/1.jpg", "s3://b/y/1.jpg", "s3://c/x/1.jpg", "s3://b/2.jpg"], ReadOptions())
    assert remote == ["s3://b/x/1.jpg", "y/1.jpg", "s3://c/x/1.jpg", "2.jpg"]


def test_the_prefix_stays_where_the_files_have_it(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "ab12cd34-1.jpg").touch()
    location = ["/data/upload/1/ab12cd34-1.jpg"]
    assert names_of(location, ReadOptions())[0] == ["1.jpg"]
    names, facts = names_of(location, ReadOptions(images_root=tmp_path))
    assert names == ["ab12cd34-1.jpg"] and "kept" in facts[0][1]


def test_names_that_the_upload_changed_are_found_again(tmp_path: Path) -> None:
    (tmp_path / "my photo (1).jpg").touch()
    location = ["/data/upload/1/ab12cd34-my_photo_1.jpg"]
    assert names_of(location, ReadOptions(images_root=tmp_path))[0] == ["my photo (1).jpg"]
    (tmp_path / "my_photo [1].jpg").touch()  # it could be either now
    assert names_of(location, ReadOptions(images_root=tmp_path))[0] == ["my_photo_1.jpg"]


def test_nothing_is_said_of_plain_names() -> None:
    assert names_of(["a.jpg", "b/c.jpg"], ReadOptions()) == (["a.jpg", "b/c.jpg"], [])


def test_what_is_no_image() -> None:
    assert not any(likely_image(one) for one in ("a text", "", None, 3, "https://example.com/page.html"))
    assert likely_image("data:image/png;base64,AAAA")


def test_a_broken_address_stays_as_it_is() -> None:
    assert file_at("/tasks/7/resolve/?fileuri=%%%") == "tasks/7/resolve/?fileuri=%%%"
