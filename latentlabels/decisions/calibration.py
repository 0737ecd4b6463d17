"""Calibration by complete images: a temperature and a bias for each logit, after a fit, on the head's logits alone.

A fit on few known labels may have the scale of probabilities wrong, for all labels or for some, since what it was told about
the annotation is wrong. D images with complete labels y show it. The change of the logits, and its prior, are those of
`rescaling`. The likelihood is the exact one of the complete label sets, under the groups of the label space. The width w of the
biases is the one of `WIDTHS` with the best likelihood of images left out, in ten folds. Unless images left out gain
significantly (Student's t of the gains, one-sided at 10 %), the logits are left as they are; with fewer than 10 images, always.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import stdtrit
from torch import Tensor

from ..errors import DataError
from ..program import Adjustment
from ..space import LabelSpace
from .rescaling import Change, Rescaling, Vector

WIDTHS = (0.0, 0.25, 0.5, 1.0, 2.0)
"""Standard deviations of b that are tried, in logits."""
_FOLDS = 10
_FEWEST = 10  # images; with fewer, chance passes for a gain, and costs more than calibration brings
_CHANCE = 0.1  # that logits are changed which need not be


@dataclass(frozen=True, eq=False)
class Calibration:
    """What calibration found.

    Attributes:
        temperature: T; 1 where nothing is changed.
        bias: (L,) float64, c a + b, what is added to each logit; 0 where nothing is changed.
        num_images: D.
        before: mean of -log p(y | x) of the complete images before, nats per image.
        after: the same of images left out, with the best width: what calibration is worth on new images. `before` if there are
            too few images to leave some out.
        error: standard error of `before` - `after`.
        width: w; None where nothing is changed, since `after` is not clearly lower.
        unseen: numbers of labels that no complete image shows; the prior alone keeps their bias small.
        answers: how many answers to questions found it, in place of complete images; `num_images` are then those asked about.
            See `answered`.
    """

    temperature: float
    bias: NDArray[np.float64]
    num_images: int
    before: float
    after: float
    error: float
    width: float | None
    unseen: tuple[int, ...] = ()
    answers: int = 0

    @property
    def changes(self) -> bool:
        """Whether the logits are changed."""
        return self.width is not None

    def adjustment(self) -> Adjustment | None:
        """As part of a model; None where nothing is changed."""
        return Adjustment(self.temperature, torch.from_numpy(self.bias)) if self.changes else None

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "temperature": self.temperature,
            "bias": self.bias.tolist(),
            "num_images": self.num_images,
            "before": self.before,
            "after": self.after,
            "error": self.error,
            "width": self.width,
            "unseen": list(self.unseen),
            "answers": self.answers,
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Calibration:
        """The inverse of `to_dict`.

        Raises:
            KeyError, TypeError, ValueError: something else.
        """
        return cls(
            float(stored["temperature"]),
            np.array(stored["bias"], np.float64),
            int(stored["num_images"]),
            float(stored["before"]),
            float(stored["after"]),
            float(stored["error"]),
            None if stored["width"] is None else float(stored["width"]),
            tuple(map(int, stored["unseen"])),
            int(stored.get("answers", 0)),  # runs of earlier versions have none
        )


def calibrate(vector: Vector, logits: Tensor, truth: Tensor, space: LabelSpace, seed: int = 0) -> Calibration:
    """Find temperature and biases.

    Args:
        vector: from logits to the labels' distributions; `Amortizer.unadjusted`.
        logits: (D, rows) what the head gives for D images, which the head was not trained on.
        truth: (D, K) their complete labels, 0 and 1.
        space: the label space of the logits.
        seed: of the folds.

    Raises:
        DataError: no images, or label sets that the model calls impossible.
    """
    if not len(logits):
        raise DataError("calibration needs at least one image whose labels are all known")
    problem = _Problem(vector, logits, truth.double(), space)
    start = problem.nll(problem.identity)
    if not bool(torch.isfinite(start).all()):
        row = int((~torch.isfinite(start)).nonzero()[0])
        raise DataError(f"the model calls the labels of complete image {row} impossible; correct the labels or the label space")
    unseen = tuple(int(column) for column in (truth == 0).all(0).nonzero().flatten())
    before = float(start.mean())
    nothing = np.zeros(space.num_logits)
    if len(logits) < _FEWEST:
        return Calibration(1.0, nothing, len(logits), before, before, 0.0, None, unseen)
    left_out = {width: problem.left_out(width, seed) for width in WIDTHS}
    width = min(left_out, key=lambda one: float(left_out[one].mean()))
    gain = start - left_out[width]
    error = float(gain.std() / len(gain) ** 0.5)
    after = float(left_out[width].mean())
    if float(gain.mean()) <= error * float(stdtrit(len(gain) - 1, 1 - _CHANCE)):
        return Calibration(1.0, nothing, len(logits), before, after, error, None, unseen)
    sharpness, bias = problem.fit(width)
    return Calibration(float(1 / sharpness), bias.numpy(), len(logits), before, after, error, width, unseen)


class _Problem(Rescaling):
    """Complete images and the likelihood of what changes their logits."""

    def __init__(self, vector: Vector, logits: Tensor, truth: Tensor, space: LabelSpace):
        super().__init__(vector, logits, space)
        self.truth = truth

    def nll(self, change: Change, rows: Tensor | slice = slice(None)) -> Tensor:
        """-log p(y | x) of some images."""
        return -self.changed(change, rows).log_prob(self.truth[rows])

    @torch.no_grad()
    def left_out(self, width: float, seed: int) -> Tensor:
        """-log p(y | x) of each image by a change that was found without it and its fold."""
        number = len(self.logits)
        order = torch.randperm(number, generator=torch.Generator().manual_seed(seed))
        out = torch.empty(number, dtype=torch.double)
        for held in order.tensor_split(min(_FOLDS, number)):
            kept = torch.ones(number, dtype=torch.bool)
            kept[held] = False
            out[held] = self.nll(self.fit(width, kept.nonzero().flatten()), held)
        return out
