"""How good posterior label probabilities are: ranking, probabilities, decisions, counts; and which known labels they doubt."""

from .metrics import CalibrationCurve, Metrics, calibration_curve, evaluate, map_known
from .surprises import Surprise, surprising_labels

__all__ = [
    "CalibrationCurve", "Metrics", "Surprise", "calibration_curve", "evaluate", "map_known", "surprising_labels",
]  # fmt: skip
