"""Examples on which the reader states labels: from stored marginals, which determine a forest's logits."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..distributions import LabelVector, NonEmptyLabelVector
from ..distributions.nonempty import EMPTY_ODDS
from ..fitting.run_folder import Run
from ..show.blocks import Live
from ..show.card import Document, marginals_document, space_document
from ..show.charts.photos import short_name
from ..show.pixels import embedded
from ..space import LabelSpace
from .stored_predictions import StoredPredictions

_AGREES = 1e-3  # between stored marginals and those of the logits that are recovered from them
_MOST_LABELS = 2000  # beyond which the logits of a few images would be most of the report


def live_examples(run: Run, found: StoredPredictions, rows: NDArray[Any]) -> Live | None:
    """Some of the stored images with their card; None where marginals say too little.

    They do for a mixture, for a loss whose predictions are no distribution over the label space, and in files with NaN.
    """
    model = run.config.get("model") or {}
    if not len(rows) or run.space.num_labels > _MOST_LABELS or model.get("mixture", 1) != 1:
        return None
    odds = EMPTY_ODDS if model.get("at_least_one") else 1.0
    marginals = found.marginals[rows].astype(np.float64)
    if not np.isfinite(marginals).all():
        return None
    cards = [marginals_document(p, run.space, odds) for p in marginals]
    if any(np.abs(_marginals(one, run.space) - p).max() > _AGREES for one, p in zip(cards, marginals, strict=True)):
        return None
    pictures, names = found.pictures_of(rows), found.names_of(rows)
    images = []
    for place, own in enumerate(cards):
        shown = None if pictures[place] is None else embedded(pictures[place])
        name = short_name(names[place]) if len(names) else f"image {place + 1}"
        observed = zip(run.space.labels, found.observed[rows[place]].tolist(), strict=True)
        images.append(
            {
                "name": name,
                "card": own,
                "marks": {label: int(value) for label, value in observed if value != -1},
                "picture": None if shown is None else f"data:image/jpeg;base64,{shown.data}",
            }
        )
    return Live({"space": space_document(run.space), "images": images})


def _marginals(card: Document, space: LabelSpace) -> NDArray[np.float64]:
    logits = torch.tensor([float(value) for value in card["components"][0]["logits"]], dtype=torch.float64)
    odds = card["emptyOdds"]
    whole = LabelVector(space, logits) if odds == 1 else NonEmptyLabelVector(space, logits, odds)
    found: NDArray[np.float64] = whole.marginals.numpy()
    return found
