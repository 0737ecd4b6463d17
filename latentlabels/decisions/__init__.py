"""From probabilities to decisions: thresholds, calibration by complete images, label sets with a guarantee."""

from .aims import MODE, Aim
from .calibration import Calibration, calibrate
from .conformal import Conformal, Inclusion, images_needed
from .decisions import Decisions
from .scored import ScoredDecisions, score_decisions
from .thresholds import NEVER, Source, Thresholds, empirical_thresholds, expected_thresholds

__all__ = [
    "MODE",
    "NEVER",
    "Aim",
    "Calibration",
    "Conformal",
    "Decisions",
    "Inclusion",
    "ScoredDecisions",
    "Source",
    "Thresholds",
    "calibrate",
    "empirical_thresholds",
    "expected_thresholds",
    "images_needed",
    "score_decisions",
]
