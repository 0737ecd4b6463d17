"""Heat maps over pictures: what is coloured, and what is said."""

from __future__ import annotations

import numpy as np
import pytest
from drawn import check_layout, words
from matplotlib.figure import Figure

from latentlabels.errors import DataError
from latentlabels.show.heat import overlay
from latentlabels.show.plots import where


def _reddish(image: np.ndarray) -> np.ndarray:
    return image[..., 0].astype(int) - image[..., 2]


def test_the_hottest_place_is_coloured_and_the_coldest_is_grey() -> None:
    picture = np.full((3, 40, 60), 120, np.uint8)
    heat = np.zeros((2, 3))
    heat[1, 2] = 0.25  # relative to the largest: how large it is does not matter
    shown = overlay(picture, heat)
    assert shown.shape == (40, 60, 3) and shown.dtype == np.uint8
    red = _reddish(shown)
    row, column = np.unravel_index(int(red.argmax()), red.shape)
    assert row >= 20 and column >= 40, "bottom right"
    assert red[:20, :30].max() == 0, "places without heat have no colour"
    np.testing.assert_array_equal(shown, overlay(picture, 4 * heat))


def test_no_heat_at_all_fades_the_whole_picture() -> None:
    shown = overlay(np.full((3, 8, 8), 100, np.uint8), np.zeros((2, 2)))
    assert len(np.unique(shown)) == 1 and shown[0, 0, 0] > 150


def test_one_place_is_the_whole_picture() -> None:
    shown = overlay(np.full((3, 8, 8), 100, np.uint8), np.ones((1, 1)))
    assert _reddish(shown).min() > 50


@pytest.mark.parametrize("heat", [np.ones(3), np.full((2, 2), np.nan), -np.ones((2, 2)), np.ones((0, 2))])
def test_what_is_no_heat_map_is_refused(heat: np.ndarray) -> None:
    with pytest.raises(DataError, match="a heat map has shape"):
        overlay(np.zeros((3, 8, 8), np.uint8), heat)


def test_each_picture_stands_beside_its_own_heat_map() -> None:
    images = np.broadcast_to(np.arange(5, dtype=np.uint8)[:, None, None, None] * 40, (5, 3, 8, 8))
    heat = np.zeros((5, 2, 2))
    heat[np.arange(5), np.arange(5) % 2, 0] = 1
    ax = where(heat, images, captions=[f"label {row}" for row in range(5)], max_images=4, ax=Figure())
    shown = [np.asarray(part.images[0].get_array()) for part in ax.child_axes]
    assert len(shown) == 8
    for row in range(4):
        np.testing.assert_array_equal(shown[2 * row][..., 0], row * 40)
        np.testing.assert_array_equal(shown[2 * row + 1], overlay(images[row], heat[row]))
    said = words(ax)
    assert {"label 0", "label 3", "1 more picture not shown"} <= set(said) and "label 4" not in said
    check_layout(ax)


@pytest.mark.parametrize(
    "heat, images, captions, message",
    [
        (np.ones((2, 2)), np.zeros((2, 3, 8, 8)), None, r"expected \(images, h, w\)"),
        (np.ones((2, 2, 2)), None, None, "images: None"),
        (np.ones((2, 2, 2)), np.zeros((3, 3, 8, 8)), None, "images: 3 rows"),
        (np.ones((2, 2, 2)), np.zeros((2, 3, 8, 8)), ["one"], "captions: 1 rows"),
    ],
)
def test_what_does_not_fit_is_refused(heat, images, captions, message) -> None:
    with pytest.raises(DataError, match=message):
        where(heat, images, captions=captions, ax=Figure())


def test_no_images_are_said() -> None:
    assert words(where(np.ones((0, 2, 2)), np.zeros((0, 3, 8, 8)), ax=Figure())) == ["no images"]
