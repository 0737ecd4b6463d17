"""How well each label ranks held-out images, by known labels alone."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import stats

_LEAST = 5  # images on either side
_OPEN = 0.2  # share of the other images that do not show the label, below which they say nothing


def known_ranking(observed: npt.ArrayLike, marginals: npt.ArrayLike) -> dict[int, tuple[int, float]]:
    """The area under the ROC curve of each label, from held-out known labels.

    That is the probability that an image known to show the label gets a larger probability than one that does not show it: 1/2
    without looking at images. Where too few absences are known, the other side is all images that are not known to show it.
    Some of them do: with a share c of them the area is (1 - c) times as far from 1/2 as it should be, for those are ranked like
    the known ones. So the distance is divided by 1 - c, with c from the number of images that the fit expects to show it.

    Args:
        observed: (H, K) of 1, 0 and -1, of images that were not trained on.
        marginals: (H, K) probabilities of presence, from the images alone.

    Returns:
        Column -> number of images known to show it, and the area, in [0, 1]. Left out are labels with fewer than 5 images on
        either side, and those that nearly all images show.
    """
    known, p = np.asarray(observed), np.asarray(marginals, np.float64)
    found = {}
    for k in range(known.shape[1]):
        shown, absent = known[:, k] == 1, known[:, k] == 0
        told = int(absent.sum()) >= _LEAST
        others = absent if told else ~shown
        positives, negatives = int(shown.sum()), int(others.sum())
        if min(positives, negatives) < _LEAST:
            continue
        honest = 1.0 if told else 1 - max(float(p[:, k].sum()) - positives, 0.0) / negatives
        if honest < _OPEN:
            continue
        ranks = stats.rankdata(np.concatenate([p[shown, k], p[others, k]]))[:positives]
        area = (float(ranks.sum()) - positives * (positives + 1) / 2) / (positives * negatives)
        found[k] = (positives, float(np.clip(0.5 + (area - 0.5) / honest, 0.0, 1.0)))
    return found
