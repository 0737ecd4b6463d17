"""`MistakenLabels`: p(known labels | true labels) where each known label may be a mistake, whatever the annotation.

The model. Each known label of an image is, independently and with probability e (the noise rate), a mistake:

- A label that was asked for (`Ignorable`, images of which every label is known, known absences): the answer is wrong, so that
  p(answer | y) is 1 - e where it agrees with y and e where it does not.
- A known positive that was picked (`UniformPositive`, `WeightedPositive`, `PerLabelSearch`): somebody named a label without
  looking at the image, label k with probability w_k / sum_j w_j (1 / K where labels have no weights). The known positives that
  are not mistakes came about by the annotation. A label named without looking may happen to be right.
- A reported positive (`Scar`): a present label is reported with probability (1 - e) c_k + e_k, an absent one with e_k, where
  e_k = e m w_k / sum_j w_j for m known positives in the image and weights w = c.

For one known positive this is the annotation's own ``noise=e``. The sum over what may be a mistake is exact: picks are summed
over their 2^m subsets up to four known positives, the others are products over labels. An image with more picked positives
counts as reported ones, c = m / E[number of labels given the image].
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from enum import Enum
from typing import Any

import torch
from torch import Tensor

from ..annotation import Annotation, CountBound
from ..annotation.base import as_observed
from ..exact.evidence import Evidence

MOST_PICKED = 4  # known positives of an image of which every subset may be mistakes
_NEVER = 1e-12  # a probability that is taken for one that is not 0: its logarithm is finite
_CERTAIN = 0.99  # at most this share of the present labels is reported, so that a label left out stays possible


class Path(Enum):
    """How an image's known labels came about, as far as mistakes are concerned."""

    ASKED = "asked"
    PICKED = "picked"
    REPORTED = "reported"


def path_of(observed: Tensor, how: Annotation) -> list[Path]:
    """For each row of observed (N, K) the way in which its mistakes are modelled."""
    positives, absences = (observed == 1).sum(-1), (observed == 0).sum(-1)
    asked = how.complete(observed) | (positives == 0)
    if not how.says_which:
        asked = torch.ones_like(asked)
    if how.one_by_one:
        return [Path.ASKED if one else Path.REPORTED for one in asked.tolist()]
    if how.by_label:  # how an image was found is not written for labels that may be present or not
        asked = asked | (absences > 0)
    many = positives > MOST_PICKED
    both = zip(asked.tolist(), many.tolist(), strict=True)
    return [Path.ASKED if one else Path.REPORTED if more else Path.PICKED for one, more in both]


class MistakenLabels(Annotation):
    """p(o | y) where known labels are mistakes at a rate, for rows of one `Path`.

    Args:
        how: the annotation of labels that are no mistakes.
        rate: e, in (0, 1).
        path: the way in which the rows came about.
        expected: (...) labels of each image given the image, for picks that are read as reports; None where `how` has rates.
    """

    kind = "mistaken"

    def __init__(self, how: Annotation, rate: float, path: Path, expected: Tensor | None = None):
        super().__init__(noise=rate)
        self.how, self.path, self.expected = how, path, expected

    # what `LabelVector` asks of an annotation

    def evidence(self, observed: Tensor, bound: Callable[[], CountBound], dtype: torch.dtype) -> Evidence:
        """p(o | .) as a mixture of products over labels."""
        observed = as_observed(observed)
        if self.path is Path.PICKED:
            return self._picked(observed, bound, dtype)
        present, absent = self._asked(observed) if self.path is Path.ASKED else self._reported(observed)
        unknown = torch.full_like(observed, -1).unsqueeze(-2)
        weight = absent.sum(-1, keepdim=True)
        return Evidence(weight, (present - absent).unsqueeze(-2), unknown)

    def log_prob(self, observed: Tensor, y: Tensor) -> Tensor:
        """log p(o | y), (...), as the products give it."""
        observed, y = torch.broadcast_tensors(as_observed(observed), y)
        most = observed.shape[-1]
        evidence = self.evidence(observed, lambda: CountBound(float(most), most, most), torch.float64)
        present = (y > 0.5).unsqueeze(-2)
        parts = []
        for part in evidence.parts:
            tilted = torch.where(present & (part.pins == -1), part.tilt, 0.0).sum(-1)
            wrong = ((part.pins == 1) & ~present | (part.pins == 0) & present).any(-1)
            value = torch.where(wrong, -torch.inf, part.log_weight + tilted)
            if part.log_found is not None:
                value = value + torch.where(present, part.log_found.unsqueeze(-2), -torch.inf).logsumexp(-1)
            parts.append(value.logsumexp(-1))
        return torch.stack(torch.broadcast_tensors(*parts)).logsumexp(0)

    def complete(self, observed: Tensor) -> Tensor:
        """Whether rows are another annotation's: none is."""
        return torch.zeros(observed.shape[:-1], dtype=torch.bool, device=observed.device)

    def selection_weights(self, num_labels: int, dtype: torch.dtype, device: torch.device) -> Tensor | None:
        """As of the annotation, where images were found by their labels."""
        return self.how.selection_weights(num_labels, dtype, device) if self.path is Path.PICKED else None

    # the three ways

    def _shares(self, num_labels: int) -> Tensor:
        """(K,) how often a label is named without looking."""
        ready = torch.as_tensor(self.how.readiness(num_labels), dtype=torch.float64)
        return ready / ready.sum()

    def _asked(self, observed: Tensor) -> tuple[Tensor, Tensor]:
        """log p(known or not | present), and given absence, (..., K) each."""
        right = torch.tensor(1 - self.noise, dtype=torch.float64).clamp(min=_NEVER).log()
        wrong = torch.tensor(self.noise, dtype=torch.float64).clamp(min=_NEVER).log()
        nothing = torch.zeros((), dtype=torch.float64)
        present = torch.where(observed == 1, right, torch.where(observed == 0, wrong, nothing))
        absent = torch.where(observed == 1, wrong, torch.where(observed == 0, right, nothing))
        return present, absent

    def _reported(self, observed: Tensor) -> tuple[Tensor, Tensor]:
        """The same of labels that are reported one by one."""
        size = observed.shape[-1]
        number = (observed == 1).sum(-1, keepdim=True).double()
        if self.expected is None:
            rates = torch.as_tensor(self.how.readiness(size), dtype=torch.float64)
        else:
            rates = (number / self.expected.double().unsqueeze(-1).clamp(min=_NEVER)).clamp(max=_CERTAIN)
        false = (self.noise * number * self._shares(size)).clamp(min=_NEVER)
        present, absent = self._asked(observed)
        known = observed == 1
        silent = torch.log1p(-rates.clamp(max=1 - _NEVER))
        present = torch.where(known, ((1 - self.noise) * rates + false).log(), torch.where(observed == -1, silent, present))
        return present, torch.where(known, false.log(), absent)

    def _picked(self, observed: Tensor, bound: Callable[[], CountBound], dtype: torch.dtype) -> Evidence:
        """The mixture over the subsets of known positives that are mistakes; rows have equally many known positives."""
        present, absent = self._asked(torch.where(observed == 1, -1, observed))
        tilt, constant = (present - absent).unsqueeze(-2), absent.sum(-1, keepdim=True)
        asked = bool((observed == 0).any())
        number = int((observed == 1).sum(-1).max()) if observed.numel() else 0
        columns = observed.topk(number, -1).indices  # of the known positives, (..., m)
        share = self._shares(observed.shape[-1]).log()[columns]
        parts = []
        for mistakes in itertools.product((False, True), repeat=number):
            chosen = torch.tensor(mistakes, dtype=torch.bool)
            kept = observed.scatter(-1, columns[..., chosen], -1)
            part = self._genuine(torch.where(kept == 0, -1, kept).to(observed.dtype), bound, dtype, any(mistakes))
            wrong = int(chosen.sum())
            weight = wrong * _log(self.noise) + (number - wrong) * _log(1 - self.noise)
            log_weight = part.log_weight + share[..., chosen].sum(-1, keepdim=True) + constant + weight
            parts.append(part._replace(log_weight=log_weight, tilt=part.tilt + tilt if asked else part.tilt))
        out = parts[-1]
        for part in reversed(parts[:-1]):
            out = part._replace(plus=out)
        return out

    def _genuine(self, kept: Tensor, bound: Callable[[], CountBound], dtype: torch.dtype, some_wrong: bool) -> Evidence:
        """The annotation's products for the known positives that are no mistakes."""
        part = self.how.products(kept, bound, dtype)
        weights = self.how.selection_weights(kept.shape[-1], torch.float64, kept.device)
        if weights is not None and some_wrong:  # found by a label that it has and that nobody wrote down
            return part._replace(log_found=weights.log(), log_weight=torch.zeros_like(part.log_weight))
        return part

    # what an annotation of its own would say: it is never drawn from or stored

    def log_pick(self, observed: Tensor, y: Tensor) -> Tensor:
        """Not written: known labels that may be mistakes have `log_prob`."""
        raise NotImplementedError("known labels that may be mistakes have log_prob")

    def products(self, observed: Tensor, bound: Callable[[], CountBound], dtype: torch.dtype) -> Evidence:
        """Not written: they have `evidence`."""
        raise NotImplementedError("known labels that may be mistakes have evidence")

    def draw(self, y: Tensor, generator: torch.Generator | None) -> Tensor:
        """Not written: draw from the annotation, then replace labels."""
        raise NotImplementedError("draw from the annotation, then replace labels")


def _log(value: float) -> Any:
    return torch.tensor(max(value, _NEVER), dtype=torch.float64).log()
