"""Dominant colours of painted pictures, on backgrounds of all kinds, and the two-group set made from them."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.colors import XKCD_COLORS, to_rgb
from numpy.typing import NDArray
from PIL import Image

from latentlabels.datasets.class_and_colour import COLOURS, class_and_colour, dominant_colour
from latentlabels.errors import DataError, DataWarning
from latentlabels.space import OneOf

PAINTS = {
    "black": ["#000000", "#1c1c1e"],
    "white": ["#ffffff", "#eeeeea"],
    "grey": ["#808080", "#6b6f70"],
    "red": ["#e01010", "#9b1120"],
    "orange": ["#ff8c00", "#f07820"],
    "yellow": ["#ffe000", "#f0d040"],
    "green": ["#10a030", "#1f5a28", "#90d060"],
    "blue": ["#1040e0", "#16206a", "#60a8f0"],
    "purple": ["#7020a0", "#9a60c0"],
    "pink": ["#ff80c0", "#f060a0"],
    "brown": ["#7a4a1e", "#54301a"],
}
SHADES = [(name, shade) for name, shades in PAINTS.items() for shade in shades]
BACKGROUNDS = {"white": "#fafafa", "black": "#080808", "grey": "#909090", "green": "#309040", "blue": "#3050d0"}


def rgb(shade: str) -> tuple[int, int, int]:
    red, green, blue = (round(255 * part) for part in to_rgb(shade))
    return red, green, blue


def painted(shade: str, background: str, size: tuple[int, int] = (60, 80), noise: float = 6.0) -> NDArray[np.uint8]:
    """A disc of the shade, three tenths of the picture, with the noise of a camera."""
    height, width = size
    rows, columns = np.mgrid[:height, :width]
    disc = np.hypot((rows - height / 2) / height, (columns - width / 2) / width) < 0.31
    picture = np.where(disc[..., None], rgb(shade), rgb(background)).astype(float)
    picture += noise * np.random.default_rng(0).standard_normal(picture.shape)
    return picture.clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("name, shade", SHADES)
def test_plain_pictures(name: str, shade: str) -> None:
    for size in ((1, 1), (7, 3), (100, 40)):
        assert dominant_colour(np.full((*size, 3), rgb(shade), np.uint8)) == name


@pytest.mark.parametrize("background", BACKGROUNDS)
@pytest.mark.parametrize("name, shade", SHADES)
def test_objects_on_a_background(name: str, shade: str, background: str) -> None:
    for size in ((60, 80), (300, 200)):
        assert dominant_colour(painted(shade, BACKGROUNDS[background], size)) == name


@pytest.mark.parametrize("name, shade", [(name, shade) for name, shade in SHADES if name not in ("green", "blue")])
def test_objects_between_sky_and_grass(name: str, shade: str) -> None:
    picture = painted(shade, "#000000", noise=0)
    empty = (picture == 0).all(-1) if name != "black" else painted("#ffffff", "#000000", noise=0).min(-1) == 0
    sky = np.where(np.arange(60)[:, None, None] < 33, rgb("#87b8f0"), rgb("#2f8030"))
    assert dominant_colour(np.where(empty[..., None], sky, picture).astype(np.uint8)) == name


def test_what_reaches_one_side_of_the_picture_is_no_background() -> None:
    picture = np.full((64, 64, 3), rgb("#e8e8e8"), np.uint8)
    picture[24:, 16:48] = rgb("#b01020")
    assert dominant_colour(picture) == "red"


def test_the_centre_counts_more_than_the_corners() -> None:
    picture = np.full((64, 64, 3), 250, np.uint8)
    picture[4:30, 4:20] = rgb("#1040e0")
    picture[23:41, 24:42] = rgb("#e01010")
    assert picture[..., 0].min() == 16 and dominant_colour(picture) == "red"


def test_checks_are_not_mixed() -> None:
    checks = np.indices((64, 64)).sum(0) // 4 % 3 > 0  # two thirds red, one third white
    assert dominant_colour(np.where(checks[..., None], rgb("#e01010"), 255).astype(np.uint8)) == "red"


def test_as_people_call_the_shades() -> None:
    """The survey's own shades, but for greys with a hue: of a table of 32 levels a channel, a few lie on a border."""
    said = {name.split(":")[1]: shade for name, shade in XKCD_COLORS.items()}
    plain = {name: shade for name, shade in said.items() if name.replace("/", " ").split()[-1] in COLOURS[3:]}
    right = sum(
        dominant_colour(np.full((2, 2, 3), rgb(shade), np.uint8)) == name.replace("/", " ").split()[-1]
        for name, shade in plain.items()
    )
    assert len(plain) > 500 and right / len(plain) > 0.9
    for word in COLOURS:
        assert dominant_colour(np.full((2, 2, 3), rgb(said[word]), np.uint8)) == word


@pytest.mark.parametrize(
    "picture",
    [np.zeros((3, 8, 8), np.uint8), np.zeros((8, 8), np.uint8), np.zeros((8, 8, 3)), np.zeros((0, 8, 3), np.uint8), None],
)
def test_what_is_no_picture(picture: Any) -> None:
    with pytest.raises(DataError, match=r"expected a picture of uint8 \(H, W, 3\), not "):
        dominant_colour(picture)


# --- the two-group set --------------------------------------------------------------------------------------------


def folder(root: Path, content: dict[str, dict[str, int]]) -> Path:
    """An ImageFolder with so many pictures of each colour in each class."""
    count = 0
    for thing, colours in content.items():
        (root / thing).mkdir(parents=True)
        for colour, number in colours.items():
            for i in range(number):
                picture = painted(PAINTS[colour][0], "#707884", size=(40, 40))
                picture[0, 0, 0] = count = count + 1  # no two files are the same
                Image.fromarray(picture).save(root / thing / f"{colour}{i}.png")
    return root


def test_every_image_has_its_class_and_its_colour(tmp_path: Path) -> None:
    root = folder(tmp_path, {"car": {"red": 6, "blue": 5}, "mug": {"red": 5, "white": 7}})
    found = class_and_colour(root)
    assert found.space.groups == (OneOf("class", ["car", "mug"]), OneOf("colour", ["white", "red", "blue"]))
    assert found.truth.dtype == np.int8 and found.truth.shape == (23, 5)
    assert {tuple(row) for row in found.truth.tolist()} <= set(found.space.label_sets())
    for path, row in zip(found.images, found.truth, strict=True):
        assert path.is_file()
        present = [found.space.labels[k] for k in np.flatnonzero(row)]
        assert present == [path.parent.name, path.stem.rstrip("0123456789")]


def test_a_class_called_like_a_colour_keeps_its_name(tmp_path: Path) -> None:
    root = folder(tmp_path, {"orange": {"orange": 5}, "Red": {"red": 5}, "lime": {"green": 5}})
    space = class_and_colour(root).space
    assert space.groups[0].labels == ("Red", "lime", "orange")
    assert space.groups[1].labels == ("red-coloured", "orange-coloured", "green")
    (tmp_path / "lime").rename(tmp_path / "orange-coloured")
    assert class_and_colour(root).space.groups[1].labels == ("red-coloured", "orange-coloured-coloured", "green")


def test_rare_colours_are_left_out_and_named(tmp_path: Path) -> None:
    root = folder(tmp_path, {"car": {"red": 4, "pink": 2}, "mug": {"blue": 5, "black": 1, "red": 1}, "sky": {"black": 1}})
    with pytest.warns(DataWarning, match=r"4 images left out, whose colours fewer than 5 images have: black \(2\), pink \(2\)"):
        found = class_and_colour(root)
    assert found.space.labels == ("car", "mug", "red", "blue")  # no image of class "sky" is left
    assert len(found.images) == len(found.truth) == 10
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert class_and_colour(root, least=1).truth.sum(0).tolist() == [6, 7, 1, 2, 5, 5, 2]


def test_an_image_of_two_classes_is_left_out(tmp_path: Path) -> None:
    root = folder(tmp_path, {"car": {"red": 6}, "mug": {"blue": 6}})
    (root / "mug" / "copy.png").write_bytes((root / "car" / "red3.png").read_bytes())
    (root / "mug" / "zcopy.png").write_bytes((root / "mug" / "blue3.png").read_bytes())  # of the same class: one image
    (root / "car" / "broken.png").write_bytes(b"")
    with pytest.warns(DataWarning) as caught:
        found = class_and_colour(root)
    assert len(found.images) == 11
    messages = "\n".join(str(one.message) for one in caught)
    assert "1 image left out, found in folders of several classes: car/red3.png" in messages
    assert "1 of 12 images cannot be read" in messages


@pytest.mark.parametrize(
    "content, words",
    [
        (
            {"car": {"red": 6}, "mug": {"red": 6}},
            r"fewer than two colours are left without the colours of fewer than 5 images \(red\)",
        ),
        ({"car": {"red": 6, "blue": 6}}, r"fewer than two classes are left without the colours of fewer than 5 images \(car\)"),
    ],
)
def test_too_little_to_make_two_groups(tmp_path: Path, content: Any, words: str) -> None:
    with pytest.raises(DataError, match=words + ".*give a folder with one folder of coloured images for each class"):
        class_and_colour(folder(tmp_path, content))


def test_no_such_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="folder not found"):
        class_and_colour(tmp_path / "nowhere")
