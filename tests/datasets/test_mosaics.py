"""Mosaics: reproducible, distributed as stated, of objects that training and test do not share."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy.stats import binom, binomtest, chisquare

from latentlabels.datasets import mosaics
from latentlabels.datasets.mosaics import FASHION, GARMENTS, expected_labels, mosaic_scenes, prevalences
from latentlabels.errors import DataError, DataWarning

# about 20 checks of frequencies, each at this level: a correct program fails from less than one seed in 500
LEVEL = 1e-4


def squares(root: Path) -> Path:
    """Objects that are light all over."""
    root.mkdir()
    for begin in ("train", "t10k"):
        for name, array in (
            ("images-idx3", np.full((3, 12, 12), 255, np.uint8)),
            ("labels-idx1", np.arange(3, dtype=np.uint8)),
        ):
            (root / f"{begin}-{name}-ubyte").write_bytes(idx(array))
    return root


def test_areas_are_those_of_the_largest_object(tmp_path: Path) -> None:
    """Squares of one size, half a cell, stay within the scene; objects of one class do not add up."""
    found = mosaic_scenes(squares(tmp_path / "squares"), 40, size=12, names=list("abc"), resize=(0.5, 0.5))
    assert found.areas.shape == found.truth.shape
    np.testing.assert_array_equal(found.areas, 36.0 * found.truth)
    larger = mosaic_scenes(tmp_path / "squares", 40, size=12, names=list("abc"), resize=(0.5, 0.75)).areas
    sides = np.sqrt(larger[larger > 0])
    assert (sides == sides.round()).all() and set(sides) == {6, 7, 8, 9}


@pytest.mark.parametrize("resize", [(0.0, 1.0), (1.1, 0.9)])
def test_sizes_that_make_no_object_are_refused(folder: Path, resize: tuple[float, float]) -> None:
    with pytest.raises(DataError, match="give two shares above 0"):
        mosaic_scenes(folder, 1, size=12, resize=resize)


def idx(array: NDArray[np.uint8]) -> bytes:
    return struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def stripes(k: int, side: int = 12) -> NDArray[np.uint8]:
    """A picture of class k: so many rows are light, on black."""
    picture = np.zeros((side, side), np.uint8)
    picture[: k + 1, 1:-1] = 255
    return picture


def idx_folder(root: Path, classes: int = 10, side: int = 12, packed: bool = True) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    for begin, each in (("train", 3), ("t10k", 1)):
        labels = np.repeat(np.arange(classes, dtype=np.uint8), each)
        for name, array in (
            ("images-idx3", np.stack([stripes(k, side) for k in labels])),
            ("labels-idx1", labels),
        ):
            content = idx(array)
            path = root / f"{begin}-{name}-ubyte{'.gz' if packed else ''}"
            path.write_bytes(gzip.compress(content, 1) if packed else content)
    return root


def image_folder(root: Path, number: int = 10, classes: str = "abc") -> Path:
    """Each picture of one grey, which no other has."""
    for k, name in enumerate(classes):
        (root / name).mkdir(parents=True)
        for i in range(number):
            Image.new("RGB", (9, 9), (20 * k + 2 * i + 100,) * 3).save(root / name / f"{i}.png")
    return root


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return idx_folder(tmp_path_factory.mktemp("idx"))


@pytest.fixture(scope="module")
def scenes(folder: Path) -> mosaics.Scenes:
    return mosaic_scenes(folder, 4_000, seed=1, size=12)


# --- form and reproducibility -------------------------------------------------------------------------------------


def test_shapes_types_and_names(scenes: mosaics.Scenes) -> None:
    assert scenes.images.shape == (4_000, 3, 24, 24) and scenes.images.dtype == np.uint8
    assert scenes.truth.shape == (4_000, 10) and scenes.truth.dtype == np.int8
    assert set(np.unique(scenes.truth)) == {0, 1}
    assert scenes.space.labels == GARMENTS and scenes.space.num_label_sets == 1024


def test_a_scene_depends_on_seed_split_and_number_alone(folder: Path, scenes: mosaics.Scenes) -> None:
    state = np.random.get_state()[1]
    again = mosaic_scenes(folder, 20, seed=1, size=12)
    np.testing.assert_array_equal(again.images, scenes.images[:20])
    np.testing.assert_array_equal(again.truth, scenes.truth[:20])
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # nobody else's random numbers are used
    for other in (mosaic_scenes(folder, 20, seed=2, size=12), mosaic_scenes(folder, 20, seed=1, size=12, split="test")):
        assert (other.images != again.images).mean((1, 2, 3)).min() > 0.5
        assert not np.array_equal(other.truth, again.truth)


@pytest.mark.parametrize("grid", [(1, 1), (1, 3), (3, 2)])
def test_grids(folder: Path, grid: tuple[int, int]) -> None:
    found = mosaic_scenes(folder, 50, seed=0, grid=grid, size=10)
    assert found.images.shape == (50, 3, 10 * grid[0], 10 * grid[1])
    assert found.truth.sum(1).min() >= 1 and found.truth.sum(1).max() <= grid[0] * grid[1]


def test_no_scenes_are_no_error(folder: Path) -> None:
    assert mosaic_scenes(folder, 0).images.shape == (0, 3, 56, 56)


def test_files_that_are_not_packed_are_the_same(folder: Path, tmp_path: Path) -> None:
    plain = mosaic_scenes(idx_folder(tmp_path, packed=False), 5, size=12)
    np.testing.assert_array_equal(plain.images, mosaic_scenes(folder, 5, size=12).images)


# --- frequencies --------------------------------------------------------------------------------------------------


def test_stated_prevalences_and_number_of_labels() -> None:
    p = prevalences(10)
    np.testing.assert_allclose(p.sum(), 1)
    np.testing.assert_allclose(p[0] / p[-1], 4)
    np.testing.assert_allclose(p[1:] / p[:-1], 4 ** (-1 / 9))
    by_number = [sum(1 - (1 - p) ** n) for n in (1, 2, 3, 4)]
    np.testing.assert_allclose(expected_labels(10), np.dot(binom.pmf([0, 1, 2, 3], 3, 0.5), by_number))
    assert round(expected_labels(10), 3) == 2.246
    assert expected_labels(1) == 1.0 and prevalences(1).tolist() == [1.0]


def test_labels_are_as_frequent_as_stated(scenes: mosaics.Scenes) -> None:
    p = prevalences(10)
    share = 1 - (1 - p) * (1 - p / 2) ** 3  # of scenes that show class k
    for k in range(10):
        assert binomtest(int(scenes.truth[:, k].sum()), 4_000, share[k]).pvalue > LEVEL
    number = scenes.truth.sum(1)
    assert abs(number.mean() - expected_labels(10)) < 4 * number.std() / 4_000**0.5
    assert number.mean() >= 2


def test_number_of_objects(tmp_path: Path) -> None:
    """With 200 classes, hardly two objects of a scene are of the same."""
    many = idx_folder(tmp_path, classes=200, side=8)
    names = [str(k) for k in range(200)]
    number = mosaic_scenes(many, 2_000, seed=0, size=8, names=names).truth.sum(1)
    counts = np.bincount(number, minlength=5)[1:]
    p = prevalences(200)
    exactly = _distinct(p)
    assert chisquare(counts, 2_000 * exactly).pvalue > LEVEL


def _distinct(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """P(1, 2, 3, 4 different classes), by a large simulation of its own: its error is a tenth of the test's."""
    rng = np.random.default_rng(0)
    n = 1 + rng.binomial(3, 0.5, 200_000)
    drawn = rng.choice(len(p), size=(200_000, 4), p=p).astype(float)
    drawn[np.arange(4) >= n[:, None]] = np.nan
    drawn.sort(axis=1)
    return np.bincount((np.diff(drawn, axis=1) > 0).sum(1) + 1, minlength=5)[1:] / 200_000


# --- what can be seen ---------------------------------------------------------------------------------------------


def test_objects_of_the_stated_classes_are_seen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One cell, nothing moved or resized: the light rows of class k, on a darker background."""
    for name, value in (("MOVE", 0.0), ("RESIZE", (1.0, 1.0)), ("NOISE", 0.0)):
        monkeypatch.setattr(mosaics, name, value)
    found = mosaic_scenes(idx_folder(tmp_path), 60, seed=0, grid=(1, 1), size=12)
    assert len(np.unique(found.truth.argmax(1))) >= 8
    for image, row in zip(found.images.astype(float), found.truth, strict=True):
        inside = image[:, :, 2:-2].mean((0, 2))
        border = image[:, :, [0, -1]].mean((0, 2))
        np.testing.assert_array_equal(inside - border > 50, np.arange(12) <= row.argmax())


def test_objects_move_change_size_mirror_and_colour(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(mosaics, "NOISE", 0.0)
    root = tmp_path / "idx"
    root.mkdir()
    wedge = np.where(np.add.outer(np.arange(28), np.arange(28)) < 27, 255, 0).astype(np.uint8)  # the upper left half
    wedge[:4] = wedge[-4:] = wedge[:, :4] = wedge[:, -4:] = 0
    for begin in ("train", "t10k"):
        (root / f"{begin}-images-idx3-ubyte").write_bytes(idx(wedge[None]))
        (root / f"{begin}-labels-idx1-ubyte").write_bytes(idx(np.zeros(1, np.uint8)))
    images = mosaic_scenes(root, 400, seed=0, grid=(1, 1), names=["wedge"]).images.astype(float)
    light = images.mean(1)
    seen = light > (light.min((1, 2)) + light.max((1, 2)))[:, None, None] / 2
    area = seen.sum((1, 2))
    assert area.max() / area.min() > 1.2
    rows, columns = np.arange(28), np.arange(28)
    middle = [(seen.sum(2) @ rows) / area, (seen.sum(1) @ columns) / area]
    assert all(one.std() > 0.8 for one in middle)
    left = np.array([one[6:12, :14].sum() > one[6:12, 14:].sum() for one in seen])
    assert binomtest(int(left.sum()), 400, 0.5).pvalue > LEVEL
    colours = np.array([image[:, one].mean(1) for image, one in zip(images, seen, strict=True)])
    assert colours.std(0).min() > 15
    backgrounds = np.array([image[:, ~one].mean(1) for image, one in zip(images, seen, strict=True)])
    assert backgrounds.std(0).min() > 10


# --- folders of objects -------------------------------------------------------------------------------------------


def test_training_and_test_share_no_object(tmp_path: Path) -> None:
    root = image_folder(tmp_path)
    parts = [mosaics._read_objects(root, split, 9, GARMENTS) for split in ("train", "test")]
    greys = [set(part.pictures[:, 4, 4, 0].tolist()) for part in parts]
    assert len(greys[0]) == 24 and len(greys[1]) == 6 and not greys[0] & greys[1]
    assert all(np.bincount(part.classes).tolist() == [each] * 3 for part, each in zip(parts, (8, 2), strict=True))


def test_a_folder_moved_elsewhere_is_divided_in_the_same_way(tmp_path: Path) -> None:
    first, second = (mosaic_scenes(image_folder(tmp_path / name), 30, size=9) for name in ("here", "there"))
    np.testing.assert_array_equal(first.images, second.images)
    assert first.space.labels == ("a", "b", "c")


def test_pictures_in_colour_are_shown_in_their_colour(tmp_path: Path) -> None:
    for name, colour in (("red", (200, 20, 20)), ("blue", (20, 20, 200))):
        (tmp_path / name).mkdir()
        for i in range(4):
            Image.new("RGB", (20, 30), (*colour[:1], i, *colour[2:])).save(tmp_path / name / f"{i}.png")
    found = mosaic_scenes(tmp_path, 100, seed=0)
    red, blue = (found.truth[:, found.space.index(name)] == 1 for name in ("red", "blue"))
    image = found.images.astype(int)
    assert (((image[:, 0] - image[:, 2]) > 70).any((1, 2)) == red).all()
    assert (((image[:, 2] - image[:, 0]) > 70).any((1, 2)) == blue).all()


def test_copies_in_two_classes_are_no_objects(tmp_path: Path) -> None:
    root = image_folder(tmp_path, 4)
    (root / "b" / "copy.png").write_bytes((root / "a" / "0.png").read_bytes())
    with pytest.warns(DataWarning, match="merged with the image of the same content"):
        parts = [mosaics._read_objects(root, split, 9, GARMENTS) for split in ("train", "test")]
    assert sum(len(part.classes) for part in parts) == 11


# --- errors -------------------------------------------------------------------------------------------------------


def test_without_the_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert FASHION.is_absolute()
    monkeypatch.setattr(mosaics, "FASHION", tmp_path / "absent")
    for source in (None, tmp_path / "elsewhere"):
        with pytest.raises(DataError, match="folder of objects not found.*apt install dataset-fashion-mnist, or give a folder"):
            mosaic_scenes(source, 1)
    monkeypatch.setattr(mosaics, "FASHION", tmp_path)
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte\.gz not found; for Fashion-MNIST: apt install"):
        mosaic_scenes(None, 1)


@pytest.mark.parametrize(
    "given, words",
    [
        ({"split": "tets"}, 'unknown split "tets"; did you mean "test"'),
        ({"count": -1}, "count is -1 and seed is 0; give whole numbers"),
        ({"seed": -2}, "seed is -2"),
        ({"size": 7}, "2 x 2 cells of 7 px"),
        ({"grid": (0, 2)}, "0 x 2 cells"),
        ({"names": ["a", "b"]}, "its labels go from 0 to 9, but there are 2 names; give one name for each class"),
        ({"names": "abcdefghijkl"}, r"there are 12 names \(without a picture: k, l\)"),
    ],
)
def test_arguments_that_make_no_scene(folder: Path, given: dict[str, Any], words: str) -> None:
    with pytest.raises(DataError, match=words):
        mosaic_scenes(folder, **({"count": 1} | given))


def test_damaged_files(tmp_path: Path) -> None:
    root = idx_folder(tmp_path)
    path = root / "train-images-idx3-ubyte.gz"
    whole = path.read_bytes()
    raw = gzip.decompress(whole)
    for content in (whole[:50], whole[:-9], b"", b"no gzip", gzip.compress(raw[:-1]), gzip.compress(b"\1" + raw[1:])):
        path.write_bytes(content)
        with pytest.raises(DataError, match="train-images-idx3-ubyte.gz: "):
            mosaic_scenes(root, 1)
    path.write_bytes(gzip.compress(idx(np.zeros((5, 12, 12), np.uint8))))
    with pytest.raises(DataError, match="5 pictures, but 30 labels of train"):
        mosaic_scenes(root, 1)


def test_too_few_objects(tmp_path: Path) -> None:
    with pytest.raises(DataError, match='only 1 of the pictures show "a"; give at least two'):
        mosaic_scenes(image_folder(tmp_path, 1), 1)


def test_a_class_without_a_readable_picture(tmp_path: Path) -> None:
    root = image_folder(tmp_path, 4)
    for i, path in enumerate((root / "c").iterdir()):
        path.write_bytes(b"no picture" + bytes([i]))
    with (
        pytest.warns(DataWarning, match="cannot be read and are left out"),
        pytest.raises(DataError, match='no picture of "c" can be read'),
    ):
        mosaic_scenes(root, 1)
