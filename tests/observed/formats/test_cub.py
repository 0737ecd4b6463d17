"""CUB-200-2011 attributes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from benchmark_sets import write_cub
from stated import read, refused

from latentlabels.observed.formats import recognise

RNG = np.random.default_rng(0)
TRUTH = RNG.integers(0, 2, (6, 4)).astype(np.int8)
CERTAINTY = RNG.integers(1, 5, (6, 4)).astype(np.int8)
LABELS = Path("attributes") / "image_attribute_labels.txt"


def test_what_was_not_visible_is_unknown(tmp_path: Path):
    root = tmp_path / "CUB_200_2011"
    images, attributes = write_cub(root, TRUTH, CERTAINTY, [1, 0, 1, 1, 0, 1])
    for path in (root, root / LABELS):
        found = read(path, "cub")
        assert list(found.images) == images and list(found.labels) == attributes
        assert found.matrix is not None and found.unlisted == "unknown"
        np.testing.assert_array_equal(found.matrix, np.where(CERTAINTY == 1, -1, TRUTH))
        assert list(found.extra["split"]) == ["train", "test", "train", "train", "test", "train"]
        assert found.where is not None and found.at(int(found.where[2])) == f"{root / LABELS}:9"
    assert (CERTAINTY == 1).any() and ("values", 'is_present; "not visible" is unknown') in found.reading


def test_certainties_mean_what_is_stated(tmp_path: Path):
    root = tmp_path / "CUB_200_2011"
    write_cub(root, TRUTH, CERTAINTY)
    published = read(root, absent=("not visible",))
    assert published.matrix is not None and not published.extra
    np.testing.assert_array_equal(published.matrix, np.where(CERTAINTY == 1, 0, TRUTH))
    careful = read(root, unknown={"certainty": ("Guessing", "not visible")})
    assert careful.matrix is not None
    np.testing.assert_array_equal(careful.matrix, np.where(CERTAINTY <= 2, -1, TRUTH))
    with pytest.raises(ValueError, match="no certainty of CUB is called 'probable'; did you mean \"probably\""):
        read(root, unknown=("probable",))


def test_lines_in_any_order_and_numbers_in_any_order(tmp_path: Path):
    root = tmp_path / "CUB_200_2011"
    images, _ = write_cub(root, TRUTH)
    lines = (root / LABELS).read_text().splitlines(keepends=True)
    (root / LABELS).write_text("".join(RNG.permutation(lines)))
    listed = (root / "images.txt").read_text().splitlines(keepends=True)
    (root / "images.txt").write_text("".join(listed[::-1]))
    found = read(root)
    assert found.matrix is not None and list(found.images) == images[::-1]
    np.testing.assert_array_equal(found.matrix, TRUTH[::-1])


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda text: text[: len(text) // 2 - 3].rpartition("\n")[0] + "\n5 3", ":12: expected image, attribute"),
        (lambda text: text + "x 1 0 4 1.0\n", ":25: expected image, attribute"),
        (lambda text: text + "99 1 0 4 1.0\n", ":25: image 99 is not in images.txt (6 images)"),
        (lambda text: text + "1 99 0 4 1.0\n", ":25: attribute 99 is not in attributes.txt (4 attributes)"),
        (lambda text: text + "1 1 2 4 1.0\n", ":25: is_present is 2, expected one of 0, 1"),
        (lambda text: text + "1 1 1 7 1.0\n", ":25: certainty is 7"),
        (
            lambda text: text + f"1 1 {1 - TRUTH[0, 0]} 4 1.0\n",
            "lines 1, 25 disagree about has_bill_shape::kind_0_(up or down) of",
        ),
        (lambda text: "<html>\n" + text, ":1: expected image, attribute"),
    ],
)
def test_bad_lines_are_refused_with_their_number(change: object, message: str, tmp_path: Path):
    root = tmp_path / "CUB_200_2011"
    write_cub(root, TRUTH)
    path = root / LABELS
    path.write_text(change(path.read_text()))  # type: ignore[operator]
    assert message in refused(root, "cub")


def test_other_files_that_are_not_whole_are_named(tmp_path: Path):
    root = tmp_path / "CUB_200_2011"
    write_cub(root, TRUTH, train=[1] * 6)
    (root / "train_test_split.txt").write_text("1 1\n2 0\n")
    assert "says neither 1 (train) nor 0 (test) of image 3 (4 such images)" in refused(root, "cub")
    (root / "images.txt").write_text("1 a.jpg\n1 b.jpg\n")
    assert "images.txt:2: the number 1 stands for a.jpg already" in refused(root, "cub")
    (root / "images.txt").write_text("")
    assert "images.txt: empty" in refused(root, "cub")
    (root.parent / "attributes.txt").unlink()
    (root / "images.txt").write_text("1 a.jpg\n")
    assert "attributes.txt: not found" in refused(root, "cub")


def test_it_is_recognised_by_its_files(tmp_path: Path):
    root = tmp_path / "CUB_200_2011"
    write_cub(root, TRUTH)
    assert recognise(root).NAME == recognise(root / LABELS).NAME == "cub"
    (root / "images.txt").unlink()
    assert recognise(root / LABELS).NAME == "table"
