"""Labels that were asked for, whatever their values: missing at random."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..exact.evidence import Evidence, pinned
from .base import Annotation, CountBound, pick_one

if TYPE_CHECKING:
    from ..observed.known_table import KnownTable


class Ignorable(Annotation):
    """Which labels are known does not depend on their values (missing at random): p(o|y) is 1 or 0.

    For labels that were asked one by one, with answers of both kinds; and for what a user knows at query time.

    Args:
        noise: e, the probability in [0, 1) that the known positives of an image are a mistake, or "learn".

    Raises:
        ConfigError: numbers out of range.
    """

    kind = "ignorable"
    meaning = "which labels are known does not depend on whether they are present"
    says_which = False

    def draw(self, y: Tensor, generator: torch.Generator | None) -> Tensor:
        """One label asked at random, whatever its value."""
        asked = pick_one(torch.ones_like(y), None, generator) == 1
        return torch.where(asked, (y > 0.5).to(torch.int8), -1).to(torch.int8)

    def log_pick(self, observed: Tensor, y: Tensor) -> Tensor:
        return torch.zeros(observed.shape[:-1], dtype=torch.float64, device=y.device)

    def products(self, observed: Tensor, bound: Callable[[], CountBound], dtype: torch.dtype) -> Evidence:
        return pinned(observed, torch.float64)

    def log_cardinality(self, observed: Tensor, most: int, dtype: torch.dtype) -> Tensor | None:
        """Zero for every count."""
        return torch.zeros(*observed.shape[:-1], most + 1, dtype=dtype, device=observed.device)

    def prevalence(self, known: KnownTable) -> tuple[NDArray[np.float64], str] | None:
        """The share of yes among the answers, where there are answers of both kinds."""
        present, absent = known.counts()
        if not absent.any():
            return None
        return (present + 0.5) / (present + absent + 1.0), "known presences and absences"
