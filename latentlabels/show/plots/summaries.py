"""Pictures of known labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from ...words import count
from ..colours import GREY, VERMILION
from .lettering import lettering
from .surface import SIZE, Canvas, Target, message

_PITCH = 0.205  # inches of a row
_BARS = 3.6  # inches of the longest bar


def known_counts(counts: Mapping[str, Sequence[int]], *, limit: int = 40, ax: Target = None) -> Axes:
    """In how many images each label is known to be present, or absent; most often known labels first.

    Args:
        counts: label -> (known present, known absent), numbers of images, as `Observed.counts`.
        limit: labels at most; how many are left out, and how many of them are never known, is said.
        ax: see `latentlabels.plots`.
    """
    if not counts:
        return message(ax, "no labels")
    columns = {name: k for k, name in enumerate(counts)}
    order = sorted(counts, key=lambda name: (-counts[name][0], -counts[name][1]))
    shown, rest = order[: max(limit, 1)], order[max(limit, 1) :]
    present, absent = (np.asarray([counts[name][i] for name in shown], np.int64) for i in (0, 1))
    letters = lettering(shown)
    names = [letters.fit(name, columns[name]) for name in shown]
    said = [f"{number:,}" if number else "never known to be present" for number in present]
    denied = [f"{number:,}" if number else "" for number in absent]
    note = ""
    if rest:
        never = sum(counts[name][0] == 0 for name in rest)
        note = f"{count(len(rest), 'label')} left out, each known to be present in at most {counts[rest[0]][0]:,} images"
        note += f"; {never:,} never" if 0 < never < len(rest) else ""
    left, right = letters.width(names, SIZE) + 0.3, letters.width(said, SIZE) + 0.2
    room = letters.width(denied, SIZE) + 0.15 if absent.any() else 0.0
    width = max(left + room + _BARS + right, letters.width([note], SIZE) + 0.3)
    tall = _PITCH * len(shown)
    canvas = Canvas(ax, width, tall + 0.55 + 0.25 * bool(note))
    bars = canvas.rows(left, 0.4, room + _BARS, tall, len(shown))
    scale = max(int(present.max() + absent.max()), 1) / _BARS  # images per inch
    bars.set_xlim(-absent.max() - room * scale, -absent.max() - room * scale + (room + _BARS) * scale)
    y = range(len(shown))
    bars.barh(y, present, height=0.72, color=VERMILION, label="known present")
    if absent.any():
        bars.barh(y, -absent, height=0.72, color=GREY, label="known absent")
    bars.axvline(0, color="black", linewidth=0.8)
    edge = bars.get_xlim()[0] - 0.1 * scale
    for row in y:
        slant = "normal" if present[row] else "italic"
        canvas.write(bars, edge, row, names[row], letters, ha="right")
        canvas.write(bars, present[row] + 0.07 * scale, row, said[row], letters, style=slant)
        canvas.write(bars, -absent[row] - 0.07 * scale, row, denied[row], letters, ha="right")
    kinds = [("■", VERMILION, "known to be present (images)"), ("■", GREY, "known to be absent (images)")]
    canvas.key(kinds if absent.any() else kinds[:1], 0.1, 0.1)
    if note:
        canvas.text(0.1, tall + 0.5, note, color=GREY)
    return canvas.ax
