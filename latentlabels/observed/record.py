"""What a reader returns: a plain record that `Observed` wraps."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..space import LabelSpace


class KnownLabels(NamedTuple):
    """Known labels as a reader found them.

    Attributes:
        values: int8 (N, K) of 1 known present, 0 known absent, -1 unknown.
        space: the label space of the columns.
        images: N names.
    """

    values: NDArray[np.int8]
    space: LabelSpace
    images: tuple[str, ...]
