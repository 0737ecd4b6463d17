"""`OpenVINOExtractor`: features by OpenVINO on the CPU, in float32."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from ...inputs.rgb import Size
from .extractor import in_parts
from .graph import Bytes, num_threads, one_thread, quiet


class OpenVINOExtractor:
    """A module converted to OpenVINO.

    One request at a time has all threads: on two cores, two requests with one thread each are a quarter slower, and batches
    of 8 to 64 images are equally fast. Threads are not tied to cores, since other processes would have the same ones. It is for
    one caller at a time, since a compiled model has one request.

    Args:
        module: float images (B, 3, H, W) in [0, 1] to features (B, D), on the CPU, in evaluation mode.
        size: (height, width) of the images.

    Raises:
        Exception: whatever OpenVINO raises for a module that it cannot convert.
    """

    runtime, precision = "openvino", "f32"

    def __init__(self, module: nn.Module, size: Size):
        self.size = size
        settings = {
            "INFERENCE_PRECISION_HINT": "f32",  # without it, float32 is bfloat16 where the CPU has it
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": num_threads(),
            "ENABLE_CPU_PINNING": False,
        }
        self._compiled = core().compile_model(convert(module, size), "CPU", settings)

    def __call__(self, images: Tensor) -> Tensor:
        """uint8 images (B, 3, H, W) to float32 features (B, D).

        Raises:
            TypeError: images of another type.
            RuntimeError: images of another size than was given.
        """
        return in_parts(images, self._part)

    def _part(self, images: Tensor) -> Tensor:
        return torch.from_numpy(self._compiled(images.contiguous().numpy(), share_outputs=False)[0])


def convert(module: nn.Module, size: Size) -> Any:
    """An `openvino.Model`: uint8 images (B, 3, H, W), B open, to float32 features (B, D).

    A trace is tried first, as it takes a third of the time of `torch.export`, which follows.
    """
    openvino = import_openvino()
    example = torch.zeros(2, 3, *size, dtype=torch.uint8)
    shape = openvino.PartialShape([-1, 3, *size])
    whole = Bytes(module).eval()
    with quiet():
        try:
            with one_thread():
                traced = torch.jit.trace(whole, example, check_trace=False)
            return openvino.convert_model(traced, example_input=example, input=[shape])
        except Exception:
            exported = torch.export.export(whole, (example,), dynamic_shapes=({0: torch.export.Dim.DYNAMIC},))
            return openvino.convert_model(exported)


def import_openvino() -> Any:
    """The package `openvino`, with nothing sent to its makers: its converter reports each use over the network by default.

    A process that imported it before has decided for itself.
    """
    with _without_telemetry(), quiet():
        import openvino
    return openvino


@contextmanager
def _without_telemetry() -> Iterator[None]:
    """A block in which `openvino_telemetry` cannot be imported: the converter takes a stand-in, which sends nothing."""
    name = "openvino_telemetry"
    if "openvino" in sys.modules or name in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]  # how the import system spells "not there"
    try:
        yield
    finally:
        del sys.modules[name]


@cache
def core() -> Any:
    """The one `openvino.Core` of this process, which is never given up.

    Its CPU plugin brings a stack for signals, and the end of one of several brings back that of another, which may have ended
    before: the next signal that Python handles, Ctrl-C or the end of a process that it started, is then a segmentation fault
    (seen with OpenVINO 2026.4).
    """
    return import_openvino().Core()
