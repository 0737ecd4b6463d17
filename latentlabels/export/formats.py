"""The formats of exported graphs: how a traced program becomes files, and how these are run again."""

from __future__ import annotations

import importlib.util
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch.export import ExportedProgram
from torch.fx import GraphModule

from ..encoders.runtime.openvino import core, import_openvino
from ..errors import ConfigError, nearest
from .folding import fold_constants

Run = Callable[[Sequence[NDArray[Any]]], NDArray[np.float32]]
"""The values of a graph's inputs, in order, to probabilities (N, K)."""

Inputs = Mapping[str, Sequence[int]]
OUTPUT = "probabilities"


class Format(ABC):
    """A format of graphs. Abstract.

    Attributes:
        name: by which a user asks for it.
        ending: of its file.
        beside: endings of the files that belong to it.
        needs: modules that write it.
        extra: of the package, which installs them; "" for none.
    """

    name: ClassVar[str]
    ending: ClassVar[str]
    beside: ClassVar[tuple[str, ...]] = ()
    needs: ClassVar[tuple[str, ...]] = ()
    extra: ClassVar[str] = ""

    def check_installed(self) -> None:
        """See that what writes it is installed.

        Raises:
            ConfigError: it is not; the message has the command that installs it.
        """
        missing = [module for module in self.needs if importlib.util.find_spec(module) is None]
        if missing:
            raise ConfigError(
                f"exporting to {self.name} needs {' and '.join(missing)}, not installed here; "
                f'install with: pip install "latentlabels[{self.extra}]"'
            )

    @abstractmethod
    def write(self, program: ExportedProgram, inputs: Inputs, path: Path, about: Mapping[str, str]) -> None:
        """Write a program.

        Args:
            program: traced, with a first dimension of any size.
            inputs: its inputs by name, and their sizes after the first.
            path: with the format's ending; the files beside it get the same stem.
            about: texts that are stored in the file, where the format can.
        """

    @abstractmethod
    def open(self, path: Path) -> Run:
        """Read what was written, to run it on the CPU."""


class Onnx(Format):
    """ONNX, for onnxruntime and whatever else reads it."""

    name, ending, extra = "onnx", ".onnx", "onnx"
    needs = ("onnx", "onnxscript", "onnxruntime")

    def write(self, program: ExportedProgram, inputs: Inputs, path: Path, about: Mapping[str, str]) -> None:
        """One file, its weights inside."""
        made = torch.onnx.export(program, dynamo=True, input_names=list(inputs), output_names=[OUTPUT], verbose=False)
        assert made is not None
        for node in made.model.graph.all_nodes():  # whose origins in the source would be half of a small file
            node.metadata_props.clear()
            for value in node.outputs:
                value.metadata_props.clear()
        made.model.metadata_props.update(about)
        made.save(str(path), external_data=False)

    def open(self, path: Path) -> Run:
        """By onnxruntime."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        names = [one.name for one in session.get_inputs()]
        return lambda values: cast(NDArray[np.float32], session.run(None, dict(zip(names, values, strict=True)))[0])


class OpenVino(Format):
    """OpenVINO's intermediate representation: .xml, and .bin with the weights."""

    name, ending, beside, extra = "openvino", ".xml", (".bin",), "openvino"
    needs = ("openvino",)

    def write(self, program: ExportedProgram, inputs: Inputs, path: Path, about: Mapping[str, str]) -> None:
        """Two files; weights stay in 32 bits."""
        openvino = import_openvino()
        from openvino.frontend import FrontEndManager
        from openvino.frontend.pytorch.fx_decoder import TorchFXPythonDecoder

        module = fold_constants(cast(GraphModule, program.run_decompositions(_known_to_openvino()).module()))
        decoder = TorchFXPythonDecoder(module, dynamic_shapes=True)  # has to live until the model is converted
        frontend = FrontEndManager().load_by_framework("pytorch")
        model = frontend.convert(frontend.load(decoder))
        for port, name in zip((*model.inputs, *model.outputs), (*inputs, OUTPUT), strict=True):
            port.get_tensor().set_names({name})
        model.reshape({port: [-1, *sizes] for port, sizes in zip(model.inputs, inputs.values(), strict=True)})
        for key, text in about.items():
            model.set_rt_info(text, ["latentlabels", key])
        openvino.save_model(model, str(path), compress_to_fp16=False)

    def open(self, path: Path) -> Run:
        """On the CPU, in 32 bits."""
        compiled = core().compile_model(core().read_model(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        return lambda values: np.array(compiled(list(values))[0])


def _known_to_openvino() -> dict[Any, Any]:
    """Decompositions into what its converter reads: torch's own, but for those that it says it does not need."""
    from openvino.frontend.pytorch.torchdynamo.export_decompositions import ops_to_not_decompose

    table = torch.export.default_decompositions()
    for operation in {*ops_to_not_decompose()} - {torch.ops.aten.index_add.default}:  # that one it cannot read after all
        with suppress(KeyError):
            table.pop(operation)
    return cast(dict[Any, Any], table)


class TorchExport(Format):
    """A torch `ExportedProgram`, which needs torch but not this package."""

    name, ending = "torch-export", ".pt2"

    def write(self, program: ExportedProgram, inputs: Inputs, path: Path, about: Mapping[str, str]) -> None:
        """One file."""
        torch.export.save(program, str(path), extra_files=dict(about))

    def open(self, path: Path) -> Run:
        """By torch."""
        module = torch.export.load(str(path)).module()

        def run(values: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
            with torch.no_grad():
                return cast(NDArray[np.float32], module(*map(torch.from_numpy, values)).numpy())

        return run


FORMATS: dict[str, Format] = {one.name: one for one in (Onnx(), OpenVino(), TorchExport())}
"""The formats by name."""


def find(name: str) -> Format:
    """The format of a name.

    Raises:
        ConfigError: there is none.
    """
    if name not in FORMATS:
        raise ConfigError(f'there is no export format "{name}"{nearest(name, FORMATS)} (known: {", ".join(FORMATS)})')
    return FORMATS[name]
