"""Mosaics: scenes with several objects each, made from small pictures of single objects.

A scene is a grid of cells. It shows n = 1 + Binomial(cells - 1, 1/2) objects in as many cells, picked at random: with a grid
of 2 x 2 one to four, 2.5 on average. The class of each is drawn by itself, class k of K (in the order of the labels) with
probability proportional to 4^(-k / (K - 1)): the first class is four times as frequent as the last. Two objects of a
scene can be of one class, so that it shows fewer labels than objects; `expected_labels` says how many. All labels
are free. Each object is mirrored half of the time, resized, moved and tinted; the background has a level, a slope and noise.

Grey pictures on black, as those of Fashion-MNIST (Xiao, Rasul and Vollgraf, arXiv:1708.07747), are seen as cut out: where
they are black, the background shows. Pictures in colour cover their rectangle.
"""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..errors import DataError, nearest
from ..inputs.images import cache_images
from ..observed import Observed
from ..space import LabelSpace
from ..words import listed

FASHION = Path("/usr/share/datasets/fashion-mnist")
"""Where Debian's package dataset-fashion-mnist puts its files."""

GARMENTS = ("t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")
"""The ten classes of Fashion-MNIST."""

SPLITS = {"train": "train", "test": "t10k"}  # and how the files of each begin
RATIO = 4.0  # of the prevalences of the first class and the last
TEST_SHARE = 0.2  # of the objects of each class of an ImageFolder

Source = str | Path | None


class Scenes(NamedTuple):
    """Pictures of several objects, with complete labels.

    Attributes:
        images: (N, 3, H, W) uint8 RGB.
        truth: (N, K) int8 of 1 and 0.
        space: the K labels, all free.
        areas: (N, K) float32, how many pixels the largest object of each label covers; 0 where none is.
    """

    images: NDArray[np.uint8]
    truth: NDArray[np.int8]
    space: LabelSpace
    areas: NDArray[np.float32]


class _Objects(NamedTuple):
    pictures: NDArray[np.uint8]  # (M, size, size, 3), or (M, size, size) of cut-out grey ones
    classes: NDArray[np.intp]  # (M,)
    names: tuple[str, ...]


def prevalences(num_classes: int) -> NDArray[np.float64]:
    """With which probability an object is of each class: (K,)."""
    weights = RATIO ** -np.linspace(0, 1, num_classes)
    out: NDArray[np.float64] = weights / weights.sum()
    return out


def expected_labels(num_classes: int, grid: tuple[int, int] = (2, 2)) -> float:
    """How many labels a scene shows on average: sum_k 1 - E (1 - p_k)^n; 2.25 of ten classes on 2 x 2 cells."""
    absent = 1 - prevalences(num_classes)
    # E s^n of n = 1 + Binomial(cells - 1, 1/2)
    return float((1 - absent * ((1 + absent) / 2) ** (grid[0] * grid[1] - 1)).sum())


def mosaic_scenes(
    source: Source = None,
    count: int = 6000,
    seed: int = 0,
    *,
    grid: tuple[int, int] = (2, 2),
    size: int = 28,
    split: str = "train",
    names: Sequence[str] = GARMENTS,
    resize: tuple[float, float] | None = None,
) -> Scenes:
    """Draw scenes; scene i depends on the objects, the seed, the split and i alone, so a longer run begins like a shorter.

    Args:
        source: a folder of idx files (``train-images-idx3-ubyte.gz`` and so on, packed or not); an ImageFolder of objects,
            one folder for each class; None for Debian's Fashion-MNIST.
        count: N.
        seed: not negative.
        grid: rows and columns of cells.
        size: pixels a side of a cell.
        split: "train" or "test". They have no object in common: idx files have one file for each, and of an ImageFolder a
            fifth of the files of each class, by a hash of their names, is for testing.
        names: of the classes of idx files.
        resize: between which shares of a cell's side that of an object is drawn; None for 0.9 and 1.1.

    Raises:
        DataError: no objects, or arguments that make no scene; the message says how to get Fashion-MNIST.
    """
    if count < 0 or seed < 0:
        raise DataError(f"mosaics: count is {count} and seed is {seed}; give whole numbers of at least 0")
    if size < 8 or min(grid) < 1:
        raise DataError(f"mosaics: {grid[0]} x {grid[1]} cells of {size} px; give at least one cell and at least 8 px")
    smallest, largest = RESIZE if resize is None else resize
    if not 0 < smallest <= largest:
        raise DataError(f"mosaics: resize is {smallest:g} to {largest:g}; give two shares above 0, the smaller one first")
    if split not in SPLITS:
        raise DataError(f'mosaics: unknown split "{split}"{nearest(split, SPLITS)} (known: {", ".join(SPLITS)})')
    objects = _read_objects(source, split, size, names)
    of_class = [np.flatnonzero(objects.classes == k) for k in range(len(objects.names))]
    edges = np.cumsum(prevalences(len(objects.names)))
    cells = grid[0] * grid[1]
    images = np.empty((count, 3, grid[0] * size, grid[1] * size), np.uint8)
    truth = np.zeros((count, len(objects.names)), np.int8)
    areas = np.zeros(truth.shape, np.float32)
    for i in range(count):
        rng = np.random.default_rng((seed, i, list(SPLITS).index(split)))
        number = 1 + rng.binomial(cells - 1, 0.5)
        classes = np.searchsorted(edges, rng.random(number) * edges[-1], side="right")
        truth[i, classes] = 1
        canvas = _background(rng, *images.shape[2:])
        for cell, k in zip(rng.permutation(cells), classes, strict=False):
            picture = objects.pictures[of_class[k][rng.integers(len(of_class[k]))]]
            area = _place(canvas, picture, divmod(int(cell), grid[1]), rng, (smallest, largest))
            areas[i, k] = max(areas[i, k], area)
        canvas += rng.normal(0, NOISE, canvas.shape[:2])[..., None]
        images[i] = canvas.clip(0, 255).astype(np.uint8).transpose(2, 0, 1)
    return Scenes(images, truth, LabelSpace.free(objects.names), areas)


# --- how a scene looks --------------------------------------------------------------------------------------------

NOISE = 4.0  # of 255 levels
RESIZE = (0.9, 1.1)  # of an object's side
MOVE = 0.1  # of a cell's side, at most; objects reach into other cells, and out of the picture
CONTRAST = 110.0  # levels by which the tint of a cut-out is lighter than the background behind it, at least


def _background(rng: np.random.Generator, height: int, width: int) -> NDArray[np.float32]:
    """A colour with a slope: (height, width, 3), 0 to 255."""
    level, tint = rng.uniform(20, 90), rng.uniform(-20, 20, 3)
    down, right = rng.uniform(-25, 25, 2)
    slope = np.linspace(-0.5, 0.5, height)[:, None] * down + np.linspace(-0.5, 0.5, width) * right
    return (level + tint + slope[..., None]).astype(np.float32)


def _place(
    canvas: NDArray[np.float32],
    picture: NDArray[np.uint8],
    cell: tuple[int, int],
    rng: np.random.Generator,
    resize: tuple[float, float],
) -> float:
    """Draw an object into its cell, in place; how many pixels it covers, in part by parts."""
    size = len(picture)
    side = max(4, round(size * rng.uniform(*resize)))
    moved = rng.uniform(-MOVE, MOVE, 2) * size
    mirror = rng.random() < 0.5
    tint = rng.uniform(0, 1, 3)
    if side != size:
        picture = np.asarray(Image.fromarray(picture).resize((side, side), Image.Resampling.BILINEAR))
    if mirror:
        picture = picture[:, ::-1]
    top, left = (round(at * size + (size - side) / 2 + by) for at, by in zip(cell, moved, strict=True))
    rows, columns = (slice(max(at, 0), max(at + side, 0)) for at in (top, left))
    behind = canvas[rows, columns]
    shown = picture[rows.start - top :, columns.start - left :][: behind.shape[0], : behind.shape[1]].astype(np.float32)
    if shown.ndim == 3:
        behind[:] = shown * (0.85 + 0.25 * tint)
        return float(shown.shape[0] * shown.shape[1])
    # a cut-out's own greys, stretched between the background's level and a colour that is lighter
    level = float(behind.mean()) if behind.size else 0.0
    far = level + CONTRAST + tint * (255 - level - CONTRAST)
    solid = np.minimum(shown / 64, 1)[..., None]
    paint = level + (far - level) * (0.25 + 0.75 * shown[..., None] / 255)
    behind += solid * (paint - behind)
    return float(solid.sum())


# --- objects ------------------------------------------------------------------------------------------------------


def _read_objects(source: Source, split: str, size: int, names: Sequence[str]) -> _Objects:
    folder = FASHION if source is None else Path(source)
    if not folder.is_dir():
        raise DataError(
            f"{folder}: folder of objects not found; for Fashion-MNIST: apt install dataset-fashion-mnist, or give a "
            "folder with "
            "one folder of pictures for each class, or one with idx files"
        )
    if any(folder.glob("*-idx3-ubyte*")) or source is None:
        return _from_idx(folder, SPLITS[split], size, tuple(names))
    return _from_folder(folder, split, size)


def _from_idx(folder: Path, begin: str, size: int, names: tuple[str, ...]) -> _Objects:
    pictures = _idx(folder, f"{begin}-images-idx3-ubyte", 3)
    labels = _idx(folder, f"{begin}-labels-idx1-ubyte", 1)
    if len(pictures) != len(labels):
        raise DataError(f"{folder}: {len(pictures)} pictures, but {len(labels)} labels of {begin}")
    absent = [name for k, name in enumerate(names) if not (labels == k).any()]
    if absent or labels.max() >= len(names):
        raise DataError(
            f"{folder}: its labels go from {labels.min()} to {labels.max()}, but there are {len(names)} names"
            f"{f' (without a picture: {listed(absent)})' if absent else ''}; give one name for each class"
        )
    if pictures.shape[1:] != (size, size):
        pictures = np.stack(
            [np.asarray(Image.fromarray(one).resize((size, size), Image.Resampling.BILINEAR)) for one in pictures]
        )
    return _Objects(pictures, labels.astype(np.intp), names)


def _idx(folder: Path, name: str, dimensions: int) -> NDArray[np.uint8]:
    """An idx file of bytes: 0, 0, 8, dimensions, the sizes as 32 bits each, the values."""
    path = next((path for path in (folder / f"{name}.gz", folder / name) if path.is_file()), None)
    if path is None:
        raise DataError(f"{folder}: {name}.gz not found; for Fashion-MNIST: apt install dataset-fashion-mnist")
    try:
        content = path.read_bytes()
        content = gzip.decompress(content) if path.suffix == ".gz" else content
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read ({error})") from None
    head = 4 + 4 * dimensions
    shape = np.frombuffer(content[4:head], ">u4").astype(int)
    if content[:4] != bytes((0, 0, 8, dimensions)) or len(content) != head + shape.prod() or not shape.prod():
        raise DataError(f"{path}: not an idx file of bytes with {dimensions} dimensions, or damaged or empty")
    return np.frombuffer(content, np.uint8, offset=head).reshape(shape)


def _from_folder(root: Path, split: str, size: int) -> _Objects:
    found = Observed.from_folder(root)
    assert found.images is not None
    rows: list[int] = []
    for k, name in enumerate(found.space.labels):
        mine = [row for row in np.flatnonzero(found.values[:, k] == 1).tolist() if found.num_known[row] == 1]
        mine.sort(key=lambda row: hashlib.sha256(found.images[row].encode("utf-8", "surrogateescape")).digest())  # type: ignore[index]
        if len(mine) < 2:
            raise DataError(f'{root}: only {len(mine)} of the pictures show "{name}"; give at least two, to train and to test')
        test = max(1, round(TEST_SHARE * len(mine)))
        rows += mine[:test] if split == "test" else mine[test:]
    pixels, kept = cache_images([root / found.images[row] for row in rows], (size, size))
    classes = found.values[rows].argmax(1)[kept]
    lost = sorted(set(range(found.space.num_labels)) - set(classes.tolist()))
    if lost:
        raise DataError(
            f'{root}: no picture of "{found.space.labels[lost[0]]}" can be read; remove the folder, or repair the files'
        )
    return _Objects(np.ascontiguousarray(pixels.transpose(0, 2, 3, 1)), classes.astype(np.intp), found.space.labels)
