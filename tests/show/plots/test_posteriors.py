"""Probabilities of images as bars: what they say, how long they are, which labels are chosen."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from drawn import SPACE, SPACES, P, bars_of, check_layout, line_of, marginals, words
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from latentlabels.errors import DataError
from latentlabels.show.colours import BLUE, GREY, VERMILION
from latentlabels.show.plots import posterior_bars, posterior_gallery
from latentlabels.show.plots.panels import BARS
from latentlabels.space import Free, LabelSpace, OneOf


def test_bars_say_every_label_by_group() -> None:
    ax = posterior_bars(P, SPACE, ax=Figure())
    assert words(ax) == [
        "colour", "blue", "80 %", "red", "20 %",
        "vehicle", "car", "60 %", "bike", "10 %", "none of these", "30 %",
        "doors (requires car)", "2-doors", "25 %", "4-doors", "35 %", "does not apply", "40 %",
        "other labels", "striped", "<1 %", BARS,
    ]  # fmt: skip
    (ax,) = ax.child_axes
    assert [bar.get_width() for bar in bars_of(ax)] == pytest.approx([0.8, 0.2, 0.6, 0.1, 0.3, 0.25, 0.35, 0.4, 0.002])
    heights = [bar.get_y() + bar.get_height() / 2 for bar in bars_of(ax)]
    assert heights == pytest.approx([1, 2, 4, 5, 6, 8, 9, 10, 12])
    assert ax.get_xlim() == (0, 1)


def test_known_and_true_labels_are_told_by_words_and_marks_as_well_as_by_colour() -> None:
    ax = posterior_bars(P, SPACE, observed=[1, -1, -1, 0, -1, -1, -1], truth=[1, 0, 1, 0, 0, 1, 0], ax=Figure())
    said = words(ax)
    assert "80 %  known" in said
    assert "10 %  known absent" in said
    assert "truly present" in said
    (ax,) = ax.child_axes
    colours = [to_hex(bar.get_facecolor()).upper() for bar in bars_of(ax)]
    assert [colours[i] for i in (0, 1, 2, 3)] == [VERMILION, BLUE, BLUE, GREY]
    assert list(line_of(ax, "truth").get_ydata()) == [1, 4, 9]  # the lines of blue, car and 4-doors


def test_without_groups_there_are_no_headings() -> None:
    assert words(posterior_bars([0.5, 1.0], LabelSpace.free(["a", "b"]), ax=Figure())) == ["a", "50 %", "b", "100 %", BARS]
    space = LabelSpace([Free("a"), Free("b", requires="a")])
    assert words(posterior_bars([0.5, 0.2], space, ax=Figure())) == ["a", "50 %", "(requires a)", "b", "20 %", BARS]


@pytest.mark.parametrize("name", SPACES)
@pytest.mark.parametrize("full", [False, True], ids=["bare", "full"])
def test_no_text_is_cut_off_or_overlaps(name: str, full: bool) -> None:
    space, rng = SPACES[name], np.random.default_rng(1)
    p = marginals(space, 2)
    shape = (2, space.num_labels)
    given: dict[str, Any] = {"observed": rng.integers(-1, 2, shape), "truth": rng.integers(0, 2, shape)} if full else {}
    images = rng.integers(0, 256, (2, 3, 20, 30), np.uint8) if full else None
    check_layout(posterior_gallery(p, space, images, **given, ax=Figure()))
    one = {key: value[0] for key, value in given.items()}
    check_layout(posterior_bars(p[0], space, None if images is None else images[0], **one, ax=Figure()))


def test_of_many_labels_the_foremost_are_shown_and_the_rest_counted() -> None:
    space = SPACES["many"]
    p = marginals(space, 1)[0]
    observed, truth = np.full(200, -1), np.zeros(200)
    low = [int(k) for k in np.argsort(p)[:2]]
    observed[low[0]], truth[low[1]] = 1, 1
    ax = posterior_bars(p, space, observed=observed, truth=truth, limit=20, ax=Figure())
    said = words(ax)
    bars = bars_of(ax.child_axes[0])
    assert len(bars) == 20
    shown = [space.index(text) for text in said if text in space.labels]
    assert set(low) <= set(shown)
    rest = np.delete(p, shown)
    (remark,) = [text for text in said if "left out" in text]
    assert remark == f"{200 - len(shown)} labels left out, each below {math.floor(100 * rest.max()) + 1} %"
    chosen = [k for k in shown if k not in low and k >= 60]
    assert min(p[chosen]) >= rest.max()
    assert {"kind", "other labels"} <= set(said)
    assert len(bars_of(posterior_bars(p, space, ax=Figure()).child_axes[0])) == 40


def test_the_first_of_every_group_is_shown_before_more_probable_free_labels() -> None:
    space = LabelSpace([OneOf("a", ["a1", "a2"]), OneOf("b", ["b1", "b2"]), *(Free(f"f{i}") for i in range(9))])
    said = words(posterior_bars([0.4, 0.6, 0.55, 0.45] + [0.99] * 9, space, limit=3, ax=Figure()))
    assert [text for text in said if text in space.labels] == ["a2", "b1", "f0"]
    assert "10 labels left out, each below 100 %" in said


def test_missing_values_are_said_and_have_no_bar() -> None:
    ax = posterior_bars(np.full(7, np.nan), SPACE, truth=[1, 0, 1, 0, 0, 1, 0], ax=Figure())
    assert words(ax).count("no value") == 9
    assert not bars_of(ax.child_axes[0])
    check_layout(ax)
    check_layout(posterior_bars([np.nan], SPACES["one label"], limit=1, ax=Figure()))
    assert words(posterior_bars([np.nan, 0.25], LabelSpace.free("ab"), limit=1, ax=Figure()))[:2] == ["b", "25 %"]


def test_gallery_draws_each_image_beside_its_bars() -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (3, 3, 8, 12), np.uint8)
    p = marginals(SPACE, 3)
    ax = posterior_gallery(p, SPACE, images, ax=Figure())
    pictures = [part for part in ax.child_axes if part.images]
    panels = [part for part in ax.child_axes if not part.images]
    assert len(pictures) == len(panels) == 3
    for row, (picture, panel) in enumerate(zip(pictures, panels, strict=True)):
        np.testing.assert_array_equal(picture.images[0].get_array(), images[row].transpose(1, 2, 0))
        assert bars_of(panel)[0].get_width() == pytest.approx(p[row, 0])
        assert picture.get_position().x1 < panel.get_position().x0
        assert picture.get_position().y1 == pytest.approx(panel.get_position().y1)
    corners = {(round(part.get_position().x0, 3), round(part.get_position().y1, 3)) for part in panels}
    assert len(corners) == 3


def test_gallery_shows_a_few_of_many_and_says_so() -> None:
    ax = posterior_gallery(marginals(SPACE, 30), SPACE, max_images=5, ax=Figure())
    assert len(ax.child_axes) == 5
    assert "25 more images not shown" in words(ax)
    check_layout(ax)
    assert words(posterior_gallery(np.empty((0, 7)), SPACE, ax=Figure())) == ["no images"]


def test_images_of_other_kinds() -> None:
    p = [0.5]
    for image in (np.zeros((4, 5)), np.zeros((4, 5, 3)), np.zeros((1, 4, 5), np.uint8), np.full((3, 4, 5), np.nan)):
        (picture,) = [ax for ax in posterior_bars(p, SPACES["one label"], image, ax=Figure()).child_axes if ax.images]
        assert picture.images[0].get_array().shape[:2] == (4, 5)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: posterior_bars(P[:3], SPACE, ax=Figure()), r"marginals have shape \(3,\), but the space has 7 labels"),
        (lambda: posterior_bars(P[None], SPACE, ax=Figure()), r"expected \(7,\)"),
        (lambda: posterior_bars(3 * P, SPACE, ax=Figure()), "probabilities lie in"),
        (lambda: posterior_bars(P, SPACE, observed=[1], ax=Figure()), "observed have shape"),
        (lambda: posterior_bars(P, SPACE, truth=[2] * 7, ax=Figure()), "truth holds values other than"),
        (lambda: posterior_bars(P, SPACE, image=np.zeros((7, 4, 5)), ax=Figure()), r"image has shape \(7, 4, 5\)"),
        (lambda: posterior_bars(P, SPACE, image=np.zeros((3, 0, 5)), ax=Figure()), "image has shape"),
        (lambda: posterior_gallery(P, SPACE, ax=Figure()), r"expected \(images, 7\)"),
        (
            lambda: posterior_gallery(P[None], SPACE, np.zeros((2, 3, 4, 5)), ax=Figure()),
            "images: 2 rows, but marginals have 1",
        ),
        (lambda: posterior_gallery(P[None], SPACE, truth=np.zeros((2, 7)), ax=Figure()), "truth: 2 rows, but marginals have 1"),
    ],
)
def test_what_does_not_fit_is_an_error(call: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        call()
