"""Files that are no images: by name and by content, with the reason and what makes images of them."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from latentlabels.errors import DataError, DataWarning
from latentlabels.inputs import Reading, Wanted, read_inputs
from latentlabels.inputs.image_file import read_image
from latentlabels.kind import Kind
from latentlabels.observed import Observed, file_kinds, find_images, is_image
from latentlabels.observed.file_kinds import HEIF, IMAGE, NO_IMAGE, SILENT, begins_as_an_image, kind_by_content, kind_by_name

FORMATS = ["JPEG", "PNG", "GIF", "TIFF", "WEBP", "BMP", "PPM", "AVIF", "JPEG2000"]
OTHERS = [b"", b"a", b"<html>404 Not Found</html>", b"BMW and Benz are cars", b"P1 is a car", b"RIFF\0\0\0\0AVI LIST", b"GIF",
          b"%!PS-Adobe-3.0 EPSF-3.0", b"%PDF-1.4", b"PK\3\4" + bytes(30), b"\0\0\0\x18ftypmp42" + bytes(20),
          b"II is not a TIFF", b"PK", bytes(64)]  # fmt: skip
HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(40)


@pytest.fixture
def without_heif(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_kinds, "reads_heif", lambda: False)


def saved(path: Path, form: str = "PNG", number: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), (number, 9, 200)).save(path, format=form)
    return path


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_images_are_known_by_their_content(tmp_path: Path, form: str, mode: str) -> None:
    if form not in Image.registered_extensions().values():
        pytest.skip(f"this Pillow does not write {form}")
    path = tmp_path / "image"
    Image.new(mode, (8, 8), 100 if mode == "L" else (1, 2, 3)).save(path, format=form)
    assert begins_as_an_image(path.read_bytes()[:32]) and kind_by_content(str(path)) is IMAGE
    assert find_images(tmp_path) == find_images(str(tmp_path / "*")) == [path]


@pytest.mark.parametrize("content", OTHERS)
def test_other_content_is_no_image(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    assert not begins_as_an_image(content[:32]) and kind_by_content(str(path)) is NO_IMAGE
    assert find_images(tmp_path) == []


def test_a_bitmap_of_one_bit_each_is_an_image() -> None:
    assert begins_as_an_image(b"P4\n8 8\n" + bytes(20)) and begins_as_an_image(b"P1 8 8 ")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_what_is_no_regular_file_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")  # to open it would wait for ever
    (tmp_path / "gone").symlink_to("nowhere")
    assert find_images(tmp_path) == []


@pytest.mark.parametrize("name", ["Thumbs.db", "thumbs.DB", "desktop.ini", ".DS_Store", "._x.jpg", "Icon\r", "ehthumbs.db"])
def test_files_that_nobody_misses(tmp_path: Path, name: str) -> None:
    saved(tmp_path / "car/1.png")
    (tmp_path / "car" / name).write_bytes(b"x")
    assert kind_by_name(name) is SILENT
    assert len(Observed.from_folder(tmp_path, strict=True)) == 1


def test_images_without_an_ending_are_read(tmp_path: Path) -> None:
    for number, name in enumerate(["car/1", "car/IMG_2000.0001", "car/photo.jpg_large", "red/a.b.c"]):
        saved(tmp_path / name, "JPEG", 80 * number)
    observed = Observed.from_folder(tmp_path, strict=True)
    assert observed.images == ("car/1", "car/IMG_2000.0001", "car/photo.jpg_large", "red/a.b.c")
    assert not is_image("1")  # by the name alone


def test_files_are_passed_over_with_the_reason_and_the_way_round(tmp_path: Path, without_heif: None) -> None:
    saved(tmp_path / "car/1.png")
    for name in ("car/a.HEIC", "car/deep/b.heif", "c.heic", "car/x.CR2", "car/y.dng", "car/v.mov", "car/p.psd", "car/z.zip",
                 "car/1.jpg.part", "car/n.txt", "car/old.png~", "README.md", "car/i.exr"):  # fmt: skip
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "car/apple").write_bytes(HEIC)
    with pytest.warns(DataWarning) as caught:
        assert Observed.from_folder(tmp_path).images == ("car/1.png",)
    install = 'to read them, install pillow-heif: pip install "latentlabels[formats]"'
    assert {str(one.message).removeprefix(f"{tmp_path}: ") for one in caught} == {
        f"3 files left out, HEIC or HEIF images: car/a.HEIC, car/apple, car/deep/b.heif; {install}",
        f"1 file left out, HEIC or HEIF images: c.heic; {install}",
        "2 files left out, raw photographs: car/x.CR2, car/y.dng; convert them to JPEG or TIFF",
        "1 file left out, videos: car/v.mov; save the frames that count as images",
        "1 file left out, drawings and documents: car/p.psd; export them as PNG",
        "1 file left out, images of formats that are not read: car/i.exr; convert them to PNG or TIFF",
        "1 file left out, archives: car/z.zip; unpack them",
        "2 files left out, unfinished downloads and backups: car/1.jpg.part, car/old.png~",
        "1 file left out, without the ending of an image file or an image inside: car/n.txt",
    }


def test_heic_is_read_where_pillow_heif_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved(tmp_path / "car/1.png")
    (tmp_path / "car/2.heic").write_bytes(HEIC)
    (tmp_path / "car/3").write_bytes(HEIC + b"3")
    monkeypatch.setattr(file_kinds, "reads_heif", lambda: True)
    assert Observed.from_folder(tmp_path, strict=True).images == ("car/1.png", "car/2.heic", "car/3")
    monkeypatch.setattr(file_kinds, "reads_heif", lambda: False)
    assert (kind_by_name("2.heic"), kind_by_content(str(tmp_path / "car/3"))) == (HEIF, HEIF)


def test_a_pixel_of_heic_is_the_pixel_that_was_saved(tmp_path: Path) -> None:
    heif = pytest.importorskip("pillow_heif", reason="pillow-heif is not installed")
    heif.register_heif_opener()
    Image.new("RGB", (64, 64), (30, 160, 90)).save(tmp_path / "1.heic", quality=95)
    (tmp_path / "1.heic").rename(tmp_path / "without-ending")
    (file,) = find_images(tmp_path)
    assert np.abs(np.asarray(read_image(file), int) - (30, 160, 90)).max() < 8


def test_pictures_that_cannot_be_read_are_said_of_a_folder_without_labels(tmp_path: Path, without_heif: None) -> None:
    for name in ("a.heic", "b/c.mp4", "notes.txt", "table.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    wanted = Wanted(Kind.IMAGES, size=(8, 8))
    with pytest.raises(DataError, match=r"no images found; .*\n.*1 file left out, HEIC .*pip .*\n.*1 file left out, videos"):
        read_inputs(tmp_path, space=None, wanted=wanted, how=Reading())
    saved(tmp_path / "1.png")
    with pytest.warns(DataWarning) as caught:
        assert len(read_inputs(tmp_path, space=None, wanted=wanted, how=Reading())) == 1
    assert [str(one.message).split(": ")[1] for one in caught] == [
        "1 file left out, HEIC or HEIF images",
        "1 file left out, videos",
    ]


def test_a_folder_of_nothing_but_heic_says_how_to_read_it(tmp_path: Path, without_heif: None) -> None:
    (tmp_path / "car").mkdir()
    (tmp_path / "car/1.heic").write_bytes(HEIC)
    with pytest.raises(DataError, match=r"no images in its 1 label folder; .*\n.*1 file left out, HEIC .* pip install"):
        Observed.from_folder(tmp_path)
