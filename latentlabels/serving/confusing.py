"""Which labels of a group the model takes for each other: counts of images, and the images behind each count."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..space import Group
from .documents import ConfusionCell, ConfusionOfGroup, Confusions, ImageList
from .listing import summaries
from .problems import ProblemError
from .service import Service

_MOST = 400  # cells off the diagonal
_NONE = "none of these"
Rows = NDArray[np.int64]


def confusions(service: Service) -> Confusions:
    """Every group of several labels, with how often the model finds one outcome likeliest where another one is known."""
    groups = [group for group in service.shown.space.groups if len(group.labels) > 1]
    return Confusions(groups=[_of_group(service, group) for group in groups])


def images_of_cell(service: Service, group: str, known: int, shown: int, limit: int) -> ImageList:
    """The images of one cell, those first that the model is surest of; outcomes are numbered as `confusions` lists them.

    Raises:
        ProblemError: no such group or outcome.
    """
    space = service.shown.space
    found = next((one for one in space.groups if one.name == group and len(one.labels) > 1), None)
    if found is None:
        raise ProblemError("not-found", f'the label space has no group "{group[:200]}" of several labels')
    size = len(_outcomes(service, found))
    if max(known, shown) >= size:
        raise ProblemError("invalid", f'group "{group[:200]}" has {size} outcomes, numbered from 0')
    told, says, p = _sorted_out(service, found)
    rows = np.flatnonzero((told == known) & (says == shown))
    rows = rows[np.argsort(-p[rows, shown], kind="stable")]
    images = summaries(service, rows[:limit])
    name = _outcomes(service, found)[shown]
    for one, row in zip(images, rows, strict=False):  # what the model says comes first
        one.top = [(name, float(p[row, shown])), *(other for other in one.top if other[0] != name)]
    return ImageList(total=len(rows), images=images)


def _outcomes(service: Service, group: Group) -> list[str]:
    """The labels of a group, and "none of these" where an image can have none of them."""
    may_lack = group.optional or service.shown.space.parent(group) is not None
    return [*group.labels, *([getattr(group, "none", None) or _NONE] if may_lack else [])]


def _of_group(service: Service, group: Group) -> ConfusionOfGroup:
    told, says, _ = _sorted_out(service, group)
    outcomes = _outcomes(service, group)
    counted = (told >= 0) & (says >= 0)
    cells, counts = np.unique(told[counted] * len(outcomes) + says[counted], return_counts=True)
    found = [
        ConfusionCell(known=int(cell) // len(outcomes), shown=int(cell) % len(outcomes), count=int(number))
        for cell, number in zip(cells, counts, strict=True)
    ]
    wrong = sorted((one for one in found if one.known != one.shown), key=lambda one: -one.count)
    right = [one for one in found if one.known == one.shown]
    return ConfusionOfGroup(group=group.name, outcomes=outcomes, cells=[*right, *wrong[:_MOST]])


def _sorted_out(service: Service, group: Group) -> tuple[Rows, Rows, NDArray[np.float64]]:
    """Of each image which outcome is known and which is the likeliest, -1 where there is none, and all (N, O) probabilities."""
    shown = service.shown
    columns = shown.space.columns(group)
    own = service.answering.closed(shown.collection.known)[:, columns]
    p = shown.predictor.found.marginals[:, columns].astype(np.float64)
    told = np.where((own == 1).any(1), (own == 1).argmax(1), -1)
    if len(_outcomes(service, group)) > len(columns):
        told = np.where((own == 0).all(1), len(columns), told)
        p = np.column_stack([p, np.clip(1 - p.sum(1), 0, 1)])
    looked = ~np.isnan(p[:, 0])
    return told, np.where(looked, np.nan_to_num(p).argmax(1), -1), p
