"""Copies by their pixels: merged with all that is known of them, or kept together; near copies are found, others are not."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

import latentlabels as ll
from latentlabels.errors import DataWarning, ObservationError
from latentlabels.fitting.held_out import hold_out
from latentlabels.inputs import Inputs, Reading, Wanted, copies, decoding, read_inputs
from latentlabels.inputs.copies import Print, find_copies, fingerprint, near_pairs, prints_of
from latentlabels.inputs.merging import with_copies_merged
from latentlabels.kind import Kind
from latentlabels.observed import Observed
from latentlabels.observed.options import ReadOptions

SPACE = ll.LabelSpace([ll.OneOf("colour", ["red", "blue"]), ll.Free("striped")])


def photo(seed: int, size: tuple[int, int] = (96, 72)) -> Image.Image:
    """Something like a photograph: shapes of many sizes, and a little noise."""
    rng = np.random.default_rng(seed)
    pixels = np.zeros((*size, 3))
    for cells in (3, 6, 12, 24):
        coarse = Image.fromarray(rng.integers(0, 256, (cells, cells, 3), dtype=np.uint8))
        pixels += np.asarray(coarse.resize((size[1], size[0]), Image.Resampling.BICUBIC), float) * 2 / cells
    pixels = 255 * (pixels - pixels.min()) / np.ptp(pixels) + rng.normal(0, 2, pixels.shape)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def on_white(seed: int) -> Image.Image:
    """Something like a photograph of a shop: an ellipse of one colour on white."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:80, 0:60]
    inside = ((x - 30) / rng.uniform(10, 25)) ** 2 + ((y - 40) / rng.uniform(15, 35)) ** 2 < 1
    pixels = np.where(inside[..., None], rng.integers(0, 200, 3) + rng.normal(0, 6, (80, 60, 3)), 255)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def saved_again(image: Image.Image, quality: int) -> Image.Image:
    stored = io.BytesIO()
    image.save(stored, "JPEG", quality=quality)
    return Image.open(stored).convert("RGB")


def scaled(image: Image.Image, factor: float) -> Image.Image:
    return image.resize((round(image.width * factor), round(image.height * factor)), Image.Resampling.BICUBIC)


def thumbnails(images: Sequence[Image.Image]) -> NDArray[np.uint8]:
    return np.stack([fingerprint(image).thumbnail for image in images])


# --- what is found ----------------------------------------------------------------------------------------------------

CHANGES = {
    **{f"JPEG {quality}": (lambda image, q=quality: saved_again(image, q)) for quality in (60, 75, 95)},
    **{f"times {factor}": (lambda image, f=factor: scaled(image, f)) for factor in (0.5, 0.75, 1.5, 2.0)},
    "brighter": lambda image: Image.fromarray((np.asarray(image, float) * 0.9 + 12).astype(np.uint8)),
}


@pytest.mark.parametrize("change", CHANGES)
def test_changed_copies_are_found_and_other_photos_are_not(change: str) -> None:
    images = [photo(seed) for seed in range(80)]
    found = near_pairs(thumbnails([*images, *(CHANGES[change](image) for image in images)])).tolist()
    missed = [row for row in range(80) if [row, row + 80] not in found]
    assert len(missed) <= 2
    assert all(second == first + 80 for first, second in found)


def test_things_on_white_are_told_apart() -> None:
    images = [on_white(seed) for seed in range(300)]
    assert len(near_pairs(thumbnails(images))) <= 2
    found = near_pairs(thumbnails([*images, *(saved_again(image, 75) for image in images)])).tolist()
    assert np.mean([[row, row + 300] in found for row in range(300)]) > 0.9


@pytest.mark.parametrize("few", [0, 256])
def test_candidates_are_those_of_all_pairs(few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The buckets miss no pair that comparing all pairs finds."""
    monkeypatch.setattr(copies, "_FEW", few)
    images = [photo(seed) for seed in range(30)]
    some = thumbnails([*images, *(saved_again(image, 60) for image in images), *(scaled(image, 0.6) for image in images)])
    values = some.reshape(len(some), -1).astype(float)
    values -= values.mean(1, keepdims=True)
    expected = []
    for first in range(len(some)):
        for second in range(first + 1, len(some)):
            a, b = values[first], values[second]
            residual = b - np.clip(a @ b / (a @ a), 0.8, 1.25) * a
            if np.sqrt((residual**2).mean()) <= 0.075 * min(a.std(), b.std()) and np.abs(residual).max() <= 20:
                expected.append([first, second])
    assert len(expected) >= 85 and near_pairs(some).tolist() == expected


def test_flat_pictures_are_copies_only_if_they_are_equal() -> None:
    flat = [np.full((3, 20, 20), value, np.uint8) for value in (255, 254, 255, 0)]
    found = find_copies(prints_of(np.stack(flat)))
    assert found.same.tolist() == [found.same[0], found.same[1], found.same[0], found.same[3]]
    assert len(set(found.twins.tolist())) == 3


def test_a_look_that_all_share_is_no_copy() -> None:
    rng, base = np.random.default_rng(0), np.asarray(photo(0).resize((16, 16)), int)
    prints = [
        Print(bytes([row + 1]) * 16, (base + rng.integers(-3, 4, base.shape)).clip(0, 255).astype(np.uint8))
        for row in range(60)
    ]
    found = find_copies(prints)
    assert found.num_alike >= 55 and len(set(found.twins.tolist())) == 60


def test_the_number_of_comparisons_grows_as_the_pictures_do(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[int] = []
    real = copies._nearly_equal
    monkeypatch.setattr(copies, "_nearly_equal", lambda one, other: compared.append(len(one)) or real(one, other))
    rng, looks = np.random.default_rng(0), np.stack([np.asarray(photo(seed).resize((16, 16)), int) for seed in (0, 1)])
    for size in (600, 2400):
        compared.clear()
        near_pairs((looks[np.arange(size) % 2] + rng.integers(-1, 2, (size, 16, 16, 3))).clip(0, 255).astype(np.uint8))
        assert 4 * size < sum(compared) <= 12 * 8 * size


def test_nothing_and_one_picture() -> None:
    assert find_copies([]).same.shape == (0,)
    assert find_copies([fingerprint(photo(0))]).twins.tolist() == [0]


# --- files ------------------------------------------------------------------------------------------------------------


@pytest.fixture(params=["in memory", "streamed"])
def budget(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "streamed":
        monkeypatch.setattr(decoding, "MEMORY_BUDGET", 100)
    return str(request.param)


def write(root: Path, files: dict[str, int]) -> None:
    """Pictures by name; the number says which picture, the ending how it is stored."""
    for name, seed in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        about = PngInfo()
        about.add_text("name", name)  # other bytes for the same picture
        photo(seed).save(root / name, **({"pnginfo": about} if name.endswith(".png") else {}))


def read(root: Path, known: Observed, merge: bool = True, policy: str = "refuse") -> Inputs:
    wanted = Wanted(Kind.IMAGES, (32, 32))
    found = read_inputs(root, known, space=SPACE, wanted=wanted, how=Reading(labelled=True, recognise=True))
    return with_copies_merged(found, merge, ReadOptions(contradictions=policy))  # type: ignore[arg-type]


def said(caught: Sequence[warnings.WarningMessage]) -> str:
    return "\n".join(str(one.message) for one in caught)


def test_one_picture_in_two_formats_is_one_image_with_all_that_is_known(tmp_path: Path, budget: str) -> None:
    write(tmp_path, {"a.png": 1, "b.bmp": 1, "c.png": 2, "d.png": 1})
    known = Observed(
        np.array([[1, -1, -1], [-1, -1, 1], [-1, 1, -1], [1, 0, -1]], np.int8), SPACE, ("a.png", "b.bmp", "c.png", "d.png")
    )
    with pytest.warns(DataWarning) as caught:
        found = read(tmp_path, known)
    assert [Path(name).name for name in found.names] == ["a.png", "c.png"]
    assert found.observed is not None and found.observed.values.tolist() == [[1, 0, 1], [-1, 1, -1]]
    assert "2 images merged with an image of the same pixels" in said(caught) and "b.bmp" in said(caught)
    assert found.rows.tolist() == [0, 2] and len(found.items) == 2


@pytest.mark.parametrize("policy, values", [("unknown", [-1, -1, 1]), ("vote", [1, -1, 1])])
def test_a_placeholder_under_labels_that_exclude_each_other(
    tmp_path: Path, policy: str, values: list[int], budget: str
) -> None:
    files = {f"{row}.{ending}": 7 for row, ending in enumerate(["png", "bmp", "png", "ppm", "tif", "png"])}
    write(tmp_path, {**files, "other.png": 8})
    table = np.full((7, 3), -1, np.int8)
    table[:4, 0], table[4, 1], table[5, 2], table[6, 1] = 1, 1, 1, 1
    known = Observed(table, SPACE, (*files, "other.png"))
    with pytest.warns(DataWarning) as caught:
        found = read(tmp_path, known, policy=policy)
    assert found.observed is not None and found.observed.values[0].tolist() == values
    assert "1 picture stands more than 5 times" in said(caught) and "(6 times)" in said(caught)
    with (
        pytest.warns(DataWarning),
        pytest.raises(ObservationError, match='copies of one image: .*exclude each other.*"unknown"'),
    ):
        read(tmp_path, known)


def test_where_images_are_not_merged_copies_stay_together(tmp_path: Path, budget: str) -> None:
    write(tmp_path, {f"{row}.{ending}": row // 2 for row, ending in enumerate(["png", "bmp"] * 10)})
    names = tuple(sorted(path.name for path in tmp_path.iterdir()))
    known = Observed(np.tile(np.array([[1, -1, -1]], np.int8), (20, 1)), SPACE, names)
    found = read(tmp_path, known, merge=False)  # as the annotation wants them: without a word
    assert len(found) == 20
    for seed in range(10):
        parts = hold_out(found, 0.2, seed)
        rows = [int(Path(found.names[row]).stem) for row in parts.held.tolist()]
        assert len(rows) == 4 and all(row + 1 - 2 * (row % 2) in rows for row in rows)


def test_near_copies_are_noted_and_stay_together(tmp_path: Path) -> None:
    write(tmp_path, {f"{row}.png": row for row in range(12)})
    for row in range(4):
        saved_again(photo(row), 80).save(tmp_path / f"{row + 20}.png")
    names = tuple(sorted(path.name for path in tmp_path.iterdir()))
    known = Observed(np.tile(np.array([[1, -1, -1]], np.int8), (16, 1)), SPACE, names)
    with pytest.warns(DataWarning, match="4 images nearly equal to another image") as caught:
        found = read(tmp_path, known)
    assert said(caught).count(" ~ ") == 3 and len(found) == 16
    assert hold_out(found, 0.2, 0).num_together == 4


def test_twins_on_both_sides_of_the_users_own_split_are_noted(tmp_path: Path) -> None:
    write(tmp_path, {"a.png": 1, "b.bmp": 1, "c.png": 2, "d.png": 3})
    values = np.array([[1, -1, -1]] * 4, np.int8)
    known = Observed(values, SPACE, ("a.png", "b.bmp", "c.png", "d.png"))
    model = ll.LatentLabels(SPACE, encoder="tiny", image_size=32, epochs=1)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(tmp_path, known, held_out=[1, 2])
    assert "1 held-out image with a copy among the training images" in said(caught)
    assert len(model.names_) == 4 and model.diagnostics_["held_out"]["num_straddling"] == 1


def test_rows_of_an_array_are_never_merged_but_stay_together() -> None:
    pixels = np.stack([np.asarray(photo(row // 2).resize((32, 32))).transpose(2, 0, 1) for row in range(24)])
    known = np.tile(np.array([[1, -1, -1]], np.int8), (24, 1))
    model = ll.LatentLabels(SPACE, encoder="tiny", epochs=1, held_out=0.25)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(pixels, known)
    assert "12 images with the same pixels as another image" in said(caught)
    assert len(model.names_) == 24
    assert model.diagnostics_["held_out"]["num_together"] == 12 and model.diagnostics_["held_out"]["num_held_out"] == 6


def test_a_question_is_answered_for_every_copy(tmp_path: Path) -> None:
    write(tmp_path, {"a.png": 1, "b.bmp": 1, "c.png": 2})
    assert len(read_inputs(tmp_path, space=SPACE, wanted=Wanted(Kind.IMAGES, (32, 32)))) == 3
