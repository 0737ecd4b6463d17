"""The average of the weights of the last steps, which is evaluated and kept in place of the weights of the last step alone.

Source: Polyak and Juditsky, "Acceleration of stochastic approximation by averaging", 1992; the exponential form is that of
Tarvainen and Valpola, "Mean teachers are better role models", NeurIPS 2017.

    a <- d a + (1 - d) w after each step t = 0, 1, ...,    d = min(exp(-1 / (epochs * steps)), (1 + t) / (10 + t))

so that the average reaches back over about as many epochs as stated, whatever the batch size, and the weights of the first
steps are soon forgotten.

The running statistics of batch normalisation are averaged with the weights. Those of the last step describe features of the
last weights, which the averaged network does not have. Whole numbers are copied. What an objective keeps for itself is about
images, not about the network, and stays what it is.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy

import torch
from torch import Tensor

from ..errors import RunError
from ..program import LabelModel

_STEP = "step"


class WeightAverage:
    """The moving average of what is trained in a model.

    Args:
        model: on the device that it is trained on, with the weights that it starts from.
        epochs: over how many the average reaches back, above 0.
        steps: of an epoch.

    Attributes:
        averaged: a copy of the model with the averaged weights, in evaluation mode. Nothing in it requires a gradient; weights
            that are not trained are shared with the model.
        step: how many steps are in the average.
    """

    def __init__(self, model: LabelModel, epochs: float, steps: int):
        self.model = model
        self.decay = math.exp(-1 / (epochs * max(steps, 1)))
        self.step = 0
        fixed = {id(parameter): parameter for parameter in model.parameters() if not parameter.requires_grad}
        self.averaged: LabelModel = deepcopy(model, dict(fixed))
        self.averaged.eval().requires_grad_(False)
        self._buffers = [name for name, _ in model.named_buffers()]
        trained = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
        own = dict(self.averaged.named_parameters()) | dict(self.averaged.named_buffers())
        theirs = dict(model.named_parameters()) | dict(model.named_buffers())
        self._pairs = {name: (own[name], theirs[name]) for name in [*trained, *self._buffers]}

    @torch.no_grad()
    def update(self) -> None:
        """A step was made: take its weights into the average."""
        decay = min(self.decay, (1 + self.step) / (10 + self.step))
        self.step += 1
        for average, current in self._pairs.values():
            if average.is_floating_point():
                average.lerp_(current, 1 - decay)
            else:
                average.copy_(current)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Within this context the model has the averaged weights."""
        kept = {name: current.detach().clone() for name, (_, current) in self._pairs.items()}
        with torch.no_grad():
            for average, current in self._pairs.values():
                current.copy_(average)
        try:
            yield
        finally:
            with torch.no_grad():
                for name, (_, current) in self._pairs.items():
                    current.copy_(kept[name])

    @property
    def buffers(self) -> dict[str, Tensor]:
        """The averages of what no gradient moves, by name: several processes have different ones."""
        return {name: self._pairs[name][0] for name in self._buffers}

    def state(self) -> dict[str, Tensor]:
        """The averages and the number of steps, for `restore`."""
        return {name: average for name, (average, _) in self._pairs.items()} | {_STEP: torch.tensor(self.step)}

    @torch.no_grad()
    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on from a state.

        Raises:
            RunError: it is of another model, or of a fit without an average.
        """
        if state.keys() != self.state().keys():
            raise RunError(
                "the checkpoint has no average of these weights; resume with the config and data of the first start, or fit "
                "into another folder"
            )
        self.step = int(state[_STEP])
        for name, (average, _) in self._pairs.items():
            average.copy_(state[name])
