"""Metrics of posterior label probabilities against complete labels, and one against known labels only.

All shares, precisions and errors are fractions in [0, 1], log-probabilities are natural. Ranking is measured by the
average precision of each label and its mean (mAP); probabilities by the negative log-likelihood of whole label sets,
the Brier score and the calibration error; decisions at 0.5 by F1; and the group structure by how often "does this
group apply" is answered right.
"""

from .by_label import average_precisions, score_constant, score_labels
from .figures import CalibrationCurve, Confusion, LabelFigures, LabelScores, Metrics
from .scores import calibration_curve, evaluate, map_known
from .sums import Evaluation
from .thresholds import best_f1_threshold, expected_f1_threshold, f1_at

__all__ = [
    "CalibrationCurve",
    "Confusion",
    "Evaluation",
    "LabelFigures",
    "LabelScores",
    "Metrics",
    "average_precisions",
    "best_f1_threshold",
    "calibration_curve",
    "evaluate",
    "expected_f1_threshold",
    "f1_at",
    "map_known",
    "score_constant",
    "score_labels",
]
