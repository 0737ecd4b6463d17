"""Which files are opened as images, by their content, and what is said of the others."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import sys
import tarfile
import types
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import EpsImagePlugin, Image, ImageCms, WmfImagePlugin

from latentlabels.errors import DataError
from latentlabels.inputs import opening
from latentlabels.inputs.image_file import read_image
from latentlabels.inputs.images import check_images

PICTURE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8))


def saved(kind: str, **how: Any) -> bytes:
    out = io.BytesIO()
    PICTURE.save(out, kind, **how)
    return out.getvalue()


def zipped() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        file.writestr("a.jpg", saved("JPEG"))
    return out.getvalue()


def tarred() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as file:
        file.addfile(tarfile.TarInfo("a.jpg"))
    return out.getvalue()


def an_array() -> bytes:
    out = io.BytesIO()
    np.save(out, np.zeros(3))
    return out.getvalue()


def brand(name: bytes) -> bytes:
    return b"\0\0\0\x18ftyp" + name + b"\0\0\0\0" + b"\0" * 200


NOT_IMAGES: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "the file is empty"),
    "zeros": (b"\0" * 5000, "the file holds zeros alone"),
    "web page": (b"\n<!DOCTYPE html><html><body>404 Not Found</body></html>", "it is a web page, not an image; download"),
    "web page without a doctype": (b"\xef\xbb\xbf<html lang=en>", "it is a web page"),
    "drawing": (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', "it is an SVG drawing; export it as PNG"),
    "error of a store": (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "it is an XML file, not an image"),
    "answer of a server": (b'{"error": "rate limit"}', "it is a JSON file, not an image"),
    "pointer": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n",
        "it is a pointer of Git LFS, .*git lfs pull",
    ),
    "text": ("Grüße, this is no picture.\n".encode() * 40, "it is a text file, not an image"),
    "gzip": (gzip.compress(saved("JPEG")), "it is a gzip archive; unpack it"),
    "zip": (zipped(), "it is a zip archive; unpack it"),
    "bzip2": (bz2.compress(saved("JPEG")), "it is a bzip2 archive; unpack it"),
    "xz": (lzma.compress(saved("JPEG")), "it is an xz archive; unpack it"),
    "tar": (tarred(), "it is a tar archive; unpack it"),
    "PDF": (saved("PDF"), "it is a PDF document; export its pages as PNG"),
    "EPS": (saved("EPS"), r"it is a PostScript document \(EPS\); export it as PNG"),
    "PostScript": (b"%!PS-Adobe-3.0\n%%EndComments\nshowpage\n", "it is a PostScript document"),
    "Windows drawing": (b"\xd7\xcd\xc6\x9a\0\0" + b"\0" * 60, r"it is a drawing for Windows \(WMF\)"),
    "Photoshop": (b"8BPS\0\1" + b"\0" * 40, "it is a Photoshop document"),
    "HEIC": (brand(b"heic"), r"it is a HEIC image; to read it, install pillow-heif: pip install \"latentlabels\[formats\]\""),
    "raw": (brand(b"crx "), "it is a raw photograph"),
    "video": (brand(b"isom"), "it is a video; save the frames that count as images"),
    "JPEG XL": (b"\xff\x0a" + bytes(range(200)), "it is a JPEG XL image"),
    "DICOM": (b"\0" * 128 + b"DICM" + b"\2\0\0\0", "it is a DICOM file"),
    "array": (an_array(), "it is an array of NumPy, not an image"),
    "JPEG cut off": (saved("JPEG")[:600], "the file is cut off"),
    "PNG cut off": (saved("PNG")[:1200], "the file is cut off"),
    "JPEG's first bytes": (saved("JPEG")[:15], "the file is cut off"),
    "anything": (bytes(range(128, 256)) * 8, "not an image, or damaged"),
    "a format that nobody trains on": (saved("SGI"), "not an image, or damaged"),
}


@pytest.mark.parametrize("kind", NOT_IMAGES)
@pytest.mark.parametrize("name", ["x.jpg", "x.tif"])
def test_what_a_file_is_instead_of_an_image(tmp_path: Path, kind: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*args: Any, **more: Any) -> None:
        raise AssertionError("another program was started, or a handler")

    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", never)
    monkeypatch.setattr(EpsImagePlugin.EpsImageFile, "_open", never)
    monkeypatch.setattr(WmfImagePlugin.WmfStubImageFile, "_open", never)
    data, words = NOT_IMAGES[kind]
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(DataError, match=rf"x\.{name[2:]}: cannot be read as an image \({words}"):
        read_image(path)
    (found,) = check_images([path]).left_out
    assert found.why.count(str(path)) == 1


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM", "AVIF", "JPEG2000", "DIB"])
def test_formats_are_known_by_content_whatever_the_name(tmp_path: Path, kind: str) -> None:
    if kind not in opening.formats():
        pytest.skip(f"this Pillow has no {kind}")
    how: dict[str, Any] = {"WEBP": {"lossless": True}, "JPEG2000": {"irreversible": False}}.get(kind, {})
    for name in ("x.jpg", "x.png", "x.tif", "x"):
        (tmp_path / name).write_bytes(saved(kind, **how))
        found = np.asarray(read_image(tmp_path / name)).astype(int)
        near = {"JPEG": 255, "AVIF": 255, "GIF": 255}.get(kind, 0)
        assert found.shape == (24, 32, 3)
        assert np.abs(found - np.asarray(PICTURE)).max() <= near


def test_heif_is_opened_where_pillow_heif_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    registered: list[int] = []

    def register() -> None:
        registered.append(1)
        Image.register_open("HEIF", lambda *given: Image.open(io.BytesIO(saved("PNG"))), lambda head: head[4:12] == b"ftypheic")

    stand_in = types.ModuleType("pillow_heif")
    monkeypatch.setattr(stand_in, "register_heif_opener", register, raising=False)
    monkeypatch.setitem(sys.modules, "pillow_heif", stand_in)
    monkeypatch.setattr(opening, "reads_heif", lambda: True)
    monkeypatch.setattr(Image, "OPEN", dict(Image.OPEN))
    monkeypatch.setattr(Image, "ID", list(Image.ID))
    opening.formats.cache_clear()
    try:
        (tmp_path / "x.heic").write_bytes(brand(b"heic"))
        np.testing.assert_array_equal(np.asarray(read_image(tmp_path / "x.heic")), np.asarray(PICTURE))
        read_image(tmp_path / "x.heic")
        assert registered == [1]
    finally:
        opening.formats.cache_clear()


def test_stereo_photographs_are_decoded_small_as_others_are(tmp_path: Path) -> None:
    large = PICTURE.resize((800, 600))
    large.save(tmp_path / "x.jpg", "MPO", save_all=True, append_images=[large])
    with Image.open(tmp_path / "x.jpg") as image:
        assert image.format == "MPO"
    assert read_image(tmp_path / "x.jpg", (32, 32)).width < 300
    assert read_image(tmp_path / "x.jpg").size == (800, 600)


def lab(colour: tuple[int, int, int]) -> list[int]:
    """CIE L*a*b* of an sRGB colour (IEC 61966-2-1, CIE 15) for the white of ICC profiles, D50, as bytes."""
    share = np.array(colour) / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    to_xyz = [[0.4360747, 0.3850649, 0.1430804], [0.2225045, 0.7168786, 0.0606169], [0.0139322, 0.0971045, 0.7141733]]
    x, y, z = np.cbrt(np.array(to_xyz) @ linear / [0.96422, 1, 0.82521])
    return [round((116 * y - 16) * 2.55), round(500 * (x - y)) + 128, round(200 * (y - z)) + 128]


def test_lab_is_converted_to_the_colours_that_it_means(tmp_path: Path) -> None:
    colours = [(200, 100, 50), (80, 100, 150), (90, 150, 80), (128, 128, 128), (255, 255, 255), (30, 30, 30)]
    image = Image.new("LAB", (len(colours), 1))
    for at, colour in enumerate(colours):
        image.putpixel((at, 0), tuple(lab(colour)))
    image.save(tmp_path / "x.tif")
    assert np.abs(np.asarray(read_image(tmp_path / "x.tif"))[0].astype(int) - colours).max() <= 5


def test_embedded_profiles_are_left_alone(tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for name, data in {"with.png": profile, "damaged.png": b"nothing", "without.png": None}.items():
        PICTURE.save(tmp_path / name, icc_profile=data)
        np.testing.assert_array_equal(np.asarray(read_image(tmp_path / name)), np.asarray(PICTURE))


def test_a_photograph_of_200_megapixels_is_refused_with_what_to_do(tmp_path: Path) -> None:
    Image.new("1", (16_320, 12_240)).save(tmp_path / "x.png")
    with pytest.raises(DataError) as caught:
        read_image(tmp_path / "x.png", (224, 224))
    assert str(caught.value) == (
        f"{tmp_path}/x.png: cannot be read as an image (it has more than 178,956,970 pixels, beyond which Pillow suspects a "
        "decompression bomb; make it smaller, or raise PIL.Image.MAX_IMAGE_PIXELS if you trust it)"
    )


def test_a_tiff_that_claims_far_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from written import write_tiff

    path = write_tiff(tmp_path / "x.tif", np.zeros((20, 20, 3), np.float32), compression=8)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(DataError, match="more than 200 pixels"):
        read_image(path)
