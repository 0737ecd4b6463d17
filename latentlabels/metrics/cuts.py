"""Every way to divide images by a threshold on their probabilities, and which of them has the best F1.

With w how far each image shows the label (1 or 0 by complete labels, its probability where nobody has seen them), the best
threshold by complete labels and the best one by expectation are found alike.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Reals = NDArray[np.floating[Any]]


class Cuts(NamedTuple):
    """Every way to divide images by one threshold, from the fewest called present to all of them; (C,) each.

    Attributes:
        lowest: the lowest probability that is called present, falling. Images of one probability are called alike.
        called: images called present.
        hits: how many of them are.
        total: how many images are present.
    """

    lowest: Reals
    called: NDArray[np.int64]
    hits: NDArray[np.float64]
    total: float

    @property
    def f1(self) -> NDArray[np.float64]:
        """2 hits / (called + total) of each."""
        return 2 * self.hits / (self.called + self.total)

    @property
    def best(self) -> int | None:
        """The number of the one with the largest F1, the first of equal ones; None where nothing is present."""
        return int(self.f1.argmax()) if len(self.lowest) and self.total > 0 else None


def cuts(p: Reals, w: NDArray[Any]) -> Cuts:
    """The cuts of n probabilities.

    Args:
        p: (n,) probabilities.
        w: (n,) how far each is present, in [0, 1].
    """
    order = np.argsort(-p, kind="stable")
    p, sums = p[order], np.cumsum(w[order], dtype=np.float64)
    ends = np.flatnonzero(np.append(p[1:] != p[:-1], True)) if len(p) else np.empty(0, np.int64)
    return Cuts(p[ends], ends + 1, sums[ends], float(sums[-1]) if len(p) else 0.0)
