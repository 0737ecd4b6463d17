"""The index of a tar."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from packed_files import png, write_tar

from latentlabels.errors import AmbiguousError, DataError
from latentlabels.observed.packed import tar
from latentlabels.observed.packed.contents import contents_of

NAME = st.text("abcAB_é=,' ", min_size=1, max_size=12).map(str.strip).filter(bool)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(NAME, st.binary(max_size=2000), max_size=8), st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]))
def test_the_index_reads_what_tarfile_reads(tmp_path: Path, files: dict[str, bytes], kind: int):
    path = tmp_path / "x.tar"
    with tarfile.open(path, "w", format=kind) as out:
        for name, content in files.items():
            member = tarfile.TarInfo(f"{'long/' * 40}{name}.bin")
            member.size = len(content)
            out.addfile(member, io.BytesIO(content))
    tar._members.cache_clear()  # the file may have the same size and time as the one before
    found = tar.members(path)
    assert found.ended
    read = [tar.read_at(path, offset, size) for offset, size in zip(found.offsets, found.sizes, strict=True)]
    assert dict(zip(found.names, read, strict=True)) == {f"{'long/' * 40}{name}.bin": data for name, data in files.items()}


def whole(tmp_path: Path) -> tuple[Path, bytes]:
    path = write_tar(tmp_path / "x.tar", {f"{number}.png": png(number) for number in range(4)})
    return path, path.read_bytes()


@pytest.mark.parametrize("share", [0.1, 0.3, 0.45])
def test_a_tar_that_is_cut_off_is_refused_with_the_place(share: float, tmp_path: Path):
    path, data = whole(tmp_path)
    inside = 512 + 512 + int(share * 2000)  # in the content or in a header, never at the end of the file
    cut = path.with_name("cut.tar")
    cut.write_bytes(data[: inside - inside % 512 + 100])
    with pytest.raises(DataError, match=r"cut\.tar.*byte [\d,]+.*get it again"):
        tar.members(cut)


def test_a_tar_that_ends_between_two_files_is_noted(tmp_path: Path):
    path, data = whole(tmp_path)
    found = tar.members(path)
    end = int(found.offsets[1] + -(-found.sizes[1] // 512) * 512)
    cut = path.with_name("cut.tar")
    cut.write_bytes(data[:end])
    assert not tar.members(cut).ended and tar.members(cut).names == ("0.png", "1.png")
    (note,) = contents_of(cut).notes
    assert "may be cut off after 1.png" in note


def test_damage_in_the_middle_is_refused_and_not_taken_for_the_end(tmp_path: Path):
    path, data = whole(tmp_path)
    found = tar.members(path)
    start = int(found.offsets[2]) - 512
    path.write_bytes(data[:start] + b"\x07" * 512 + data[start + 512 :])
    with pytest.raises(DataError, match=f"from byte {start:,} on"):
        tar.members(path)


@pytest.mark.parametrize("content", [b"", b"GIF89a" + b"x" * 2000, b"x" * 100])
def test_what_is_no_tar_is_refused(content: bytes, tmp_path: Path):
    path = tmp_path / "x.tar"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"x\.tar"):
        contents_of(path)


def test_hidden_files_and_remarks_are_no_samples(tmp_path: Path):
    path = write_tar(
        tmp_path / "x.tar",
        {
            "./a.png": png(),
            "._a.png": b"mac",
            "__MACOSX/a.png": b"mac",
            "__info__": b"remark",
            "dir/.b.png": b"",
            "README": b"text",
        },
    )
    assert contents_of(path).names == ("a.png",)


def test_keys_end_at_the_first_point_of_the_file_name():
    assert tar.split_name("v1.2/a.seg.PNG") == ("v1.2/a", "seg.png")
    assert tar.split_name("a") == ("a", "")


def test_names_are_those_in_the_shards_and_images_are_read_by_offset(tmp_path: Path):
    for shard in range(2):
        write_tar(tmp_path / f"s{shard}.tar", {f"d/{shard}{row}.JPG": bytes([shard, row]) for row in range(3)})
    found = contents_of(tmp_path / "s{0..1}.tar")
    assert found.names == ("d/00.JPG", "d/01.JPG", "d/02.JPG", "d/10.JPG", "d/11.JPG", "d/12.JPG")
    assert [image.read() for image in found] == [bytes([s, r]) for s in range(2) for r in range(3)]
    some = found.take([4, 0])
    assert some.names == ("d/11.JPG", "d/00.JPG") and some[0].read() == bytes([1, 1])
    assert str(some[0]) == f"{tmp_path / 's1.tar'}/d/11.JPG"
    assert [str(image) for image in found[1:3]] == [str(found[1]), str(found[2])]


def test_points_in_a_name_are_part_of_it_where_all_parts_have_them(tmp_path: Path):
    path = write_tar(tmp_path / "x.tar", {"a.v1.jpg": b"1", "a.v1.cls": "0", "b.jpg": b"2", "b.seg.png": b"3", "b.cls": "1"})
    found = tar.samples("x", [path])
    assert found.keys == ("a.v1", "b") and {*found.fields} == {"jpg", "cls", "seg.png"}
    assert found.all_of("cls") == [b"0", b"1"] and contents_of(path).names == ("a.v1.jpg", "b.jpg")
    both = write_tar(tmp_path / "y.tar", {"a.v1.jpg": b"1", "a.v1.cls": "0", "a.v2.jpg": b"2", "a.v2.cls": "1"})
    with pytest.raises(AmbiguousError, match='the sample "a" has several images'):
        contents_of(both)


def test_a_key_in_two_shards_is_refused_with_both_named(tmp_path: Path):
    write_tar(tmp_path / "s0.tar", {"a.png": png()})
    write_tar(tmp_path / "s1.tar", {"a.png": png()})
    with pytest.raises(DataError, match=r's\*\.tar: the key "a" is in \S+s0\.tar and in \S+s1\.tar'):
        contents_of(tmp_path / "s*.tar")


def test_a_name_twice_in_one_tar_is_refused(tmp_path: Path):
    path = tmp_path / "x.tar"
    with tarfile.open(path, "w") as out:
        for _ in range(2):
            out.addfile(tarfile.TarInfo("a.png"))
    with pytest.raises(DataError, match=r'"a\.png" is there twice'):
        contents_of(path)


def test_of_several_images_the_plain_name_counts_and_else_it_is_asked(tmp_path: Path):
    plain = write_tar(tmp_path / "p.tar", {"a.jpg": b"1", "a.mask.png": b"2", "b.jpg": b"3"})
    assert contents_of(plain).names == ("a.jpg", "b.jpg")
    assert contents_of(plain, "mask.png").names == ("a.mask.png",)
    both = write_tar(tmp_path / "b.tar", {"a.in.jpg": b"1", "a.out.jpg": b"2", "a.cls": "1"})
    with pytest.raises(AmbiguousError, match='image_column="in.jpg"'):
        contents_of(both)
    assert contents_of(both, "out.jpg").names == ("a.out.jpg",)
    two = write_tar(tmp_path / "t.tar", {"a.jpg": b"1", "a.png": b"2"})
    with pytest.raises(AmbiguousError, match="several images"):
        contents_of(two)
    with pytest.raises(DataError, match='no sample has a part "webp"'):
        contents_of(two, "webp")


def test_a_tar_without_images_is_refused(tmp_path: Path):
    with pytest.raises(DataError, match=r"no sample has an image \(parts: cls, txt\)"):
        contents_of(write_tar(tmp_path / "x.tar", {"a.cls": "1", "a.txt": "x"}))
