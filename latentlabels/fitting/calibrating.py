"""A fitted model calibrated by complete images: logits, thresholds, and what sets with a guarantee are made from."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..decisions import Aim, Conformal, Decisions, calibrate, empirical_thresholds
from ..distributions import LabelVector
from ..errors import ConfigError, DataError, DataWarning
from ..inputs import Inputs
from ..words import count
from .batchwise import flat_logits
from .fitted import Fitted

By = Literal["posterior", "images"]


def calibrated(found: Fitted, inputs: Inputs, batch_size: int, aim: Aim | str | None = None, by: By = "posterior") -> Fitted:
    """The same fit, calibrated; its model is changed in place, and as a last step.

    Args:
        found: a fit.
        inputs: images with known labels, read in the form that the fit takes. Those of which every label is known count.
        batch_size: images that go through the encoder at once.
        aim: of the thresholds; None for the aim that they had.
        by: what thresholds are found by: "posterior", the calibrated posterior of the images that the fit kept for it, or
            "images", the complete images.

    Raises:
        DataError: no complete image, or none that has a label.
        ConfigError: an unknown aim, or another value of `by`.
    """
    if by not in ("posterior", "images"):
        raise ConfigError(f'thresholds by "{by}"; expected "posterior" or "images"')
    aim = found.decisions.thresholds.aim if aim is None else Aim.of(aim)
    rows, truth = complete_rows(inputs)
    amortizer, seed = found.program.model.amortizer, int(found.params["seed"])
    flat = flat_logits(amortizer, inputs.items, torch.from_numpy(rows), batch_size)
    calibration = calibrate(amortizer.unadjusted, flat, torch.from_numpy(truth), amortizer.space, seed)
    reference = flat if found.decisions.reference is None else found.decisions.reference
    adjustment = calibration.adjustment()

    def vector(logits: Tensor) -> LabelVector:
        return amortizer.unadjusted(logits if adjustment is None else adjustment(logits))

    thresholds = Decisions.by(vector, reference, aim).thresholds
    if by == "images":
        thresholds = empirical_thresholds(_marginals(vector(flat)), truth, aim, thresholds)
    conformal = Conformal(_marginals(amortizer.unadjusted(flat)), truth)
    amortizer.adjustment = adjustment
    return replace(found, decisions=Decisions(thresholds, reference, calibration, conformal))


def complete_rows(inputs: Inputs) -> tuple[NDArray[np.int64], NDArray[np.int8]]:
    """Which images have every label known, and their labels (D, K); what is left out is said.

    Raises:
        DataError: no such image, or none that has a label.
    """
    table = inputs.observed
    known = inputs.truth if table is None else table.values
    if known is None:
        raise DataError("calibrate needs complete labels; give calibrate(images, complete)")
    complete = (known != -1).all(1)
    rows = np.flatnonzero(complete)
    if not len(rows):
        most = int((known != -1).sum(1).max(initial=0))
        raise DataError(
            f"none of {count(len(known), 'image')} has all {known.shape[1]:,} labels known (at most {most:,} are); calibration "
            "needs 1 or 0 for every label of an image; if labels that a table does not mention are absent, read it with "
            'unlisted="absent" (--unlisted absent)'
        )
    if len(rows) < len(known):
        warnings.warn(
            f"{count(len(known) - len(rows), 'image')} of {len(known):,} left out of the calibration: not every label is known",
            DataWarning,
            stacklevel=4,
        )
    truth = known[rows]
    if not truth.any():
        raise DataError(
            f"none of {count(len(rows), 'complete image')} has a label; check what 0 means in the table, since calibration by "
            "these images would call every label absent"
        )
    return rows, truth


def _marginals(q: LabelVector) -> NDArray[np.float32]:
    with torch.no_grad():
        return q.marginals.clamp(0.0, 1.0).float().numpy()
