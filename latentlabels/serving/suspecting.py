"""Possible mistakes among the known labels of a run, and images that the model would label otherwise."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from .. import review
from ..checks import suspect_labels
from ..observed import match_names
from ..report.mistakes import summary
from ..review import read_mistakes
from .documents import Mistake, Mistakes
from .service import Service

_MOST, _WIDTH = 500, 1.96
_IMPROBABLE = 0.5


def wrong(service: Service) -> NDArray[np.bool_]:
    """Known labels, answers included, that the model finds less likely than not: bool (N, K)."""
    answered, known = service.answering.values, service.shown.collection.known
    stated = np.where(answered == -1, known, answered)
    p = service.shown.predictor.found.marginals
    with np.errstate(invalid="ignore"):
        return np.asarray(((stated == 1) & (p < 0.5)) | ((stated == 0) & (p >= 0.5)))


def mistakes_of(service: Service) -> Mistakes:
    """Known labels that may be wrong and that nobody has looked at again, the most probably wrong first.

    They are those of `latentlabels mistakes`, by fits that have not seen the image, where the run folder keeps them; else those
    that the run itself finds improbable, which finds fewer, since it has seen them.
    """
    stored = read_mistakes(service.shown.run)
    return _improbable(service) if stored is None else _stored(service, stored)


def _stored(service: Service, stored: review.Mistakes) -> Mistakes:
    if not stored.can_tell:
        return Mistakes(unseen=True, can_tell=False, reason=summary(stored), expected=None, low=None, high=None, mistakes=[])
    shown = service.shown
    rows = match_names([one.image for one in stored.rows], shown.collection.names)
    found = [
        Mistake(
            image=str(row), name=shown.collection.names[row], label=one.label, value=one.value,
            probability=1 - one.probability, instead=one.instead,
            instead_probability=None if math.isnan(one.instead_probability) else one.instead_probability,
        )
        for one, row in zip(stored.rows, rows, strict=True)
        if row is not None and not service.answering.asked[row, shown.space.index(one.label)]
    ]  # fmt: skip
    number = {"expected": stored.expected, "low": stored.low, "high": stored.high}
    return Mistakes(unseen=True, can_tell=True, reason=None, mistakes=found[:_MOST], **number)


def _improbable(service: Service) -> Mistakes:
    shown = service.shown
    known, p = shown.collection.known, shown.predictor.found.marginals
    open_ = np.where(service.answering.asked, -1, known).astype(np.int8)
    with np.errstate(invalid="ignore"):
        doubt = np.where(open_ == 1, 1 - p, np.where(open_ == 0, p, 0.0))
    doubt = np.nan_to_num(doubt)
    expected, width = float(doubt.sum()), _WIDTH * math.sqrt(float((doubt * (1 - doubt)).sum()))
    found = [one for one in suspect_labels(open_, p, shown.space, limit=_MOST) if one.probability < _IMPROBABLE]
    rows = [
        Mistake(
            image=str(one.row), name=shown.collection.names[one.row], label=one.label, value=one.value,
            probability=one.probability, instead=one.instead,
            instead_probability=None if math.isnan(one.instead_probability) else one.instead_probability,
        )
        for one in found
    ]  # fmt: skip
    number = {"expected": expected, "low": max(expected - width, 0.0), "high": expected + width}
    return Mistakes(unseen=False, can_tell=True, reason=None, mistakes=rows, **number)
