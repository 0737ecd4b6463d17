"""From probabilities to decisions: thresholds, calibration by complete images, label sets with a guarantee."""

from .aims import MODE, Aim
from .decisions import Decisions
from .thresholds import NEVER, Source, Thresholds, empirical_thresholds, expected_thresholds

__all__ = ["MODE", "NEVER", "Aim", "Decisions", "Source", "Thresholds", "empirical_thresholds", "expected_thresholds"]
