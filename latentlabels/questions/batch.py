"""A batch of questions: the best by their scores, no near-copies of each other, and a share drawn at random.

Questions are chosen one by one. Once a question is chosen, the same question about a similar image is worth less: its score
is multiplied by 1 - s, s the largest similarity to an image that was asked the same. Similarity is the cosine of two images'
vectors, 0 below a bound and rising from there to 1 for copies. So a copy is never asked the same again, while images that
merely show the same things are left alone.

The share drawn at random is uniform over all open questions. Its answers are a fair sample: they tell how often the model is
right, and how many labels there are per image, which no answer to a chosen question does by itself.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
NEAR = 0.9  # cosine of features from which two images count as similar
MARGINALS_NEAR = 0.995  # of label probabilities, which differ less


def choose(
    score: Array,
    size: int,
    vectors: NDArray[np.float32] | None,
    random_share: float,
    generator: np.random.Generator,
    most_per_image: int | None = None,
    near_from: float = NEAR,
) -> list[tuple[int, int, bool]]:
    """The questions of a batch.

    Args:
        score: (N, Q) of each question about each image; negative infinity for those that are not asked.
        size: how many questions; fewer where fewer are open.
        vectors: (N, D) of unit length, by which images are compared; None to compare none.
        random_share: of the batch, in [0, 1].
        generator: of the random share.
        most_per_image: how many questions one image is asked at most.
        near_from: cosine from which two images count as similar.

    Returns:
        (image, question, whether it was drawn at random) each: chosen ones first, the best first.
    """
    left = score.astype(np.float64).copy()
    size = min(size, int(np.isfinite(left).sum()))
    drawn = _drawn(left, round(random_share * size), generator, most_per_image)
    asked = np.bincount([row for row, _ in drawn], minlength=len(left))
    for row, column in drawn:
        left[row, column] = -np.inf
    if most_per_image is not None:
        left[asked >= most_per_image] = -np.inf
    chosen: list[tuple[int, int, bool]] = []
    best = left.max(1) if left.shape[1] else np.full(len(left), -np.inf)
    while len(chosen) < size - len(drawn):
        row = int(best.argmax())
        if not np.isfinite(best[row]):
            break
        column = int(left[row].argmax())
        chosen.append((row, column, False))
        asked[row] += 1
        left[row, column] = -np.inf
        changed = [row]
        if vectors is not None:
            near = np.clip((vectors @ vectors[row] - near_from) / (1 - near_from), 0.0, 1.0)
            near[row] = 0.0
            similar = np.flatnonzero((near > 0) & np.isfinite(left[:, column]))
            left[similar, column] *= 1 - near[similar]
            changed += similar.tolist()
        if most_per_image is not None and asked[row] >= most_per_image:
            left[row] = -np.inf
        best[changed] = left[changed].max(1)
    return chosen + [(row, column, True) for row, column in drawn]


def _drawn(score: Array, number: int, generator: np.random.Generator, most_per_image: int | None) -> list[tuple[int, int]]:
    """Open questions, drawn uniformly."""
    open_ = np.argwhere(np.isfinite(score))
    out: list[tuple[int, int]] = []
    asked: dict[int, int] = {}
    for number_ in generator.permutation(len(open_)):
        if len(out) == number:
            break
        row, column = (int(one) for one in open_[number_])
        if most_per_image is None or asked.get(row, 0) < most_per_image:
            out.append((row, column))
            asked[row] = asked.get(row, 0) + 1
    return out


def unit(vectors: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """Vectors of unit length about their mean, so that what all images share makes none similar: float32 (N, D)."""
    centred = np.asarray(vectors, dtype=np.float32)
    centred = centred - centred.mean(0)
    length = np.linalg.norm(centred, axis=1, keepdims=True)
    return np.asarray(centred / np.where(length > 0, length, 1.0), dtype=np.float32)
