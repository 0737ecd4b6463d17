"""What an image shows, in one sentence."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..space import LabelSpace
from ..words import percent

_SHOWN, _MOST, _OPEN = 0.5, 4, 0.25


def sentence_of(marginals: NDArray[np.float32], space: LabelSpace) -> str:
    """One sentence about one image.

    Args:
        marginals: (K,), NaN where nobody has looked.
        space: the K labels.
    """
    if np.isnan(marginals).any():
        return "The model has not looked at this image yet."
    order = np.argsort(-marginals, kind="stable")
    shown = [int(k) for k in order if marginals[k] >= _SHOWN]
    unsure = [int(k) for k in order if _OPEN <= marginals[k] < _SHOWN]
    named = [f"{space.labels[k]} ({percent(float(marginals[k]))})" for k in (shown or unsure)[:_MOST]]
    if not named:
        return "The model finds none of the labels here."
    more = len(shown or unsure) - len(named)
    named += [f"{more} more"] if more > 0 else []
    text = named[0] if len(named) == 1 else f"{', '.join(named[:-1])} and {named[-1]}"
    if not shown:
        return f"Nothing is more likely than not; it may show {text}."
    doubt = f"; {space.labels[unsure[0]]} is open ({percent(float(marginals[unsure[0]]))})" if unsure else ""
    return f"Shows {text}{doubt}."
