"""Weights of an encoder from a local file: tensors alone, nothing that loading executes."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from ..errors import WeightsError


def load_weights(module: nn.Module, name: str, path: str) -> None:
    """Load a state_dict file into a network; entries of a classification head are left out.

    Args:
        module: the network.
        name: of the network, for errors.
        path: a .safetensors, .pth or .pt file.

    Raises:
        WeightsError: a file that cannot be read as tensors, or of another network.
    """
    try:
        if path.endswith(".safetensors"):
            from safetensors.torch import load_file

            state: dict[str, Any] = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise WeightsError(
            f"{path}: cannot be read as a state_dict ({error}); save one with torch.save(net.state_dict(), path)"
        ) from error
    state = state.get("state_dict", state) if isinstance(state, dict) else state
    own = module.state_dict()
    state = {key.removeprefix("module."): value for key, value in state.items()}
    fitting = {key: value for key, value in state.items() if key in own and own[key].shape == value.shape}
    missing = [key for key in own if key not in fitting and not key.endswith("num_batches_tracked")]
    if missing:
        raise WeightsError(
            f"{path}: not the weights of {name}: {len(missing)} of {len(own)} entries are missing or have another "
            f'shape (first: "{missing[0]}")'
        )
    module.load_state_dict(fitting, strict=False)
