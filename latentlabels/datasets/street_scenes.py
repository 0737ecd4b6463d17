"""Toy scenes: rendered pictures with complete labels, and one known label for each.

Each 64 px picture shows one coloured vehicle or shape on a street. The labels have all kinds of group (exhaustive,
optional, requiring, free), and go together more often than chance in the way that the tables below state. Beside the
complete truth stands what a collector of singly-labelled photographs would know: one present label, picked uniformly.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import yaml
from PIL import Image

from ..errors import DataError
from ..space import Free, LabelSpace, OneOf
from ..writing import building, write_text
from .scenes import Throw, draw_scene

VEHICLES = ("car", "bike", "bus", "truck")

TOY_SPACE = LabelSpace(
    [
        OneOf("colour", ["red", "yellow", "green", "blue", "purple", "white"]),
        OneOf("vehicle", VEHICLES, optional=True),
        OneOf("doors", ["2-doors", "4-doors"], requires="car"),
        OneOf("shape", ["ball", "box", "cone"], optional=True),
        Free("striped"),
        Free("headlights"),
        Free("smoke"),
        Free("night"),
        Free("rain"),
        Free("tree"),
    ]
)
"""The labels of the toy scenes. A scene shows a vehicle or a shape, never both and never neither."""

OBJECTS: Mapping[str, float] = {
    "car": 0.32, "bike": 0.13, "bus": 0.14, "truck": 0.14, "ball": 0.09, "box": 0.09, "cone": 0.09,
}  # fmt: skip
"""p(object)."""

COLOURS: Mapping[str, Mapping[str, float]] = {
    "car": {"red": 0.24, "yellow": 0.10, "green": 0.12, "blue": 0.24, "purple": 0.10, "white": 0.20},
    "bike": {"red": 0.22, "yellow": 0.15, "green": 0.22, "blue": 0.15, "purple": 0.16, "white": 0.10},
    "bus": {"red": 0.24, "yellow": 0.40, "green": 0.14, "blue": 0.10, "purple": 0.04, "white": 0.08},
    "truck": {"red": 0.12, "yellow": 0.10, "green": 0.16, "blue": 0.20, "purple": 0.06, "white": 0.36},
    "ball": {"red": 0.22, "yellow": 0.16, "green": 0.16, "blue": 0.16, "purple": 0.20, "white": 0.10},
    "box": {"red": 0.14, "yellow": 0.16, "green": 0.20, "blue": 0.18, "purple": 0.20, "white": 0.12},
    "cone": {"red": 0.46, "yellow": 0.26, "green": 0.06, "blue": 0.10, "purple": 0.08, "white": 0.04},
}
"""p(colour | object): buses tend to be yellow, trucks white, cones red."""

TWO_DOORS: Mapping[str, float] = {
    "red": 0.70, "yellow": 0.55, "green": 0.35, "blue": 0.30, "purple": 0.50, "white": 0.30,
}  # fmt: skip
"""p(2-doors | car, colour): red cars are fast cars."""

STRIPED: Mapping[str, float] = {
    "car": 0.12, "bike": 0.04, "bus": 0.45, "truck": 0.20, "ball": 0.50, "box": 0.35, "cone": 0.60,
}  # fmt: skip
"""p(striped | object)."""

SMOKE: Mapping[str, float] = {
    "car": 0.14, "bike": 0.03, "bus": 0.34, "truck": 0.55, "ball": 0.02, "box": 0.06, "cone": 0.02,
}  # fmt: skip
"""p(smoke | object)."""

NIGHT = 0.35
"""p(night)."""

RAIN: Mapping[bool, float] = {False: 0.22, True: 0.32}
"""p(rain | night)."""

HEADLIGHTS: Mapping[tuple[bool, bool], float] = {
    (False, False): 0.06, (False, True): 0.55, (True, False): 0.90, (True, True): 0.95,
}  # fmt: skip
"""p(headlights | vehicle, night, rain); shapes have none."""

TREE: Mapping[str, float] = {
    "car": 0.40, "bike": 0.65, "bus": 0.25, "truck": 0.25, "ball": 0.65, "box": 0.35, "cone": 0.30,
}  # fmt: skip
"""p(tree | object)."""


@dataclass(frozen=True)
class ToyScenes:
    """Rendered scenes with their complete labels and the one label of each that is known.

    Args:
        images: RGB, uint8, shape (n, 3, size, size).
        truth: 1 present, 0 absent, int8, shape (n, K).
        observed: 1 for the one known label of each scene, -1 (unknown) elsewhere, int8, shape (n, K).
        space: the K labels.
        boxes: left, top, right and bottom of what shows each label, as shares of the picture's width and height, float32,
            shape (n, K, 4). NaN where a label is absent, and for night, rain and headlights, which have no one place.
    """

    images: npt.NDArray[np.uint8]
    truth: npt.NDArray[np.int8]
    observed: npt.NDArray[np.int8]
    space: LabelSpace
    boxes: npt.NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.images)

    def present(self, number: int) -> tuple[str, ...]:
        """The labels that scene `number` shows."""
        return tuple(self.space.labels[k] for k in np.flatnonzero(self.truth[number]))

    def known(self, number: int) -> str:
        """The one known label of scene `number`."""
        return self.space.labels[int(np.flatnonzero(self.observed[number] == 1)[0])]


def _pick(options: Mapping[str, float], number: float) -> str:
    names = tuple(options)
    edges = np.cumsum([options[name] for name in names])
    return names[min(int(np.searchsorted(edges, number * edges[-1], side="right")), len(names) - 1)]


def _draw_labels(rng: np.random.Generator) -> tuple[list[str], str]:
    """The labels of one scene, from the tables above, and the one among them that is known."""
    u = rng.random(10).tolist()
    thing = _pick(OBJECTS, u[0])
    colour = _pick(COLOURS[thing], u[1])
    labels = [colour, thing]
    if thing == "car":
        labels.append("2-doors" if u[2] < TWO_DOORS[colour] else "4-doors")
    night = u[3] < NIGHT
    rain = u[4] < RAIN[night]
    for label, present in (
        ("striped", u[5] < STRIPED[thing]),
        ("headlights", thing in VEHICLES and u[6] < HEADLIGHTS[night, rain]),
        ("smoke", u[7] < SMOKE[thing]),
        ("night", night),
        ("rain", rain),
        ("tree", u[8] < TREE[thing]),
    ):
        if present:
            labels.append(label)
    return labels, labels[int(u[9] * len(labels))]


def _generators(seed: int, number: int) -> tuple[np.random.Generator, np.random.Generator]:
    # one for the labels and one for the picture: what is drawn never changes what is known
    return np.random.default_rng((seed, number, 0)), np.random.default_rng((seed, number, 1))


def draw_labels(n: int, seed: int) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.int8]]:
    """Draw the labels of `render_scenes(n, seed)` without the pictures.

    Returns:
        truth, 0/1, and observed, 1 or -1; int8, shape (n, K) each.

    Raises:
        DataError: n or seed is negative.
    """
    _check(n, seed)
    truth = np.zeros((n, TOY_SPACE.num_labels), np.int8)
    observed = np.full_like(truth, -1)
    for i in range(n):
        labels, known = _draw_labels(_generators(seed, i)[0])
        truth[i, [TOY_SPACE.index(label) for label in labels]] = 1
        observed[i, TOY_SPACE.index(known)] = 1
    return truth, observed


def render_scene(present: Sequence[str], seed: int, number: int = 0, size: int = 64) -> npt.NDArray[np.uint8]:
    """Draw scene `number` of `seed` with the labels `present` instead of its own.

    Scenes of the same seed and number agree in all that the labels leave open, so they show what one label changes.

    Args:
        present: a label set of `TOY_SPACE` with one object: a vehicle or a shape.
        seed: as in `render_scenes`.
        number: which of its scenes.
        size: width and height in pixels.

    Returns:
        RGB, shape (3, size, size).

    Raises:
        DataError: the labels are no valid set, or name no object or two.
    """
    _check(number, seed, size)
    columns = {TOY_SPACE.index(label) for label in present}
    objects = [label for label in present if label in OBJECTS]
    valid = tuple(int(k in columns) for k in range(TOY_SPACE.num_labels)) in _valid_sets()
    if not valid or len(objects) != 1 or ("headlights" in present and objects[0] not in VEHICLES):
        raise DataError(
            f"no toy scene can show ({', '.join(present)}); give one colour, one of {', '.join(OBJECTS)}, for a car "
            "2-doors or 4-doors, and any of striped, smoke, night, rain, tree, and for vehicles headlights"
        )
    return draw_scene(present, Throw.draw(_generators(seed, number)[1], size)).pixels


@lru_cache(maxsize=1)
def _valid_sets() -> frozenset[tuple[int, ...]]:
    return frozenset(TOY_SPACE.label_sets())


def render_scenes(n: int, seed: int, size: int = 64) -> ToyScenes:
    """Render n scenes; scene i depends on `seed` and i alone, so a longer run begins like a shorter one.

    Args:
        n: how many.
        seed: not negative.
        size: width and height in pixels, at least 16.

    Raises:
        DataError: n or seed is negative, or the size is below 16.
    """
    _check(n, seed, size)
    truth, observed = draw_labels(n, seed)
    images = np.empty((n, 3, size, size), np.uint8)
    boxes = np.full((n, TOY_SPACE.num_labels, 4), np.nan, np.float32)
    for i in range(n):
        present = [TOY_SPACE.labels[k] for k in np.flatnonzero(truth[i])]
        images[i], found = draw_scene(present, Throw.draw(_generators(seed, i)[1], size))
        for label, box in found.items():
            boxes[i, TOY_SPACE.index(label)] = box
    return ToyScenes(images, truth, observed, TOY_SPACE, boxes)


def _check(number: int, seed: int, size: int = 64) -> None:
    if number < 0 or seed < 0:
        raise DataError(f"toy scenes: number is {number} and seed is {seed}; give whole numbers of at least 0")
    if size < 16:
        raise DataError(f"toy scenes: a size of {size} px is too small; give at least 16")


def write_scenes(scenes: ToyScenes, directory: str | Path) -> None:
    """Write scenes as a folder of singly-labelled images with the truth beside it.

    ``images-by-label/LABEL/00001.png`` (by the one known label; numbered from 1 across labels), ``truth.csv`` (column
    ``image``, relative to ``images-by-label``, and a column of 1 or 0 per label) and ``labels.yaml`` (the label space).

    Raises:
        DataError: ``directory/images-by-label`` holds something already.
    """
    directory = Path(directory)
    root = directory / "images-by-label"
    if root.exists() and any(root.iterdir()):
        raise DataError(f"{root}: already holds images; remove the folder or give another one")
    names = [f"{scenes.known(i)}/{i + 1:05d}.png" for i in range(len(scenes))]
    with building(root) as temporary:
        for label in {scenes.known(i) for i in range(len(scenes))}:
            (temporary / label).mkdir()
        for image, name in zip(scenes.images, names, strict=True):
            Image.fromarray(image.transpose(1, 2, 0)).save(temporary / name)
    table = io.StringIO(newline="")
    rows = csv.writer(table)
    rows.writerow(["image", *scenes.space.labels])
    rows.writerows([name, *row] for name, row in zip(names, scenes.truth.tolist(), strict=True))
    write_text(directory / "truth.csv", table.getvalue())
    write_text(directory / "labels.yaml", yaml.safe_dump(scenes.space.to_config(), sort_keys=False, default_flow_style=None))
