"""Which question comes next, and which image of the random sample."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..annotation.asked import with_answers
from ..errors import ObservationError
from ..posterior import Posterior
from .documents import CompleteNext, QuestionDocument
from .listing import usefulness
from .service import Service

_SAMPLE, _SEED = 100, 0
_RANDOM_SHARE = 0.05
_CONSIDERED = 2000  # images that questions are chosen among, half of them at random where there are more


def questions(service: Service, number: int, per_label: bool) -> list[QuestionDocument]:
    """The questions whose answers teach most, given what is known and answered; a share of them is random.

    Args:
        service: of the run.
        number: how many.
        per_label: each label is asked by itself, and an image may be asked several times.
    """
    shown = service.shown
    rows = _considered(service)
    if not len(rows):
        return []
    known = np.where(service.settled()[rows], np.maximum(service.answering.closed(shown.collection.known)[rows], 0), -1)
    posterior = _given(service, rows)
    seed = _SEED + len(service.answering)
    found = posterior.next_questions(
        n=number, known=known.astype(np.int8), per_label=per_label, random_share=_RANDOM_SHARE, seed=seed,
        most_per_image=None if per_label else 1,
    )  # fmt: skip
    return [_document(service, one, int(rows[one.row])) for one in found]


def _considered(service: Service) -> NDArray[np.int64]:
    """Images that the model has looked at: the most useful ones, and as many at random."""
    found = service.shown.predictor.found
    rows = np.flatnonzero(~np.isnan(found.marginals[:, 0]))
    if len(rows) <= _CONSIDERED:
        return rows
    useful = rows[np.argsort(-usefulness(service, rows), kind="stable")[: _CONSIDERED // 2]]
    rng = np.random.default_rng([_SEED, len(service.answering)])
    return np.unique(np.concatenate([useful, rng.choice(rows, _CONSIDERED // 2, replace=False)]))


def _given(service: Service, rows: NDArray[np.int64]) -> Posterior:
    """The posterior of some images given their known labels, by the run's annotation, and the answers."""
    shown = service.shown
    posterior = shown.predictor.posterior(shown.predictor.found.flat[rows], [shown.collection.names[row] for row in rows])
    told, answered = service.answering.merged(shown.collection.known[rows], rows), service.answering.values[rows]
    picked = np.where((told == 1) & (answered == 1), -1, told)  # what was asked for is no pick
    known = with_answers(torch.from_numpy(picked), torch.from_numpy(answered)).numpy()
    try:
        return posterior.observing(known, shown.model.conditions_by)
    except ObservationError:  # another objective's label space may contradict what is known
        return posterior


def _document(service: Service, one: Any, row: int) -> QuestionDocument:
    about = one.label if one.label is not None else one.group
    return QuestionDocument(
        id=f"{row}-{about}", image=str(row), name=service.shown.collection.names[row], label=one.label, group=one.group,
        text=one.text, choices=list(one.choices), gain=one.gain, random=one.random,
    )  # fmt: skip


def complete_next(service: Service) -> CompleteNext:
    """The first image of the random sample with a label that nobody knows."""
    shown = service.shown
    rows = np.random.default_rng(_SEED).permutation(len(shown.collection))[:_SAMPLE]
    told = (service.answering.closed(shown.collection.known)[rows] != -1).all(1)
    left = np.flatnonzero(~told)
    image = str(rows[left[0]]) if len(left) else None
    return CompleteNext(image=image, done=int(told.sum()), of=len(rows))
