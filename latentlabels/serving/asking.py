"""Which question comes next, and which image of the random sample."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from ..annotation.asked import with_answers
from ..errors import ObservationError
from ..posterior import Posterior
from ..questions import Question
from ..questions.batch import number_drawn
from .documents import CompleteNext, QuestionDocument, Questions
from .service import Service

_SEED = 0
_RANDOM_SHARE = 0.05
_CELLS, _LEAST = 500_000, 1000
"""Probabilities of images and labels that are looked through for one list of questions, and images at least."""


class _Chosen(NamedTuple):
    """Images that questions are chosen from.

    Attributes:
        rows: of the images.
        words: which these are.
        fair: where these are not all, images that were drawn from all with the same probability, for the random questions.
    """

    rows: NDArray[np.int64]
    words: str
    fair: NDArray[np.int64] | None = None


def questions(service: Service, number: int, per_label: bool) -> Questions:
    """The questions whose answers teach most, given what is known and answered; a share of them is random.

    Args:
        service: of the run.
        number: how many.
        per_label: each label is asked by itself, and an image may be asked several times.
    """
    chosen = _considered(service)
    if chosen.fair is None:
        found = _asked(service, chosen.rows, number, per_label, _RANDOM_SHARE)
    else:
        random = _asked(service, chosen.fair, number_drawn(_RANDOM_SHARE, number), per_label, 1.0)
        taken = {one.id for one in random}
        best = _asked(service, chosen.rows, number, per_label, 0.0)
        found = [one for one in best if one.id not in taken][: number - len(random)] + random
    return Questions(
        questions=found,
        chosen_from=chosen.words,
        num_considered=len(chosen.rows),
        num_images=len(service.shown.collection),
    )


def _asked(
    service: Service, rows: NDArray[np.int64], number: int, per_label: bool, random_share: float
) -> list[QuestionDocument]:  # fmt: skip
    """Questions about some images."""
    if not len(rows) or not number:
        return []
    known = np.where(service.settled(rows), np.maximum(service.answering.closed(service.shown.collection.known)[rows], 0), -1)
    found = _given(service, rows).next_questions(
        n=number, known=known.astype(np.int8), per_label=per_label, random_share=random_share,
        seed=_SEED + len(service.answering), most_per_image=None if per_label else 1,
    )  # fmt: skip
    return [_document(service, one, int(rows[one.row])) for one in found]


def _considered(service: Service) -> _Chosen:
    """Images that the model has looked at: all where that takes no long, else the most useful ones, and as many at random."""
    found, size = service.shown.predictor.found, len(service.shown.collection)
    rows = np.flatnonzero(~np.isnan(found.marginals[:, 0]))
    looked = (
        f"all {size:,} images" if len(rows) == size else f"the {len(rows):,} of {size:,} images that the model has looked at"
    )
    most = max(_CELLS // service.shown.space.num_labels, _LEAST)
    if len(rows) <= most:
        return _Chosen(rows, looked)
    half = most // 2
    useful = rows[np.argsort(-service.usefulness()[rows], kind="stable")]
    rng = np.random.default_rng([_SEED, len(service.answering)])
    chosen = np.sort(np.concatenate([useful[:half], rng.choice(useful[half:], min(half, len(rows) - half), replace=False)]))
    words = (
        f"{len(chosen):,} of {looked}: the {half:,} with the most uncertain label, and {len(chosen) - half:,} drawn at random"
    )
    return _Chosen(chosen, words, rng.choice(rows, half, replace=False))


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


def _document(service: Service, one: Question, row: int) -> QuestionDocument:
    about = one.label if one.label is not None else one.group
    return QuestionDocument(
        id=f"{row}-{about}", image=str(row), name=service.shown.collection.names[row], label=one.label, group=one.group,
        text=one.text, choices=list(one.choices), gain=one.gain, random=one.random,
    )  # fmt: skip


def complete_next(service: Service) -> CompleteNext:
    """The first image of the random sample with a label that nobody knows."""
    shown = service.shown
    rows = np.asarray(shown.sample, np.int64)
    told = (service.answering.closed(shown.collection.known)[rows] != -1).all(1)
    left = np.flatnonzero(~told)
    image = str(rows[left[0]]) if len(left) else None
    return CompleteNext(image=image, done=int(told.sum()), of=len(rows))
