"""What is trained: an objective, the encoder and head whose logits it takes, and the optimiser's groups."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..inputs.batches import Batch
from ..objectives import HeldOut, Objective
from ..program import Amortizer, Head, LabelModel
from .consistency import Teacher


class LabelModule(nn.Module):
    """Trains an `Amortizer` by an objective on its logits.

    Args:
        model: the Pyro model; its amortizer is trained.
        objective: what is minimised, attached to the model.
        learning_rate: of AdamW.
        weight_decay: of AdamW; biases and normalisation are spared.
        frozen_rows: (L,) True for logits that are never trained.
        encoder_rate: learning rate of the encoder, in units of that of the head; below 1 where it was trained before.
    """

    bias_rate = 10.0  # learning rate of the head's bias, in units of that of the weights

    def __init__(
        self,
        model: LabelModel,
        objective: Objective,
        learning_rate: float,
        weight_decay: float,
        frozen_rows: Tensor,
        encoder_rate: float = 1.0,
    ):
        super().__init__()
        self.teacher: Teacher | None = None  # another network, whose weights are not this module's
        self.encoder_rate = encoder_rate
        self.model, self.objective = model, objective
        self.learning_rate, self.weight_decay = learning_rate, weight_decay
        self.learnt: Tensor | None
        self.register_buffer("learnt", self._learnt_rows(frozen_rows), persistent=False)

    @property
    def amortizer(self) -> Amortizer:
        """The encoder and head."""
        return self.model.amortizer

    def _learnt_rows(self, frozen: Tensor) -> Tensor | None:
        """(rows of the head,) of 1 and 0; None where all are learnt."""
        if not bool(frozen.any()):
            return None
        head = self.amortizer.head
        rows = torch.ones(head.out_features)
        mixture = self.amortizer.mixture
        rows[: mixture * len(frozen)] = (~frozen).float().repeat(mixture)
        return rows

    def hold(self) -> None:
        """After `backward`: logits of labels that nothing teaches stay where they started."""
        if self.learnt is None:
            return
        head = self.amortizer.head
        for parameter in (head.weight, head.bias):
            if parameter.grad is not None:
                parameter.grad.mul_(self.learnt.view(-1, *(1,) * (parameter.dim() - 1)))

    def forward(self, batch: Batch) -> Tensor:
        """The mean loss of a batch."""
        objective = self.objective
        if objective.runs_program:
            return objective.program_loss(batch.inputs, batch.observed)
        truth = batch.truth if objective.needs_truth else None  # which may be there for a stopping rule
        logits = self.logits(batch.inputs)
        loss: Tensor = objective(logits, batch.observed, truth, batch.index, batch.inputs, self.logits_aside)
        if self.teacher is not None:
            loss = loss + self.teacher.term(objective, logits, batch)
        shrinkage = self.model.log_shrinkage(len(logits))  # which the program has by itself
        return loss if shrinkage is None else loss - shrinkage / max(len(logits), 1)

    def held_out(self, batch: Batch) -> HeldOut:
        """The value of a batch that is not trained on."""
        truth = batch.truth if self.objective.needs_truth else None
        logits = self.logits(batch.inputs)
        return self.objective.evaluate(logits, batch.observed, truth, batch.index, batch.inputs, self.logits_aside)

    def logits(self, inputs: Tensor) -> Tensor:
        """Logits of inputs, (B, rows of the head)."""
        logits: Tensor = self.amortizer.head(self.amortizer.features(inputs))
        return logits

    def logits_aside(self, inputs: Tensor) -> Tensor:
        """Logits of inputs that are not data and must not enter running statistics."""
        tracking = [part for part in self.amortizer.modules() if getattr(part, "track_running_stats", False)]
        for part in tracking:
            part.track_running_stats = False  # type: ignore[assignment]
        try:
            return self.logits(inputs)
        finally:
            for part in tracking:
                part.track_running_stats = True  # type: ignore[assignment]

    def optimizer(self) -> torch.optim.Optimizer:
        """AdamW; matrices and kernels decay, the rest does not; the head's bias learns ten times as fast.

        Weights of a head that has a prior of its own do not decay as well.

        The bias carries the prevalences, and with them the scale of all probabilities; at the rate of the weights
        it is still on its way when early stopping ends the fit (measured: benchmarks/README.md, "the head's bias").
        """
        head = self.amortizer.head
        own = isinstance(head, Head) and head.log_prior() is not None
        quick = head.quick_parameters if isinstance(head, Head) else [head.bias]
        encoder = [p for p in self.amortizer.encoder.parameters() if p.requires_grad]
        apart = {id(parameter) for parameter in (*quick, *encoder)}
        trained = [p for p in self.model.parameters() if p.requires_grad and id(p) not in apart]
        decays = {id(p) for p in trained if p.dim() > 1 and not (own and p is head.weight)}
        own_rate = self.learning_rate * self.objective.rate
        slower = self.learning_rate * self.encoder_rate
        groups = [
            {"params": [p for p in encoder if p.dim() > 1], "weight_decay": self.weight_decay, "lr": slower},
            {"params": [p for p in encoder if p.dim() <= 1], "weight_decay": 0.0, "lr": slower},
            {"params": [p for p in trained if id(p) in decays], "weight_decay": self.weight_decay},
            {"params": [p for p in trained if id(p) not in decays], "weight_decay": 0.0},
            {"params": quick, "weight_decay": 0.0, "lr": self.bias_rate * self.learning_rate},
            {"params": list(self.objective.parameters()), "weight_decay": 0.0, "lr": own_rate},
        ]
        groups = [group for group in groups if group["params"]]
        return torch.optim.AdamW(groups, lr=self.learning_rate, fused=True)
