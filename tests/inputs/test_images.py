"""Image files of every mode, damaged ones, and arrays of embeddings."""

from __future__ import annotations

import io
import os
import struct
import threading
import warnings
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from latentlabels.errors import DataError, DataWarning
from latentlabels.inputs.arrays import resize
from latentlabels.inputs.embeddings import load_embeddings
from latentlabels.inputs.image_file import read_image
from latentlabels.inputs.images import FilePictures, cache_images, check_images, decode_images

Pixels = NDArray[Any]
RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def pixels(path: Path, size: tuple[int, int] | None = None) -> Pixels:
    image = read_image(path, size)
    assert image.mode == "RGB"
    return np.asarray(image).astype(int)


def plain(path: Path, colour: tuple[int, int, int] = RED, size: tuple[int, int] = (8, 6), **how: Any) -> Path:
    Image.new("RGB", size, colour).save(path, **how)
    return path


def checkered(seed: int = 0, height: int = 6, width: int = 8, block: int = 1) -> Pixels:
    """Random black and white blocks in colour: no two orientations of it are alike."""
    small = np.random.default_rng(seed).integers(0, 2, size=(height, width, 3)) * 255
    return np.kron(small, np.ones((block, block, 1))).astype(np.uint8)


# --- modes ------------------------------------------------------------------------------------------------------


def write_png(path: Path, samples: Pixels, colour_type: int) -> Path:
    """A PNG of 16 bits a sample (height, width, channels), as PIL does not write it."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    height, width = samples.shape[:2]
    header = struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    path.write_bytes(png)
    return path


def two(first: Any, second: Any, mode: str) -> Image.Image:
    """Two pixels."""
    image = Image.new(mode, (2, 1))
    image.putpixel((0, 0), first)
    image.putpixel((1, 0), second)
    return image


def palette(**how: Any) -> Callable[[Path], Any]:
    def save(path: Path) -> None:
        image = two(3, 1, "P")
        image.putpalette([9, 9, 9, *BLUE, 9, 9, 9, *RED])
        image.save(path, **how)

    return save


MODES: Mapping[str, tuple[str, Callable[[Path], Any], list[tuple[int, int, int]]]] = {
    "RGB": ("png", two(RED, BLUE, "RGB").save, [RED, BLUE]),
    "RGBA": ("png", two((*RED, 255), (*BLUE, 0), "RGBA").save, [RED, WHITE]),
    "RGBA-half": ("png", two((*RED, 255), (0, 0, 0, 51), "RGBA").save, [RED, (204, 204, 204)]),
    "RGBA-tiff": ("tif", two((*RED, 255), (*BLUE, 0), "RGBA").save, [RED, WHITE]),
    "RGB-with-a-transparent-colour": ("png", lambda p: two(RED, BLUE, "RGB").save(p, transparency=BLUE), [RED, WHITE]),
    "LA": ("png", two((100, 255), (0, 0), "LA").save, [(100, 100, 100), WHITE]),
    "L": ("png", two(100, 0, "L").save, [(100, 100, 100), (0, 0, 0)]),
    "L-with-a-transparent-grey": ("png", lambda p: two(100, 7, "L").save(p, transparency=7), [(100, 100, 100), WHITE]),
    "1": ("png", two(1, 0, "1").save, [WHITE, (0, 0, 0)]),
    "P": ("png", palette(), [RED, BLUE]),
    "P-with-a-transparent-index": ("png", palette(transparency=1), [RED, WHITE]),
    "P-with-alpha": ("png", palette(transparency=bytes([255, 51, 255, 255])), [RED, (204, 204, 255)]),
    "P-gif": ("gif", palette(), [RED, BLUE]),
    "P-gif-transparent": ("gif", palette(transparency=1), [RED, WHITE]),
    "I;16": ("png", lambda p: Image.fromarray(np.array([[65535, 25700]], np.uint16)).save(p), [WHITE, (100, 100, 100)]),
    "I;16-tiff": ("tif", lambda p: Image.fromarray(np.array([[65535, 25700]], np.uint16)).save(p), [WHITE, (100, 100, 100)]),
    "I": ("tif", two(65535, 25700, "I").save, [WHITE, (100, 100, 100)]),
    "I-of-8-bits": ("tif", two(255, 100, "I").save, [WHITE, (100, 100, 100)]),
    "I-beyond": ("tif", two(-5, 1_000_000, "I").save, [(0, 0, 0), (243, 243, 243)]),
    "F-to-1": ("tif", two(1.0, 0.5, "F").save, [WHITE, (128, 128, 128)]),
    "F-to-255": ("tif", two(255.0, 100.0, "F").save, [WHITE, (100, 100, 100)]),
    "F-beyond": ("tif", two(-3.0, 300.0, "F").save, [(0, 0, 0), (151, 151, 151)]),
    "F-not-a-number": ("tif", two(float("nan"), 1.0, "F").save, [(0, 0, 0), WHITE]),
    "CMYK": ("tif", two((0, 255, 255, 0), (255, 255, 0, 0), "CMYK").save, [RED, BLUE]),
    "webp": ("webp", lambda p: two((*RED, 255), (*BLUE, 0), "RGBA").save(p, lossless=True), [RED, WHITE]),
    "RGB-16": ("png", lambda p: write_png(p, np.array([[[65535, 0, 0], [25700, 0, 65535]]]), 2), [RED, (100, 0, 255)]),
    "RGBA-16": ("png", lambda p: write_png(p, np.array([[[65535, 0, 0, 65535], [0, 0, 65535, 0]]]), 6), [RED, WHITE]),
    "LA-16": ("png", lambda p: write_png(p, np.array([[[65535, 32896], [0, 0]]]), 4), [WHITE, WHITE]),
}


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_is_eight_bit_rgb_over_white(tmp_path: Path, mode: str) -> None:
    ending, save, expected = MODES[mode]
    save(tmp_path / f"picture.{ending}")
    np.testing.assert_array_equal(pixels(tmp_path / f"picture.{ending}")[0], expected)


@pytest.mark.parametrize(
    "mode, colour, expected", [("CMYK", (0, 255, 255, 0), RED), ("L", 100, (100,) * 3), ("YCbCr", (76, 85, 255), RED)]
)
@pytest.mark.parametrize("size", [None, (8, 8)])
def test_jpeg_modes(tmp_path: Path, mode: str, colour: Any, expected: tuple[int, int, int], size: Any) -> None:
    Image.new(mode, (64, 64), colour).save(tmp_path / "p.jpg")
    assert np.abs(pixels(tmp_path / "p.jpg", size) - expected).max() <= 3


def test_an_animation_is_its_first_frame(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in (RED, GREEN, BLUE)]
    for name, how in {"p.gif": {}, "p.png": {}, "p.tif": {}, "p.webp": {"lossless": True}}.items():
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:], **how)
        assert (pixels(tmp_path / name) == RED).all(), name


# --- EXIF -------------------------------------------------------------------------------------------------------

# how an upright picture is stored for a reader that turns it by this tag (EXIF 2.3, section 4.6.4, tag 274)
STORED: Mapping[int, Callable[[Pixels], Pixels]] = {
    1: lambda p: p,
    2: lambda p: p[:, ::-1],
    3: lambda p: p[::-1, ::-1],
    4: lambda p: p[::-1],
    5: lambda p: p.transpose(1, 0, 2),
    6: lambda p: p.transpose(1, 0, 2)[::-1],
    7: lambda p: p.transpose(1, 0, 2)[::-1, ::-1],
    8: lambda p: p.transpose(1, 0, 2)[:, ::-1],
}


def turned(orientation: Any) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


@pytest.mark.parametrize("ending", ["png", "webp", "tif", "jpg"])
@pytest.mark.parametrize("orientation", STORED)
def test_pictures_are_turned_upright(tmp_path: Path, orientation: int, ending: str) -> None:
    upright = checkered(block=8)
    how: dict[str, Any] = {"webp": {"lossless": True}, "jpg": {"quality": 95, "subsampling": 0}}.get(ending, {})
    path = tmp_path / f"p.{ending}"
    Image.fromarray(np.ascontiguousarray(STORED[orientation](upright))).save(path, exif=turned(orientation), **how)
    found = pixels(path)
    assert found.shape == upright.shape
    assert np.abs(found - upright).max() <= (90 if ending == "jpg" else 0)
    if ending == "jpg":  # decoded small, turned all the same
        small, expected = pixels(path, (3, 4)), np.asarray(Image.fromarray(upright).reduce(4))
        assert small.shape == expected.shape
        assert np.abs(small - expected).max() <= 90


@pytest.mark.parametrize("orientation", [0, 9, 255])
def test_an_orientation_that_does_not_exist_turns_nothing(tmp_path: Path, orientation: int) -> None:
    upright = checkered()
    Image.fromarray(upright).save(tmp_path / "p.png", exif=turned(orientation))
    np.testing.assert_array_equal(pixels(tmp_path / "p.png"), upright)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "I;16"])
def test_pictures_of_other_modes_are_turned_as_well(tmp_path: Path, mode: str) -> None:
    grey = checkered()[..., 0]
    stored = Image.fromarray(np.ascontiguousarray(grey.T[::-1]))
    image = Image.fromarray(np.asarray(stored).astype(np.uint16) * 257) if mode == "I;16" else stored.convert(mode)
    image.save(tmp_path / "p.png", exif=turned(6))
    np.testing.assert_array_equal(pixels(tmp_path / "p.png")[..., 0], grey)


def test_damaged_exif_data_do_not_hide_the_picture(tmp_path: Path) -> None:
    upright = checkered(block=8)
    exif = turned(6)
    exif[0x010E] = "what it shows"
    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(STORED[6](upright))).save(out, "JPEG", exif=exif, quality=95, subsampling=0)
    data = bytearray(out.getvalue())
    start = data.index(b"Exif\0\0") + 6
    reads = 0
    for at in range(start, start + 50):
        for value in (0, 255):
            damaged = bytearray(data)
            damaged[at] = value
            (tmp_path / "p.jpg").write_bytes(damaged)
            found = pixels(tmp_path / "p.jpg")
            reads += found.shape == upright.shape
            assert found.shape[:2] in ((48, 64), (64, 48))
    assert reads > 50  # most of the bytes do not touch the orientation


# --- damaged files ----------------------------------------------------------------------------------------------


def broken(folder: Path) -> dict[str, str]:
    """Files that cannot be read, and what has to be said of them."""
    folder.mkdir(exist_ok=True)
    whole = plain(folder / "whole.jpg", size=(200, 200)).read_bytes()
    (folder / "truncated.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "text.jpg").write_text("not a picture")
    (folder / "empty.png").write_bytes(b"")
    (folder / "folder.png").mkdir(exist_ok=True)
    png = bytearray(plain(folder / "whole.png").read_bytes())
    png[45:55] = b"\0" * 10
    (folder / "damaged.png").write_bytes(png)
    (folder / "whole.jpg").unlink()
    (folder / "whole.png").unlink()
    return {
        "truncated.jpg": "truncated",
        "text.jpg": "it is a text file, not an image",
        "empty.png": "the file is empty",
        "folder.png": "Is a directory",
        "damaged.png": "",
        "gone.png": "No such file or directory",
    }


@pytest.mark.parametrize("name", ["truncated.jpg", "text.jpg", "empty.png", "folder.png", "damaged.png", "gone.png"])
@pytest.mark.parametrize("size", [None, (16, 16)])
def test_what_cannot_be_read_is_named_with_the_reason(tmp_path: Path, name: str, size: tuple[int, int] | None) -> None:
    words = broken(tmp_path)[name]
    with pytest.raises(DataError) as caught:
        read_image(tmp_path / name, size)
    assert str(caught.value).startswith(f"{tmp_path / name}: cannot be read as an image (")
    assert words in str(caught.value)
    assert str(caught.value).count(str(tmp_path)) == 1


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP", "BMP"])
def test_damaged_bytes_give_a_picture_or_a_data_error(tmp_path: Path, kind: str) -> None:
    out = io.BytesIO()
    Image.fromarray(checkered(block=3)).save(out, kind, **({"exif": turned(6)} if kind in ("PNG", "JPEG", "WEBP") else {}))
    rng, good, bad = np.random.default_rng(0), 0, []
    for _ in range(150):
        data = bytearray(out.getvalue())
        for _ in range(int(rng.choice([1, 3, 20]))):
            data[rng.integers(rng.choice([60, len(data)]))] = rng.integers(256)
        (tmp_path / "p").write_bytes(data)
        try:
            read_image(tmp_path / "p")
            good += 1
        except DataError as error:
            bad.append(str(error))
    assert good > 0
    assert bad
    assert all(message.startswith(f"{tmp_path / 'p'}: cannot be read as an image (") for message in bad)


def test_an_error_of_any_kind_in_a_decoder_is_a_data_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stumble(*args: Any) -> None:
        raise IndexError

    path = plain(tmp_path / "p.bmp")
    monkeypatch.setattr(Image.Image, "convert", stumble)
    with pytest.raises(DataError, match=r"p\.bmp: cannot be read as an image \(IndexError\)"):
        read_image(path)


def test_huge_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = plain(tmp_path / "p.png", size=(10, 15))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert pixels(path).shape == (15, 10, 3)  # PIL warns beyond once the limit,
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 70)
    with pytest.raises(
        DataError, match="more than 140 pixels, beyond which .* decompression bomb; make it smaller"
    ):  # and refuses beyond twice
        read_image(path)


# --- sizes ------------------------------------------------------------------------------------------------------


def test_a_large_jpeg_is_decoded_no_larger_than_needed(tmp_path: Path) -> None:
    path = plain(tmp_path / "p.jpg", size=(1600, 800))
    image = read_image(path, (40, 60))
    assert image.width / image.height == 2
    assert 120 <= image.height < 400
    assert read_image(path).size == (1600, 800)


def test_resize_squeezes_and_cuts_nothing_off() -> None:
    wide = np.zeros((10, 200, 3), dtype=np.uint8)
    wide[:, :20], wide[:, -20:] = RED, BLUE
    out = resize(Image.fromarray(wide), (30, 40))
    assert out.shape == (3, 30, 40)
    assert out.dtype == np.uint8
    assert out[:, 15, 0].tolist() == list(RED)
    assert out[:, 15, -1].tolist() == list(BLUE)
    assert out[:, 15, 20].tolist() == [0, 0, 0]


def test_resize_keeps_a_picture_of_its_size() -> None:
    given = checkered()
    np.testing.assert_array_equal(resize(Image.fromarray(given), (6, 8)).transpose(1, 2, 0), given)


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1)])
def test_tiny_and_narrow_pictures(tmp_path: Path, size: tuple[int, int]) -> None:
    for name in ("p.png", "p.jpg"):
        found, _ = cache_images([plain(tmp_path / name, size=size)], (5, 7))
        assert found.shape == (1, 3, 5, 7)
        assert np.abs(found[0].astype(int) - np.array(RED)[:, None, None]).max() <= 2


# --- many files -------------------------------------------------------------------------------------------------


def good_and_bad(folder: Path) -> list[Path]:
    bad = list(broken(folder))
    files = [folder / name for name in (*bad[:2], "red.png", *bad[2:4], "green.jpg", *bad[4:], "blue.bmp")]
    for name, colour in (("red.png", RED), ("green.jpg", GREEN), ("blue.bmp", BLUE)):
        plain(folder / name, colour)
    return files


def test_cache_images_skips_names_and_counts(tmp_path: Path) -> None:
    files = good_and_bad(tmp_path)
    with pytest.warns(DataWarning) as caught:
        found, kept = cache_images(files, (4, 5))
    assert kept == [2, 5, 8]
    assert found.shape == (3, 3, 4, 5)
    assert found.dtype == np.uint8
    assert np.abs(found[:, :, 0, 0].astype(int) - [RED, GREEN, BLUE]).max() <= 2
    message = str(caught[0].message)
    assert message.startswith(f"6 of 9 images cannot be read and are left out: {files[0]}: cannot be read as an image (")
    assert all(str(file) in message for file in (files[0], files[1], files[3]))
    assert message.endswith("; ...")
    assert [one.filename for one in caught] == [__file__]


def test_check_images_keeps_nothing_and_says_the_same(tmp_path: Path) -> None:
    files = good_and_bad(tmp_path)
    bad = check_images(files).left_out
    assert [image.name for image in bad] == [str(file) for number, file in enumerate(files) if number not in (2, 5, 8)]
    assert all(image.why.startswith(f"{image.name}: cannot be read as an image (") for image in bad)
    assert decode_images(files, (4, 5)).left_out == bad
    assert check_images([files[2]]).left_out == ()


def test_decoded_images_know_their_proportions(tmp_path: Path) -> None:
    files = [plain(tmp_path / "a.png", size=(40, 20)), plain(tmp_path / "b.jpg", size=(1600, 800)), tmp_path / "gone.png"]
    found = decode_images(files, (8, 8))
    assert found.kept.tolist() == [0, 1]
    assert (found.shapes[:, 1] == 2 * found.shapes[:, 0]).all()


def test_all_good_is_silent(tmp_path: Path) -> None:
    files = [plain(tmp_path / f"{i}.png", (i, 0, 200)) for i in range(40)]
    assert (check_images(files).left_out, check_images(files).notes) == ((), ())
    found, kept = cache_images(files, (2, 2))
    assert kept == list(range(40))
    assert found[:, 0, 0, 0].tolist() == list(range(40))  # in the order of the files, whichever thread was first


@pytest.mark.parametrize("number", [1, 5])
def test_all_unreadable_is_an_error(tmp_path: Path, number: int) -> None:
    files = [tmp_path / f"{i}.png" for i in range(number)]
    for file in files:
        file.write_bytes(b"")
    with pytest.raises(DataError) as caught:
        cache_images(files, (4, 4))
    words = {1: "the image cannot be read", 5: "none of 5 images can be read"}[number]
    assert str(caught.value).startswith(f"{words}: {files[0]}: cannot be read as an image (")
    assert str(caught.value).endswith("; ...") == (number > 3)


def test_no_files_are_an_error() -> None:
    with pytest.raises(DataError, match="no images to read"):
        cache_images([], (4, 4))


def test_reading_in_threads_leaves_the_warning_filters_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two readings overlap such that the one that began first ends first: each would put back what the other had set."""
    files = [plain(tmp_path / f"{i}.png") for i in range(2)]
    both_began, first_ended = threading.Barrier(2), threading.Event()
    began: list[int] = []
    original = Image.open

    def begin(path: Path, **how: Any) -> Any:
        began.append(threading.get_ident())
        both_began.wait(timeout=20)
        if threading.get_ident() != began[0]:
            assert first_ended.wait(timeout=20)
        return original(path, **how)

    def end(*args: Any) -> Any:  # what comes after a file was read
        if threading.get_ident() == began[0]:
            first_ended.set()
        return resize(*args)

    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    monkeypatch.setattr(Image, "open", begin)
    monkeypatch.setattr("latentlabels.inputs.images.resize", end)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        before = list(warnings.filters)
        cache_images(files, (2, 2))
        assert list(warnings.filters) == before
    assert len(set(began)) == 2


# --- one by one -------------------------------------------------------------------------------------------------


def test_files_one_by_one(tmp_path: Path) -> None:
    files = [plain(tmp_path / "a.png", RED), plain(tmp_path / "b.png", BLUE), tmp_path / "gone.png"]
    dataset = FilePictures(files, (3, 5))
    assert len(dataset) == 3
    assert dataset[1].shape == (3, 3, 5)
    assert dataset[1].dtype == torch.uint8
    assert dataset[1][:, 0, 0].tolist() == list(BLUE)
    with pytest.raises(DataError, match=r"gone\.png: cannot be read"):
        dataset[2]


# --- embeddings -------------------------------------------------------------------------------------------------

VECTORS = np.arange(12, dtype=np.float64).reshape(4, 3)


def saved(path: Path, **arrays: Any) -> Path:
    np.savez(path, **arrays)
    return path


def test_npz_of_embeddings(tmp_path: Path) -> None:
    observed, truth = np.zeros((4, 2), dtype=np.int8), np.ones((4, 2), dtype=np.int8)
    path = saved(
        tmp_path / "e.npz", embeddings=VECTORS, observed=observed, truth=truth, labels=["a", "ü"], images=["1", "2", "3", "4"]
    )
    found = load_embeddings(path)
    assert found.embeddings.dtype == np.float32
    assert found.embeddings.tolist() == VECTORS.tolist()
    assert found.labels == ("a", "ü")
    assert found.images == ("1", "2", "3", "4")
    assert found.observed is not None and found.observed.tolist() == observed.tolist()
    assert found.truth is not None and found.truth.tolist() == truth.tolist()


def test_what_an_npz_lacks_is_none(tmp_path: Path) -> None:
    found = load_embeddings(str(saved(tmp_path / "e.npz", embeddings=VECTORS, image=["1", "2", "3", "4"])))
    assert found.images == ("1", "2", "3", "4")
    assert (found.observed, found.truth, found.labels, found.space()) == (None, None, None, None)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, ">f8", np.int64, np.uint8])
def test_npy_of_embeddings(tmp_path: Path, dtype: Any) -> None:
    np.save(tmp_path / "e.npy", VECTORS.astype(dtype))
    found = load_embeddings(tmp_path / "e.npy")
    assert found.embeddings.dtype == np.float32
    assert found.embeddings.tolist() == VECTORS.tolist()
    assert found.images is None
    assert found.names == tuple(f"{tmp_path}/e.npy#{row}" for row in range(4))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
def test_rows_that_are_not_finite_are_named(tmp_path: Path, value: float) -> None:
    vectors = np.tile(VECTORS, (3, 1))
    vectors[[1, 4, 5], [0, 1, 2]] = value
    np.save(tmp_path / "e.npy", vectors)
    with pytest.raises(DataError) as caught:
        load_embeddings(tmp_path / "e.npy")
    assert str(caught.value) == (
        f"{tmp_path}/e.npy: 3 of 12 embeddings hold NaN or infinity (rows 1, 4, 5); leave those images out, "
        "or compute them again"
    )


def test_of_many_rows_a_few_are_named(tmp_path: Path) -> None:
    np.save(tmp_path / "e.npy", np.full((20, 2), np.nan))
    with pytest.raises(DataError, match=r"20 of 20 .* \(rows 0, 1, 2, 3, 4 and 15 more\)"):
        load_embeddings(tmp_path / "e.npy")


@pytest.mark.parametrize(
    "vectors, words",
    [
        (np.zeros(4), r"not float64 of shape \(4,\)"),
        (np.zeros((4, 3, 2)), r"not float64 of shape \(4, 3, 2\)"),
        (np.array([["a", "b"]]), r"not <U1 of shape \(1, 2\)"),
        (np.zeros((4, 3), dtype=complex), r"not complex128 of shape \(4, 3\)"),
        (np.zeros((0, 3)), r"not float64 of shape \(0, 3\)"),
        (np.zeros((3, 0)), r"not float64 of shape \(3, 0\)"),
    ],
)
def test_embeddings_of_other_shapes(tmp_path: Path, vectors: Pixels, words: str) -> None:
    np.save(tmp_path / "e.npy", vectors)
    with pytest.raises(DataError, match=r"e\.npy: embeddings must be numbers of shape \(N, D\), " + words):
        load_embeddings(tmp_path / "e.npy")


@pytest.mark.parametrize(
    "name, array, words",
    [
        ("observed", np.zeros((3, 2)), "4 embeddings, but 3 rows of observed"),
        ("truth", np.zeros((5, 2)), "4 embeddings, but 5 rows of truth"),
        ("images", ["a"], "4 embeddings, but 1 rows of images"),
        ("image", ["a"], "4 embeddings, but 1 rows of images"),
        ("observed", np.zeros((4, 3)), "2 labels, but 3 columns of observed"),
        ("truth", np.zeros((4, 1)), "2 labels, but 1 columns of truth"),
        ("observed", np.zeros(4), r"observed must be an array \(N, K\), not of shape \(4,\)"),
        ("images", np.zeros((4, 1)), r"images must be an array \(N,\), not of shape \(4, 1\)"),
    ],
)
def test_sizes_that_differ_are_both_named(tmp_path: Path, name: str, array: Any, words: str) -> None:
    path = saved(tmp_path / "e.npz", embeddings=VECTORS, labels=["a", "b"], **{name: array})
    with pytest.raises(DataError, match=f"e.npz: {words}"):
        load_embeddings(path)


def test_an_npz_without_embeddings_says_what_it_holds(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"e\.npz: has no array `embeddings` \(arrays: vectors, labels\)"):
        load_embeddings(saved(tmp_path / "e.npz", vectors=VECTORS, labels=["a"]))


class Trap:
    """Unpickling it would make a file."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("name", ["e.npy", "e.npz"])
def test_objects_are_refused_and_never_unpickled(tmp_path: Path, name: str) -> None:
    objects = np.array([Trap(tmp_path / "sprung")], dtype=object)
    if name == "e.npy":
        np.save(tmp_path / name, objects)
    else:
        np.savez(tmp_path / name, embeddings=VECTORS, images=objects)
    with pytest.raises(DataError, match="cannot be read as .*save arrays of numbers or text, not of objects"):
        load_embeddings(tmp_path / name)
    np.load(tmp_path / name, allow_pickle=True)["images" if name == "e.npz" else ...]
    assert (tmp_path / "sprung").exists()  # the trap would have worked


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04 cut off", None])
def test_files_that_are_no_arrays(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "e.npz").write_bytes(content)
    with pytest.raises(DataError, match=r"e\.npz: cannot be read as \.npz or \.npy"):
        load_embeddings(tmp_path / "e.npz")


def test_a_download_that_broke_off(tmp_path: Path) -> None:
    whole = saved(tmp_path / "e.npz", embeddings=np.random.default_rng(0).normal(size=(100, 10))).read_bytes()
    for share in (0.1, 0.5, 0.9):
        (tmp_path / "e.npz").write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(DataError, match=r"e\.npz: cannot be read"):
            load_embeddings(tmp_path / "e.npz")
    damaged = bytearray(whole)
    damaged[500:520] = b"\0" * 20
    (tmp_path / "e.npz").write_bytes(damaged)
    with pytest.raises(DataError, match=r"e\.npz: cannot be read"):
        load_embeddings(tmp_path / "e.npz")
