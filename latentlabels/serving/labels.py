"""Labels, and images by label: those that most likely show it, borderline ones, and those that the model gets wrong."""

from __future__ import annotations

from typing import Literal

import numpy as np

from .documents import ImageList, LabelList, LabelSummary
from .listing import summaries
from .problems import ProblemError
from .service import Service
from .suspecting import wrong

Which = Literal["likely", "borderline", "wrong"]


def all_labels(service: Service) -> LabelList:
    """Every label with its prevalence by the model, and how many images are known to show it."""
    shown = service.shown
    p, done = shown.predictor.found.marginals, ~np.isnan(shown.predictor.found.marginals[:, 0])
    mean = p[done].mean(0) if done.any() else np.full(p.shape[1], np.nan)
    known = ((shown.collection.known == 1) | (service.answering.values == 1)).sum(0)
    return LabelList(
        labels=[
            LabelSummary(
                label=label,
                group=shown.space.group_of(label).name,
                prevalence=float(mean[k]) if np.isfinite(mean[k]) else None,
                known=int(known[k]),
            )
            for k, label in enumerate(shown.space.labels)
        ]
    )


def of_label(service: Service, label: str, which: Which, limit: int) -> ImageList:
    """Images of one label; `total` counts all of that kind.

    Raises:
        ProblemError: an unknown label.
    """
    shown = service.shown
    if label not in shown.space.labels:
        raise ProblemError("not-found", f'the label space has no label "{label[:200]}"')
    k = shown.space.index(label)
    p = shown.predictor.found.marginals[:, k]
    rows = np.flatnonzero(~np.isnan(p))
    if which == "likely":
        rows = rows[np.argsort(-p[rows], kind="stable")]
    elif which == "borderline":
        rows = rows[np.argsort(np.abs(p[rows] - 0.5), kind="stable")]
    else:
        rows = np.flatnonzero(wrong(service)[:, k])
        rows = rows[np.argsort(-np.abs(p[rows] - 0.5), kind="stable")]
    found = summaries(service, rows[:limit])
    for one, row in zip(found, rows, strict=False):  # the label that was asked for comes first
        one.top = [(label, float(p[row])), *(other for other in one.top if other[0] != label)]
    return ImageList(total=len(rows), images=found)
