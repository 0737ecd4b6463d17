"""Pictures with more than 8 bits: every bit of every container is read, by oracles of the files' own writer."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from written import write_png, write_tiff

from latentlabels.errors import DataError
from latentlabels.inputs.depth import Deep, deep
from latentlabels.inputs.image_file import read_picture
from latentlabels.inputs.images import decode_images
from latentlabels.inputs.levels import Levels, Scale, Span

Array = NDArray[Any]


def drawn(kind: Any, channels: int, seed: int = 0, size: tuple[int, int] = (13, 11)) -> Array:
    """Random values of a type, of all of its range or up to 1000."""
    rng, dtype = np.random.default_rng(seed), np.dtype(kind)
    if dtype.kind == "f":
        return (rng.random((*size, channels)) * 1000).astype(dtype)
    low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
    return rng.integers(low, high, (*size, channels), dtype=dtype, endpoint=True)


def read(path: Path) -> Deep:
    picture = read_picture(path, None).picture
    assert isinstance(picture, Deep)
    return picture


def check(path: Path, samples: Array) -> None:
    """All values of a file are as they were written; float64 as float32."""
    found = read(path)
    expected = samples.astype(np.float32) if samples.dtype == np.float64 else samples
    np.testing.assert_array_equal(found.values.transpose(1, 2, 0), expected)
    assert found.span[1:] == (expected.min(), expected.max())
    assert found.span.numbers == ("real" if samples.dtype.kind == "f" else "whole")


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("interlaced", [False, True])
def test_png_of_16_bits(tmp_path: Path, channels: int, interlaced: bool) -> None:
    samples = drawn(np.uint16, channels)
    check(write_png(tmp_path / "p.png", samples, interlaced=interlaced), samples)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("compression", [1, 8, 5])
@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("kind", ["u2", "i2", "u4", "i4", "f2", "f4", "f8", "i1"])
def test_tiff_of_every_type(tmp_path: Path, kind: str, order: str, compression: int, channels: int) -> None:
    samples = drawn(kind, channels)
    path = write_tiff(tmp_path / "p.tif", samples, order, compression=compression)
    unread = compression == 5 and (kind in ("f2", "f8") or (channels == 3 and kind != "u2") or (kind, order) == ("u4", ">"))
    if unread:  # Pillow alone reads LZW
        with pytest.raises(DataError, match="damaged TIFF, or one with values that Pillow cannot read"):
            read(path)
    else:
        check(path, samples)


@pytest.mark.parametrize("layout", [{"tile": (16, 16)}, {"rows": 4}, {"planar": True}, {"planar": True, "rows": 5}])
@pytest.mark.parametrize("compression, predictor", [(1, 1), (8, 1), (8, 2), (8, 3)])
@pytest.mark.parametrize("kind", ["u2", "f4"])
@pytest.mark.parametrize("order", "<>")
def test_tiff_of_every_layout(
    tmp_path: Path, order: str, kind: str, compression: int, predictor: int, layout: dict[str, Any]
) -> None:
    if predictor == 3 and kind != "f4":
        pytest.skip("for floating point alone")
    samples = drawn(kind, 3, size=(37, 21))
    path = write_tiff(tmp_path / "p.tif", samples, order, compression=compression, predictor=predictor, **layout)
    check(path, samples)


def test_separate_planes_that_pillow_reads_wrongly_are_refused(tmp_path: Path) -> None:
    path = write_tiff(tmp_path / "p.tif", drawn("u2", 3), compression=5, planar=True)
    with pytest.raises(DataError, match="separate planes of 16 bits, compressed by LZW; save it without compression"):
        read(path)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("channels", [1, 3])
def test_tiffs_are_turned_upright_as_pillow_turns_them(tmp_path: Path, orientation: int, channels: int) -> None:
    grey = np.random.default_rng(0).integers(0, 256, (5, 7, channels), np.uint8)
    small = write_tiff(tmp_path / "8.tif", grey, orientation=orientation)
    for kind in ("u2", "f4"):
        large = write_tiff(tmp_path / f"{kind}.tif", grey.astype(kind), orientation=orientation)
        expected = read_picture(small, None).picture
        assert isinstance(expected, Image.Image)
        scaled = read(large).scaled(Scale(0, 255))
        np.testing.assert_array_equal(scaled.transpose(1, 2, 0), np.asarray(expected))


@pytest.mark.parametrize("kind", ["u2", "i4", "f4"])
def test_zero_may_be_white(tmp_path: Path, kind: str) -> None:
    samples = np.array([[[0], [1000], [4095]]], kind)
    plain, inverted = (read(write_tiff(tmp_path / f"{i}.tif", samples, photometric=i)).scaled(Scale(0, 4095)) for i in (1, 0))
    np.testing.assert_array_equal(plain[0], [[0, 62, 255]])
    np.testing.assert_array_equal(inverted, 255 - plain)


# --- transparency -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [2, 4])
@pytest.mark.parametrize("ending", ["png", "tif"])
def test_transparency_is_over_white(tmp_path: Path, channels: int, ending: str) -> None:
    samples = np.full((1, 3, channels), 1000, np.uint16)
    samples[0, :, -1] = 65535, 0, 32896
    samples[0, 1, :-1] = 60_000  # nobody sees it
    path = tmp_path / f"p.{ending}"
    found = read(write_png(path, samples) if ending == "png" else write_tiff(path, samples, opacity=2))
    assert found.span == Span("whole", 1000, 1000)
    grey, half = 1000 * 255 / 1023, 32896 / 65535
    np.testing.assert_allclose(found.scaled()[:, 0], [[grey, 255, grey * half + 255 * (1 - half)]] * 3, atol=0.51)


def test_a_transparent_colour_of_16_bits(tmp_path: Path) -> None:
    for samples, clear in ((np.array([[[1000], [1001]]]), (1001,)), (np.array([[[5, 6, 1000], [5, 6, 1001]]]), (5, 6, 1001))):
        found = read(write_png(tmp_path / "p.png", samples.astype(np.uint16), clear)).scaled()
        assert found[:, 0, 1].tolist() == [255] * 3
        assert found[2, 0, 0] == round(1000 * 255 / 1023)


@pytest.mark.parametrize("kind", ["u2", "f4"])
def test_colours_multiplied_by_their_opacity(tmp_path: Path, kind: str) -> None:
    samples = np.array([[[1, 0.5, 0, 1], [0.25, 0.25, 0, 0.5]]])
    samples = (samples * 65535).round().astype(kind) if kind == "u2" else samples.astype(kind)
    found = read(write_tiff(tmp_path / "p.tif", samples, opacity=1)).scaled()
    np.testing.assert_allclose(found[:, 0].T, [[255, 127.5, 0], [0.25 * 255 + 127.5, 0.25 * 255 + 127.5, 127.5]], atol=1)


# --- values -------------------------------------------------------------------------------------------------------------


def test_values_that_are_no_numbers(tmp_path: Path) -> None:
    values = np.array([[[np.nan], [np.inf], [-np.inf], [2.0], [7.0]]], np.float32)
    found = read(write_tiff(tmp_path / "p.tif", values))
    assert found.values[0, 0].tolist() == [0, 7, 2, 2, 7]
    assert deep(np.full((1, 2, 2), np.nan)).values.tolist() == [[[0, 0], [0, 0]]]
    assert deep(np.array([[[np.nan, -3, 4.0]]])).values.tolist() == [[[-3, -3, 4]]]


@pytest.mark.parametrize(("top", "stored"), [(4095, 65535), (1023, 65535), (65535, 40_000)])
def test_a_pgm_says_which_value_is_white(tmp_path: Path, top: int, stored: int) -> None:
    values = np.array([[0, 40_000 * top // 65535]], ">u2")
    (tmp_path / "p.pgm").write_bytes(b"P5 2 1 %d\n" % top + values.tobytes())
    assert read(tmp_path / "p.pgm").span.high == stored  # of 65535 bits nothing is known: they may hold any number in use


def test_a_jpeg_2000_says_which_value_is_white(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 1000, (16, 16), np.uint16)
    Image.fromarray(values).save(tmp_path / "p.jpg", "JPEG2000", irreversible=False)
    found = read(tmp_path / "p.jpg")
    np.testing.assert_array_equal(found.values[0], values)
    assert found.span.high == 65535


@pytest.mark.parametrize("size", [(5, 4), (40, 30), (13, 11)])
@pytest.mark.parametrize("how", ["bilinear", "bicubic"])
@pytest.mark.parametrize("channels", [1, 3])
def test_16_bits_of_an_8_bit_picture_are_resized_alike(tmp_path: Path, size: tuple[int, int], how: Any, channels: int) -> None:
    """Pillow rounds 8 bits after each direction, floating point once: at most 1 of 255 lies between.

    It clips 8 bits after each direction too, so that beside bicubic overshoots beyond black or white more may lie between.
    """
    low, high = (0, 256) if how == "bilinear" else (70, 180)
    small = np.random.default_rng(2).integers(low, high, (13, 11, channels), np.uint8)
    small[0, 0] = 255 if how == "bilinear" else 180  # 16 bits are in use
    Image.fromarray(small[..., 0] if channels == 1 else small).save(tmp_path / "8.png")
    write_png(tmp_path / "16.png", small.astype(np.uint16) * 257)
    one, other = (decode_images([tmp_path / f"{bits}.png"], size, how).pixels.astype(int) for bits in (8, 16))
    assert np.abs(one - other).max() <= (0 if size == (13, 11) else 1)


def test_the_scale_is_that_of_the_set_and_not_of_the_picture(tmp_path: Path) -> None:
    values = [np.full((4, 4, 1), value, np.uint16) for value in (100, 1000, 500)]
    files = [write_png(tmp_path / f"{row}.png", one) for row, one in enumerate(values)]
    found = decode_images(files, (4, 4))
    assert found.levels == Levels(whole=Scale(0, 1023))
    assert found.pixels[:, 0, 0, 0].tolist() == [round(value * 255 / 1023) for value in (100, 1000, 500)]
    again = decode_images(files[:1], (4, 4), known=found.levels)
    np.testing.assert_array_equal(again.pixels, found.pixels[:1])
    stated = decode_images(files, (4, 4), white=4095)
    assert stated.pixels[:, 0, 0, 0].tolist() == [round(value * 255 / 4095) for value in (100, 1000, 500)]


@pytest.mark.skipif(sys.byteorder != "little", reason="of this order Pillow has no other")
def test_damaged_tiffs_are_named(tmp_path: Path) -> None:
    path = write_tiff(tmp_path / "p.tif", drawn("f4", 3), compression=8)
    whole, rng = path.read_bytes(), np.random.default_rng(0)
    for share in (0.1, 0.5, 0.9):
        path.write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(DataError, match=r"p\.tif: cannot be read as an image \("):
            read_picture(path, None)
    for _ in range(200):
        data = bytearray(whole)
        for at in rng.integers(0, 300, 3):
            data[at] = rng.integers(256)
        path.write_bytes(data)
        with suppress(DataError):  # and no other error
            read_picture(path, None)
