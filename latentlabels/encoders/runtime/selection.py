"""`choose_extractor`: the fastest runtime on this machine whose features are those of the module, measured once and remembered.

Only float32 is taken. Where the CPU has bfloat16, it is about 1.8 times as fast again, but the features of photos by `lite0`
are then off by 5 %, those of single photos by 14 % (OpenVINO; 4 % by autocast in torch), and the limit is 2 %. Features in
float32 are the same within 1e-5, whatever runtime, batch or machine computes them: one cache serves all.
"""

from __future__ import annotations

import importlib.util
import threading
import time
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ...errors import ConfigError
from ...inputs.rgb import Size
from ...kind import AUTO
from ...observed.image_files import warn
from . import remembered as memory
from .agreement import LIMIT, Agreement, agreement, pictures
from .extractor import Extractor, TorchExtractor
from .onnx import ONNXExtractor
from .openvino import OpenVINOExtractor

FEW = 64
"""Images for which the module itself is done before a converter is."""

ENOUGH = 3.0
"""So many times faster than the module, a runtime is taken without a look at the next, whose conversion takes seconds."""

_SECONDS = 0.3  # of timed calls of a candidate


@dataclass(frozen=True)
class Candidate:
    """One way to compute features.

    Attributes:
        name: its name in the file of what is remembered.
        runtime: as `fit.runtime` has it.
        build: by module and size of the images.
        packages: what has to be installed, as imported.
    """

    name: str
    runtime: str
    build: Callable[[nn.Module, Size], Extractor]
    packages: tuple[str, ...] = ()

    @property
    def missing(self) -> list[str]:
        """Packages that are not installed."""
        return [name for name in self.packages if importlib.util.find_spec(name) is None]


PLAIN = Candidate("torch", "torch", lambda module, size: TorchExtractor(module))
CANDIDATES = (
    PLAIN,
    Candidate("torch, channels last", "torch", lambda module, size: TorchExtractor(module, channels_last=True)),
    Candidate("openvino", "openvino", OpenVINOExtractor, ("openvino",)),
    Candidate("onnx", "onnx", ONNXExtractor, ("onnx", "onnxscript", "onnxruntime")),
)


@dataclass(frozen=True)
class Measured:
    """A candidate that was tried.

    Attributes:
        candidate: which.
        extractor: what it built; None where it cannot.
        seconds: for the test pictures.
        agreement: with the features of the module.
        failure: why it cannot; "" where it can.
    """

    candidate: Candidate
    extractor: Extractor | None
    seconds: float = float("inf")
    agreement: Agreement | None = None
    failure: str = ""

    @property
    def allowed(self) -> bool:
        """Whether its features may be taken."""
        return self.extractor is not None and (self.agreement is None or self.agreement.holds)

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        if self.extractor is None:
            return {"name": self.candidate.name, "failure": self.failure}
        error = {} if self.agreement is None else {"error": self.agreement.error, "worst": self.agreement.worst}
        return {"name": self.candidate.name, "seconds": round(self.seconds, 4), "taken": self.allowed, **error}


def choose_extractor(
    module: nn.Module,
    size: Size,
    runtime: str = AUTO,
    remembered: Path | None = None,
    device: torch.device | str = "cpu",
) -> Extractor:
    """The fastest runtime on this machine whose features are those of the module, within 2 %.

    It is chosen when the first images come, and not for a few: nothing is converted or measured before that.

    Args:
        module: float images (B, 3, H, W) in [0, 1] to features (B, D), on the CPU.
        size: (height, width) of the images.
        runtime: "auto" to measure, or a name to have that one.
        remembered: a folder where what was measured is kept, so that the next process need not measure again.
        device: where torch computes; on an accelerator it does so in any case, unless another runtime is named.

    Raises:
        ConfigError: a runtime that is not installed. The first call raises one where its features are others.
    """
    allowed = [one for one in CANDIDATES if runtime in (AUTO, one.runtime)]
    if runtime != AUTO:
        _check_installed(runtime, allowed[0].missing)
    if PLAIN in allowed and torch.device(device).type != "cpu":
        return TorchExtractor(deepcopy(module), device)  # a copy, since the module stays where it is for others
    return LazyExtractor(module.eval(), size, [one for one in allowed if not one.missing], remembered)


class LazyExtractor:
    """The runtime that is chosen when more than a few images have come; until then the module itself, where it is allowed.

    Args:
        module: float images (B, 3, H, W) in [0, 1] to features (B, D), on the CPU, in evaluation mode.
        size: (height, width) of the images.
        allowed: what to choose from.
        remembered: the folder of what was chosen before; None to remember nothing.

    Attributes:
        chosen: what was chosen; None as long as nothing was.
    """

    precision = "f32"

    def __init__(self, module: nn.Module, size: Size, allowed: Sequence[Candidate], remembered: Path | None = None):
        self._module, self._size, self._allowed, self._remembered = module, size, list(allowed), remembered
        self._few = TorchExtractor(module) if PLAIN in allowed else None
        self._seen, self._lock = 0, threading.Lock()
        self.chosen: Extractor | None = None

    @property
    def runtime(self) -> str:
        """What computes the next images."""
        return self._allowed[0].runtime if self.chosen is None else self.chosen.runtime

    def __call__(self, images: Tensor) -> Tensor:
        """uint8 images (B, 3, H, W) to float32 features (B, D).

        Raises:
            ConfigError: the runtime that was named gives other features.
            ValueError: images of another size than was given.
        """
        size = tuple(images.shape[-2:])
        if size != self._size:
            raise ValueError(f"images of {size} pixels, but the extractor was made for {self._size}")
        with self._lock:
            self._seen += len(images)
            if self._few is not None and self._seen <= FEW:
                return self._few(images)
            if self.chosen is None:
                self.chosen = _once(self._module, self._size, self._allowed, self._remembered)
            return self.chosen(images)


def _check_installed(runtime: str, missing: list[str]) -> None:
    if missing:
        raise ConfigError(
            f"{runtime} is not installed ({', '.join(missing)} missing); run pip install "
            f'"latentlabels[{runtime}]", or leave fit.runtime out',
            key="fit.runtime",
        )


def _once(module: nn.Module, size: Size, allowed: list[Candidate], folder: Path | None) -> Extractor:
    """What was chosen before, else the fastest now."""
    key = "" if folder is None else memory.key_of(module, size, [one.name for one in allowed])
    kept = memory.read(folder, key)
    for one in CANDIDATES:
        if kept is not None and one.name == kept.taken:
            try:
                extractor = one.build(module, size)
            except Exception:  # it was built when it was measured: something has changed, so measure again
                break
            _say(kept.instead)
            return extractor
    tried = measure(module, size, allowed)
    extractor, found = _fastest(tried, module)
    memory.write(folder, key, found, [one.to_dict() for one in tried])
    _say(found.instead)
    return extractor


def _fastest(tried: list[Measured], module: nn.Module) -> tuple[Extractor, memory.Chosen]:
    """The fastest that may be taken; where the one that was asked for cannot convert the module, the module itself."""
    best = min(tried, key=lambda one: one.seconds if one.allowed else float("inf"))
    if best.allowed:
        assert best.extractor is not None
        return best.extractor, memory.Chosen(best.candidate.name)
    if best.agreement is not None:
        raise ConfigError(
            f"the features that {best.candidate.runtime} computes for this encoder are not those of torch (off by "
            f"{best.agreement.worst:.1%} at worst; at most {LIMIT:.0%} is allowed); give fit.runtime torch, or leave it out",
            key="fit.runtime",
        )
    instead = f"{best.candidate.runtime} cannot run this encoder, so torch computes its features ({best.failure})"
    return TorchExtractor(module), memory.Chosen(PLAIN.name, instead)


def _say(instead: str) -> None:
    if instead:
        warn(f"fit.runtime: {instead}")


def measure(module: nn.Module, size: Size, allowed: Sequence[Candidate]) -> list[Measured]:
    """Try candidates one after the other, until one is much faster than the module.

    Args:
        module: float images (B, 3, H, W) in [0, 1] to features (B, D), on the CPU.
        size: (height, width) of the images.
        allowed: what to try.
    """
    shown = pictures(size)
    plain = TorchExtractor(module)
    reference = plain(shown)
    seconds = _seconds(plain, shown)
    tried: list[Measured] = []
    for one in allowed:
        tried.append(Measured(one, plain, seconds) if one is PLAIN else _try(one, module, size, shown, reference))
        if tried[-1].allowed and tried[-1].seconds * ENOUGH <= seconds:
            break
    return tried


def _try(one: Candidate, module: nn.Module, size: Size, shown: Tensor, reference: Tensor) -> Measured:
    try:
        extractor = one.build(module, size)
        # a graph that was traced with two images must take one, and any other number
        found = torch.cat([extractor(shown[:1]), extractor(shown[1:])])
        return Measured(one, extractor, _seconds(extractor, shown), agreement(found, reference))
    except Exception as error:  # converters raise errors of every kind
        return Measured(one, None, failure=f"{type(error).__name__}: {error}".split("\n")[0][:200])


def _seconds(extractor: Extractor, shown: Tensor) -> float:
    """The shortest of some calls, `_SECONDS` or longer in all: whatever else runs on the machine makes a call longer."""
    found: list[float] = []
    while sum(found) < _SECONDS:
        begun = time.perf_counter()
        extractor(shown)
        found.append(time.perf_counter() - begun)
    return min(found)
