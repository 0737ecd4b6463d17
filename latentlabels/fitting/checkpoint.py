"""The state after an epoch, for resuming: tensors in safetensors, the rest in JSON; nothing that loading executes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import lightning
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from ..errors import RunError
from ..writing import replacing, write_json
from .module import LabelModule

_WEIGHTS, _STATE = "last.safetensors", "last.json"


class Checkpoint(NamedTuple):
    """A state to resume from.

    Attributes:
        history: a dict per epoch.
        weights: after the last epoch.
        best: after the best one.
        moments: of the optimiser, by number of the parameter and name.
    """

    history: list[dict[str, Any]]
    weights: dict[str, Tensor]
    best: dict[str, Tensor]
    moments: dict[str, Tensor]


class CheckpointWriter(lightning.Callback):
    """Writes weights, the optimiser's moments and the history after every epoch.

    Args:
        folder: is made if it is not there.
        history: of the fit, which grows.
        best: gives the weights of the best epoch so far.
        moments: of the checkpoint that is resumed.
    """

    def __init__(
        self,
        folder: Path,
        history: list[dict[str, Any]],
        best: Callable[[], dict[str, Tensor]],
        moments: dict[str, Tensor] | None = None,
    ):
        self.folder, self.history, self.best, self.moments = folder, history, best, moments

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Give the optimiser the moments of the checkpoint that is resumed."""
        for number, parameter in enumerate(_parameters(trainer)):
            for key, value in (self.moments or {}).items():
                if key.startswith(f"{number}."):
                    trainer.optimizers[0].state[parameter][key.split(".", 1)[1]] = value.to(parameter.device)

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Write the state; a file is replaced only by a whole one."""
        if not trainer.is_global_zero:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        tensors: dict[str, Tensor] = {f"weights.{key}": value for key, value in pl_module.state_dict().items()}
        tensors |= {f"best.{key}": value for key, value in self.best().items()}
        for number, parameter in enumerate(_parameters(trainer)):
            for key, value in trainer.optimizers[0].state.get(parameter, {}).items():
                tensors[f"moments.{number}.{key}"] = torch.as_tensor(value)
        tensors = {key: value.detach().cpu().contiguous().clone() for key, value in tensors.items()}
        write_json(self.folder / _STATE, self.history)
        with replacing(self.folder / _WEIGHTS) as temporary:  # which holds the history of its own epoch as well
            save_file(tensors, temporary, metadata={"history": json.dumps(self.history)})


def load_checkpoint(folder: Path, module: LabelModule) -> Checkpoint | None:
    """The state in a folder, whose weights are put into `module`; None where there is no checkpoint.

    Raises:
        RunError: a checkpoint that is damaged, or of another model.
    """
    if not (folder / _WEIGHTS).exists():
        return None
    try:
        tensors = load_file(folder / _WEIGHTS)
        with safe_open(folder / _WEIGHTS, "pt") as file:
            history: list[dict[str, Any]] = json.loads((file.metadata() or {})["history"])
        parts = ("weights.", "best.", "moments.")
        state = Checkpoint(
            history, *({key.removeprefix(part): v for key, v in tensors.items() if key.startswith(part)} for part in parts)
        )
        module.load_state_dict(state.weights)
    except (OSError, ValueError, KeyError, SafetensorError, RuntimeError) as error:
        raise RunError(
            f"{folder}: no checkpoint of this model ({error}); resume with the config and data that it was begun with, "
            "or fit anew into another folder"
        ) from error
    return state


def _parameters(trainer: lightning.Trainer) -> list[Tensor]:
    return [parameter for group in trainer.optimizers[0].param_groups for parameter in group["params"]]
