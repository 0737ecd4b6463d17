"""The state after an epoch, for resuming: one safetensors file, whose header holds the rest as JSON; nothing executes.

The file is replaced as a whole, so that weights, moments and history are always those of one epoch. ``last.json`` beside it
repeats the history for whoever reads an interrupted run; resuming does not look at it.

No state of a random number generator is in it: every epoch seeds its own, from the fit's seed and its number.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ..errors import RunError
from ..writing import replacing, write_json
from .averaging import WeightAverage
from .module import LabelModule
from .stopping import Best, Watch

WEIGHTS, HISTORY = "last.safetensors", "last.json"
_KEY, _FORMAT = "checkpoint", 3


@dataclass(frozen=True)
class Checkpoint:
    """A state to resume from.

    Attributes:
        identity: what the fit was begun with, see `identity_of`.
        history: a dict per epoch.
        kept: the best epoch of each rule.
        weights: after the last epoch.
        moments: of the optimiser, by number of the parameter and name.
        average: of the weights, as `WeightAverage.state` gives it; empty where there is none.
    """

    identity: dict[str, str]
    history: list[dict[str, Any]]
    kept: dict[str, Best]
    weights: dict[str, Tensor]
    moments: dict[str, Tensor]
    average: dict[str, Tensor]


def has_checkpoint(folder: Path) -> bool:
    """Whether a folder holds the state of a fit that has finished an epoch."""
    return (folder / WEIGHTS).exists()


def write_checkpoint(
    folder: Path,
    module: LabelModule,
    optimizer: torch.optim.Optimizer,
    watch: Watch,
    identity: Mapping[str, str],
    average: WeightAverage | None = None,
) -> None:
    """Write the state after an epoch; a file is replaced only by a whole one.

    Args:
        folder: is made if it is not there.
        module: whose weights, and what its objective has learnt, are written.
        optimizer: its moments are written.
        watch: its history and best weights are written.
        identity: what the fit was begun with, see `identity_of`.
        average: of the weights, if there is one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    epochs = sorted({best.epoch for best in watch.kept.values()})
    tensors = {f"weights.{key}": value for key, value in module.state_dict().items()}
    tensors |= {f"average.{key}": value for key, value in ({} if average is None else average.state()).items()}
    for best in watch.kept.values():
        tensors |= {f"kept.{epochs.index(best.epoch)}.{key}": value for key, value in best.state.items()}
    for number, parameter in enumerate(_parameters(optimizer)):
        for key, value in optimizer.state.get(parameter, {}).items():
            tensors[f"moments.{number}.{key}"] = torch.as_tensor(value)
    state = {
        "format": _FORMAT,
        "identity": dict(identity),
        "history": watch.history,
        "kept": {name: [epochs.index(best.epoch), best.epoch, best.score] for name, best in watch.kept.items()},
    }
    write_json(folder / HISTORY, watch.history)
    with replacing(folder / WEIGHTS) as temporary:
        whole = {key: value.detach().cpu().contiguous().clone() for key, value in tensors.items()}
        save_file(whole, temporary, metadata={_KEY: json.dumps(state)})


def stored_identity(folder: Path) -> dict[str, str] | None:
    """What the fit of a checkpoint was begun with, see `identity_of`; None where there is no checkpoint.

    Raises:
        RunError: a checkpoint that is damaged, or of another version.
    """
    if not has_checkpoint(folder):
        return None
    with _damage_told(folder), safe_open(folder / WEIGHTS, framework="pt") as file:
        return dict(_header(file)["identity"])


def load_checkpoint(folder: Path) -> Checkpoint | None:
    """The state in a folder where `write_checkpoint` wrote; None where there is no checkpoint.

    Raises:
        RunError: a checkpoint that is damaged, or of another version.
    """
    if not has_checkpoint(folder):
        return None
    with _damage_told(folder):
        with safe_open(folder / WEIGHTS, framework="pt") as file:
            state = _header(file)
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        kept = {
            name: Best(_part(tensors, f"kept.{slot}."), int(epoch), float(score))
            for name, (slot, epoch, score) in state["kept"].items()
        }
        parts = {name: _part(tensors, f"{name}.") for name in ("weights", "moments", "average")}
        return Checkpoint(state["identity"], state["history"], kept, **parts)


def _header(file: Any) -> dict[str, Any]:
    """What a checkpoint holds beside its tensors."""
    state: dict[str, Any] = json.loads((file.metadata() or {})[_KEY])
    if state["format"] != _FORMAT:
        raise ValueError(f"format {state['format']}")
    return state


@contextmanager
def _damage_told(folder: Path) -> Iterator[None]:
    """Whatever reading a damaged file raises, said as one error."""
    try:
        yield
    except (OSError, ValueError, KeyError, TypeError, AttributeError, SafetensorError) as error:
        raise RunError(
            f"{folder / WEIGHTS}: damaged, or written by another version ({error}); fit again into a new folder"
        ) from error


def restore(
    state: Checkpoint,
    module: LabelModule,
    optimizer: torch.optim.Optimizer | None = None,
    average: WeightAverage | None = None,
) -> None:
    """Put weights, their average and moments in their places.

    Raises:
        RunError: they are of another model.
    """
    try:
        module.load_state_dict(state.weights)
    except RuntimeError as error:
        raise RunError(
            f"not a checkpoint of this model ({error}); resume with the config and data of the first start, "
            "or fit into another folder"
        ) from error
    if average is not None:
        average.restore(state.average)
    for number, parameter in enumerate(_parameters(optimizer) if optimizer is not None else ()):
        for key, value in _part(state.moments, f"{number}.").items():
            assert optimizer is not None
            optimizer.state[parameter][key] = value.to(parameter.device)


def _part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}


def _parameters(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]
