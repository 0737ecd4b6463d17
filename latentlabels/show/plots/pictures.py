"""Pictures of many images: the most probable ones of each label, and known labels that a model doubts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from ...checks import SuspectLabel
from ...errors import DataError
from ...space import LabelSpace
from ...words import count, percent
from ..colours import BLUE, GREEN, GREY, VERMILION
from .arguments import Array, picture, rows_exist, same_rows, sequence, table
from .lettering import lettering
from .panels import Line, Style, grid
from .surface import Canvas, Key, Target, message

_SIDE = 0.95  # inches of a picture
_CAPTION = 0.2  # room below it
_GAP = 0.1


def contact_sheet(
    marginals: npt.ArrayLike,
    space: LabelSpace,
    images: npt.ArrayLike | Sequence[npt.ArrayLike],
    *,
    labels: Sequence[str] | None = None,
    observed: npt.ArrayLike | None = None,
    truth: npt.ArrayLike | None = None,
    per_label: int = 8,
    max_labels: int = 10,
    remarks: Sequence[str] | None = None,
    ax: Target = None,
) -> Axes:
    """A row per label: the images that most probably show it, by falling probability.

    Args:
        marginals: (N, K) probabilities of presence; images where one is NaN are left out of that label's row.
        space: the label space.
        images: N of them, as in `posterior_gallery`.
        labels: whose rows, in this order; those expected in most images, in the order of the space, if not given.
        observed: (N, K) of 1, 0 and -1: images whose label is known have a coloured frame, and say so.
        truth: (N, K) of 0 and 1: images that truly show the label have a dot.
        per_label: images in a row at most.
        max_labels: rows at most; how many labels are left out is said.
        remarks: what stands below each of `labels`; in how many of the images it is expected, if not given.
        ax: see `latentlabels.plots`.

    Raises:
        DataError: what is given does not fit the space or each other, or is no image.
        LabelSpaceError: a label that the space lacks.
    """
    p = table(marginals, space, "marginals", 2)
    known = None if observed is None else table(observed, space, "observed", 2)
    true = None if truth is None else table(truth, space, "truth", 2)
    given = sequence(images)
    if given is None:
        raise DataError("images: None; a contact sheet shows images, give one for each row of the marginals")
    same_rows(len(p), "marginals", images=given, observed=known, truth=true)
    chosen = _most_expected(p, max_labels) if labels is None else [space.index(label) for label in labels][: max(max_labels, 1)]
    if remarks is not None and len(remarks) < len(chosen):
        raise DataError(f"remarks: {len(remarks)}, but {len(chosen)} labels are shown; give one for each")
    if not len(p) or not chosen:
        return message(ax, "no images" if not len(p) else "no labels")
    ranked = {
        k: [int(i) for i in np.argsort(-p[:, k], kind="stable") if np.isfinite(p[i, k])][: max(per_label, 1)] for k in chosen
    }
    shown = {i: picture(given[i]) for i in sorted({i for rows in ranked.values() for i in rows})}
    left_out = (space.num_labels if labels is None else len(labels)) - len(chosen)
    letters = lettering(space.labels[k] for k in chosen)
    names = [letters.fit(space.labels[k], k, 24) for k in chosen]
    expected = [_expected(p[:, k]) for k in chosen] if remarks is None else list(remarks)[: len(chosen)]
    left = max(letters.width(names, 10), letters.width(expected, 8)) + 0.3
    across = max(1, *(len(rows) for rows in ranked.values()))
    pitch = _SIDE + _CAPTION + _GAP
    title = "most probable images first; below each, the probability that it shows the label"
    key: list[Key] = [("●", GREEN, "label truly present")] if true is not None else []
    key += _frames(known, chosen)
    wide = max(letters.width([title], 9), sum(letters.width([f"●{text}"], 9) + 0.26 for *_, text in key))
    width = max(left + across * (_SIDE + _GAP), wide + 0.15) + 0.15
    height = 0.45 + pitch * len(chosen) + 0.22 * (bool(key) + (left_out > 0)) + 0.05
    canvas = Canvas(ax, width, height)
    canvas.text(0.15, 0.12, title, color=GREY)
    for row, k in enumerate(chosen):
        top = 0.45 + row * pitch
        canvas.text(left - 0.15, top + _SIDE / 2 - 0.17, names[row], 10, letters, ha="right")
        canvas.text(left - 0.15, top + _SIDE / 2 + 0.02, expected[row], 8, color=GREY, ha="right")
        for place, i in enumerate(ranked[k]):
            at = left + place * (_SIDE + _GAP)
            frame = canvas.picture(shown[i], at, top, _SIDE, "S")
            state = -1.0 if known is None else known[i, k]
            _caption(canvas, frame, at, top, float(p[i, k]), state, true is not None and true[i, k] == 1)
    bottom = 0.45 + pitch * len(chosen)
    canvas.key(key, 0.15, bottom)
    if left_out > 0:
        canvas.text(0.15, bottom + 0.22 * bool(key), f"{count(left_out, 'label')} left out", color=GREY)
    return canvas.ax


def suspect_labels(
    found: Sequence[SuspectLabel],
    images: npt.ArrayLike | Sequence[npt.ArrayLike] | None = None,
    *,
    max_images: int = 12,
    names: Sequence[str] | None = None,
    ax: Target = None,
) -> Axes:
    """Known labels that a model finds improbable, beside what it finds more probable: possible mistakes.

    Args:
        found: as `latentlabels.suspect_labels` gives them.
        images: all N, of which those are shown whose rows are named; or None.
        max_images: entries at most, the first ones; how many are left out is said.
        names: what each entry's image is called; its row if not given.
        ax: see `latentlabels.plots`.

    Raises:
        DataError: a row that the images do not have, fewer names than entries, or something that is no image.
    """
    shown, given = list(found)[: max(max_images, 1)], sequence(images)
    if names is not None and len(names) < len(shown):
        raise DataError(f"names: {len(names)}, but {len(shown)} entries are shown; give one for each")
    if not shown:
        return message(ax, "no known label to doubt")
    if given is not None:
        rows_exist([one.row for one in shown], len(given))
    called = [f"image {one.row:,}" for one in shown] if names is None else [str(name) for name in names[: len(shown)]]
    letters = lettering([*(name for one in shown for name in (one.label, one.instead or "")), *called])
    pictures = None if given is None else [picture(given[one.row]) for one in shown]
    panels = []
    for one, name in zip(shown, called, strict=True):
        stated = letters.fit(one.label) if one.value else f"not {letters.fit(one.label)}"
        lines = [Line(letters.fit(name))]
        lines.append(Line(stated, one.probability, f"{percent(one.probability)}  known", VERMILION if one.value else GREY))
        if one.instead is not None:
            lines.append(Line(letters.fit(one.instead), one.instead_probability, percent(one.instead_probability), BLUE))
        panels.append(lines)
    key: list[Key] = []
    if any(one.value for one in shown):
        key.append(("■", VERMILION, "known to be present"))
    if not all(one.value for one in shown):
        key.append(("■", GREY, "known to be absent"))
    if any(one.instead is not None for one in shown):
        key.append(("■", BLUE, "more probable according to the model"))
    rest = len(found) - len(shown)
    notes = ["bars: probability according to the model", *([f"{count(rest, 'more label')} not shown"] if rest > 0 else [])]
    return grid(ax, panels, pictures, letters, Style(9, 0.205, 1.15, 1.05), key, notes)


def _most_expected(p: Array, number: int) -> list[int]:
    totals = np.nansum(p, 0)
    return sorted(np.argsort(-totals, kind="stable")[: max(number, 1)].tolist())


def _expected(p: Array) -> str:
    number = float(np.nansum(p))
    few = "<1" if 0 < number < 0.5 else f"{number:,.0f}"
    return f"expected in {few} of {len(p):,}"


def _frames(known: Array | None, chosen: Sequence[int]) -> list[Key]:
    values = [] if known is None else [value for value in (1, 0) if (known[:, chosen] == value).any()]
    return [("□", VERMILION, "known to be present") if value else ("□", GREY, "known to be absent") for value in values]


def _caption(canvas: Canvas, frame: Any, left: float, top: float, p: float, known: float, true: bool) -> None:
    """The probability below a picture, at its middle, and its frame."""
    text = percent(p) + {1.0: "  known", 0.0: "  absent"}.get(known, "")
    middle, below = left + _SIDE / 2, top + _SIDE + 0.03
    canvas.text(middle, below, text, 8, ha="center")
    if true:
        half = lettering(()).width([text], 8) / 2
        canvas.text(middle - half - 0.04, below, "●", 8, color=GREEN, ha="right")
    if known in (0, 1):
        colour = VERMILION if known == 1 else GREY
        frame.add_patch(
            Rectangle((0, 0), 1, 1, transform=frame.transAxes, fill=False, color=colour, linewidth=2.5, clip_on=False)
        )
