"""The state after an epoch, for resuming: one safetensors file, whose header holds the rest as JSON; nothing executes.

The file is replaced as a whole, so that weights, moments and history are always those of one epoch. ``last.json`` beside it
repeats the history for whoever reads an interrupted run; resuming does not look at it.

No state of a random number generator is in it: every epoch seeds its own, from the fit's seed and its number.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ..errors import RunError
from ..observed import Observed
from ..observed.known_table import KnownTable
from ..space import LabelSpace
from ..writing import replacing, write_json
from .averaging import WeightAverage
from .module import LabelModule
from .stopping import Best, Watch

WEIGHTS, HISTORY = "last.safetensors", "last.json"
_KEY, _FORMAT = "checkpoint", 2


@dataclass(frozen=True)
class Checkpoint:
    """A state to resume from.

    Attributes:
        identity: what the fit was begun with, as `write_checkpoint` was told: a text or hash by what it is of.
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


def begun_with(
    space: LabelSpace, table: Observed, held: Tensor, settings: Mapping[str, Any], answers: KnownTable | None = None
) -> dict[str, str]:
    """What makes a fit this one and no other, for `write_checkpoint`: a hash of each thing by its name.

    Args:
        space: the label space.
        table: the known labels and the images' names.
        held: rows that are held out.
        settings: that change what a fit comes to.
        answers: to questions.
    """
    return {
        "label space": _hash(json.dumps(space.to_config(), sort_keys=True).encode()),
        "images": _hash("\n".join(table.images or (str(len(table)),)).encode("utf-8", "surrogateescape")),
        "known labels": table.known.digest()[:16],
        "held-out images": _hash(held.numpy().astype("<i8").tobytes()),
        "settings": _hash(json.dumps(dict(settings), sort_keys=True, default=str).encode()),
        **({} if answers is None else {"answers": answers.digest()[:16]}),
    }


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


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
        identity: what the fit was begun with; see `load_checkpoint`.
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


def load_checkpoint(folder: Path, identity: Mapping[str, str] | None = None) -> Checkpoint | None:
    """The state in a folder; None where there is no checkpoint.

    Args:
        folder: where `write_checkpoint` wrote.
        identity: what this fit is begun with; None takes any.

    Raises:
        RunError: a checkpoint that is damaged, or of a fit that was begun with something else; what differs is named.
    """
    if not has_checkpoint(folder):
        return None
    try:
        with safe_open(folder / WEIGHTS, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        state = json.loads(metadata[_KEY])
        if state["format"] != _FORMAT:
            raise ValueError(f"format {state['format']}")
        kept = {
            name: Best(_part(tensors, f"kept.{slot}."), int(epoch), float(score))
            for name, (slot, epoch, score) in state["kept"].items()
        }
        parts = {name: _part(tensors, f"{name}.") for name in ("weights", "moments", "average")}
        found = Checkpoint(state["identity"], state["history"], kept, **parts)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, SafetensorError) as error:
        raise RunError(
            f"{folder / WEIGHTS}: damaged, or written by another version ({error}); fit again into a new folder"
        ) from error
    if identity is not None:
        _refuse_others(folder, found.identity, identity)
    return found


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


def _refuse_others(folder: Path, before: Mapping[str, str], now: Mapping[str, str]) -> None:
    differing = [what for what in dict.fromkeys([*now, *before]) if before.get(what) != now.get(what)]
    if differing:
        told = "; ".join(f"{before.get(what, 'none')} then, {now.get(what, 'none')} now" for what in differing)
        raise RunError(
            f"{folder}: the fit was started with other {' and other '.join(differing)} ({told}); resume with the config "
            "and data "
            "of the first start, or fit into another folder"
        )


def _part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}


def _parameters(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]
