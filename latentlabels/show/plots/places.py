"""Pictures with heat maps over them: where labels are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes

from ...errors import DataError
from ...words import count
from ..colours import GREY
from ..heat import overlay
from .arguments import picture, same_rows, sequence
from .lettering import lettering
from .surface import Canvas, Target, message

_SIDE = 1.5  # inches of a picture
_GAP = 0.12
_CAPTION = 0.2  # room below a picture


def where(
    heat: npt.ArrayLike,
    images: npt.ArrayLike | Sequence[npt.ArrayLike],
    *,
    captions: Sequence[str] | None = None,
    max_images: int = 12,
    per_row: int = 3,
    ax: Target = None,
) -> Axes:
    """Pictures beside the same with a heat map over them: in colour where a label probably is.

    Colours are relative to the most probable place of each picture, so that they say nothing about whether it shows the
    label at all: captions can.

    Args:
        heat: (N, h, w) probabilities of places, as ``Posterior.where`` gives them.
        images: N of them, as in `posterior_gallery`.
        captions: N texts that stand below.
        max_images: pictures at most, the first ones; how many are left out is said.
        per_row: pairs of pictures in a row at most.
        ax: see `latentlabels.plots`.

    Raises:
        DataError: what is given does not fit each other, or is no heat map or image.
    """
    places = np.asarray(heat, np.float64)
    given = sequence(images)
    if places.ndim != 3:
        raise DataError(f"heat has shape {places.shape}; expected (images, h, w), as Posterior.where gives it")
    if given is None:
        raise DataError("images: None; heat maps are drawn over images, give one for each")
    same_rows(len(places), "heat maps", images=given, captions=captions)
    number = min(len(places), max(max_images, 1))
    if not number:
        return message(ax, "no images")
    letters = lettering(captions or ())
    shown = [picture(given[row]) for row in range(number)]
    said = [] if captions is None else [letters.fit(str(text), None, 30) for text in captions[:number]]
    cell = max(2 * _SIDE + 0.04, letters.width(said, 8)) + _GAP
    per_row = max(1, min(per_row, number))
    pitch = _SIDE + _GAP + _CAPTION * bool(said)
    notes = ["in colour: where the label probably is; relative to the most probable place of each picture"]
    rest = len(places) - number
    notes += [f"{count(rest, 'more picture')} not shown"] if rest else []
    lines = -(-number // per_row)
    width = max(cell * per_row, letters.width(notes, 9)) + 0.3
    canvas = Canvas(ax, width, 0.15 + pitch * lines + 0.22 * len(notes) + 0.05)
    for place, (image, heats) in enumerate(zip(shown, places, strict=False)):
        left, top = 0.15 + cell * (place % per_row), 0.15 + pitch * (place // per_row)
        canvas.picture(image, left, top, _SIDE, "S")
        canvas.picture(overlay(image, heats), left + _SIDE + 0.04, top, _SIDE, "S")
        if said:
            canvas.text(left + _SIDE + 0.02, top + _SIDE + 0.03, said[place], 8, letters, ha="center")
    for line, text in enumerate(notes):
        canvas.text(0.15, 0.15 + pitch * lines + 0.22 * line, text, color=GREY)
    return canvas.ax
