"""Hard labels for `predict --hard`: by thresholds, or the most probable valid label sets."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import DataError
from .output import UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ..decisions import Thresholds
    from ..estimator import LatentLabels
    from ..posterior import Posterior


@dataclass(frozen=True)
class Decide:
    """How the labels of a block are decided.

    Attributes:
        labels: the K labels.
        thresholds: of them; None for the most probable valid label set.
    """

    labels: tuple[str, ...]
    thresholds: Thresholds | None

    @classmethod
    def of(cls, model: LatentLabels, aim: str | None) -> Decide:
        """By what a command line says.

        Raises:
            UsageError: an aim that this run has no thresholds for.
            ConfigError: an unknown aim.
        """
        from ..decisions import MODE

        labels = model.space_.labels
        if aim == MODE:
            return cls(labels, None)
        if aim is None:
            return cls(labels, model.decisions_.thresholds)
        try:
            return cls(labels, model.decisions_.for_aim(aim, model.model.amortizer.vector))
        except DataError as error:
            raise UsageError(f"--aim {aim}: {error}") from None

    def __call__(self, posterior: Posterior) -> NDArray[np.float32]:
        """1 or 0 for each label: float32 (B, K)."""
        found = posterior.mode() if self.thresholds is None else self.thresholds.decide(posterior.marginals)
        return found.astype("float32")

    def described(self) -> dict[str, Any]:
        """For a JSON document."""
        if self.thresholds is None:
            return {"aim": "mode"}
        values = dict(zip(self.labels, self.thresholds.values.tolist(), strict=True))
        return {"aim": str(self.thresholds.aim), "thresholds": values, "thresholds_from": str(self.thresholds.source)}

    def identity(self) -> str:
        """A text that changes with what is decided."""
        values = b"" if self.thresholds is None else self.thresholds.values.tobytes()
        return hashlib.sha256(values).hexdigest()[:16]

    def in_words(self) -> str:
        """For a note."""
        if self.thresholds is None:
            return "decided by the most probable valid label set of each image"
        if self.thresholds.source.kind == "unset":
            return (
                "decided at 0.5: this run is older than thresholds; `latentlabels calibrate`, or a new fit, finds better ones"
            )
        return f"decided by thresholds for {self.thresholds.aim}, found from {self.thresholds.source}"
