"""Calibration by complete images: a temperature and a bias for each logit, after a fit, on the head's logits alone.

A fit on few known labels may have the scale of probabilities wrong, for all labels or for some, since what it was told about
the annotation is wrong. D images with complete labels y show it. The logits z of an image become

    z / T + c a + b,

T one temperature, c one shift of all labels against their absence (a is 1 for a label, 0 for "none of them", and 0 in
exhaustive groups, where it changes nothing), b a bias for each logit. They maximise the exact log-likelihood of the complete
label sets under the groups of the label space, with the prior

    log T ~ N(0, 0.5^2),    c ~ N(0, 1),    b_l ~ N(0, w^2) independently,

so that few images shrink b towards 0 (maximum a posteriori). w is the one of `WIDTHS` with the best likelihood of images left
out, in ten folds. Unless images left out gain significantly (Student's t of the gains, one-sided at 10 %), the logits are left
as they are; with fewer than 10 images, always.

Source of the temperature: Guo et al., "On calibration of modern neural networks", ICML 2017; of scale and bias: Platt,
"Probabilistic outputs for support vector machines", 1999.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import stdtrit
from torch import Tensor

from ..distributions import LabelVector
from ..errors import DataError
from ..program import Adjustment
from ..program.adjustment import adjusted
from ..space import LabelSpace, OneOf

Vector = Callable[[Tensor], LabelVector]
"""From what a head gives, (N, rows), to the labels' distributions."""
WIDTHS = (0.0, 0.25, 0.5, 1.0, 2.0)
"""Standard deviations of b that are tried, in logits."""
TEMPERATURE_PRIOR, SHIFT_PRIOR = 0.5, 1.0  # standard deviations of log T and of c
_FOLDS = 10
_FEWEST = 10  # images; with fewer, chance passes for a gain, and costs more than calibration brings
_CHANCE = 0.1  # that logits are changed which need not be
_STEPS = 100  # of L-BFGS at most


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
    """

    temperature: float
    bias: NDArray[np.float64]
    num_images: int
    before: float
    after: float
    error: float
    width: float | None
    unseen: tuple[int, ...] = ()

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
    problem = _Problem(vector, logits.double(), truth.double(), space)
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


Change = tuple[Tensor, Tensor]
"""1 / T, and what is added to each logit (L,)."""


class _Problem:
    """Complete images and the likelihood of what changes their logits."""

    def __init__(self, vector: Vector, logits: Tensor, truth: Tensor, space: LabelSpace):
        self.vector, self.logits, self.truth = vector, logits, truth
        self.together = against_absence(space)
        self.identity: Change = (torch.ones((), dtype=torch.double), torch.zeros(space.num_logits, dtype=torch.double))

    def nll(self, change: Change, rows: Tensor | slice = slice(None)) -> Tensor:
        """-log p(y | x) of some images."""
        return -self.vector(adjusted(self.logits[rows], *change)).log_prob(self.truth[rows])

    def fit(self, width: float, rows: Tensor | slice = slice(None)) -> Change:
        """The most probable change given some images; what is unknown has the prior N(0, 1) each."""
        unknown = torch.zeros(2 + len(self.together) * (width > 0), dtype=torch.double, requires_grad=True)
        number = len(self.logits[rows])

        def change(values: Tensor) -> Change:
            bias = SHIFT_PRIOR * values[1] * self.together
            return (-TEMPERATURE_PRIOR * values[0]).exp(), bias + width * values[2:] if width > 0 else bias

        def loss(values: Tensor) -> Tensor:
            return (self.nll(change(values), rows).sum() + values.square().sum() / 2) / number

        def closure() -> Tensor:
            optimizer.zero_grad()
            value = loss(unknown)
            value.backward()  # type: ignore[no-untyped-call]
            return value

        optimizer = torch.optim.LBFGS(
            [unknown], max_iter=_STEPS, tolerance_grad=1e-7, tolerance_change=1e-10, line_search_fn="strong_wolfe"
        )
        with torch.enable_grad():
            optimizer.step(closure)  # type: ignore[arg-type]
        with torch.no_grad():
            found = unknown.detach()
            better = bool(loss(found) <= loss(torch.zeros_like(found)))  # False for NaN, too
            return change(found) if better else self.identity

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


def against_absence(space: LabelSpace) -> Tensor:
    """(L,) 1 for the logit of a label that may be absent with its whole group, 0 for "none of them" and exhaustive groups."""
    out: list[float] = []
    for group in space.groups:
        optional = not isinstance(group, OneOf) or group.optional
        out += [float(optional)] * len(group.labels)
        out += [0.0] * (group.num_logits - len(group.labels))
    return torch.tensor(out, dtype=torch.double)
