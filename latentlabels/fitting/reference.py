"""The images by which a fit finds thresholds: what the head says of them is kept with the run."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from ..decisions import Decisions
from ..inputs.batches import Batches
from ..program import Amortizer, LabelModel
from .batchwise import flat_logits
from .stopping import Best

_ENOUGH = 50  # held-out images that are enough; with fewer, training images join them
_MOST = 2000  # images
_NUMBERS = 1 << 20  # that are kept, 4 MB


def reference_rows(train: Tensor, held: Tensor, num_logits: int) -> Tensor:
    """Which images thresholds are found by: held-out ones where they suffice, else all, evenly spaced where they are many."""
    rows = held if len(held) >= _ENOUGH else torch.cat([train, held])
    rows = rows.sort().values
    most = max(min(_MOST, _NUMBERS // num_logits), _ENOUGH)
    return rows if len(rows) <= most else rows[torch.linspace(0, len(rows) - 1, most, dtype=torch.float64).round().long()]


def decided(
    model: LabelModel, kept: Mapping[str, Best], batches: Batches, rows: tuple[Tensor, Tensor], batch_size: int
) -> tuple[Decisions, dict[str, Tensor]]:
    """What a fit decides by, and for each stopping rule what the head gives for the reference images, (n, rows).

    Args:
        model: fitted.
        kept: the best weights by each rule; the first are those that the model has.
        batches: all images.
        rows: those that were trained on, and those held out.
        batch_size: images that go through the encoder at once.
    """
    chosen = reference_rows(*rows, model.amortizer.head.out_features)
    own = flat_logits(model.amortizer, batches, chosen, batch_size)
    found = dict.fromkeys(list(kept)[:1], own)
    if len(kept) > 1:
        before = {key: value.clone() for key, value in model.state_dict().items()}
        for rule in list(kept)[1:]:
            load_kept(model, kept[rule])
            found[rule] = flat_logits(model.amortizer, batches, chosen, batch_size)
        model.load_state_dict(before)
    return Decisions.by(model.amortizer.vector, own), found


def load_kept(model: LabelModel, best: Best) -> Amortizer:
    """Give a model the weights of a stopping rule."""
    own = model.state_dict().keys()
    state = {key.removeprefix("model."): value for key, value in best.state.items()}
    model.load_state_dict({key: value for key, value in state.items() if key in own})
    return model.amortizer
