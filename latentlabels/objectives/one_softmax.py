"""One softmax over all labels: which label is named, and nothing else.

Source: the pick itself, as in a classifier with one label per image; the core of one-positive methods that rank by a single
softmax, for example "OPML", 2024. It has no hyperparameters.

    loss = -(1 / m) sum over the m known positives k of  log q_k,    q = softmax over the labels of the logits
    an image without a known positive:  -log(1 - sum over known absences j of q_j), or 0 if that is all of them

About an unknown label it assumes nothing but that it competes with the others to be named: q_k is the probability that k is
the label that somebody names. A known absence was not named, and lowers q there.

At prediction all labels are one group in which exactly one label applies, and its probabilities are q, which sum to 1.

Pitfall: q ranks images by a label about as well as any loss on one positive, and says nothing of how many labels there are:
a label set of two has probability 0, and its negative log-likelihood is infinite.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..space import Free, LabelSpace, OneOf
from .base import Objective, Step, batch_mean


class OneSoftmax(Objective):
    """Cross-entropy of one softmax over all labels; exactly one label per image at prediction."""

    name = "one-softmax"

    def prediction_space(self, space: LabelSpace) -> LabelSpace:
        """One group of all labels; a single label stays free, as a softmax over it would always be 1."""
        labels = space.labels
        return LabelSpace([OneOf("the label that is named", labels)] if len(labels) > 1 else [Free(labels[0])])

    def _loss(self, step: Step) -> Tensor:
        logits, observed = step.logits, step.observed
        if logits.shape[1] == 1:  # beside "not this one", about which nothing is known
            logits, observed = F.pad(logits, (0, 1)), F.pad(observed, (0, 1), value=-1)
        log_q = logits.log_softmax(-1)
        present, absent = observed == 1, observed == 0
        number = present.sum(-1)
        named = -log_q.masked_fill(~present, 0.0).sum(-1) / number.clamp(min=1)
        return batch_mean(torch.where(number > 0, named, -_log_not(log_q, absent)))


def _log_not(log_q: Tensor, absent: Tensor) -> Tensor:
    """Log of 1 minus the summed q of known absences: (B,); by the others' sum, which does not cancel."""
    others = log_q.masked_fill(absent, -torch.inf)
    all_absent = absent.all(-1)
    # where every label is absent the sum is empty: -inf, and NaN in the gradient even if masked afterwards
    safe = torch.where(all_absent.unsqueeze(-1), log_q, others).logsumexp(-1)
    return safe.masked_fill(all_absent, 0.0)
