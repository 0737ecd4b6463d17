"""Known labels that no label set agrees with: refused, forgotten or voted on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..space import LabelSpace
from ..space.feasibility import contradiction, feasible
from .options import Contradictions
from .record import Contradiction


def settle(
    values: NDArray[np.int8],
    votes: NDArray[np.integer[Any]],
    space: LabelSpace,
    images: Sequence[str],
    policy: Contradictions,
) -> tuple[NDArray[np.int8], list[Contradiction]]:
    """Rows that no valid label set agrees with.

    Args:
        values: int8 (N, K) of 1, 0 and -1.
        votes: (N, K) how many statements are behind each known label.
        space: the label space of the columns.
        images: N names.
        policy: "refuse" leaves the values as they are, "unknown" forgets the known labels of such a row, "vote" keeps those
            with the most votes as long as some label set agrees with them; labels with equally many stand or fall together.

    Returns:
        The values, and what contradicts itself.
    """
    out, found = values.copy(), []
    for row in np.flatnonzero(~feasible(values, space)).tolist():
        labels = [label for label, value in zip(space.labels, values[row], strict=True) if value != -1]
        found.append(Contradiction(images[row], tuple(labels), contradiction(values[row], space), ()))
        if policy == "refuse":
            continue
        out[row] = -1
        for number in sorted({*votes[row][values[row] != -1].tolist()}, reverse=True) if policy == "vote" else ():
            tried = np.where((votes[row] == number) & (values[row] != -1), values[row], out[row])
            if not feasible(tried[None], space)[0]:
                break
            out[row] = tried
    return out, found
