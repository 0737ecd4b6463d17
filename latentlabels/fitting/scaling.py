"""The scale of a fit's probabilities by answers to questions, from a first fit that has not seen them: `decisions.answered`."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from ..annotation.asked import with_answers
from ..decisions import Calibration, Decisions
from ..decisions.answered import WIDTH, Answered, CarriedOver
from ..inputs import Inputs
from ..inputs.batches import Batches
from ..words import count
from .batchwise import flat_logits
from .fitted import Fitted

_MOST = 2000  # held-out images that are looked at
_FEWEST = 50  # of those nobody was asked about, by which the scale is carried over


def can_be_scaled(start: Fitted, inputs: Inputs, expected_labels: float | None) -> bool:
    """Whether answers are to fix the scale of a fit: they are there, nothing else is stated, and its program can be changed.

    Args:
        start: the fit at its start.
        inputs: its images.
        expected_labels: what the user states about the number of labels of an image.
    """
    program = start.program
    return (
        inputs.answers is not None
        and expected_labels is None
        and start.is_head_alone
        and program.objective.is_likelihood
        and program.model.beta == 0
        and program.space == start.space
    )


def scaled_by_answers(found: Fitted, first: Fitted, inputs: Inputs, batches: Batches, held: Tensor, batch_size: int) -> Fitted:
    """The same fit, its probabilities at the scale that the answers say; its model is changed in place.

    Args:
        found: a fit to the images with the answers.
        first: a fit to the same images without them.
        inputs: the images.
        batches: the same, as the fits take them.
        held: rows that both fits held out.
        batch_size: images that go through the encoder at once.

    Returns:
        `found` itself where too few images were held out.
    """
    assert inputs.observed is not None
    assert inputs.answers is not None
    table = inputs.answers
    asked = torch.from_numpy(np.flatnonzero(table.num_known))
    free = held[~torch.isin(held, asked)][:_MOST]
    if len(free) < _FEWEST:
        return found
    rows = torch.cat([free, asked])
    before = torch.from_numpy(inputs.observed.known.rows(rows.numpy()))
    told = with_answers(before, torch.from_numpy(table.rows(rows.numpy())))
    own, theirs = found.program.model.amortizer, first.program.model.amortizer
    logits = flat_logits(theirs, batches, rows, batch_size)
    seen = ~torch.isin(rows, held)
    prior = first.program.model.scale_prior
    evidence = Answered(theirs.unadjusted, logits, before, told, seen, found.annotation, found.space, prior)
    change = evidence.fit(WIDTH)
    with torch.no_grad():
        known = before[: len(free)]
        posterior = evidence.changed(change, slice(0, len(free))).condition(known, found.annotation)
        marginals = posterior.marginals
    flat = flat_logits(own, batches, free, batch_size)
    sharpness, bias = CarriedOver(own.unadjusted, flat, posterior, found.space).fit(WIDTH)
    with torch.no_grad():
        worse, better = (float(evidence.nll(one).mean()) for one in (evidence.identity, change))
    said = int(table.num_known.sum())
    calibration = Calibration(float(1 / sharpness), bias.numpy(), len(asked), worse, better, 0.0, WIDTH, answers=said)
    own.adjustment = calibration.adjustment()
    reference = found.decisions.reference
    assert reference is not None
    decisions = replace(Decisions.by(own.vector, reference, found.decisions.thresholds.aim), calibration=calibration)
    expected = float(marginals.sum(-1).mean())
    with torch.no_grad():
        predicted = float(own.vector(flat).marginals.sum(-1).mean())
    diagnostics = found.diagnostics | {
        "predicted_count": predicted,
        "expected_labels": expected,
        "expected_labels_source": f"{count(said, 'answer')} to questions about {count(len(asked), 'image')}",
        "expected_labels_identified": True,
        "expected_labels_error": None,
    }
    return replace(found, decisions=decisions, diagnostics=diagnostics)
