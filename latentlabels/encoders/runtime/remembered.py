"""Which runtime was chosen for a network on a machine: a small file for each, so that later processes take the same."""

from __future__ import annotations

import hashlib
import json
import platform
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ... import writing
from ...inputs.rgb import Size
from .graph import num_threads

_PACKAGES = ("torch", "torchvision", "timm", "open_clip_torch", "openvino", "onnx", "onnxscript", "onnxruntime")


def key_of(module: nn.Module, size: Size, names: Sequence[str]) -> str:
    """A text that changes with the machine, the versions of libraries, the network with its weights, and the candidates.

    Args:
        module: the network.
        size: (height, width) of its images.
        names: of the candidates.
    """
    found = hashlib.sha256(json.dumps([machine(), list(size), list(names)], sort_keys=True).encode())
    for name, part in module.named_modules():
        said = re.sub(r"0x[0-9a-f]+", "", part.extra_repr())  # addresses differ from process to process
        found.update(f"{name}|{type(part).__module__}.{type(part).__qualname__}|{said}\n".encode())
    for name, tensor in module.state_dict().items():
        found.update(f"{name}|{tensor.dtype}|{tuple(tensor.shape)}\n".encode())
        found.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return found.hexdigest()[:32]


def machine() -> dict[str, Any]:
    """What speed depends on: the CPU, the threads, and the versions of libraries."""
    cpu = {"cpu": _cpu(), "instructions": torch.backends.cpu.get_cpu_capability(), "threads": num_threads()}
    return {**cpu, **{name: _version(name) for name in _PACKAGES}}


def _cpu() -> str:
    """The model of the CPU, as the system calls it."""
    with suppress(OSError, StopIteration):
        wanted = ("model name", "cpu family", "model\t", "stepping")
        lines = Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines()
        return ", ".join(line.partition(":")[2].strip() for line in lines if line.startswith(wanted)) or platform.machine()
    return platform.processor() or platform.machine()


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


@dataclass(frozen=True)
class Chosen:
    """What was chosen.

    Attributes:
        taken: the name of a candidate.
        instead: why it was taken instead of what was asked for; "" where it was not.
    """

    taken: str
    instead: str = ""


def read(folder: Path | None, key: str) -> Chosen | None:
    """What was chosen before; None where nothing is remembered, or it cannot be read."""
    if folder is None:
        return None
    try:
        found = json.loads(_file(folder, key).read_text(encoding="utf-8"))
        return Chosen(str(found["taken"]), str(found["instead"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write(folder: Path | None, key: str, chosen: Chosen, measured: Sequence[dict[str, Any]]) -> None:
    """Remember what was chosen; where that cannot be written, the next process measures again.

    Args:
        folder: where; None to remember nothing.
        key: from `key_of`.
        chosen: what.
        measured: of each candidate, for whoever looks.
    """
    if folder is None:
        return
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        writing.write_json(_file(folder, key), {**asdict(chosen), "measured": list(measured), "machine": machine()})


def _file(folder: Path, key: str) -> Path:
    return folder / f"runtime-{key}.json"
