"""Weights from files: tensors alone, nothing that loading executes, and with the hash that the file's name states."""

from __future__ import annotations

import hashlib
import re
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import WeightsError

SUFFIXES = (".safetensors", ".bin", ".pth", ".pt")
_PREFERRED = (  # names of a folder as the Hugging Face hub has it
    "model.safetensors",
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.safetensors",
    "pytorch_model.bin",
    "open_clip_pytorch_model.bin",
)
_HEADS = ("fc.", "classifier.", "head.", "heads.", "head_dist.", "last_linear.", "aux", "AuxLogits.")
_STATED = re.compile(r"-([0-9a-f]{8,64})\.\w+$")  # name-0a1b2c3d.pth, as torch.hub has it
_DATE = re.compile(r"(19|20)\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])")
_BLOCK = 1 << 20


# --- which file ---------------------------------------------------------------------------------------------


def weights_file(given: str | Path) -> Path:
    """The file of weights that is meant by a path: the file itself, or the one in a folder.

    Args:
        given: a file, or a folder with `model.safetensors` or `pytorch_model.bin` (a snapshot of the Hugging Face hub), or with
            one file of weights of any name.

    Raises:
        WeightsError: nothing there, or a folder without one.
    """
    path = Path(given)
    if path.is_file():
        return path
    if not path.is_dir():
        raise WeightsError(f"{path}: not found; give a file with weights ({', '.join(SUFFIXES)}), or a folder with one")
    for name in _PREFERRED:
        if (path / name).is_file():
            return path / name
    found = sorted(one for one in path.iterdir() if one.suffix in SUFFIXES and one.is_file())
    if len(found) == 1:
        return found[0]
    names = ", ".join(one.name for one in found[:5]) or "none"
    raise WeightsError(
        f"{path}: expected one file of weights (model.safetensors, pytorch_model.bin, or one of any name that ends in "
        f"{', '.join(SUFFIXES)}), found {len(found)} ({names}); give the path of the file"
    )


# --- the hash ---------------------------------------------------------------------------------------------------


def stated_hash(name: str) -> str | None:
    """The first digits of a file's SHA-256 that its name states, as those of torchvision and timm do; None without.

    Eight digits that are a date, such as 20240131, state none.
    """
    found = _STATED.search(name)
    return None if found is None or _DATE.fullmatch(found[1]) else found[1]


def sha256(path: Path) -> str:
    """SHA-256 of a file in hexadecimal digits."""
    found = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            found.update(block)
    return found.hexdigest()


def is_intact(path: Path, expected: str | None = None) -> bool:
    """Whether a file has the hash that is expected, or that its name states; True where nothing states one."""
    expected = expected or stated_hash(path.name)
    return expected is None or sha256(path).startswith(expected)


def check_hash(path: Path, expected: str | None = None) -> None:
    """Refuse a file that is not what its publisher made.

    Args:
        path: of the file.
        expected: the first digits of its SHA-256; None for those that its name states.

    Raises:
        WeightsError: another hash.
    """
    expected = expected or stated_hash(path.name)
    found = "" if expected is None else sha256(path)
    if expected is not None and not found.startswith(expected):
        raise WeightsError(
            f"{path}: SHA-256 begins with {found[: len(expected)]}, expected {expected}: the file is damaged or was changed, "
            "so it was not loaded; remove it and fetch it again (if the digits in its name are no hash, rename it)"
        )


# --- reading ----------------------------------------------------------------------------------------------------


def read_tensors(path: Path, expected: str | None = None) -> dict[str, Tensor]:
    """The tensors of a file by name; nothing is executed.

    Args:
        path: .safetensors, or a state_dict that torch.save wrote, also as the entry "state_dict" or "model".
        expected: the first digits of its SHA-256; None for those that its name states.

    Raises:
        WeightsError: another hash, a damaged file, or one that holds something else.
    """
    check_hash(path, expected)
    try:
        state: Any = _read(path)
    except MemoryError:
        raise
    except Exception as error:  # every library has errors of its own for a damaged file
        raise WeightsError(
            f"{path}: cannot be read as a state_dict ({_reason(path, error)}); save one with "
            "torch.save(net.state_dict(), path), or fetch the file again"
        ) from error
    for key in ("state_dict", "model"):
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
    if not isinstance(state, dict) or not state or not all(isinstance(one, Tensor) for one in state.values()):
        raise WeightsError(f"{path}: holds no state_dict, but {_described(state)}; expected tensors by name")
    named = OrderedDict((key.removeprefix("module."), value) for key, value in state.items())
    if (about := getattr(state, "_metadata", None)) is not None:  # versions of layers, by which torch renames entries
        named._metadata = about  # type: ignore[attr-defined]
    return named


def _read(path: Path) -> Any:
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(path)
    return torch.load(path, map_location="cpu", weights_only=True)


def _reason(path: Path, error: Exception) -> str:
    """Why a file is none of tensors; never torch's advice to load it anyway."""
    with path.open("rb") as stream:
        head = stream.read(64)
    if head.startswith(b"version https://git-lfs"):
        return "it is a pointer of Git LFS, not the weights; run git lfs pull"
    if not head:
        return "it is empty"
    if path.suffix == ".safetensors":
        return f"it is damaged: {error}"
    return "it is damaged, or holds more than tensors, which is never executed"


def _described(state: object) -> str:
    if isinstance(state, Mapping):
        others = [key for key, value in state.items() if not isinstance(value, Tensor)]
        return f'an entry "{others[0]}" of type {type(state[others[0]]).__name__}' if others else "nothing"
    return f"a {type(state).__name__}"


# --- into a network ---------------------------------------------------------------------------------------------


def load_weights(module: nn.Module, name: str, path: str | Path) -> None:
    """Load a file of weights, or a folder with one, into a network without its head; see `fit_tensors`.

    Args:
        module: the network.
        name: of the network, for errors.
        path: a file, or a folder.

    Raises:
        WeightsError: a file that cannot be read as tensors, or of another network.
    """
    file = weights_file(path)
    fit_tensors(module, name, read_tensors(file), str(file))


def fit_tensors(module: nn.Module, name: str, state: Mapping[str, Tensor], where: str) -> None:
    """Copy tensors into a network without its head, entry by entry; those of a classification head are left out.

    Args:
        module: the network.
        name: of the network, for errors.
        state: its tensors.
        where: they came from, for errors.

    Raises:
        WeightsError: entries that are missing, of another shape, or that the network does not have.
    """
    own = module.state_dict()
    wrong = [key for key, value in own.items() if key in state and state[key].shape != value.shape]
    if not wrong:
        found = module.load_state_dict(_versioned(state), strict=False)
        wrong = [key for key in found.missing_keys if not key.endswith("num_batches_tracked")]
        more = [key for key in found.unexpected_keys if not key.startswith(_HEADS)]
        if more and not wrong:
            raise WeightsError(
                f"{where}: not the weights of {name}: it has no place for {len(more)} of the {len(state)} entries "
                f'(first: "{more[0]}")'
            )
    if wrong:
        raise WeightsError(
            f"{where}: not the weights of {name}: {len(wrong)} of {len(own)} entries are missing or have another "
            f'shape (first: "{wrong[0]}")'
        )


def _versioned(state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """With the version of the outermost layer, which MNASNet asks for; safetensors store none."""
    if hasattr(state, "_metadata"):
        return state
    out = OrderedDict(state)
    out._metadata = OrderedDict({"": {"version": 2}})  # type: ignore[attr-defined]
    return out
