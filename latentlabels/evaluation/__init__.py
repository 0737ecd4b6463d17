"""How good posterior label probabilities are: ranking, probabilities, decisions, counts."""

from .metrics import CalibrationCurve, Metrics, calibration_curve, evaluate, map_known

__all__ = ["CalibrationCurve", "Metrics", "calibration_curve", "evaluate", "map_known"]
