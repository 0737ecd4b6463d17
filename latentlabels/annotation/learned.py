"""The numbers of an annotation that a fit learned, and the images it learned them from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

LEARN = "learn"
"""Stands for numbers that a fit has to learn."""

COVERS = 0.9
"""Posterior probability of an interval."""


@dataclass(frozen=True)
class Learned:
    """One number for each label, or one for all labels, with its interval.

    Attributes:
        parameter: "weights", "rates" or "noise".
        estimate: the posterior mode, averaged over prior widths, (K,) or (1,). Weights have the geometric mean 1.
        low: the lower end of an interval that holds the number with probability `COVERS`, by Laplace's approximation.
        high: the upper end.
        num_complete: how many complete images it was learned from.
        num_known: how many other images with a known label.
        groups: names of the groups that it was learned from where there were no complete images: one number for each.
    """

    parameter: str
    estimate: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    num_complete: int
    num_known: int
    groups: tuple[str, ...] = ()

    @property
    def factor(self) -> float:
        """How well the numbers are known: the median over labels of the ratio of `high` to `estimate`."""
        ratios = sorted(high / max(own, 1e-12) for own, high in zip(self.estimate, self.high, strict=True))
        return ratios[len(ratios) // 2]

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Learned:
        """What `to_dict` gave."""
        given: dict[str, Any] = {key: tuple(one) if isinstance(one, list) else one for key, one in stored.items()}
        return cls(**given)
