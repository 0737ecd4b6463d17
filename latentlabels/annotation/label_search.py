"""Images that were collected label by label."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ..exact.evidence import Evidence, pinned
from .base import CountBound
from .weighted import Weighted


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

    Args:
        weights: w, K positive numbers in the order of the labels, or "learn"; None for equal ones. Their ratios alone matter.
        noise: e, the probability in [0, 1) that an image is filed under a wrong label, or "learn".

    Raises:
        ConfigError: numbers out of range.
    """

    kind = "per-label-search"
    meaning = "images were collected label by label"
    by_label = True

    def log_pick(self, observed: Tensor, y: Tensor) -> Tensor:
        weights = self._weights(observed.shape[-1], torch.float64, y.device)
        share = ((observed == 1) * weights).sum(-1)
        return torch.where(share > 0, share, weights.sum()).log() - weights.sum().log()

    def products(self, observed: Tensor, bound: Callable[[], CountBound], dtype: torch.dtype) -> Evidence:
        log_weight = self.log_pick(observed, (observed == 1).double()).unsqueeze(-1)
        return pinned(observed, torch.float64)._replace(log_weight=log_weight)

    def selection_weights(self, num_labels: int, dtype: torch.dtype, device: torch.device) -> Tensor | None:
        """w / sum w: an image with labels y is found with probability sum_k w_k y_k / sum_j w_j."""
        weights = self._weights(num_labels, dtype, device)
        return weights / weights.sum()
