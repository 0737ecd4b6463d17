"""What is measured label by label: ranking, decisions, probabilities, and what a label is confused with.

These figures need all probabilities of a label at once, in contrast to those of `sums`.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
from scipy import stats
from sklearn.metrics import average_precision_score

from .figures import Confusion, LabelFigures, LabelScores
from .refused import Array
from .sums import Calibration

ABOVE = 0.05
"""The probability above which entries count for `Metrics.calibration_error_above`."""
_LEAST = 5  # wrong images from which it is said what they show
_TOP = 10  # images that are looked at where fewer show the label
_EXCESS = 0.25  # by which a label has to be more frequent among wrong images than among all others
_CONTEXT = 1.5  # how many times as frequent as among right images
_CHANCE = 0.001


def score_labels(
    columns: Iterable[tuple[npt.NDArray[np.bool_], Array]], truth: npt.NDArray[np.generic] | None = None,
    rivals: tuple[tuple[int, ...], ...] | None = None,
) -> LabelScores:  # fmt: skip
    """Measure one label after the other.

    Args:
        columns: of each label, whether it is present, and its probability: (N,) each.
        truth: (N, K) complete labels, to find out what a label is confused with; None to leave that out.
        rivals: of each label the columns that it may be confused with; None: all others.
    """
    found, above = [], Calibration()
    for k, (present, p) in enumerate(columns):
        wrong = None if truth is None else _confusion(present, p, truth, None if rivals is None else rivals[k], k)
        found.append(_figures(present, p, wrong))
        high = p > ABOVE
        above.add(present[high], p[high])
    return LabelScores(tuple(found), above.curve())


def score_constant(shown: npt.NDArray[np.int64], p: Array, num_images: int) -> LabelScores:
    """The same where every image has the same probabilities, without an entry for each image.

    Args:
        shown: (K,) number of images that show each label.
        p: (K,) probabilities.
        num_images: N.
    """
    found, above = [], Calibration()
    for support, value in zip(shown.tolist(), p.tolist(), strict=True):
        share, decided = support / num_images, value > 0.5
        found.append(
            LabelFigures(
                support=support,
                average_precision=share if support else None,  # images of one probability are in no order
                precision=share if decided else None,
                recall=float(decided) if support else None,
                f1=_f1(support * decided, num_images * decided, support),
                predicted=value,
                brier=share * (1 - value) ** 2 + (1 - share) * value**2,
                calibration_error=abs(share - value),
            )
        )
        if value > ABOVE:
            above.count(value, num_images, support)
    return LabelScores(tuple(found), above.curve())


def average_precisions(columns: Iterable[tuple[npt.NDArray[np.bool_], Array]]) -> list[float | None]:
    """The average precision of each label, None for one that no image shows.

    Args:
        columns: of each label, whether it is present, and its probability: (N,) each.
    """
    # scikit-learn's sum of shares may be 1 and a rounding error
    return [min(float(average_precision_score(*column)), 1.0) if column[0].any() else None for column in columns]


def _figures(present: npt.NDArray[np.bool_], p: Array, wrong: Confusion | None) -> LabelFigures:
    decided = p > 0.5
    hits, said, support = int((decided & present).sum()), int(decided.sum()), int(present.sum())
    own = Calibration()
    own.add(present, p)
    return LabelFigures(
        support=support,
        average_precision=average_precisions([(present, p)])[0],
        precision=hits / said if said else None,
        recall=hits / support if support else None,
        f1=_f1(hits, said, support),
        predicted=float(p.mean()),
        brier=float(((p - present) ** 2).mean()),
        calibration_error=own.curve().error,
        confused_with=wrong,
    )


def _f1(hits: int, said: int, support: int) -> float | None:
    return 2 * hits / (said + support) if said + support else None


def _confusion(
    present: npt.NDArray[np.bool_], p: Array, truth: npt.NDArray[np.generic], rivals: tuple[int, ...] | None, own: int
) -> Confusion | None:  # fmt: skip
    """What the images show that are wrongly ranked among the first.

    As many images are looked at as show the label. Another label explains the wrong ones if they show it clearly more often
    than all images without the label do, seldom by chance, and more often than images with the label do: what right and wrong
    images have in common is their scene.
    """
    support, others = int(present.sum()), np.arange(truth.shape[1]) if rivals is None else np.asarray(rivals, int)
    others = others[others != own]
    if not support or present.all() or not len(others):
        return None
    first = np.argsort(-p, kind="stable")[: max(support, _TOP)]
    wrong = first[~present[first]]
    if len(wrong) < _LEAST or np.ptp(p) == 0:
        return None
    seen = (truth[wrong][:, others] == 1).sum(0)
    every, right = (truth[:, others] == 1).sum(0), (truth[present][:, others] == 1).mean(0)
    share, otherwise = seen / len(wrong), (every - right * support) / (len(present) - support)
    best = int(np.argmax(share - otherwise))
    chance = float(stats.binom.sf(seen[best] - 1, len(wrong), min(max(otherwise[best], 0.0), 1.0))) * len(others)
    if share[best] - otherwise[best] < _EXCESS or chance > _CHANCE or share[best] < _CONTEXT * right[best]:
        return None
    return Confusion(int(others[best]), float(share[best]), float(otherwise[best]))
