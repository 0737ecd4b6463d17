"""Toy scenes: reproducible, valid, distributed as the tables say, and every label can be seen."""

from __future__ import annotations

import csv
import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from scipy.stats import binomtest, chisquare

from latentlabels.datasets import street_scenes
from latentlabels.datasets.scenes.drawing import PAINTS
from latentlabels.datasets.street_scenes import TOY_SPACE, draw_labels, render_scene, render_scenes, write_scenes
from latentlabels.errors import DataError
from latentlabels.space import Free, LabelSpace, OneOf

# about 150 checks of frequencies, each at this level: a correct table fails from less than one seed in 5,000
LEVEL = 1e-6


@pytest.fixture(scope="module")
def labels() -> tuple[npt.NDArray[np.int8], npt.NDArray[np.int8]]:
    return draw_labels(12_000, seed=3)


@pytest.fixture(scope="module")
def scenes() -> street_scenes.ToyScenes:
    return render_scenes(300, seed=5)


def column(truth: npt.NDArray[np.int8], label: str) -> npt.NDArray[np.bool_]:
    return truth[:, TOY_SPACE.index(label)] == 1


def visible(first: npt.NDArray[np.uint8], second: npt.NDArray[np.uint8], levels: int = 20) -> npt.NDArray[np.bool_]:
    """Which pixels differ by more than so many of the 256 levels; the camera's noise is the same in both."""
    return (np.abs(first.astype(int) - second.astype(int)) > levels).any(axis=0)


# --- reproducibility -------------------------------------------------------------------------------------------------


def test_scene_depends_on_seed_and_number_alone(scenes: street_scenes.ToyScenes) -> None:
    np.random.seed(0)
    state = np.random.get_state()[1]
    again = render_scenes(12, seed=5)
    for name in ("images", "truth", "observed", "boxes"):
        np.testing.assert_array_equal(getattr(again, name), getattr(scenes, name)[:12])
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # nobody else's random numbers are used


def test_other_seeds_give_other_scenes(scenes: street_scenes.ToyScenes) -> None:
    other = render_scenes(12, seed=6)
    assert not np.array_equal(other.truth, scenes.truth[:12])
    assert all(visible(other.images[i], scenes.images[i]).mean() > 0.2 for i in range(12))


def test_same_labels_give_other_pictures_in_every_scene() -> None:
    first, *others = (render_scene(("red", "bus"), seed=1, number=number) for number in range(6))
    assert all(visible(first, other).mean() > 0.2 for other in others)


def test_labels_without_pictures_are_those_of_the_scenes(scenes: street_scenes.ToyScenes) -> None:
    truth, observed = draw_labels(300, seed=5)
    np.testing.assert_array_equal(truth, scenes.truth)
    np.testing.assert_array_equal(observed, scenes.observed)
    np.testing.assert_array_equal(render_scene(scenes.present(7), seed=5, number=7), scenes.images[7])


# --- form ------------------------------------------------------------------------------------------------------------


def test_shapes_types_and_one_known_label(scenes: street_scenes.ToyScenes) -> None:
    K = TOY_SPACE.num_labels
    assert len(scenes) == 300 and scenes.space is TOY_SPACE
    assert scenes.images.shape == (300, 3, 64, 64) and scenes.images.dtype == np.uint8
    assert scenes.truth.shape == scenes.observed.shape == (300, K)
    assert scenes.truth.dtype == scenes.observed.dtype == np.int8
    assert set(np.unique(scenes.observed)) == {-1, 1}
    np.testing.assert_array_equal((scenes.observed == 1).sum(axis=1), 1)
    assert (scenes.truth[scenes.observed == 1] == 1).all()
    assert scenes.known(4) in scenes.present(4)
    with pytest.raises(dataclasses.FrozenInstanceError):
        scenes.truth = scenes.observed  # type: ignore[misc]


def test_space_has_every_kind_of_group() -> None:
    groups = TOY_SPACE.groups
    assert any(isinstance(group, OneOf) and not group.optional and group.requires is None for group in groups)
    assert any(isinstance(group, OneOf) and group.optional for group in groups)
    assert any(group.requires is not None for group in groups)
    assert any(isinstance(group, Free) for group in groups)


def test_label_sets_are_valid_and_show_one_object(labels: tuple[npt.NDArray[np.int8], npt.NDArray[np.int8]]) -> None:
    truth, _ = labels
    valid = set(TOY_SPACE.label_sets())
    assert {tuple(row) for row in truth.tolist()} <= valid
    np.testing.assert_array_equal(truth[:, [TOY_SPACE.index(name) for name in street_scenes.OBJECTS]].sum(axis=1), 1)


@pytest.mark.parametrize("size", [16, 50, 128])
def test_other_sizes_show_the_same_scene(size: int) -> None:
    def small(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
        picture = Image.fromarray(image.transpose(1, 2, 0))
        return np.asarray(picture.resize((8, 8), Image.Resampling.BOX), dtype=float)

    present = ("red", "bus", "tree")
    image = render_scene(present, seed=1, size=size)
    assert image.shape == (3, size, size)
    assert np.abs(small(image) - small(render_scene(present, seed=1))).mean() < 8


def test_no_scenes_are_no_error(tmp_path: Path) -> None:
    none = render_scenes(0, seed=0)
    assert none.images.shape == (0, 3, 64, 64) and none.truth.shape == (0, TOY_SPACE.num_labels)
    write_scenes(none, tmp_path)
    assert (tmp_path / "truth.csv").read_text().count("\n") == 1


# --- distribution ----------------------------------------------------------------------------------------------------


def frequencies_agree(mask: npt.NDArray[np.bool_], hits: npt.NDArray[np.bool_], probability: float, what: object) -> None:
    found = binomtest(int(hits[mask].sum()), int(mask.sum()), probability)
    assert found.pvalue > LEVEL, f"p({what}) is stated as {probability}, found {found.statistic:.3f} of {mask.sum()}"


def test_tables_sum_to_one() -> None:
    for table in (street_scenes.OBJECTS, *street_scenes.COLOURS.values()):
        assert sum(table.values()) == pytest.approx(1)


def test_objects_and_colours_are_as_frequent_as_stated(
    labels: tuple[npt.NDArray[np.int8], npt.NDArray[np.int8]],
) -> None:
    truth, _ = labels
    everywhere = np.ones(len(truth), bool)
    for thing, share in street_scenes.OBJECTS.items():
        frequencies_agree(everywhere, column(truth, thing), share, thing)
        for colour, probability in street_scenes.COLOURS[thing].items():
            frequencies_agree(column(truth, thing), column(truth, colour), probability, f"{colour} | {thing}")


@pytest.mark.parametrize("label", ["striped", "smoke", "tree"])
def test_labels_go_with_objects_as_stated(label: str, labels: tuple[npt.NDArray[np.int8], npt.NDArray[np.int8]]) -> None:
    truth, _ = labels
    table: Mapping[str, float] = {"striped": street_scenes.STRIPED, "smoke": street_scenes.SMOKE, "tree": street_scenes.TREE}[
        label
    ]
    for thing, probability in table.items():
        frequencies_agree(column(truth, thing), column(truth, label), probability, f"{label} | {thing}")


def test_doors_weather_and_lights_are_as_frequent_as_stated(
    labels: tuple[npt.NDArray[np.int8], npt.NDArray[np.int8]],
) -> None:
    truth, _ = labels
    for colour, probability in street_scenes.TWO_DOORS.items():
        mask = column(truth, "car") & column(truth, colour)
        frequencies_agree(mask, column(truth, "2-doors"), probability, f"2-doors | {colour} car")
    night, rain = column(truth, "night"), column(truth, "rain")
    frequencies_agree(np.ones(len(truth), bool), night, street_scenes.NIGHT, "night")
    for dark in (False, True):
        frequencies_agree(night == dark, rain, street_scenes.RAIN[dark], f"rain | night={dark}")
    vehicle = truth[:, [TOY_SPACE.index(name) for name in street_scenes.VEHICLES]].any(axis=1)
    for (dark, wet), probability in street_scenes.HEADLIGHTS.items():
        mask = vehicle & (night == dark) & (rain == wet)
        frequencies_agree(mask, column(truth, "headlights"), probability, f"headlights | night={dark}, rain={wet}")
    assert not column(truth, "headlights")[~vehicle].any()


def test_nothing_else_goes_together(labels: tuple[npt.NDArray[np.int8], npt.NDArray[np.int8]]) -> None:
    truth, _ = labels
    free = {"striped": street_scenes.STRIPED, "smoke": street_scenes.SMOKE, "tree": street_scenes.TREE}
    for thing in street_scenes.VEHICLES:
        for label, table in free.items():
            for other in {"headlights", "night", "rain", *free} - {label}:
                mask = column(truth, thing) & column(truth, other)
                frequencies_agree(mask, column(truth, label), table[thing], f"{label} | {thing}, {other}")


def test_number_of_labels(labels: tuple[npt.NDArray[np.int8], npt.NDArray[np.int8]]) -> None:
    assert 3.5 < labels[0].sum(axis=1).mean() < 4.5


def test_known_label_is_uniform_among_the_present_ones(
    labels: tuple[npt.NDArray[np.int8], npt.NDArray[np.int8]],
) -> None:
    truth, observed = labels
    known = (observed == 1).argmax(axis=1)
    count = truth.sum(axis=1)
    # the how-manieth of the present labels, in the order of the columns, is the known one
    rank = np.take_along_axis(truth.cumsum(axis=1), known[:, None], axis=1)[:, 0] - 1
    for n in range(2, 8):
        assert chisquare(np.bincount(rank[count == n], minlength=n)).pvalue > LEVEL
    for k, label in enumerate(TOY_SPACE.labels):  # and no label is preferred for what it says
        share = 1 / count[truth[:, k] == 1]
        deviation = (known == k).sum() - share.sum()
        assert abs(deviation) < 5 * np.sqrt((share * (1 - share)).sum()), label  # 6e-7 by the normal law


# --- what can be seen ------------------------------------------------------------------------------------------------

NUMBERS = range(8)


@pytest.mark.parametrize(
    ("label", "fewest"),
    [("striped", 25), ("headlights", 6), ("smoke", 40), ("night", 2500), ("rain", 120), ("tree", 30)],
)
@pytest.mark.parametrize("scene", [("red", "bus"), ("blue", "car", "4-doors", "night"), ("green", "bike", "rain")])
def test_free_label_can_be_seen(label: str, fewest: int, scene: tuple[str, ...]) -> None:
    without = [name for name in scene if name != label]
    for number in NUMBERS:
        plain, labelled = (render_scene(present, 2, number) for present in (without, [*without, label]))
        assert visible(plain, labelled).sum() >= fewest, (label, scene, number)


@pytest.mark.parametrize("label", ["striped", "headlights", "smoke", "tree"])
def test_free_label_leaves_the_rest_of_the_scene_alone(label: str) -> None:
    for number in NUMBERS:
        plain, labelled = (render_scene(p, 2, number) for p in (("red", "truck"), ("red", "truck", label)))
        assert visible(plain, labelled, levels=0).mean() < 0.5


@pytest.mark.parametrize("extra", [(), ("night", "headlights"), ("striped", "rain")])
def test_doors_can_be_seen(extra: tuple[str, ...]) -> None:
    for number in NUMBERS:
        two, four = (render_scene(("blue", "car", doors, *extra), 2, number) for doors in ("2-doors", "4-doors"))
        changed = visible(two, four)
        assert 12 <= changed.sum() <= 400
        assert not changed[:16].any()  # nothing but the car


def test_objects_differ() -> None:
    for number in range(3):
        images = {
            thing: render_scene(("purple", thing, *(["4-doors"] if thing == "car" else [])), 4, number)
            for thing in street_scenes.OBJECTS
        }
        for first in images:
            for second in images:
                assert first == second or visible(images[first], images[second]).sum() > 80, (first, second)


@pytest.mark.parametrize("night", [False, True])
def test_colour_is_the_colour_of_the_object(night: bool) -> None:
    extra = ("night",) if night else ()
    for number in NUMBERS:
        images = {colour: render_scene((colour, "ball", *extra), 8, number).astype(float) for colour in PAINTS}
        ball = np.ptp(np.stack(list(images.values())), axis=0).max(axis=0) > 60  # the pixels that the colour changes
        seen = {colour: np.median(image[:, ball], axis=1) for colour, image in images.items()}
        paints = {colour: np.asarray(paint) for colour, paint in PAINTS.items()}
        if night:  # judged, as the eye does, by what is white
            paints = {colour: paint * seen["white"] / paints["white"] for colour, paint in paints.items()}
        for colour, found in seen.items():
            assert min(paints, key=lambda name: float(np.linalg.norm(paints[name] - found))) == colour, number


def test_night_is_dark(scenes: street_scenes.ToyScenes) -> None:
    brightness = scenes.images.mean(axis=(1, 2, 3))
    night = column(scenes.truth, "night")
    assert brightness[night].max() < brightness[~night].min()


# --- written scenes --------------------------------------------------------------------------------------------------


def test_written_folder_holds_the_scenes(scenes: street_scenes.ToyScenes, tmp_path: Path) -> None:
    few = render_scenes(40, seed=5)
    directory = tmp_path / "new" / "toy"
    write_scenes(few, directory)
    assert LabelSpace.read(directory / "labels.yaml") == TOY_SPACE
    with (directory / "truth.csv").open(newline="") as file:
        header, *rows = list(csv.reader(file))
    assert header == ["image", *TOY_SPACE.labels]
    root = directory / "images-by-label"
    assert {path.relative_to(root).as_posix() for path in root.rglob("*.png")} == {row[0] for row in rows}
    assert all(any(folder.iterdir()) for folder in root.iterdir())  # no label without an image gets a folder
    for i, row in enumerate(rows):
        assert row[0] == f"{few.known(i)}/{i + 1:05d}.png"
        np.testing.assert_array_equal(np.asarray(Image.open(root / row[0])).transpose(2, 0, 1), few.images[i])
        np.testing.assert_array_equal([int(value) for value in row[1:]], few.truth[i])


def test_writing_twice_is_refused(tmp_path: Path) -> None:
    write_scenes(render_scenes(2, seed=0), tmp_path)
    with pytest.raises(DataError, match=re.escape(str(tmp_path / "images-by-label"))):
        write_scenes(render_scenes(2, seed=1), tmp_path)


# --- wrong use -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "seed", "size", "hint"), [(-1, 0, 64, "number is -1"), (1, -2, 64, "-2"), (1, 0, 8, "8 px")])
def test_impossible_arguments(n: int, seed: int, size: int, hint: str) -> None:
    with pytest.raises(DataError, match=hint):
        render_scenes(n, seed, size)


@pytest.mark.parametrize(
    "present",
    [(), ("red",), ("red", "blue", "ball"), ("red", "car"), ("red", "bus", "2-doors"), ("red", "bus", "ball"),
     ("red", "ball", "headlights")],
)  # fmt: skip
def test_scenes_that_do_not_exist(present: tuple[str, ...]) -> None:
    with pytest.raises(DataError, match="no toy scene can show"):
        render_scene(present, seed=0)


# --- boxes -----------------------------------------------------------------------------------------------------------


def test_boxes_are_of_present_labels_that_have_a_place(scenes: street_scenes.ToyScenes) -> None:
    assert scenes.boxes is not None and scenes.boxes.shape == (300, TOY_SPACE.num_labels, 4)
    placeless = [TOY_SPACE.index(label) for label in ("night", "rain", "headlights")]
    there = scenes.truth == 1
    there[:, placeless] = False
    np.testing.assert_array_equal(np.isfinite(scenes.boxes).all(-1), there)
    left, top, right, bottom = scenes.boxes[there].T
    assert (left >= 0).all() and (top >= 0).all() and (right <= 1).all() and (bottom <= 1).all()
    assert (right - left > 0.05).all() and (bottom - top > 0.05).all()
    assert ((right - left) * (bottom - top)).mean() < 0.4, "a box is not the whole picture"


@pytest.mark.parametrize("label", ["tree", "smoke", "striped", "colour"])
def test_what_a_label_changes_lies_in_its_box(scenes: street_scenes.ToyScenes, label: str) -> None:
    """The same dice with and without it: nearly all of the change is inside, and the box is no larger than that needs."""
    inside, spans = [], []
    assert scenes.boxes is not None
    for number in range(300):
        present = list(scenes.present(number))
        own = next(name for name in present if name in PAINTS) if label == "colour" else label
        if own not in present or "rain" in present:  # a wet street mirrors it
            continue
        if label == "striped" and {"white", "yellow"} & set(present):
            continue  # dark stripes are hard to see at night
        other = [name for name in present if name != own] + ["blue" if own == "red" else "red"] * (label == "colour")
        seen = visible(scenes.images[number], render_scene(other, 5, number))
        rows, columns = np.nonzero(seen)
        box = 64 * scenes.boxes[number, TOY_SPACE.index(own)]
        fits = (columns >= box[0] - 1) & (columns <= box[2]) & (rows >= box[1] - 1) & (rows <= box[3])
        inside.append(fits.mean() if len(fits) else 1.0)
        spans.append((np.ptp(columns[fits]) + 1) / (box[2] - box[0]) if fits.any() else 0.0)
    assert len(inside) >= 20
    assert np.mean(inside) > 0.97
    assert np.median(spans) > 0.7
