"""The images of a collection in lists: filtered, sorted, page by page."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .documents import ImageList, ImageSummary
from .problems import ProblemError
from .sentences import sentence_of
from .service import Service
from .suspecting import mistakes_of, wrong

Sort = Literal["useful", "name", "uncertain"]
Which = Literal["all", "uncertain", "mistakes", "wrong", "answered"]
_UNCERTAIN = 0.25  # a label of an uncertain image is between this and one minus it
_TOP = 3


def images(
    service: Service, offset: int, limit: int, sort: Sort, which: Which, label: str | None, at_least: float, search: str
) -> ImageList:
    """A page of the images.

    Args:
        service: of the run.
        offset: images before the page.
        limit: images of the page.
        sort: by what an answer would tell, by name, or by the entropy of the label set.
        which: a filter.
        label: images that show this label, with
        at_least: that probability.
        search: a part of the name.

    Raises:
        ProblemError: an unknown label.
    """
    rows = _filtered(service, which, label, at_least, search)
    rows = rows[_order(service, rows, sort)]
    return ImageList(total=len(rows), images=summaries(service, rows[offset : offset + limit]))


def summaries(service: Service, rows: NDArray[np.int64]) -> list[ImageSummary]:
    """What lists say of some images."""
    shown, answered = service.shown, service.answering.values
    found, space = shown.predictor.found, shown.space
    useful = service.usefulness()[rows]
    out = []
    for place, row in enumerate(rows.tolist()):
        p = found.marginals[row]
        top = [] if np.isnan(p).any() else [(space.labels[k], float(p[k])) for k in np.argsort(-p, kind="stable")[:_TOP]]
        known = int(((shown.collection.known[row] != -1) | (answered[row] != -1)).sum())
        why = found.failed.get(row)
        sentence = sentence_of(p, space) if why is None else f"The model could not look at this image: {why}."
        out.append(
            ImageSummary(
                id=str(row), name=shown.collection.names[row], sentence=sentence, usefulness=float(useful[place]), top=top,
                num_known=known,
            )
        )  # fmt: skip
    return out


def _filtered(service: Service, which: Which, label: str | None, at_least: float, search: str) -> NDArray[np.int64]:
    shown = service.shown
    p, size = shown.predictor.found.marginals, len(shown.collection)
    keep = np.ones(size, bool)
    if which == "uncertain":
        keep &= (np.nan_to_num(np.minimum(p, 1 - p)) >= _UNCERTAIN).any(1)
    elif which == "mistakes":
        keep &= np.isin(np.arange(size), [int(one.image) for one in mistakes_of(service).mistakes])
    elif which == "wrong":
        keep &= wrong(service).any(1)
    elif which == "answered":
        keep &= (service.answering.values != -1).any(1)
    if label is not None:
        if label not in shown.space.labels:
            raise ProblemError("unknown-label", f'the label space has no label "{label}"')
        keep &= np.nan_to_num(p[:, shown.space.index(label)], nan=-1.0) >= at_least
    if search:
        text = search.casefold()
        keep &= np.fromiter((text in name.casefold() for name in shown.collection.names), bool, size)
    return np.flatnonzero(keep)


def _order(service: Service, rows: NDArray[np.int64], sort: Sort) -> NDArray[np.int64]:
    shown = service.shown
    if sort == "name":
        return np.asarray(sorted(range(len(rows)), key=lambda place: shown.collection.names[rows[place]]), np.int64)
    value = service.usefulness()[rows] if sort == "useful" else np.nan_to_num(shown.predictor.found.entropy[rows], nan=-1.0)
    return np.argsort(-value, kind="stable")
