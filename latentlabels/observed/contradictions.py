"""Known labels of one image that cannot all be true: listed, and settled as the user wants."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ObservationError
from ..space import LabelSpace
from ..space.feasibility import contradiction, feasible
from ..words import count
from .options import Contradictions
from .record import Contradiction

_SHOWN = 10


class ContradictionError(ObservationError):
    """Known labels that cannot all be true.

    Attributes:
        source: the file or folder.
        found: every contradiction.
    """

    def __init__(self, source: str, found: Sequence[Contradiction]):
        self.source, self.found = source, tuple(found)
        shown = "; ".join(str(one) for one in self.found[:_SHOWN])
        more = f"; and {len(found) - _SHOWN:,} more" if len(found) > _SHOWN else ""
        many = "" if len(found) == 1 else f"{count(len(found), 'contradiction')}: "
        super().__init__(
            f'{source}: {many}{shown}{more}. Correct them, or give contradictions="unknown" (the labels concerned count as '
            'unknown) or contradictions="vote" (the majority of statements counts)'
        )


def settle(
    values: NDArray[np.int8],
    votes: NDArray[np.integer[Any]] | None,
    space: LabelSpace,
    images: Sequence[str],
    policy: Contradictions,
    where: Sequence[Sequence[str]] | None = None,
) -> tuple[NDArray[np.int8], list[Contradiction]]:
    """Make rows that contradict the label space agree with it.

    Args:
        values: int8 (N, K) of 1, 0 and -1.
        votes: (N, K) how many statements are behind each known label.
        space: the label space of the columns.
        images: N names.
        policy: "refuse" leaves the values as they are, "unknown" forgets the known labels of such a row, "vote" keeps those
            with the most votes as long as some label set agrees with them; labels with equally many stand or fall together.
        where: for each row where its statements stand.

    Returns:
        The values, and a contradiction for each row that no label set agrees with.
    """
    out, found = values.copy(), []
    for row in np.flatnonzero(~feasible(values, space)).tolist():
        labels = [label for label, value in zip(space.labels, values[row], strict=True) if value != -1]
        places = () if where is None else tuple(where[row])
        found.append(Contradiction(images[row], tuple(labels), contradiction(values[row], space), places))
        if policy == "refuse":
            continue
        out[row] = -1
        if policy == "unknown" or votes is None:
            continue
        for number in sorted({*votes[row][values[row] != -1].tolist()}, reverse=True):
            tried = np.where((votes[row] == number) & (values[row] != -1), values[row], out[row])
            if not feasible(tried[None], space)[0]:
                break
            out[row] = tried
    return out, found
