"""Pictures measured as they are drawn: what they say, how long their bars are, that no text is cut off or overlaps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backend_bases import FigureCanvasBase
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.container import BarContainer
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from latentlabels.space import Free, LabelSpace, OneOf

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
        [
            OneOf("größe", ["süß", "日本語", "русский", "أحمر"], optional=True),
            Free("𓀀 ?"),
            Free("$x_1^{$"),
            Free("a\tb\nc"),
            Free("<b>bold</b> & co"),
        ]
    ),
    "many": LabelSpace(
        [OneOf("kind", [f"kind {i}" for i in range(60)], optional=True), *(Free(f"label {i}") for i in range(140))]
    ),
}


def marginals(space: LabelSpace, count: int, seed: int = 0) -> np.ndarray:
    """Probabilities that the groups allow."""
    p = np.random.default_rng(seed).random((count, space.num_labels)) ** 3
    for group in space.groups:
        if isinstance(group, OneOf):
            columns = space.columns(group)
            p[:, columns] /= p[:, columns].sum(1, keepdims=True) * 1.2
    return p


def layers(parts: list[Axes]) -> Iterator[Axes]:
    """Axes after those that they hold."""
    for ax in parts:
        yield from layers(ax.child_axes)
        yield ax


def texts_of(parts: list[Axes]) -> list[Text]:
    """The texts of axes that are drawn; the figure has been laid out."""
    found: list[Text] = []
    for ax in layers(parts):
        found += ax.texts
        found += [ax.title, ax._left_title, ax._right_title]  # type: ignore[attr-defined]
        legend = ax.get_legend()
        found += [] if legend is None else legend.get_texts()
        if not ax.axison:
            continue
        found += [ax.xaxis.label, ax.yaxis.label]
        for axis in (ax.xaxis, ax.yaxis):
            low, high = sorted(axis.get_view_interval())
            ticks = [*axis.get_major_ticks(), *axis.get_minor_ticks()]
            found += [tick.label1 for tick in ticks if low <= tick.get_loc() <= high]
    return [text for text in found if text.get_visible() and text.get_text().strip()]


def drawn(figure: Figure) -> list[Text]:
    """The texts of a figure, laid out."""
    if type(figure.canvas) is FigureCanvasBase:  # nobody's
        FigureCanvasAgg(figure)
    figure.draw_without_rendering()
    return texts_of(figure.axes)


def words(ax: Axes) -> list[str]:
    """What a picture says, the marks of its key left out."""
    return [text.get_text() for text in drawn(ax.figure) if text.get_text() not in "■●○□"]  # type: ignore[arg-type]


def check_layout(ax: Axes, within: Bbox | None = None) -> None:
    """All text lies within the figure, no two texts overlap, none lies on a picture.

    `within`: a box that the text of `ax` keeps to, of a figure that has been drawn.
    """
    figure: Any = ax.figure
    texts = drawn(figure) if within is None else texts_of([ax])
    assert texts
    page = figure.bbox if within is None else within
    boxes = [text.get_window_extent() for text in texts]
    pictures = [part for part in layers(figure.axes) if part.images]
    for text, box in zip(texts, boxes, strict=True):
        inside = box.x0 >= page.x0 - 1 and box.y0 >= page.y0 - 1 and box.x1 <= page.x1 + 1 and box.y1 <= page.y1 + 1
        assert inside, f"{text.get_text()!r} is cut off: {box} of {page}"
        for part in pictures:
            across = min(part.bbox.x1, box.x1) - max(part.bbox.x0, box.x0)
            along = min(part.bbox.y1, box.y1) - max(part.bbox.y0, box.y0)
            assert text.axes is part or across < 2 or along < 2, f"{text.get_text()!r} lies on a picture"
    x0, y0, x1, y1 = np.array([box.extents for box in boxes]).T
    width = np.minimum.outer(x1, x1) - np.maximum.outer(x0, x0)
    height = np.minimum.outer(y1, y1) - np.maximum.outer(y0, y0)
    for one, other in np.argwhere(np.triu((width >= 1) & (height >= 3), 1)):
        first, second = texts[one].get_text(), texts[other].get_text()
        raise AssertionError(f"{first!r} and {second!r} overlap by {width[one, other]:.0f} x {height[one, other]:.0f} px")


def bars_of(ax: Axes, label: str = "probability") -> list[Any]:
    """The bars of axes that have a label."""
    container = next(c for c in ax.containers if isinstance(c, BarContainer) and c.get_label() == label)
    return list(container.patches)


def line_of(ax: Axes, label: str) -> Any:
    """The line or marks of axes that have a label."""
    (found,) = [line for line in ax.lines if line.get_label() == label]
    return found
