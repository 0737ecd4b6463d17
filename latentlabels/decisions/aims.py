"""`Aim`: what the thresholds of hard decisions are good for."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from ..errors import ConfigError, nearest

MICRO, MACRO, PRECISION, RECALL = "f1-micro", "f1-macro", "precision", "recall"
MODE = "mode"
"""Not thresholds at all: the most probable valid label set of each image."""
_ALSO = {"f1": MICRO, "micro-f1": MICRO, "macro-f1": MACRO}
_WAYS = f"f1 (or {MICRO}), macro-f1 (or {MACRO}), precision=0.9, recall=0.9"


@dataclass(frozen=True)
class Aim:
    """What thresholds are chosen for.

    Attributes:
        kind: "f1-micro": the F1 of all labels together, by one threshold for all. "f1-macro": the F1 of each label, by a
            threshold of its own. "precision": the most labels with a precision of at least `level`, label by label. "recall":
            the fewest labels with a recall of at least `level`, label by label.
        level: the wanted precision or recall, above 0 and at most 1; None for F1.
    """

    kind: Literal["f1-micro", "f1-macro", "precision", "recall"] = "f1-micro"
    level: float | None = None

    def __post_init__(self) -> None:
        if self.kind not in (MICRO, MACRO, PRECISION, RECALL):
            raise ConfigError(f'unknown aim "{self.kind}"{nearest(self.kind, _known())} (known: {_WAYS})')
        if (self.level is not None) is not (self.kind in (PRECISION, RECALL)):
            what = "needs a level" if self.level is None else "takes no level"
            raise ConfigError(f'the aim "{self.kind}" {what}; known: {_WAYS}')
        if self.level is not None and not 0 < self.level <= 1:
            raise ConfigError(f"{self.kind}={self.level:g}: the level is above 0 and at most 1, for example {self.kind}=0.9")

    @classmethod
    def of(cls, given: Aim | str) -> Aim:
        """An aim as a user writes it: "f1", "f1-micro", "macro-f1", "f1-macro", "precision=0.9" or "recall=0.9".

        Raises:
            ConfigError: something else; what is known is listed.
        """
        if isinstance(given, Aim):
            return given
        kind, sign, level = str(given).partition("=")
        kind = _ALSO.get(kind, kind)
        if not sign:
            return cls(kind)  # type: ignore[arg-type]
        try:
            found = float(level)
        except ValueError:
            found = math.nan
        if not math.isfinite(found):
            raise ConfigError(f'aim "{given}": "{level}" is not a number; give for example {kind}=0.9')
        return cls(kind, found)  # type: ignore[arg-type]

    def __str__(self) -> str:
        return self.kind if self.level is None else f"{self.kind}={self.level:g}"


def _known() -> tuple[str, ...]:
    return MICRO, MACRO, PRECISION, RECALL, *_ALSO
