"""The worst errors on completely labelled images: labels found that are absent, and labels missed that are present."""

from __future__ import annotations

import numpy as np

from ..show.blocks import Block, Heading, Photo, Photos, Text
from ..show.charts.photos import short_name
from ..show.pixels import embedded
from ..space import LabelSpace
from ..words import listed, percent
from .contents import Contents
from .stored_predictions import StoredPredictions

_OTHERS = 3  # labels of an image that are named


def worst(contents: Contents) -> list[Block]:
    """False positives and false negatives, the worst first, with their pictures; nothing without complete labels."""
    found, space = contents.evaluated, contents.run.space
    if found is None or not len(found.truth) or not len(found.error_rows):
        return []
    pairs = list(zip(found.error_rows.tolist(), found.error_labels.tolist(), strict=True))
    missed = [found.truth[row, k] == 1 for row, k in pairs]
    blocks: list[Block] = [
        Text(
            "Some of these may be mistakes of the complete labels. Each image is shown once and each label twice at most, so "
            "that different errors can be seen."
        )
    ]
    for title, wanted in (("Found, but absent", False), ("Present, but missed", True)):
        chosen = [one for one, is_missed in zip(pairs, missed, strict=True) if is_missed == wanted]
        if chosen:
            blocks += [Heading(title), Photos([_photo(found, space, *one, missed=wanted) for one in chosen])]
    return blocks


def _photo(found: StoredPredictions, space: LabelSpace, row: int, k: int, *, missed: bool) -> Photo:
    p, truth, label = found.marginals[row], found.truth[row], space.labels[k]
    said = f"{label}: {percent(float(p[k]))}"
    if missed:
        others = [j for j in np.argsort(-p, kind="stable").tolist() if truth[j] == 0 and p[j] > 0.5]
        rest = "; found instead: " if others else "; nothing in its place"
    else:
        others = np.flatnonzero(truth == 1).tolist()
        rest = "; it shows " if others else "; it shows none of the labels"
    said += rest + listed([space.labels[j] for j in others], _OTHERS)
    [name] = found.names_of(np.array([row])) or [""]
    short = short_name(name)
    [picture] = found.pictures_of(np.array([row]))
    return Photo(None if picture is None else embedded(picture, f"{short}: {said}"), short, said, "wrong")
