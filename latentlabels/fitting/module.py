"""The Lightning module: one objective, the encoder and head that it trains, what is watched."""

from __future__ import annotations

from typing import Any

import lightning
import torch
from torch import Tensor

from ..annotation import Annotation
from ..inputs.batches import Batch, Steps
from ..objectives import Objective
from ..program import Amortizer, CollapsedELBO, LabelGuide, LabelModel


class LabelModule(lightning.LightningModule):
    """Trains an `Amortizer` by the collapsed ELBO, or by another objective on the same logits.

    Args:
        model: the Pyro model; its amortizer is trained.
        guide: the guide.
        objective: a loss on the logits; None for the collapsed ELBO.
        learning_rate: of AdamW.
        weight_decay: of AdamW; biases and normalisation are spared.
        frozen_rows: (L,) True for logits that are never trained.
    """

    bias_rate = 10.0  # learning rate of the head's bias, in units of that of the weights

    def __init__(
        self,
        model: LabelModel,
        guide: LabelGuide,
        objective: Objective | None,
        learning_rate: float,
        weight_decay: float,
        frozen_rows: Tensor,
    ):
        super().__init__()
        # a step on embeddings takes a millisecond, as long as all that happens around one: many are taken in one go
        self.automatic_optimization = False
        self.model, self.guide, self.objective = model, guide, objective
        self.elbo = CollapsedELBO()
        self.learning_rate, self.weight_decay = learning_rate, weight_decay
        self.first_epoch = 0  # of this run of the trainer
        self._sums: dict[str, tuple[Tensor, int]] = {}
        self._hold(frozen_rows)

    @property
    def amortizer(self) -> Amortizer:
        """The encoder and head."""
        return self.model.amortizer

    @property
    def annotation(self) -> Annotation:
        """p(o | y)."""
        return self.model.annotation

    def _hold(self, frozen: Tensor) -> None:
        """Keep the logits of labels that nothing teaches where they started."""
        if not bool(frozen.any()):
            return
        mixture, size = self.amortizer.mixture, len(frozen)
        head = self.amortizer.head
        rows = torch.zeros(head.out_features, dtype=torch.bool)
        rows[: mixture * size] = frozen.repeat(mixture)
        keep = (~rows).float()
        for parameter in (head.weight, head.bias):
            shape = keep.view(-1, *(1,) * (parameter.dim() - 1))
            parameter.register_hook(lambda grad, shape=shape: grad * shape.to(grad))

    def loss(self, batch: Batch) -> Tensor:
        """The mean loss of a batch."""
        if self.objective is not None:
            truth = batch.truth if self.objective.needs_truth else None  # which may be there for a stopping rule
            return self.objective(
                self._logits(batch.inputs), batch.observed, truth, batch.index, batch.inputs, self._logits_aside
            )
        if self.model.beta == 0:  # the ELBO is log Z itself: the tests hold the two equal, and a trace costs a millisecond
            q = self.amortizer(batch.inputs)
            return -(q.log_marginal(batch.observed, self.annotation) + self.model.log_factors(q)).mean()
        return self.elbo.differentiable_loss(self.model, self.guide, batch.inputs, batch.observed) / len(batch.index)

    def _logits(self, inputs: Tensor) -> Tensor:
        logits: Tensor = self.amortizer.head(self.amortizer.features(inputs))
        return logits

    def _logits_aside(self, inputs: Tensor) -> Tensor:
        """Logits of inputs that are not data, of which running statistics shall not know."""
        tracking = [part for part in self.amortizer.modules() if getattr(part, "track_running_stats", False)]
        for part in tracking:
            part.track_running_stats = False  # type: ignore[assignment]
        try:
            return self._logits(inputs)
        finally:
            for part in tracking:
                part.track_running_stats = True  # type: ignore[assignment]

    def on_train_epoch_start(self) -> None:
        """Tell the objective which epoch it is; a resumed fit goes on counting."""
        if self.objective is not None:
            self.objective.on_epoch(self.first_epoch + self.trainer.current_epoch)

    def training_step(self, batch: Any, batch_idx: int) -> None:
        """One step for each batch of what the loader hands over, a single one for images."""
        optimizer = self.optimizers(use_pl_optimizer=False)
        assert isinstance(optimizer, torch.optim.Optimizer)
        # Lightning's backward takes care of several processes; alone it is a quarter of a millisecond of bookkeeping
        backward = self.manual_backward if self.trainer.world_size > 1 else Tensor.backward
        total = torch.zeros((), device=self.device)
        seen = 0
        for part in batch if isinstance(batch, Steps) else [Batch(*batch)]:
            loss = self.loss(part.to(self.device))
            optimizer.zero_grad()
            backward(loss)
            optimizer.step()
            total.sub_(loss.detach(), alpha=len(part.index))
            seen += len(part.index)
        self._add("train", total / seen, seen)

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        """Held-out value of what is trained, and of log p(o | x) where that is defined."""
        batch = Batch(*batch)
        if self.objective is None:
            q = self.amortizer(batch.inputs)
            value = q.log_marginal(batch.observed, self.annotation)
            self._add("held_out", value.sum() / len(value), len(value))
            self._add("count", q.marginals.sum(-1).mean(), len(value))
            return
        self._add("held_out", -self.loss(batch), len(batch.index))

    def _add(self, name: str, value: Tensor, count: int) -> None:
        total, number = self._sums.get(name, (torch.zeros((), device=value.device), 0))
        self._sums[name] = (total + value * count, number + count)

    def take(self, name: str) -> float | None:
        """The mean of what was added under a name since it was last taken, over all processes."""
        total, number = self._sums.pop(name, (torch.zeros(()), 0))
        if self.trainer.world_size > 1:
            both = torch.stack([total.to(self.device), torch.tensor(float(number), device=self.device)])
            total, count = self.trainer.strategy.reduce(both, reduce_op="sum")
            number = int(count)
        return float(total) / number if number else None

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """AdamW; matrices and kernels decay, the rest does not; the head's bias learns ten times as fast.

        The bias carries the prevalences, and with them the scale of all probabilities; at the rate of the weights
        it is still on its way when early stopping ends the fit (measured: benchmarks/README.md, "the head's bias").
        """
        bias = self.amortizer.head.bias
        own = [] if self.objective is None else list(self.objective.parameters())
        trained = [p for p in self.model.parameters() if p.requires_grad and p is not bias]
        groups = [
            {"params": [p for p in trained if p.dim() > 1], "weight_decay": self.weight_decay},
            {"params": [p for p in trained if p.dim() <= 1], "weight_decay": 0.0},
            {"params": [bias], "weight_decay": 0.0, "lr": self.bias_rate * self.learning_rate},
            {
                "params": own,
                "weight_decay": 0.0,
                "lr": self.learning_rate * (0 if self.objective is None else self.objective.rate),
            },
        ]
        groups = [group for group in groups if group["params"]]
        return torch.optim.AdamW(groups, lr=self.learning_rate, fused=True)
