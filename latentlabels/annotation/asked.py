"""Labels that somebody was asked for, beside known labels that an annotator picked.

A picked label is evidence by the annotation, p(o | y). An answer to a question about one label is evidence of another kind:
the question was put before the label was known, so that the answer is p(a | y) = 1 where y agrees with it, and 0 elsewhere.
Of a row with both,

    p(o, a | y) = p(o | y) * prod over the labels asked [y_k = a_k].

A known absence is pinned by every annotation, whether it was asked or not. A known presence is not: among picked labels it
would count as one more pick. So a tensor of known labels has a fourth value, `ASKED`: present, by an answer. Tables that a
user reads or writes hold 1, 0 and -1 alone.

An answer that denies a picked label says that the pick was a mistake. A mistake says nothing about the image, so that the
answer takes its place.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..exact.evidence import Evidence

ASKED = 3  # present, by an answer: beside 1, 0 and -1


def with_answers(observed: Tensor, answers: Tensor) -> Tensor:
    """Known labels and the answers to questions as one tensor of 1, 0, -1 and `ASKED`.

    Args:
        observed: (..., K) int8 of 1, 0, -1: picked labels and known absences.
        answers: (..., K) int8 of 1, 0, -1: what was answered; -1 where nothing was asked, or the answer was "I don't know".
    """
    told = torch.where((answers == 1) & (observed != 1), ASKED, observed)
    return torch.where(answers == 0, 0, told).to(torch.int8)


def without_asking(observed: Tensor) -> Tensor:
    """The same tensor of 1, 0 and -1 alone: what is known, however it became known."""
    return observed.masked_fill(observed == ASKED, 1)


def only_picked(observed: Tensor) -> Tensor:
    """The same tensor without presences that were asked for."""
    return observed.masked_fill(observed == ASKED, -1)


def pinning(evidence: Evidence, asked: Tensor) -> Evidence:
    """The evidence of picked labels, times that some labels are present.

    Args:
        evidence: of (..., K).
        asked: (..., K) bool, the labels that were asked for and are present. A product's tilt of such a label becomes a factor.
    """
    rows = asked.unsqueeze(-2)
    tilt = torch.where(rows, evidence.tilt, 0.0).sum(-1)
    pins = torch.where(rows, 1, evidence.pins).to(evidence.pins.dtype)
    plus = None if evidence.plus is None else pinning(evidence.plus, asked)
    found = evidence.log_found
    return Evidence(evidence.log_weight + tilt, evidence.tilt, pins, log_found=found, plus=plus)
