"""Pictures are measured as they are drawn: what they say, how long their bars are, that no text is cut off or overlaps."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from matplotlib._pylab_helpers import Gcf
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.container import BarContainer
from matplotlib.figure import Figure
from matplotlib.text import Text

from latentlabels.errors import DataError
from latentlabels.evaluation import CalibrationCurve, calibration_curve
from latentlabels.labels import Free, LabelSpace, OneOf
from latentlabels.plots.lettering import Lettering, lettering, percent, shorten
from latentlabels.plots.canvas import BLUE, GREY, VERMILION
from latentlabels.plots import history, known_counts, posterior_bars, posterior_gallery, reliability

SPACE = LabelSpace(
    [
        OneOf("colour", ["blue", "red"]),
        OneOf("vehicle", ["car", "bike"], optional=True),
        OneOf("doors", ["2-doors", "4-doors"], requires="car"),
        Free("striped"),
    ]
)
P = np.array([0.8, 0.2, 0.6, 0.1, 0.25, 0.35, 0.002])
SPACES = {
    "grouped": SPACE,
    "one label": LabelSpace.free(["x"]),
    "one of one": LabelSpace([OneOf("a", ["x"])]),
    "long": LabelSpace(
        [
            OneOf("a group whose name is far too long " * 2, [f"label {i} {'with many words ' * 6}" for i in range(9)]),
            Free("W" * 300, requires=f"label 0 {'with many words ' * 6}"),
        ]
    ),
    "strange": LabelSpace(
        [OneOf("größe", ["süß", "日本語", "русский"], optional=True), Free("𓀀 ?"), Free("$x_1^{$"), Free("a\tb\nc")]
    ),
    "many": LabelSpace(
        [OneOf("kind", [f"kind {i}" for i in range(60)], optional=True), *(Free(f"label {i}") for i in range(140))]
    ),
}


def _drawn(figure: Figure) -> list[Text]:
    """The texts of a figure that are drawn, laid out."""
    FigureCanvasAgg(figure)
    figure.draw_without_rendering()
    found = [*figure.texts, *(text for legend in figure.legends for text in legend.get_texts())]
    for ax in figure.axes:
        found += ax.texts
        if not ax.axison:
            continue
        found += [ax.title, ax._left_title, ax._right_title, ax.xaxis.label, ax.yaxis.label]  # type: ignore[attr-defined]
        for axis in (ax.xaxis, ax.yaxis):
            low, high = sorted(axis.get_view_interval())
            ticks = [*axis.get_major_ticks(), *axis.get_minor_ticks()]
            found += [tick.label1 for tick in ticks if low <= tick.get_loc() <= high]
    return [text for text in found if text.get_visible() and text.get_text().strip()]


def _said(figure: Figure) -> list[str]:
    return [text.get_text() for text in _drawn(figure)]


def _check_layout(figure: Figure) -> None:
    """All text lies within the figure, and no two texts overlap."""
    texts = _drawn(figure)
    assert texts
    boxes = [text.get_window_extent() for text in texts]
    page = figure.bbox
    for text, box in zip(texts, boxes, strict=True):
        inside = box.x0 >= -0.5 and box.y0 >= -0.5 and box.x1 <= page.x1 + 0.5 and box.y1 <= page.y1 + 0.5
        assert inside, f"{text.get_text()!r} is cut off: {box} of {page}"
        for ax in figure.axes:
            assert not ax.images or not ax.bbox.overlaps(box), f"{text.get_text()!r} lies on the picture"
    for (one, a), (other, b) in itertools.combinations(zip(texts, boxes, strict=True), 2):
        width, height = min(a.x1, b.x1) - max(a.x0, b.x0), min(a.y1, b.y1) - max(a.y0, b.y0)
        assert width < 1 or height < 3, f"{one.get_text()!r} and {other.get_text()!r} overlap by {width:.0f} x {height:.0f} px"


def _bars(ax: Axes, label: str = "probability") -> list[Any]:
    container = next(c for c in ax.containers if isinstance(c, BarContainer) and c.get_label() == label)
    return list(container.patches)


def _marginals(space: LabelSpace, count: int, seed: int = 0) -> np.ndarray:
    """Probabilities that the groups allow."""
    p = np.random.default_rng(seed).random((count, space.num_labels)) ** 3
    for group in space.groups:
        if isinstance(group, OneOf):
            columns = space.columns(group)
            p[:, columns] /= p[:, columns].sum(1, keepdims=True) * 1.2
    return p


# --- posteriors -----------------------------------------------------------------------------------------


def test_bars_say_every_label_by_group() -> None:
    figure = posterior_bars(P, SPACE)
    assert _said(figure) == [
        "colour", "blue", "80 %", "red", "20 %",
        "vehicle", "car", "60 %", "bike", "10 %", "none of these", "30 %",
        "doors (requires car)", "2-doors", "25 %", "4-doors", "35 %", "does not apply", "40 %",
        "other labels", "striped", "<1 %",
    ]  # fmt: skip
    (ax,) = figure.axes
    assert [bar.get_width() for bar in _bars(ax)] == pytest.approx([0.8, 0.2, 0.6, 0.1, 0.3, 0.25, 0.35, 0.4, 0.002])
    heights = [bar.get_y() + bar.get_height() / 2 for bar in _bars(ax)]
    assert heights == pytest.approx([1, 2, 4, 5, 6, 8, 9, 10, 12])
    assert ax.get_xlim() == (0, 1)


def test_known_and_true_labels_are_told_by_words_and_marks_as_well_as_by_colour() -> None:
    figure = posterior_bars(P, SPACE, observed=[1, -1, -1, 0, -1, -1, -1], truth=[1, 0, 1, 0, 0, 1, 0])
    said = _said(figure)
    assert "80 %  known" in said
    assert "10 %  known absent" in said
    assert "●  truly present" in said
    (ax,) = figure.axes
    colours = [to_hex(bar.get_facecolor()).upper() for bar in _bars(ax)]
    assert [colours[i] for i in (0, 1, 2, 3)] == [VERMILION, BLUE, BLUE, GREY]
    (dots,) = [line for line in ax.lines if line.get_label() == "truth"]
    assert list(dots.get_ydata()) == [1, 4, 9]  # the lines of blue, car and 4-doors


def test_without_groups_there_are_no_headings() -> None:
    assert _said(posterior_bars([0.5, 1.0], LabelSpace.free(["a", "b"]))) == ["a", "50 %", "b", "100 %"]
    space = LabelSpace([Free("a"), Free("b", requires="a")])
    assert _said(posterior_bars([0.5, 0.2], space)) == ["a", "50 %", "(requires a)", "b", "20 %"]


@pytest.mark.parametrize("name", SPACES)
@pytest.mark.parametrize("full", [False, True], ids=["bare", "full"])
def test_no_text_is_cut_off_or_overlaps(name: str, full: bool) -> None:
    space, rng = SPACES[name], np.random.default_rng(1)
    p = _marginals(space, 2)
    shape = (2, space.num_labels)
    given: dict[str, Any] = {"observed": rng.integers(-1, 2, shape), "truth": rng.integers(0, 2, shape)} if full else {}
    images = rng.integers(0, 256, (2, 3, 20, 30), np.uint8) if full else None
    _check_layout(posterior_gallery(p, space, images, **given))
    one = {key: value[0] for key, value in given.items()}
    _check_layout(posterior_bars(p[0], space, None if images is None else images[0], **one))
    _check_layout(known_counts({label: (k * 37 % 11 * 1000, k * 71 % 13 * full) for k, label in enumerate(space.labels)}))


def test_of_many_labels_the_foremost_are_shown_and_the_rest_counted() -> None:
    space = SPACES["many"]
    p = _marginals(space, 1)[0]
    observed, truth = np.full(200, -1), np.zeros(200)
    low = [int(k) for k in np.argsort(p)[:2]]
    observed[low[0]], truth[low[1]] = 1, 1
    figure = posterior_bars(p, space, observed=observed, truth=truth, limit=20)
    said = _said(figure)
    bars = _bars(figure.axes[0])
    assert len(bars) == 20
    shown = [space.index(text) for text in said if text in space.labels]
    assert set(low) <= set(shown)
    rest = np.delete(p, shown)
    (remark,) = [text for text in said if "left out" in text]
    assert remark == f"{200 - len(shown)} labels left out, each below {math.floor(100 * rest.max()) + 1} %"
    chosen = [k for k in shown if k not in low and k >= 60]
    assert min(p[chosen]) >= rest.max()
    assert {"kind", "other labels"} <= set(said)
    assert len(_bars(posterior_bars(p, space).axes[0])) == 40


def test_the_first_of_every_group_is_shown_before_more_probable_free_labels() -> None:
    space = LabelSpace([OneOf("a", ["a1", "a2"]), OneOf("b", ["b1", "b2"]), *(Free(f"f{i}") for i in range(9))])
    said = _said(posterior_bars([0.4, 0.6, 0.55, 0.45] + [0.99] * 9, space, limit=3))
    assert [text for text in said if text in space.labels] == ["a2", "b1", "f0"]
    assert "10 labels left out, each below 100 %" in said


def test_missing_values_are_said_and_have_no_bar() -> None:
    figure = posterior_bars(np.full(7, np.nan), SPACE, truth=[1, 0, 1, 0, 0, 1, 0])
    assert _said(figure).count("no value") == 9
    assert not _bars(figure.axes[0])
    _check_layout(figure)
    _check_layout(posterior_bars([np.nan], SPACES["one label"], limit=1))
    assert _said(posterior_bars([np.nan, 0.25], LabelSpace.free("ab"), limit=1))[:2] == ["b", "25 %"]


def test_gallery_draws_each_image_beside_its_bars() -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (3, 3, 8, 12), np.uint8)
    p = _marginals(SPACE, 3)
    figure = posterior_gallery(p, SPACE, images)
    pictures = [ax for ax in figure.axes if ax.images]
    panels = [ax for ax in figure.axes if not ax.images]
    assert len(pictures) == len(panels) == 3
    for row, (picture, panel) in enumerate(zip(pictures, panels, strict=True)):
        np.testing.assert_array_equal(picture.images[0].get_array(), images[row].transpose(1, 2, 0))
        assert _bars(panel)[0].get_width() == pytest.approx(p[row, 0])
        assert picture.get_position().x1 < panel.get_position().x0
        assert picture.get_position().y1 == pytest.approx(panel.get_position().y1)
    corners = {(round(ax.get_position().x0, 3), round(ax.get_position().y1, 3)) for ax in panels}
    assert len(corners) == 3


def test_gallery_shows_a_few_of_many_and_says_so() -> None:
    figure = posterior_gallery(_marginals(SPACE, 30), SPACE, max_images=5)
    assert len(figure.axes) == 5
    assert "25 more images not shown" in _said(figure)
    _check_layout(figure)
    assert _said(posterior_gallery(np.empty((0, 7)), SPACE)) == ["no images"]


def test_images_of_other_kinds() -> None:
    p = [0.5]
    for image in (np.zeros((4, 5)), np.zeros((4, 5, 3)), np.zeros((1, 4, 5), np.uint8), np.full((3, 4, 5), np.nan)):
        (picture,) = [ax for ax in posterior_bars(p, SPACES["one label"], image).axes if ax.images]
        assert picture.images[0].get_array().shape[:2] == (4, 5)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: posterior_bars(P[:3], SPACE), r"marginals have shape \(3,\), but the space has 7 labels"),
        (lambda: posterior_bars(P[None], SPACE), r"expected \(7,\)"),
        (lambda: posterior_bars(3 * P, SPACE), "probabilities lie in"),
        (lambda: posterior_bars(P, SPACE, observed=[1]), "observed have shape"),
        (lambda: posterior_bars(P, SPACE, truth=[2] * 7), "truth holds other numbers than"),
        (lambda: posterior_bars(P, SPACE, image=np.zeros((7, 4, 5))), r"image has shape \(7, 4, 5\)"),
        (lambda: posterior_bars(P, SPACE, image=np.zeros((3, 0, 5))), "image has shape"),
        (lambda: posterior_gallery(P, SPACE), r"expected \(images, 7\)"),
        (lambda: posterior_gallery(P[None], SPACE, np.zeros((2, 3, 4, 5))), "images: 2 rows, but marginals have 1"),
        (lambda: posterior_gallery(P[None], SPACE, truth=np.zeros((2, 7))), "truth: 2 rows, but marginals have 1"),
        (lambda: reliability([[0, 1]], [[0.5]]), "shape"),
    ],
)
def test_what_does_not_fit_is_an_error(call: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        call()


# --- calibration, training, counts ----------------------------------------------------------------------


def test_reliability_draws_the_curve() -> None:
    rng = np.random.default_rng(0)
    p = rng.random((400, 3)) ** 2
    truth = rng.random(p.shape) < p
    curve = calibration_curve(truth, p)
    figure = reliability(truth, p)
    above, below = figure.axes
    (line,) = [line for line in above.lines if line.get_label() == "found"]
    np.testing.assert_allclose(line.get_xdata(), curve.predicted)
    np.testing.assert_allclose(line.get_ydata(), curve.frequency)
    assert [bar.get_height() for bar in below.patches] == list(curve.count)
    assert f"calibration error {100 * curve.error:.1f} %\n1,200 entries" in _said(figure)
    _check_layout(figure)
    assert _said(reliability(curve)) == _said(figure)


def test_reliability_of_what_is_missing() -> None:
    truth, p = np.array([[1, 0], [0, 1]]), np.array([[0.9, np.nan], [0.2, 0.7]])
    figure = reliability(truth, p)
    assert any("3 entries, 1 without a value left out" in text for text in _said(figure))
    _check_layout(figure)
    nothing = ["no entries to measure calibration on"]
    assert _said(reliability(truth, np.full((2, 2), np.nan))) == nothing
    assert _said(reliability(np.empty((0, 3)), np.empty((0, 3)))) == nothing
    assert _said(reliability(CalibrationCurve((None,), (None,), (0,)))) == nothing
    _check_layout(reliability(CalibrationCurve((0.0,), (1.0,), (1,))))


def _epochs(count: int) -> list[dict[str, Any]]:
    held = [-3 + 0.5 * i - 0.05 * i * i for i in range(count)]
    return [
        {"epoch": i, "train_log_likelihood": -3 + 0.4 * i, "held_out_log_likelihood": held[i], "predicted_count": 2 + 0.1 * i}
        for i in range(count)
    ]


def test_history_draws_each_epoch_and_marks_the_one_that_was_kept() -> None:
    figure = history(_epochs(9), expected_labels=2.5)
    above, below = figure.axes
    lines = {line.get_label(): line for line in above.lines}
    assert list(lines["training"].get_ydata()) == pytest.approx([-3 + 0.4 * i for i in range(9)])
    assert list(lines["held out"].get_xdata()) == list(range(9))
    assert list(lines["kept: epoch 5"].get_xdata()) == [5, 5]
    assert list(below.lines[0].get_ydata()) == pytest.approx([2 + 0.1 * i for i in range(9)])
    assert {"training", "held out", "kept: epoch 5", "dashed: 2.50 expected", "epoch"} <= set(_said(figure))
    _check_layout(figure)
    assert "kept: epoch 8" in _said(history(_epochs(9), best_epoch=8))


@pytest.mark.parametrize("count", [1, 60])
def test_history_of_any_length_is_readable(count: int) -> None:
    _check_layout(history(_epochs(count), expected_labels=3.0))


def test_history_leaves_out_what_is_missing() -> None:
    rows = [{**row, "held_out_log_likelihood": None, "predicted_count": float("nan")} for row in _epochs(4)]
    rows[1]["train_log_likelihood"] = float("-inf")
    figure = history(rows, value="negative focal loss")
    (ax,) = figure.axes
    assert [list(line.get_xdata()) for line in ax.lines] == [[0, 2, 3]]
    assert ax.get_ylabel() == "negative focal loss"
    assert "held out" not in _said(figure)
    assert _said(history([])) == _said(history([{"epoch": 0}])) == ["no epoch was recorded"]
    _check_layout(history([{"epoch": 3, "predicted_count": 2.0}]))


def test_known_counts_orders_labels_and_names_those_never_known() -> None:
    figure = known_counts({"a": (5, 100), "b": (1200, 0), "c": (0, 7)})
    (ax,) = figure.axes
    assert [bar.get_width() for bar in _bars(ax, "known present")] == [1200, 5, 0]
    assert [bar.get_width() for bar in _bars(ax, "known absent")] == [0, -100, -7]
    said = _said(figure)
    assert [text for text in said if text in "abc"] == ["b", "a", "c"]
    assert {"1,200", "5", "100", "7", "never known present", "known absent (images)"} <= set(said)
    _check_layout(figure)
    assert "known absent (images)" not in _said(known_counts({"a": (5, 0)}))


def test_known_counts_of_many_labels_says_what_is_left_out() -> None:
    figure = known_counts({f"label {k}": (max(0, 190 - k), 0) for k in range(200)})
    assert len(_bars(figure.axes[0], "known present")) == 40
    assert "160 labels left out, each known present in at most 150 images; 10 never" in _said(figure)
    _check_layout(figure)
    _check_layout(known_counts({"x": (0, 0)}))
    _check_layout(known_counts({"x": (0, 12345)}))
    assert _said(known_counts({})) == ["no labels"]


def test_figures_belong_to_nobody() -> None:
    for figure in (posterior_bars(P, SPACE), reliability([[1]], [[0.3]]), history(_epochs(2)), known_counts({"a": (1, 1)})):
        assert isinstance(figure, Figure)
    assert not Gcf.figs


# --- letters --------------------------------------------------------------------------------------------


def test_percent_never_rounds_to_certainty() -> None:
    values = [0, 0.001, 0.005, 0.5, 0.994, 0.996, 0.9999, 1, float("nan")]
    assert [percent(p) for p in values] == ["0 %", "<1 %", "0 %", "50 %", "99 %", ">99 %", ">99 %", "100 %", "no value"]


def test_long_names_keep_both_ends() -> None:
    short = shorten("label " + "x" * 300 + " 17")
    assert len(short) == 32
    assert short.startswith("label ")
    assert short.endswith(" 17")
    assert shorten("a\nb\x00c") == "a b c"


def test_what_no_font_has_becomes_a_box_with_its_column(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("latentlabels.plots.lettering._fallbacks", lambda wanted: Lettering(("DejaVu Sans",), wanted))
    letters = lettering(["plain", "größe", "a日"])
    assert letters.missing == {"日"}
    assert letters.fit("a日", 4) == "a□ (column 5)"
    assert letters.fit("plain", 0) == "plain"
    _check_layout(posterior_bars([0.5], LabelSpace([OneOf("日", ["日本"])])))


def test_letters_are_measured() -> None:
    letters = lettering(["größe", "Ω"])
    assert letters.missing == frozenset()
    assert letters.width([], 9) == letters.width([""], 9) == 0
    assert letters.width(["größe"], 18) == pytest.approx(2 * letters.width(["größe"], 9), rel=0.02)
