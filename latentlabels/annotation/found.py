"""Labels that are reported now and then, and images that were found by their labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from ..exact.evidence import Evidence, pinned
from .base import Annotation, CountBound, numbers_of, sized
from .picks import Weighted


class Scar(Annotation):
    """Each present label is reported independently with probability c_k, absent ones never (SCAR).

    For tags and click logs.

    Args:
        rates: c, one number for all labels or one for each, in (0, 1].
        noise: see the module.
    """

    kind = "scar"

    def __init__(self, rates: float | Sequence[float] | Tensor, *, noise: float = 0.0):
        super().__init__(noise=noise)
        self.rates = numbers_of(rates, "rates", low=0.0, low_open=True, high=1.0)

    def _logs(self, num_labels: int, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
        rates = sized(self.rates, num_labels, "rates").to(device=device)
        return rates.log().to(dtype), torch.log1p(-rates).to(dtype)

    def _log_pick(self, observed: Tensor, y: Tensor) -> Tensor:
        reported, silent = self._logs(observed.shape[-1], y.dtype, y.device)
        value = torch.where(observed == 1, reported, 0.0)
        return (value + torch.where((observed == -1) & (y > 0.5), silent, 0.0)).sum(-1)

    def _evidence(self, observed: Tensor, bound: Callable[[], CountBound], dtype: torch.dtype) -> Evidence:
        reported, silent = self._logs(observed.shape[-1], dtype, observed.device)
        log_weight = torch.where(observed == 1, reported, 0.0).sum(-1, keepdim=True)
        return Evidence(log_weight, silent.unsqueeze(-2), observed.unsqueeze(-2))

    def sample(self, y: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Each present label by its rate."""
        rates = sized(self.rates, y.shape[-1], "rates").to(y)
        told = torch.rand(y.shape, generator=generator, device=y.device, dtype=rates.dtype) < rates
        return torch.where(told & (y > 0.5), 1, -1).to(torch.int8)

    def to_config(self) -> dict[str, Any]:
        """The `annotation` section of a config that gives this annotation."""
        rates = self.rates.tolist()
        return super().to_config() | {"rates": rates[0] if len(rates) == 1 else rates}


class PerLabelSearch(Weighted):
    """Images were collected label by label: p(o = k | x) = w_k p(y_k=1|x) / sum_j w_j p(y_j=1|x).

    "For blue I have a whole set of blue items." As p(o | y): an image with labels y is found under label k with
    probability w_k y_k / sum_j w_j, and not found at all otherwise; the data are what was found. Only ratios of
    label probabilities enter, so that nothing but the prior fixes their scale. With ``noise=e``, a share e of the
    found images is in the wrong folder: p(o = k | x) = (1 - e) w_k p(y_k=1|x) / sum_j w_j p(y_j=1|x) + e w_k / sum_j w_j.
    """

    kind = "per-label-search"

    def _log_pick(self, observed: Tensor, y: Tensor) -> Tensor:
        weights = self._weights(observed.shape[-1], y.dtype, y.device)
        known = (observed == 1).to(y.dtype)
        share = (known * weights).sum(-1) / weights.sum()
        return torch.where(share > 0, share.clamp(min=1e-30).log(), 0.0)

    def _evidence(self, observed: Tensor, bound: Callable[[], CountBound], dtype: torch.dtype) -> Evidence:
        log_weight = self._log_pick(observed, (observed == 1).to(dtype)).unsqueeze(-1)
        return pinned(observed, dtype)._replace(log_weight=log_weight)

    def selection_weights(self, num_labels: int, dtype: torch.dtype, device: torch.device) -> Tensor | None:
        """w / sum w: an image with labels y is found with probability sum_k w_k y_k / sum_j w_j."""
        weights = self._weights(num_labels, dtype, device)
        return weights / weights.sum()
