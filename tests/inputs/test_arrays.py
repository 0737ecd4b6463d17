"""Pictures in memory: every shape and type of the same picture is the same picture, and of the same size as its file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from latentlabels.errors import DataError
from latentlabels.inputs.arrays import PixelFormat, item_pixels, pictures_of, rgb_of, span_of
from latentlabels.inputs.images import decode_images
from latentlabels.inputs.levels import Levels, Scale, levels_of
from latentlabels.inputs.rgb import resized

PICTURES = np.random.default_rng(0).integers(0, 256, (5, 3, 6, 8), np.uint8)
GREY = PICTURES[:, :1]
AS_GREY = np.repeat(GREY, 3, 1)
ALPHA = np.concatenate([PICTURES, GREY], 1)


def images_of(values: torch.Tensor) -> NDArray[np.uint8]:
    """An array as a data set of its own."""
    pictures = pictures_of(values)
    return rgb_of(pictures, levels_of([span_of(pictures)]))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (PICTURES, PICTURES),
        (PICTURES.transpose(0, 2, 3, 1), PICTURES),
        (PICTURES / 255, PICTURES),
        (PICTURES.transpose(0, 2, 3, 1).astype(np.float32) / 255, PICTURES),
        ((PICTURES / 255).astype(np.float16), PICTURES),
        (PICTURES.astype(np.int64), PICTURES),
        (PICTURES > 100, np.where(PICTURES > 100, 255, 0)),
        (GREY, AS_GREY),
        (GREY.transpose(0, 2, 3, 1), AS_GREY),
        (GREY[:, 0], AS_GREY),
        (GREY[:, 0] / 255, AS_GREY),
    ],
    ids=["NCHW", "NHWC", "float64", "float32-NHWC", "float16", "int64", "bool", "N1HW", "NHW1", "NHW", "NHW-float"],
)
def test_every_shape_and_type_of_a_picture(values: NDArray[Any], expected: NDArray[Any]) -> None:
    found = images_of(torch.from_numpy(np.ascontiguousarray(values)))
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, expected)
    for row, one in enumerate(values):  # an item of a Dataset is read as an array is
        for item in (torch.from_numpy(np.ascontiguousarray(one)), np.asarray(one), (torch.tensor(one), 7)):
            np.testing.assert_array_equal(item_pixels(item, row), expected[row])


@pytest.mark.parametrize("last", [False, True])
def test_transparency_is_over_white_as_in_files(tmp_path: Path, last: bool) -> None:
    files = []
    for row, one in enumerate(ALPHA):
        files.append(tmp_path / f"{row}.png")
        Image.fromarray(one.transpose(1, 2, 0)).save(files[-1])
    given = ALPHA.transpose(0, 2, 3, 1) if last else ALPHA
    found = images_of(torch.from_numpy(np.ascontiguousarray(given)))
    np.testing.assert_array_equal(found, decode_images(files, (6, 8)).pixels)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P", "LA", "1", "I;16", "CMYK"])
def test_pictures_of_pillow_are_items(tmp_path: Path, mode: str) -> None:
    image = Image.fromarray(PICTURES[0].transpose(1, 2, 0)).convert("RGB" if mode == "I;16" else mode)
    if mode == "I;16":
        image = Image.fromarray(GREY[0, 0].astype(np.uint16) * 257)
    image.save(tmp_path / "p.tif")
    found = decode_images([tmp_path / "p.tif"], (6, 8))
    np.testing.assert_array_equal(item_pixels(image, 0, found.levels), found.pixels[0])


@pytest.mark.parametrize("orientation", [1, 3, 6, 7])
def test_pictures_of_pillow_are_turned_by_their_tag_as_files_are(tmp_path: Path, orientation: int) -> None:
    tags = Image.Exif()
    tags[0x0112] = orientation
    path = tmp_path / "p.png"
    Image.fromarray(PICTURES[0].transpose(1, 2, 0)).save(path, exif=tags)
    with Image.open(path) as image:
        found = item_pixels(image, 0)
    assert found.shape == ((3, 8, 6) if orientation > 4 else (3, 6, 8))
    np.testing.assert_array_equal(found, decode_images([path], found.shape[1:]).pixels[0])


@pytest.mark.parametrize("kind", [np.uint16, np.uint32, np.uint64])
def test_unsigned_numbers_of_more_than_8_bits(kind: Any) -> None:
    np.testing.assert_array_equal(images_of(torch.from_numpy(PICTURES.astype(kind))), PICTURES)
    np.testing.assert_array_equal(item_pixels(PICTURES[0].astype(kind), 0), PICTURES[0])
    with pytest.raises(DataError, match="item 4 of the Dataset: values from 300 to 549, but black is 0 and white 255"):
        item_pixels(PICTURES[0].astype(kind) + kind(300), 4)


@pytest.mark.parametrize("size", [(3, 4), (12, 16), (5, 5), (6, 8), (1, 30)])
@pytest.mark.parametrize("how", ["bilinear", "bicubic"])
def test_arrays_are_resized_as_files_are(tmp_path: Path, size: tuple[int, int], how: Any) -> None:
    files = []
    for row, one in enumerate(PICTURES):
        files.append(tmp_path / f"{row}.png")
        Image.fromarray(one.transpose(1, 2, 0)).save(files[-1])
    found = resized(PICTURES, size, how)
    assert found.shape == (5, 3, *size)
    np.testing.assert_array_equal(found, decode_images(files, size, how).pixels)


ITEMS: dict[str, tuple[Callable[[], Any], str]] = {
    "text": (lambda: "a picture", "item 4 of the Dataset is of type str; add a transform to tensors"),
    "flat": (lambda: torch.zeros(12), r"item 4 of the Dataset has shape \(12,\); expected"),
    "two channels": (lambda: torch.zeros(2, 5, 6), r"item 4 of the Dataset has shape \(2, 5, 6\); expected"),
    "empty": (lambda: torch.zeros(3, 0, 6), r"item 4 of the Dataset has shape \(3, 0, 6\)"),
    "normalised": (
        lambda: torch.linspace(-2, 2.5, 90).view(3, 5, 6),
        "item 4 of the Dataset: values from -2 to 2.5 look normalised already; leave out Normalize",
    ),
    "float to 255": (
        lambda: torch.full((3, 5, 6), 200.0),
        "item 4 of the Dataset: values from 200 to 200, but black is 0 and white 1; .* Divide by the value of white",
    ),
    "large whole numbers": (lambda: torch.full((3, 5, 6), 300), "item 4 of the Dataset: values from 300 to 300"),
    "not a number": (lambda: torch.full((3, 5, 6), torch.nan), "item 4 of the Dataset hold NaN or infinity"),
}


@pytest.mark.parametrize("kind", ITEMS)
def test_items_that_are_no_pictures_are_named(kind: str) -> None:
    make, message = ITEMS[kind]
    with pytest.raises(DataError, match=message):
        item_pixels(make(), 4)


@pytest.mark.parametrize(("most", "white"), [(255, 255), (256, 511), (1000, 1023), (4095, 4095), (70_000, 131_071)])
@pytest.mark.parametrize("kind", [np.uint16, np.int32, np.int64, np.uint32, np.float32, np.float64])
def test_numbers_beyond_a_byte_are_scaled_by_the_bits_in_use(kind: Any, most: int, white: int) -> None:
    if np.dtype(kind).kind == "u" and most > np.iinfo(kind).max:
        pytest.skip("does not hold it")
    values = np.random.default_rng(1).integers(0, most + 1, (3, 3, 4, 5))
    values[1, 0, 0, 0] = most
    expected = (values * 255 / white).round().clip(0, 255)
    np.testing.assert_array_equal(images_of(torch.from_numpy(values.astype(kind))), expected)
    given = torch.from_numpy(values[0].astype(kind))
    stated = item_pixels(given, 0, Levels(whole=Scale(0, 2 * white), real=Scale(0, 2 * white)))
    np.testing.assert_array_equal(stated, (values[0] * 255 / (2 * white)).round())


@pytest.mark.parametrize("kind", [np.int16, np.int32, np.float32])
def test_values_below_0_are_scaled_from_the_least(kind: Any) -> None:
    values = np.random.default_rng(1).integers(-1024, 3072, (3, 1, 4, 5))
    values[0, 0, 0, :2] = -1024, 3071
    found = images_of(torch.from_numpy(values.astype(kind)))
    np.testing.assert_array_equal(found, np.broadcast_to(((values + 1024) * 255 / 4095).round(), found.shape))


@pytest.mark.parametrize("kind", [np.uint16, np.float32])
def test_transparency_of_deep_arrays_is_over_white(kind: Any) -> None:
    colours = np.full((1, 4, 1, 5), 1000)
    colours[0, 3, 0] = 65535, 0, 32768, 0, 65535
    if kind is np.float32:
        colours = colours / [[[[1023]], [[1023]], [[1023]], [[65535]]]]
    found = images_of(torch.from_numpy(colours.astype(kind)))[0, :, 0]
    grey = round(1000 * 255 / 1023)
    assert np.abs(found.astype(int) - [[grey, 255, (grey + 255) / 2, 255, grey]] * 3).max() <= 1


def test_a_pixel_format_comes_back_and_a_strange_one_is_refused() -> None:
    given = PixelFormat((60, 80), (0.1, 0.2, 0.3), (0.4, 0.5, 0.6), "bicubic")
    assert PixelFormat.from_config(given.to_config()) == given
    with pytest.raises(ValueError, match="interpolation is 'nearest'"):
        PixelFormat.from_config(given.to_config() | {"interpolation": "nearest"})
