"""The state after an epoch, for resuming: tensors in safetensors, the rest in JSON; nothing that loading executes."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import lightning
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from .module import LabelModule

_WEIGHTS, _STATE = "last.safetensors", "last.json"


class CheckpointWriter(lightning.Callback):
    """Writes weights, the optimiser's moments and the history after every epoch."""

    def __init__(self, folder: Path, history: list[dict[str, Any]]):
        self.folder, self.history = folder, history

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Give the optimiser the moments of the checkpoint that is resumed."""
        moments = getattr(pl_module, "resumed_moments", None)
        if moments:
            optimizer = trainer.optimizers[0]
            parameters = [p for group in optimizer.param_groups for p in group["params"]]
            for number, parameter in enumerate(parameters):
                own = {key.split(".", 1)[1]: value for key, value in moments.items() if key.startswith(f"{number}.")}
                optimizer.state[parameter].update({key: value.to(parameter.device) for key, value in own.items()})

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Write the state; a file is replaced only by a whole one."""
        if not trainer.is_global_zero:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        optimizer = trainer.optimizers[0]
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        tensors: dict[str, Tensor] = {f"weights.{key}": value for key, value in pl_module.state_dict().items()}
        for number, parameter in enumerate(parameters):
            for key, value in optimizer.state.get(parameter, {}).items():
                tensors[f"moments.{number}.{key}"] = torch.as_tensor(value)
        tensors = {key: value.detach().cpu().contiguous().clone() for key, value in tensors.items()}
        save_file(tensors, self.folder / (_WEIGHTS + ".part"))
        (self.folder / (_STATE + ".part")).write_text(json.dumps(self.history))
        os.replace(self.folder / (_WEIGHTS + ".part"), self.folder / _WEIGHTS)
        os.replace(self.folder / (_STATE + ".part"), self.folder / _STATE)


def load_checkpoint(folder: Path, module: LabelModule) -> list[dict[str, Any]] | None:
    """Put the state of a folder into `module` and return its history; None where there is no checkpoint."""
    if not (folder / _STATE).exists():
        return None
    tensors = load_file(folder / _WEIGHTS)
    module.load_state_dict({key[8:]: value for key, value in tensors.items() if key.startswith("weights.")})
    module.resumed_moments = {key[8:]: value for key, value in tensors.items() if key.startswith("moments.")}  # type: ignore[assignment]
    history: list[dict[str, Any]] = json.loads((folder / _STATE).read_text())
    return history
