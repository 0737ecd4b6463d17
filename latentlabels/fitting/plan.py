"""How long the parts of a fit take, roughly, before any of them has been measured."""

from __future__ import annotations

from ..config import FitConfig, ModelConfig
from ..kind import AUTO, PASSED_THROUGH
from ..progress import Phase, Plan
from .schedule import schedule_named

# seconds for an image on two cores; once a phase runs, its own speed counts
_READ, _ENCODE, _TRAIN_HEAD, _TRAIN_ENCODER, _EVALUATE = 0.005, 0.03, 5e-5, 0.02, 2e-4
_FIXED = {Phase.READING: 1.0, Phase.TRAINING: 1.0, Phase.EVALUATION: 1.0}
_REPORT = 8.0


def plan_of(model: ModelConfig, fit: FitConfig, report: bool = False) -> Plan:
    """What a fit is expected to do.

    Args:
        model: the encoder, and whether it is trained.
        fit: the epochs.
        report: whether a report follows.
    """
    vectors = model.encoder == PASSED_THROUGH
    frozen = model.frozen if model.frozen is not None else model.encoder == AUTO or model.weights is not None
    head_alone = vectors or frozen
    per_image = {
        Phase.READING: 0.0 if vectors else _READ,
        Phase.TRAINING: fit.epochs * (_TRAIN_HEAD if head_alone else _TRAIN_ENCODER),
        Phase.EVALUATION: _EVALUATE,
    }
    fixed = dict(_FIXED)
    if head_alone and not vectors:
        fixed[Phase.FEATURES], per_image[Phase.FEATURES] = 1.0, _ENCODE
    if report:
        fixed[Phase.REPORT] = _REPORT
    may_stop = fit.stop != "none" and fit.patience < fit.epochs and not schedule_named(fit.schedule).spans_fit
    return Plan(fixed, per_image, may_stop)
