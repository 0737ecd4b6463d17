"""Two square windows of a picture, side by side."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

import latentlabels as ll
from latentlabels.inputs import PixelFormat, two_windows
from latentlabels.inputs.image_file import at_size, read_picture
from latentlabels.inputs.levels import Levels, Scale
from latentlabels.inputs.rgb import resize, resized

SIDE = 8


def picture(height: int, width: int) -> NDArray[np.uint8]:
    """Each pixel says where it is."""
    rows, columns = np.mgrid[:height, :width]
    return np.stack([rows, columns, np.full_like(rows, 100)], -1).astype(np.uint8)


@pytest.mark.parametrize(
    ("height", "width", "first", "second"),
    [
        (8, 8, (0, 0), (0, 0)),  # a square is shown twice
        (8, 12, (0, 0), (0, 4)),
        (8, 16, (0, 0), (0, 8)),  # the two halves: what is two windows already stays as it is
        (12, 8, (0, 0), (4, 0)),
    ],
)
def test_the_windows_are_squares_at_both_ends(height: int, width: int, first: tuple[int, int], second: tuple[int, int]) -> None:
    found = resize(Image.fromarray(picture(height, width)), (SIDE, 2 * SIDE), "bilinear windows")
    given = picture(height, width).transpose(2, 0, 1)
    for number, (row, column) in enumerate((first, second)):
        window = given[:, row : row + SIDE, column : column + SIDE]
        np.testing.assert_array_equal(found[:, :, number * SIDE : (number + 1) * SIDE], window)


@pytest.mark.parametrize(("height", "width"), [(8, 32), (32, 8)])
def test_a_long_picture_is_covered_by_its_halves(height: int, width: int) -> None:
    image = Image.fromarray(picture(height, width))
    found = resize(image, (SIDE, 2 * SIDE), "bicubic windows")
    halves = [image.crop((0, 0, 16, 8)), image.crop((16, 0, 32, 8))]
    if height > width:
        halves = [image.crop((0, 0, 8, 16)), image.crop((0, 16, 8, 32))]
    for number, half in enumerate(halves):
        expected = resize(half, (SIDE, SIDE), "bicubic")
        # cut first, a half has a border of its own; resized as a part, it sees its neighbours
        inner = found[:, 1:-1, number * SIDE + 1 : (number + 1) * SIDE - 1].astype(int)
        assert np.abs(inner - expected[:, 1:-1, 1:-1]).max() <= 2


def test_another_size_than_two_squares_shows_the_whole_picture() -> None:
    image = Image.fromarray(picture(10, 15))
    for size in ((8, 8), (8, 12)):
        np.testing.assert_array_equal(resize(image, size, "bicubic windows"), resize(image, size, "bicubic"))


def test_arrays_files_and_deep_files_have_the_same_windows(tmp_path: Path) -> None:
    values = picture(10, 15) * 10
    size = (SIDE, 2 * SIDE)
    expected = resize(Image.fromarray(values), size, "bilinear windows")
    np.testing.assert_array_equal(resized(values.transpose(2, 0, 1)[None], size, "bilinear windows")[0], expected)
    Image.fromarray(values[..., 0].astype(np.uint16) * 257).save(tmp_path / "deep.png")
    levels = Levels(whole=Scale(0.0, 65535.0))  # so that 16 bits are scaled as 8 are
    deep = at_size(read_picture(tmp_path / "deep.png", size).picture, size, "bilinear windows", levels)
    grey = at_size(Image.merge("RGB", [Image.fromarray(values[..., 0])] * 3), size, "bilinear windows", None)
    assert np.abs(deep.astype(int) - grey).max() <= 1


def test_the_format_of_windows() -> None:
    plain = PixelFormat((224, 224), interpolation="bicubic")
    found = plain.in_windows()
    assert (found.size, found.interpolation) == ((224, 448), "bicubic windows")
    assert found.in_windows() == found
    assert PixelFormat.from_config(found.to_config()) == found
    assert two_windows((260, 520)) == two_windows((260, 260)) == (260, 520)


def test_features_of_windows_are_the_mean_of_those_of_both() -> None:
    from latentlabels.encoders import build_encoder

    torch.manual_seed(0)
    pixels = PixelFormat((32, 32)).in_windows()
    encoder = build_encoder("tiny", pixels=pixels, frozen=True)
    network = encoder.module.module
    images = torch.rand(3, 3, 32, 64)
    with torch.no_grad():
        left, right, both = network(images[..., :32]), network(images[..., 32:]), network(images)
        torch.testing.assert_close(both, (left + right) / 2)
        square = torch.rand(2, 3, 32, 32)
        torch.testing.assert_close(network(torch.cat([square, square], -1)), network(square))


@pytest.mark.filterwarnings("ignore:.*fewer than 5 training images", "ignore:.*random weights and is frozen")
def test_a_fit_with_windows(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for number in range(40):
        folder = tmp_path / "photos" / ("wide" if number % 2 else "high")
        folder.mkdir(parents=True, exist_ok=True)
        shape = (32, 60, 3) if number % 2 else (60, 32, 3)
        Image.fromarray(rng.integers(0, 255, shape, dtype=np.uint8)).save(folder / f"{number}.png")
    m = ll.LatentLabels(encoder="tiny", windows=True, image_size=32, epochs=2, cache="none").fit(tmp_path / "photos")
    assert m.fitted_.image_size == (32, 64)
    run = ll.LatentLabels.load(m.save(tmp_path / "run"))
    assert run.fitted_.pixels == m.fitted_.pixels
    new = m.posterior(tmp_path / "photos")
    np.testing.assert_allclose(run.posterior(tmp_path / "photos").marginals, new.marginals, atol=1e-6)
    assert m.read(tmp_path / "photos").picture(0).size in ((60, 32), (32, 60)), "what is shown is the picture, not its windows"
    with pytest.raises(ll.errors.ConfigError, match="one picture, not in two windows"):
        ll.LatentLabels(encoder="tiny", windows=True, regions=True).fit(tmp_path / "photos")
