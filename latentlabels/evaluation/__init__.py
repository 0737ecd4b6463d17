"""How good posterior label probabilities are: ranking, probabilities, decisions, counts.

And what known labels alone say: which of them a model doubts, and whether they agree with the annotation that was assumed.
"""

from .metrics import CalibrationCurve, Metrics, calibration_curve, evaluate, map_known
from .predictive import KnownCount, LinkedCount, alarms, even_count_check, known_label_check, known_probs, linked_label_check
from .surprises import Surprise, surprising_labels

__all__ = [
    "CalibrationCurve", "KnownCount", "LinkedCount", "Metrics", "Surprise", "alarms", "calibration_curve",
    "evaluate", "even_count_check",
    "known_label_check", "known_probs", "linked_label_check", "map_known", "surprising_labels",
]  # fmt: skip
