"""A batch of questions: the best by their scores, no near-copies of each other, and a share drawn at random.

Questions are chosen one by one. Once a question is chosen, the same question about a similar image is worth less: its score
is multiplied by 1 - s, s the largest similarity to an image that was asked the same. Similarity is the cosine of two images'
vectors, 0 below a bound and rising from there to 1 for copies. So a copy is never asked the same again, while images that
merely show the same things are left alone. And a question that the batch of n asks of m images already counts (1 + m/n)^-e, e
the exponent `SPREAD`: among questions that teach about the same, a batch asks about several labels.

The share drawn at random is uniform over all open questions. Its answers are a fair sample: they tell how often the model is
right, which answers to chosen questions do not.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
NEAR = 0.9  # cosine of features from which two images count as similar
SPREAD = 0.02
"""Exponent by which a question counts less the more often a batch asks it; see benchmarks/README.md, "questions"."""
MARGINALS_NEAR = 0.995  # of label probabilities, which differ less


def choose(
    score: Array,
    size: int,
    vectors: NDArray[np.float32] | None,
    random_share: float,
    generator: np.random.Generator,
    most_per_image: int | None = None,
    near_from: float = NEAR,
    spread: float = SPREAD,
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
        spread: how much a question that the batch asks often counts less; 0 for not at all.

    Returns:
        (image, question, whether it was drawn at random) each: chosen ones first, the best first.
    """
    left = score.astype(np.float64).copy()
    size = min(size, int(np.isfinite(left).sum()))
    drawn = _drawn(left, number_drawn(random_share, size), generator, most_per_image)
    asked, times = np.bincount([row for row, _ in drawn], minlength=len(left)), np.zeros(left.shape[1])
    for row, column in drawn:
        left[row, column] = -np.inf
    if most_per_image is not None:
        left[asked >= most_per_image] = -np.inf
    chosen: list[tuple[int, int, bool]] = []
    first = left.argmax(0) if len(left) else np.zeros(left.shape[1], np.int64)  # the best image of each question
    while len(chosen) < size - len(drawn):
        best = left[first, np.arange(len(first))]
        column = int((best * (1 + times / size) ** -spread).argmax())
        row = int(first[column])
        if not np.isfinite(best[column]):
            break
        chosen.append((row, column, False))
        asked[row] += 1
        times[column] += 1
        left[row, column] = -np.inf
        changed = np.array([column])
        if vectors is not None:
            near = np.clip((vectors @ vectors[row] - near_from) / (1 - near_from), 0.0, 1.0)
            near[row] = 0.0
            similar = np.flatnonzero((near > 0) & np.isfinite(left[:, column]))
            left[similar, column] *= 1 - near[similar]
        if most_per_image is not None and asked[row] >= most_per_image:
            left[row] = -np.inf
            changed = np.flatnonzero(first == row)
        first[changed] = left[:, changed].argmax(0)
    return chosen + [(row, column, True) for row, column in drawn]


def number_drawn(share: float, size: int) -> int:
    """How many questions are drawn at random: the share, but at least one of a batch of four or more."""
    return min(math.ceil(share * size - 1e-9), max(round(share * size), size // 4))


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
