"""Which question comes next, and which image of the random sample."""

from __future__ import annotations

import numpy as np

from .documents import CompleteNext, QuestionDocument
from .service import Service

_SAMPLE, _SEED = 100, 0
_RANDOM_EVERY = 10


def questions(service: Service, number: int, per_label: bool) -> list[QuestionDocument]:
    """Questions about labels that nobody knows, by the entropy of the answer; every tenth one at random.

    Args:
        service: of the run.
        number: how many.
        per_label: one of each label in turn, in place of one for each image.
    """
    shown, found = service.shown, service.shown.predictor.found
    p = np.nan_to_num(found.marginals.astype(np.float64), nan=0.0).clip(1e-12, 1 - 1e-12)
    gain = -(p * np.log(p) + (1 - p) * np.log1p(-p))
    gain[~found.done] = 0.0
    gain[service.settled()] = 0.0
    axis = 0 if per_label else 1
    best = gain.argmax(axis)
    value = gain.max(axis, initial=0.0)
    order = [int(one) for one in np.argsort(-value, kind="stable")[:number] if value[one] > 0]
    pairs = [(int(best[one]), one) if per_label else (one, int(best[one])) for one in order]
    rng = np.random.default_rng([_SEED, len(service.answering)])
    out = []
    for place, (row, k) in enumerate(pairs):
        random = place % _RANDOM_EVERY == _RANDOM_EVERY - 1
        if random:
            open_ = np.argwhere(gain > 0)
            row, k = map(int, open_[rng.integers(len(open_))])
        label = shown.space.labels[k]
        out.append(
            QuestionDocument(
                id=f"{row}-{k}", image=str(row), name=shown.collection.names[row], label=label, group=None,
                text=f"Is “{label}” present?", choices=["yes", "no"], gain=float(gain[row, k]), random=random,
            )
        )  # fmt: skip
    return out


def complete_next(service: Service) -> CompleteNext:
    """The first image of the random sample with a label that nobody knows."""
    shown = service.shown
    rows = np.random.default_rng(_SEED).permutation(len(shown.collection))[:_SAMPLE]
    told = (service.answering.closed(shown.collection.known)[rows] != -1).all(1)
    left = np.flatnonzero(~told)
    image = str(rows[left[0]]) if len(left) else None
    return CompleteNext(image=image, done=int(told.sum()), of=len(rows))
