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
        reported, silent = self._logs(observed.shape[-1], torch.float64, observed.device)
        log_weight = torch.where(observed == 1, reported, 0.0).sum(-1, keepdim=True)
        return Evidence(log_weight, silent.unsqueeze(-2), observed.unsqueeze(-2))

    def _sample(self, y: Tensor, generator: torch.Generator | None) -> Tensor:
        """Each present label by its rate."""
        rates = sized(self.rates, y.shape[-1], "rates").to(y.device)
        told = torch.rand(y.shape, generator=generator, device=y.device, dtype=rates.dtype) < rates
        return torch.where(told & (y > 0.5), 1, -1).to(torch.int8)

    def to_config(self) -> dict[str, Any]:
        """The `annotation` section of a config that gives this annotation."""
        rates = self.rates.tolist()
        return super().to_config() | {"rates": rates[0] if len(rates) == 1 else rates}


class PerLabelSearch(Weighted):
    """Images were collected label by label: p(o = k | x) = w_k p(y_k=1|x) / sum_j w_j p(y_j=1|x).

    "For blue I have a whole set of blue items." Only ratios of label probabilities enter, so that nothing but the prior fixes
    their scale. The generative story, which ``noise`` adds its second sentence to:

    1. An image with labels y is found under label k with probability w_k y_k / sum_j w_j, and not found at all with the
       probability that is left; the data are the images that were found.
    2. A share e of the found images, whatever their labels, is filed under another label than the one that they were found
       by: one drawn in proportion to w, the right one included.

    So an image in a wrong folder was found too, by a label that it has and that nobody wrote down:

        p(found, o = k | y) = (1 - e) w_k y_k / W + e (w_k / W) (sum_j w_j y_j / W),    W = sum_j w_j,
        p(o = k | x, found) = (1 - e) w_k p(y_k=1|x) / sum_j w_j p(y_j=1|x) + e w_k / W.

    The posterior of a mistake is a mixture over the K labels by which the image may have been found; it costs K times as
    much as one without noise. log p(o | x) does not. `log_prob` gives p(found, o | y), `sample` draws o of images that
    were found: with labels y, in proportion to w_k y_k.
    """

    kind = "per-label-search"

    def _log_pick(self, observed: Tensor, y: Tensor) -> Tensor:
        weights = self._weights(observed.shape[-1], torch.float64, y.device)
        share = ((observed == 1) * weights).sum(-1)
        return torch.where(share > 0, share, weights.sum()).log() - weights.sum().log()

    def _evidence(self, observed: Tensor, bound: Callable[[], CountBound], dtype: torch.dtype) -> Evidence:
        log_weight = self._log_pick(observed, (observed == 1).double()).unsqueeze(-1)
        return pinned(observed, torch.float64)._replace(log_weight=log_weight)

    def selection_weights(self, num_labels: int, dtype: torch.dtype, device: torch.device) -> Tensor | None:
        """w / sum w: an image with labels y is found with probability sum_k w_k y_k / sum_j w_j."""
        weights = self._weights(num_labels, dtype, device)
        return weights / weights.sum()
