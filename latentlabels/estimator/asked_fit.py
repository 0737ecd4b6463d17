"""A fit with answers to questions: the first fit without them, and the scale that they give to the one with them."""

from __future__ import annotations

import warnings
from dataclasses import replace

import torch

from ..errors import AnchorWarning, DataWarning
from ..fitting.fitted import Fitted
from ..fitting.held_out import hold_out
from ..fitting.run_folder import hash_data, hash_names
from ..fitting.scaling import can_be_scaled, scaled_by_answers
from ..progress import Phase, phase
from .preparing import Prepared, prepare
from .settings import Settings, plain
from .training import trained

_SAME = ("objective", "mixture", "regions", "names", "held_out", "seed")
"""Settings by which a fit to begin with may be the one without answers: others change how well it fits, not what it says."""


def without_answers(settings: Settings, before: Fitted | None, prepared: Prepared) -> Fitted | None:
    """A fit to the same images without their answers; None where answers are not to fix the scale.

    A run to begin with that is such a fit is taken as it is.

    Args:
        settings: of the fit.
        before: the fit to begin with; None to begin afresh.
        prepared: what training begins with, with the answers.
    """
    start, inputs, _ = prepared
    if not can_be_scaled(start, inputs, settings.model.expected_labels):
        return None
    if before is not None and _is_first(before, settings, prepared):
        return before
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)  # the fit with the answers says what is doubtful
        warnings.simplefilter("ignore", AnchorWarning)
        found = trained(settings, prepare(settings, before, replace(inputs, answers=None), None, first=True))
    torch.manual_seed(int(settings.fit.seed))
    return found


def _is_first(before: Fitted, settings: Settings, prepared: Prepared) -> bool:
    """Whether the fit to begin with is that fit: of the same images and known labels, by the same settings, without answers."""
    start, table = prepared.start, prepared.inputs.observed
    assert table is not None
    same = all(plain(before.params[key]) == plain(start.params[key]) for key in _SAME)
    return (
        before.diagnostics.get("num_answers") == 0
        and same
        and before.space == start.space
        and before.annotation.to_config() == start.annotation.to_config()
        and before.data_hash == hash_data(table.known, table.images)
        and before.images_hash == hash_names(prepared.inputs.names)
    )


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
