"""NUS-WIDE."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from benchmark_sets import write_nus_wide
from stated import read, refused

from latentlabels.observed.formats import recognise

TRUTH = np.random.default_rng(1).integers(0, 2, (7, 3)).astype(np.int8)
CONCEPTS = ("zebra", "airport", "whales")


@pytest.mark.parametrize("name, rows", [("Train", slice(0, 5)), ("Test", slice(5, None)), ("", slice(None))])
def test_an_image_list_and_its_files_of_concepts(name: str, rows: slice, tmp_path: Path):
    images, _ = write_nus_wide(tmp_path, TRUTH, 5, CONCEPTS)
    path = tmp_path / "ImageList" / f"{name}Imagelist.txt"
    found = read(path, "nus-wide")
    assert list(found.images) == images[rows] and tuple(found.labels) == CONCEPTS
    assert found.matrix is not None and found.where is not None
    np.testing.assert_array_equal(found.matrix, TRUTH[rows])
    assert found.at(int(found.where[1])) == f"{path}:2"
    assert dict(found.extra) == ({} if name else {"split": ["train"] * 5 + ["test"] * 2})


def test_the_folder_is_all_images(tmp_path: Path):
    images, _ = write_nus_wide(tmp_path, TRUTH, 5, CONCEPTS)
    found = read(tmp_path, "nus-wide")
    assert list(found.images) == images and list(found.extra["split"]) == ["train"] * 5 + ["test"] * 2
    (tmp_path / "ImageList" / "Imagelist.txt").unlink()
    parts = read(tmp_path, "nus-wide")
    assert list(parts.images) == images and list(parts.extra["split"]) == ["train"] * 5 + ["test"] * 2
    assert parts.matrix is not None
    np.testing.assert_array_equal(parts.matrix, TRUTH)


def test_without_their_list_concepts_are_in_order_of_name(tmp_path: Path):
    write_nus_wide(tmp_path, TRUTH, 5, CONCEPTS)
    (tmp_path / "ConceptsList" / "Concepts81.txt").unlink()
    found = read(tmp_path / "ImageList" / "TrainImagelist.txt")
    assert tuple(found.labels) == tuple(sorted(CONCEPTS)) and found.matrix is not None
    np.testing.assert_array_equal(found.matrix, TRUTH[:5, [1, 2, 0]])


def test_lists_of_images_with_their_values(tmp_path: Path):
    path = tmp_path / "database.txt"
    path.write_text("".join(f"images/{row}.jpg {' '.join(map(str, line))}\n" for row, line in enumerate(TRUTH)))
    assert recognise(path).NAME == "nus-wide"
    assert "3 values of each image; nothing says which labels" in refused(path, "nus-wide")
    assert "2 names are given" in refused(path, "nus-wide", classes=("a", "b"))
    found = read(path, classes=CONCEPTS)
    assert tuple(found.labels) == CONCEPTS and found.images[0] == "images/0.jpg" and found.matrix is not None
    np.testing.assert_array_equal(found.matrix, TRUTH)
    (tmp_path / "Concepts81.txt").write_text("\n".join(CONCEPTS))
    assert tuple(read(path).labels) == CONCEPTS
    path.write_text(path.read_text() + "images/9.jpg 1 0\n")
    assert "database.txt:8: expected an image and 3 values" in refused(path, "nus-wide")


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("Groundtruth/TrainTestLabels/Labels_zebra_Train.txt", "0\n1\n", "2 lines, but TrainImagelist.txt lists 5 images"),
        ("Groundtruth/TrainTestLabels/Labels_zebra_Train.txt", "0\n1\n2\n0\n1\n", ":3: expected 0 or 1, not '2'"),
        ("Groundtruth/TrainTestLabels/Labels_zebra_Train.txt", "0\n1\n11\n0\n", ":3: expected 0 or 1, not '11'"),
        ("ImageList/TrainImagelist.txt", "a\\1.jpg\n" * 5, "the image a/1.jpg is listed twice (4 such lines)"),
        ("ImageList/TrainImagelist.txt", "\n", "TrainImagelist.txt: empty"),
        ("ConceptsList/Concepts81.txt", "zebra\nairport\nwhales\nbear\n", "no file for bear"),
        ("ConceptsList/Concepts81.txt", "zebra\nairport\n", "whales not in it"),
    ],
)
def test_files_that_do_not_fit_are_refused(name: str, content: str, message: str, tmp_path: Path):
    write_nus_wide(tmp_path, TRUTH, 5, CONCEPTS)
    (tmp_path / name).write_text(content)
    with pytest.raises(ValueError) as caught:
        read(tmp_path / "ImageList" / "TrainImagelist.txt", "nus-wide")
    assert message in str(caught.value) and str(tmp_path) in str(caught.value)


def test_missing_folders_are_named(tmp_path: Path):
    write_nus_wide(tmp_path, TRUTH, 5, CONCEPTS)
    (tmp_path / "Groundtruth" / "TrainTestLabels").rename(tmp_path / "elsewhere")
    path = tmp_path / "ImageList" / "TestImagelist.txt"
    with pytest.raises(ValueError, match=r"TrainTestLabels: folder not found; TestImagelist.txt needs it"):
        read(path)
    (tmp_path / "Groundtruth").rename(tmp_path / "gone")
    assert recognise(path).NAME == "table"
    assert "no folder Groundtruth" in refused(path, "nus-wide")
