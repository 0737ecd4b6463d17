"""A change of a head's logits, by what the head was not trained on: complete images, or answers to questions.

The logits z of an image become

    z / T + c a + b,

T one temperature, c one shift of all labels against their absence (a is 1 for a label, 0 for "none of them", and 0 in
exhaustive groups, where it changes nothing), b a bias for each logit. They maximise a likelihood with the prior

    log T ~ N(0, 0.5^2),    c ~ N(0, 1),    b_l ~ N(0, w^2) independently,

so that little evidence shrinks them towards no change (maximum a posteriori). `Rescaling` is the search; each kind of evidence
says what the likelihood is.

Source of the temperature: Guo et al., "On calibration of modern neural networks", ICML 2017; of scale and bias: Platt,
"Probabilistic outputs for support vector machines", 1999.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor

from ..distributions import LabelVector
from ..program.adjustment import adjusted
from ..space import LabelSpace, OneOf

Vector = Callable[[Tensor], LabelVector]
"""From what a head gives, (N, rows), to the labels' distributions."""
Change = tuple[Tensor, Tensor]
"""1 / T, and what is added to each logit (L,)."""
TEMPERATURE_PRIOR, SHIFT_PRIOR = 0.5, 1.0  # standard deviations of log T and of c
_STEPS = 100  # of L-BFGS at most


class Rescaling(ABC):
    """The search for the most probable change of logits.

    Args:
        vector: from logits to the labels' distributions; `Amortizer.unadjusted`.
        logits: (N, rows) what the head gives.
        space: the label space of the logits.
    """

    def __init__(self, vector: Vector, logits: Tensor, space: LabelSpace):
        self.vector, self.logits = vector, logits.double()
        self.together = against_absence(space)
        self.identity: Change = (torch.ones((), dtype=torch.double), torch.zeros(space.num_logits, dtype=torch.double))

    @abstractmethod
    def nll(self, change: Change, rows: Tensor | slice = slice(None)) -> Tensor:
        """Minus the log-likelihood of each of some images: (rows,)."""

    def changed(self, change: Change, rows: Tensor | slice = slice(None)) -> LabelVector:
        """The labels' distributions of some images after a change."""
        return self.vector(adjusted(self.logits[rows], *change))

    def fit(self, width: float, rows: Tensor | slice = slice(None)) -> Change:
        """The most probable change given some images; what is unknown has the prior N(0, 1) each.

        Args:
            width: w, in logits; with 0, no label has a bias of its own.
            rows: the images; all of them if not given.
        """
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


def against_absence(space: LabelSpace) -> Tensor:
    """(L,) 1 for the logit of a label that may be absent with its whole group, 0 for "none of them" and exhaustive groups."""
    out: list[float] = []
    for group in space.groups:
        optional = not isinstance(group, OneOf) or group.optional
        out += [float(optional)] * len(group.labels)
        out += [0.0] * (group.num_logits - len(group.labels))
    return torch.tensor(out, dtype=torch.double)
