"""Steps of training: the loss of a batch, its gradient, the learning rate of the moment, the average of the weights."""

from __future__ import annotations

from typing import Any

import torch
from lightning.fabric import Fabric
from torch import Tensor

from ..inputs.batches import Batch
from .averaging import WeightAverage
from .module import LabelModule
from .schedule import Schedule


class Stepper:
    """Makes steps.

    Args:
        fabric: of the process that trains.
        module: what is trained, on its device.
        optimizer: of its parameters.
        schedule: of the learning rate.
        average: of the weights, or None.
    """

    def __init__(
        self,
        fabric: Fabric,
        module: LabelModule,
        optimizer: torch.optim.Optimizer,
        schedule: Schedule,
        average: WeightAverage | None,
    ):
        self.fabric, self.module, self.optimizer = fabric, module, optimizer
        self.schedule, self.average = schedule, average
        self.together = fabric.world_size > 1
        self._parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        self._rates = [float(group["lr"]) for group in optimizer.param_groups]
        # alone, Fabric's wrapper is bookkeeping alone
        self._wrapped: Any = fabric.setup_module(module) if self.together else module

    def take(self, batch: Batch, done: float) -> Tensor:
        """Make a step.

        Args:
            batch: to learn from.
            done: the share of the fit that lies behind, from 0 to below 1.

        Returns:
            The loss, a scalar without a gradient.
        """
        loss: Tensor = self._wrapped(batch)
        for parameter in self._parameters:  # what zero_grad does, without a tenth of a step's bookkeeping
            parameter.grad = None
        if self.together:
            self.fabric.backward(loss)
        else:
            loss.backward()  # type: ignore[no-untyped-call]
        self.module.hold()
        factor = self.schedule.factor(done)
        for group, rate in zip(self.optimizer.param_groups, self._rates, strict=True):
            group["lr"] = rate * factor
        self.optimizer.step()
        if self.average is not None:
            self.average.update()
        return loss.detach()
