"""Metrics of label probabilities against complete labels, and one against known labels only, of arrays in memory."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..errors import DataError
from ..space import LabelSpace
from .by_label import average_precisions, score_labels
from .figures import CalibrationCurve, Metrics
from .refused import checked, strangers
from .sums import Calibration, Evaluation


def evaluate(
    truth: npt.ArrayLike,
    marginals: npt.ArrayLike,
    log_prob: npt.ArrayLike | None = None,
    count_probs: npt.ArrayLike | None = None,
    space: LabelSpace | None = None,
    *,
    predicted_by: LabelSpace | None = None,
) -> Metrics:
    """Measure label probabilities against complete labels.

    Args:
        truth: (N, K) of 0 and 1.
        marginals: (N, K) probabilities of presence.
        log_prob: (N,) natural log-probability of each image's complete label set, or None.
        count_probs: (N, n_max + 1) distribution of the number of present labels, or None.
        space: names and groups the K labels; without it they are free and numbered.
        predicted_by: the space that the predictions come from, where it is another one (for example all free).
            "A label of the group is present" has the sum of the marginals as its probability if it is one group there,
            and is 1 minus the product of the absences if its labels are independent there.

    Raises:
        DataError: shapes that do not agree (both are named), no images, a truth other than 0 and 1, probabilities
            that are NaN or outside [0, 1].
    """
    present, p = checked(truth, marginals)
    found = Evaluation(p.shape[1], space, predicted_by)
    found.add(truth, marginals, log_prob, count_probs)
    return found.result(score_labels(zip(present.T, p.T, strict=True), present, found.rivals))


def map_known(observed: npt.ArrayLike, marginals: npt.ArrayLike) -> float | None:
    """Mean average precision against known labels only: a stopping rule that needs no complete labels.

    For each label, images with the label known present are ranked against all others: those with the label known absent
    and those with the label unknown. Some of the latter show the label, so the figure is too low. It is still comparable
    between epochs of one fit.

    Args:
        observed: (N, K) of 1, 0 and -1.
        marginals: (N, K) probabilities of presence.

    Returns:
        The mean over the labels with a known positive, or None if there is none.

    Raises:
        DataError: as `evaluate`.
    """
    known = np.asarray(observed)
    if not np.isin(known, (-1, 0, 1)).all():
        raise DataError(f"observed holds {strangers(known, (-1, 0, 1))}; known labels are 1, 0 and -1")
    present, p = checked(known == 1, marginals, "observed")
    scored = [value for value in average_precisions(zip(present.T, p.T, strict=True)) if value is not None]
    return float(np.mean(scored)) if scored else None


def calibration_curve(truth: npt.ArrayLike, marginals: npt.ArrayLike, bins: int = 15) -> CalibrationCurve:
    """Predicted probabilities and observed frequencies over all N * K entries.

    Args:
        truth: (N, K) of 0 and 1.
        marginals: (N, K) probabilities of presence.
        bins: number of bins of equal width; bin b holds b / bins <= p < (b + 1) / bins, the last one also p = 1.

    Raises:
        DataError: as `evaluate`, or fewer than one bin.
    """
    if bins < 1:
        raise DataError(f"bins is {bins}; give at least 1")
    found = Calibration(bins)
    found.add(*checked(truth, marginals))
    return found.curve()
