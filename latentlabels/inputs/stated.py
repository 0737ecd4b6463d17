"""What a user states about the held-out part: which images are in it, and which images belong together."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Stated:
    """Statements about N images.

    Attributes:
        held: (N,) True for images to be held out; None where nobody says which.
        split: what says so: 'column "split"'; "" where nothing does.
        together: (N,) numbers, equal for images that belong together; None where nobody says which.
        group: what says so: 'column "patient"'; "" where nothing does.
        num_test: images that the split keeps for a test; they are not among the N.
    """

    held: NDArray[np.bool_] | None = None
    split: str = ""
    together: NDArray[np.int64] | None = None
    group: str = ""
    num_test: int = 0

    def take(self, rows: NDArray[Any]) -> Stated:
        """Of some images, in the order of `rows`."""
        held, together = (None if one is None else one[rows] for one in (self.held, self.together))
        return replace(self, held=held, together=together)
