"""Every question that could be asked about N images, with its gain and the score that it is chosen by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..distributions import LabelVector
from ..errors import DataError
from ..space import Free, Group, LabelSpace
from .gains import Array, group_gains, group_outcomes, label_gains, label_gains_about
from .question import NONE, Question, worded

_SETTLED = 1e-6  # a question whose answer is so certain is closed: what is known implies it


@dataclass(frozen=True, eq=False)
class Candidates:
    """Q questions about each of N images.

    Attributes:
        space: the label space.
        labels: columns of the labels that are asked one by one: the first questions.
        groups: groups that are asked as a whole: the other ones.
        gain: (N, Q) expected reduction of entropy, nats.
        score: (N, Q) by which they are chosen; negative infinity where the answer is known, or implied by what is known.
        marginals: (N, K).
    """

    space: LabelSpace
    labels: tuple[int, ...]
    groups: tuple[Group, ...]
    gain: Array
    score: Array
    marginals: Array

    def question(self, row: int, column: int, image: str, random: bool) -> Question:
        """One of them, in full."""
        gain, score = float(self.gain[row, column]), float(self.score[row, column])
        if column < len(self.labels):
            k = self.labels[column]
            label, p = self.space.labels[k], float(np.clip(self.marginals[row, k], 0.0, 1.0))
            words = worded(label, None)
            return Question(row, image, label, None, gain, score, random, ("yes", "no"), (p, 1 - p), words)
        group = self.groups[column - len(self.labels)]
        probs = group_outcomes(self.marginals[row : row + 1], self.space, group)[0]
        can_be_none = group.optional or group.name not in self.space.open_groups or float(probs[-1]) > _SETTLED
        choices = (*group.labels, NONE) if can_be_none else group.labels
        shares = tuple(float(one) for one in probs[: len(choices)])
        return Question(row, image, None, group.name, gain, score, random, choices, shares, worded(None, group))


def candidates(
    q: LabelVector,
    known: NDArray[np.int8] | None = None,
    per_label: bool = False,
    about: str | None = None,
) -> Candidates:
    """All questions about N images.

    Args:
        q: their posterior given what is known.
        known: (N, K) of 1, 0, -1: labels that are not asked again; None where nothing is known.
        per_label: ask every label by itself; otherwise the labels of a group that exclude each other are one question, whose
            score is the gain divided by the bits that name one of its outcomes, as such a question takes longer to answer.
        about: the label of interest; None for all labels of the image.

    Raises:
        DataError: known labels of another shape, or a label of interest with questions about groups.
        LabelSpaceError: an unknown label of interest.
    """
    space = q.space
    marginals = q.marginals.detach().double().numpy()
    if known is not None and known.shape != marginals.shape:
        raise DataError(f"known has shape {known.shape}, but the posterior has {marginals.shape}")
    if about is not None:
        per_label, target = True, space.index(about)
    whole = tuple(group for group in space.groups if not per_label and not isinstance(group, Free))
    inside = {k for group in whole for k in space.columns(group)}
    labels = tuple(k for k in range(space.num_labels) if k not in inside)
    each = label_gains(marginals) if about is None else label_gains_about(q, target)
    gain = np.concatenate([each[:, labels], group_gains(marginals, space, whole)], 1)
    sizes = np.array([np.log2(len(group.labels) + 1) for group in whole])
    weight = np.concatenate([np.ones(len(labels)), 1 / sizes])
    score = np.where(_open(marginals, known, space, labels, whole), gain * weight, -np.inf)
    return Candidates(space, labels, whole, gain, score, marginals)


def _open(
    marginals: Array, known: NDArray[np.int8] | None, space: LabelSpace, labels: tuple[int, ...], groups: tuple[Group, ...]
) -> NDArray[np.bool_]:
    """Which questions have an answer that is not known yet: (N, Q)."""
    p = marginals[:, labels]
    open_ = (p > _SETTLED) & (p < 1 - _SETTLED)
    if known is not None:
        open_ &= known[:, labels] == -1
    settled = [group_outcomes(marginals, space, group).max(1) >= 1 - _SETTLED for group in groups]
    if known is not None:  # a group that was skipped is settled as well, whatever its outcomes
        settled = [one | (known[:, space.columns(group)] != -1).all(1) for one, group in zip(settled, groups, strict=True)]
    return np.concatenate([open_, *(~one[:, None] for one in settled)], 1)
