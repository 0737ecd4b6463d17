"""Where pictures are drawn: in a figure of pyplot's, of nobody's, or in given axes, which they never leave."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from drawn import SPACE, SPACES, check_layout, drawn, layers, marginals, words
from matplotlib import pyplot
from matplotlib._pylab_helpers import Gcf
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from latentlabels.checks import suspect_labels
from latentlabels.errors import DataError
from latentlabels.show import plots
from latentlabels.space import LabelSpace

Draw = Callable[..., Axes]


def _calls(space: LabelSpace, count: int = 6) -> dict[str, Draw]:
    """Every plot of made-up images of all kinds and sizes, with all that it can show."""
    rng = np.random.default_rng(0)
    p, shape = marginals(space, count), (count, space.num_labels)
    observed, truth = rng.integers(-1, 2, shape), (rng.random(shape) < p).astype(int)
    images: list[NDArray[Any]] = [rng.integers(0, 256, (3, 20 + 9 * i, 60 - 9 * i), np.uint8) for i in range(count - 1)]
    images.append(rng.random((30, 40, 3)))
    counts = rng.random((count, space.num_labels + 1))
    counts /= counts.sum(1, keepdims=True)
    together = np.mean(p[:, :, None] * p[:, None, :], 0)
    epochs = [
        {"epoch": i, "train_log_likelihood": -3 + 0.1 * i, "held_out_log_likelihood": -3.1, "predicted_count": 2.0}
        for i in range(5)
    ]
    known = {label: (k * 37 % 11 * 1000, k * 71 % 13) for k, label in enumerate(space.labels)}
    few = {"per_label": 3, "max_labels": 4}
    return {
        "posterior_bars": lambda **how: plots.posterior_bars(p[0], space, images[0], observed[0], truth[0], **how),
        "posterior_gallery": lambda **how: plots.posterior_gallery(p, space, images, observed, truth, **how),
        "contact_sheet": lambda **how: plots.contact_sheet(p, space, images, observed=observed, truth=truth, **few, **how),
        "suspect_labels": lambda **how: plots.suspect_labels(suspect_labels(observed, p, space), images, **how),
        "where": lambda **how: plots.where(rng.random((count, 3, 4)), images, captions=[*map(str, range(count))], **how),
        "known_counts": lambda **how: plots.known_counts(known, **how),
        "prevalence": lambda **how: plots.prevalence(p[0], p[1], space, truth=truth.mean(0), **how),
        "co_occurrence": lambda **how: plots.co_occurrence(together, space, **how),
        "count_distribution": lambda **how: plots.count_distribution(counts, truth=truth, expected=2.5, **how),
        "reliability": lambda **how: plots.reliability(truth, p, **how),
        "history": lambda **how: plots.history(epochs, expected_labels=2.5, **how),
    }


CALLS = _calls(SPACE)
MEASURED = [
    name for name in CALLS if name not in ("count_distribution", "reliability", "history")
]  # the others have ordinary axes


@pytest.fixture(autouse=True)
def _tidy() -> Iterator[None]:
    assert not Gcf.figs
    yield
    pyplot.close("all")


def test_every_plot_is_tested() -> None:
    assert set(CALLS) == set(plots.__all__)


@pytest.mark.parametrize("name", CALLS)
def test_without_axes_there_is_one_figure_of_pyplots(name: str) -> None:
    ax = CALLS[name]()
    assert [manager.canvas.figure for manager in Gcf.get_all_fig_managers()] == [ax.figure]
    assert ax.figure.axes == [ax]  # type: ignore[union-attr]
    check_layout(ax)


@pytest.mark.parametrize("name", CALLS)
def test_a_bare_figure_is_sized_and_leaves_pyplot_alone(name: str) -> None:
    figure = Figure(figsize=(1, 1))
    ax = CALLS[name](ax=figure)
    assert ax.figure is figure
    assert figure.axes == [ax]
    assert min(figure.get_size_inches()) > 1
    assert not Gcf.figs
    check_layout(ax)


@pytest.mark.parametrize("layout", [None, "constrained", "tight"])
@pytest.mark.parametrize("name", CALLS)
def test_given_axes_are_returned_and_not_left(name: str, layout: Any) -> None:
    figure = Figure(figsize=(11, 8), layout=layout)
    places = figure.subplots(2, 2)
    places[0, 0].plot([1, 2])
    places[0, 0].set_ylabel("a neighbour")
    place = places[0, 1]
    assert CALLS[name](ax=place) is place
    place.set_title("a title of the user's", pad=3)
    assert figure.get_size_inches() == pytest.approx((11, 8))
    assert not Gcf.figs
    drawn(figure)
    assert place.get_window_extent().width > 150
    assert place.title.get_text() == "a title of the user's"
    if name in MEASURED:
        place.set_title("")
        check_layout(place, within=place.bbox)


@pytest.mark.parametrize("name", MEASURED)
def test_letters_follow_the_place(name: str) -> None:
    figure = Figure()
    ax = CALLS[name](ax=figure)
    sizes = [text.get_fontsize() for text in drawn(figure)]
    figure.set_size_inches(figure.get_size_inches() * (0.5, 0.7))
    check_layout(ax)
    assert [text.get_fontsize() for text in drawn(figure)] == pytest.approx([size / 2 for size in sizes])
    figure.set_size_inches(figure.get_size_inches() * (4, 4))
    drawn(figure)
    assert [text.get_fontsize() for text in drawn(figure)] == pytest.approx(sizes)


@pytest.mark.parametrize("name", CALLS)
def test_pictures_can_be_kept(name: str) -> None:
    ax = CALLS[name](ax=Figure())
    before = words(ax)
    again = pickle.loads(pickle.dumps(ax.figure))
    assert words(again.axes[0]) == before


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("name", ["contact_sheet", "suspect_labels", "known_counts", "prevalence", "co_occurrence"])
def test_labels_of_all_kinds_are_readable(name: str, space: str) -> None:
    check_layout(_calls(SPACES[space])[name](ax=Figure()))


def test_pictures_within_axes_of_axes() -> None:
    outer = Figure(figsize=(9, 9)).subplots()
    inner = outer.inset_axes((0.1, 0.1, 0.7, 0.6))
    assert CALLS["posterior_bars"](ax=inner) is inner
    drawn(outer.figure)
    check_layout(inner, within=inner.bbox)
    figure = Figure(figsize=(12, 6))
    ax = CALLS["contact_sheet"](ax=figure.subfigures(1, 2)[1].subplots())
    drawn(figure)
    check_layout(ax, within=ax.bbox)


@pytest.mark.parametrize(
    "call",
    [
        lambda: plots.posterior_gallery(np.empty((0, 7)), SPACE),
        lambda: plots.contact_sheet(np.empty((0, 7)), SPACE, []),
        lambda: plots.suspect_labels([], None),
        lambda: plots.known_counts({}),
        lambda: plots.count_distribution(np.full((3, 5), np.nan)),
        lambda: plots.count_distribution(np.empty((0, 5))),
        lambda: plots.co_occurrence(np.empty((0, 0)), SPACE, labels=[]),
        lambda: plots.reliability(np.empty((0, 3)), np.empty((0, 3))),
        lambda: plots.history([]),
    ],
)
def test_nothing_to_draw_is_said(call: Draw) -> None:
    ax = call()
    assert len(words(ax)) == 1
    assert words(ax)[0].startswith("no ")
    check_layout(ax)


def test_an_error_leaves_no_figure_behind() -> None:
    p = marginals(SPACE, 2)
    for call in (plots.posterior_gallery, plots.contact_sheet):
        with pytest.raises(DataError, match="image has shape"):
            call(p, SPACE, [np.zeros((2, 2, 9)), np.zeros((2, 2, 9))])
    assert not Gcf.figs


def test_only_images_that_are_shown_are_looked_at() -> None:
    class Lazy:
        def __init__(self) -> None:
            self.asked: list[int] = []

        def __len__(self) -> int:
            return 1000

        def __getitem__(self, row: int | slice) -> Any:
            if isinstance(row, slice):
                return [self[i] for i in range(1000)[row]]
            self.asked.append(row)
            return np.zeros((3, 4, 4))

    images, p = Lazy(), marginals(SPACE, 1000)
    ax = plots.contact_sheet(p, SPACE, images, labels=["car"], per_label=3, ax=Figure())  # type: ignore[arg-type]
    assert sorted(images.asked) == sorted(np.argsort(-p[:, 2])[:3].tolist())
    assert len([part for part in layers([ax]) if part.images]) == 3
    images = Lazy()
    plots.posterior_gallery(p, SPACE, images, max_images=2, ax=Figure())  # type: ignore[arg-type]
    assert images.asked == [0, 1]


def test_images_may_be_files(tmp_path: Any) -> None:
    from PIL import Image

    pixels = np.random.default_rng(0).integers(0, 256, (12, 10, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    ax = plots.posterior_bars(marginals(SPACE, 1)[0], SPACE, tmp_path / "a.png", ax=Figure())  # type: ignore[arg-type]
    (found,) = [part for part in layers([ax]) if part.images]
    np.testing.assert_array_equal(found.images[0].get_array(), pixels)
