"""Labels that are reported now and then: selected completely at random."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..exact.evidence import Evidence
from .base import Annotation, CountBound, numbers_of, sized
from .learned import LEARN

if TYPE_CHECKING:
    from ..observed.known_table import KnownTable


class Scar(Annotation):
    """Each present label is reported independently with probability c_k, absent ones never (SCAR).

    For tags and click logs.

    Args:
        rates: c, one number for all labels or one for each, in (0, 1], or "learn".
        noise: e, the probability in [0, 1) that the known positives of an image are a mistake, or "learn".

    Raises:
        ConfigError: numbers out of range.
    """

    kind = "scar"
    meaning = "each present label is reported at its rate, an absent one never"
    one_by_one = True

    def __init__(self, rates: float | Sequence[float] | Tensor | str, *, noise: float | str = 0.0):
        super().__init__(noise=noise)
        self.rates = torch.ones(1, dtype=torch.float64)
        if not self._is_learned("rates", rates):
            self.rates = numbers_of(cast(Tensor, rates), "rates", low=0.0, low_open=True, high=1.0)

    def _logs(self, num_labels: int, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
        self._needs("rates")
        rates = sized(self.rates, num_labels, "rates").to(device=device)
        return rates.log().to(dtype), torch.log1p(-rates).to(dtype)

    def log_pick(self, observed: Tensor, y: Tensor) -> Tensor:
        reported, silent = self._logs(observed.shape[-1], y.dtype, y.device)
        value = torch.where(observed == 1, reported, 0.0)
        return (value + torch.where((observed == -1) & (y > 0.5), silent, 0.0)).sum(-1)

    def products(self, observed: Tensor, bound: Callable[[], CountBound], dtype: torch.dtype) -> Evidence:
        reported, silent = self._logs(observed.shape[-1], torch.float64, observed.device)
        log_weight = torch.where(observed == 1, reported, 0.0).sum(-1, keepdim=True)
        return Evidence(log_weight, silent.unsqueeze(-2), observed.unsqueeze(-2))

    def draw(self, y: Tensor, generator: torch.Generator | None) -> Tensor:
        """Each present label by its rate."""
        rates = sized(self.rates, y.shape[-1], "rates").to(y.device)
        told = torch.rand(y.shape, generator=generator, device=y.device, dtype=rates.dtype) < rates
        return torch.where(told & (y > 0.5), 1, -1).to(torch.int8)

    def to_config(self) -> dict[str, Any]:
        """The `annotation` section of a config that gives this annotation."""
        rates = self.rates.tolist()
        given = LEARN if "rates" in self.learns else rates[0] if len(rates) == 1 else rates
        return super().to_config() | {"rates": given}

    def readiness(self, num_labels: int) -> NDArray[np.float64]:
        """The rates."""
        self._needs("rates")
        return np.asarray(sized(self.rates, num_labels, "rates").numpy(), dtype=np.float64)

    def prevalence(self, known: KnownTable) -> tuple[NDArray[np.float64], str] | None:
        """The share of images that report a label, divided by its rate."""
        share = (known.counts()[0] + 0.5) / (len(known) + 1.0)
        return np.minimum(share / self.readiness(known.shape[1]), 1.0), "the reporting rates of the annotation"
