"""A fit with answers to questions: the first fit without them, and the scale that they give to the one with them."""

from __future__ import annotations

import warnings
from dataclasses import replace

import torch

from ..errors import AnchorWarning, DataWarning
from ..fitting.fitted import Fitted
from ..fitting.held_out import hold_out
from ..fitting.scaling import can_be_scaled, scaled_by_answers
from ..progress import Phase, phase, silent
from .preparing import Prepared, prepare
from .settings import Settings
from .training import trained


def without_answers(settings: Settings, before: Fitted | None, prepared: Prepared) -> Fitted | None:
    """A fit to the same images without their answers; None where answers are not to fix the scale.

    Args:
        settings: of the fit.
        before: the fit to begin with; None to begin afresh.
        prepared: what training begins with, with the answers.
    """
    start, inputs, _ = prepared
    if not can_be_scaled(start, inputs, settings.model.expected_labels):
        return None
    with phase(Phase.READING, "a first fit, without the answers"), silent(), warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)  # the fit with the answers says what is doubtful
        warnings.simplefilter("ignore", AnchorWarning)
        found = trained(settings, prepare(settings, before, replace(inputs, answers=None), None, first=True))
    torch.manual_seed(int(settings.fit.seed))
    return found


def scaled(settings: Settings, prepared: Prepared, first: Fitted, found: Fitted) -> Fitted:
    """The fit with the answers, at the scale that they say.

    Args:
        settings: of both fits.
        prepared: what training began with.
        first: the fit without the answers.
        found: the fit with them.
    """
    _, inputs, batches = prepared
    held = hold_out(inputs, float(settings.fit.held_out), int(settings.fit.seed)).held
    with phase(Phase.EVALUATION, "the scale of probabilities, by the answers"):
        return scaled_by_answers(found, first, inputs, batches, held, int(settings.fit.batch_size))
