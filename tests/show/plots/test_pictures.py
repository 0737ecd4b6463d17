"""Contact sheets and doubted labels: which images are shown, and what is said of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from drawn import SPACE, SPACES, bars_of, check_layout, marginals, words
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from latentlabels.checks import SuspectLabel
from latentlabels.errors import DataError, LabelSpaceError
from latentlabels.show.colours import BLUE, GREY, VERMILION
from latentlabels.show.plots import contact_sheet, suspect_labels
from latentlabels.space import LabelSpace


def _images(count: int) -> np.ndarray:
    """Images whose grey says which row they are."""
    return np.broadcast_to(np.arange(count, dtype=np.uint8)[:, None, None], (count, 6, 6)).copy()


def _shown(ax: Axes) -> list[int]:
    return [int(part.images[0].get_array()[0, 0, 0]) for part in ax.child_axes if part.images]  # type: ignore[index]


def test_contact_sheet_shows_the_most_probable_images_of_each_label() -> None:
    p = marginals(SPACE, 30)
    p[4] = np.nan
    ax = contact_sheet(p, SPACE, _images(30), labels=["striped", "car"], per_label=5, ax=Figure())
    order = [sorted(set(range(30)) - {4}, key=lambda i: -p[i, k])[:5] for k in (6, 2)]
    assert _shown(ax) == order[0] + order[1]
    said = words(ax)
    names = [text for text in said if text in SPACE.labels]
    assert names == ["striped", "car"]
    assert f"expected in {np.nansum(p[:, 6]):.0f} of 30" in said
    assert "most probable images first; below each, the probability that it shows the label" in said
    places = [part.get_position() for part in ax.child_axes]
    assert len({round(place.y0, 3) for place in places}) == 2
    lefts = [place.x0 for place in places[:5]]
    assert lefts == sorted(lefts)
    check_layout(ax)


def test_contact_sheet_marks_what_is_known_and_true() -> None:
    p = np.array([[0.9], [0.8], [0.7]])
    ax = contact_sheet(p, SPACES["one label"], _images(3), observed=[[1], [0], [-1]], truth=[[1], [0], [1]], ax=Figure())
    said = [text.get_text() for text in ax.texts]
    assert {"90 %  known", "80 %  absent", "70 %"} <= set(said)
    assert {"label truly present", "known to be present", "known to be absent"} <= set(said)
    assert said.count("●") == 3  # of two images and of the key
    frames = [[to_hex(patch.get_edgecolor()).upper() for patch in part.patches] for part in ax.child_axes]
    assert frames == [[VERMILION], [GREY], []]
    check_layout(ax)


def test_contact_sheet_chooses_the_labels_that_are_expected_most() -> None:
    space = SPACES["many"]
    p = marginals(space, 12)
    ax = contact_sheet(p, space, _images(12), max_labels=3, ax=Figure())
    names = [text for text in words(ax) if text in space.labels]
    best = sorted(np.argsort(-p.sum(0))[:3].tolist())
    assert names == [space.labels[k] for k in best]
    assert "197 labels left out" in words(ax)
    assert "1 label left out" in words(
        contact_sheet(p, space, _images(12), labels=["kind 1", "kind 2"], max_labels=1, ax=Figure())
    )
    ax = contact_sheet(p, space, _images(12), labels=["kind 1"], remarks=["a remark"], ax=Figure())
    assert "a remark" in words(ax)
    nothing = contact_sheet(np.full((2, 1), np.nan), SPACES["one label"], _images(2), ax=Figure())
    assert not nothing.child_axes
    check_layout(nothing)


FOUND = [
    SuspectLabel(2, "car", 1, 0.03, "bike", 0.91),
    SuspectLabel(0, "striped", 0, 0.2, "striped", 0.8),
    SuspectLabel(2, "blue", 1, 0.4),
]


def test_suspect_labels_say_what_is_known_and_what_is_found() -> None:
    ax = suspect_labels(FOUND, _images(3), ax=Figure())
    assert _shown(ax) == [2, 0, 2]
    panels = [part for part in ax.child_axes if not part.images]
    assert [[bar.get_width() for bar in bars_of(panel)] for panel in panels] == [[0.03, 0.91], [0.2, 0.8], [0.4]]
    colours = [[to_hex(bar.get_facecolor()).upper() for bar in bars_of(panel)] for panel in panels]
    assert colours == [[VERMILION, BLUE], [GREY, BLUE], [VERMILION]]
    said = words(ax)
    assert said[:5] == ["image 2", "car", "3 %  known", "bike", "91 %"]
    assert said[5:10] == ["image 0", "not striped", "20 %  known", "striped", "80 %"]
    assert {"known to be present", "known to be absent", "more probable according to the model"} <= set(said)
    assert "bars: probability according to the model" in said
    check_layout(ax)
    named = suspect_labels(FOUND[:1], None, names=["street/日本 <1>.jpg"], ax=Figure())
    assert not _shown(named)
    assert "known to be absent" not in words(named)
    check_layout(named)


def test_suspect_labels_shows_a_few_of_many() -> None:
    ax = suspect_labels(FOUND * 10, _images(3), max_images=4, ax=Figure())
    assert len(_shown(ax)) == 4
    assert "26 more labels not shown" in words(ax)
    check_layout(ax)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: contact_sheet(np.zeros((2, 7)), SPACE, _images(3)), "images: 3 rows, but marginals have 2"),
        (lambda: contact_sheet(np.zeros((2, 7)), SPACE, None), "images: None"),
        (lambda: contact_sheet(np.zeros((2, 3)), SPACE, _images(2)), r"marginals have shape \(2, 3\), but the space has 7"),
        (lambda: contact_sheet(np.zeros((2, 7)), SPACE, _images(2), truth=np.zeros((1, 7))), "truth: 1 rows"),
        (lambda: contact_sheet(np.zeros((2, 7)), SPACE, _images(2), labels=["tram"]), 'no label "tram"'),
        (lambda: contact_sheet(np.zeros((2, 7)), SPACE, _images(2), remarks=["a"]), "remarks: 1, but 7 labels"),
        (lambda: suspect_labels(FOUND, _images(2)), "row 2 is named, but there are 2 images"),
        (lambda: suspect_labels(FOUND, _images(3), names=["a"]), "names: 1, but 3 entries"),
        (lambda: suspect_labels(FOUND, np.zeros((3, 5, 6, 7))), r"image has shape \(5, 6, 7\)"),
    ],
)
def test_what_does_not_fit_is_an_error(call: Any, message: str) -> None:
    with pytest.raises((DataError, LabelSpaceError), match=message):
        call()


def test_a_thousand_labels_and_one() -> None:
    for space in (LabelSpace.free(f"label {k}" for k in range(1000)), SPACES["one label"]):
        p = marginals(space, 5)
        check_layout(contact_sheet(p, space, _images(5), max_labels=2, ax=Figure()))
