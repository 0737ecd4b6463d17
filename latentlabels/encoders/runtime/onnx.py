"""`ONNXExtractor`: features by ONNX Runtime on the CPU, in float32."""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch
from torch import Tensor, nn

from ...inputs.rgb import Size
from .extractor import in_parts
from .graph import Bytes, num_threads, quiet


class ONNXExtractor:
    """A module exported to ONNX.

    Args:
        module: float images (B, 3, H, W) in [0, 1] to features (B, D), on the CPU, in evaluation mode.
        size: (height, width) of the images.

    Raises:
        Exception: whatever the exporter or ONNX Runtime raises for a module that cannot be converted.
    """

    runtime, precision = "onnx", "f32"

    def __init__(self, module: nn.Module, size: Size):
        import onnxruntime

        onnxruntime.disable_telemetry_events()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = num_threads(), 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # a waiting thread leaves its core to decoding
        options.log_severity_level = 3
        with tempfile.TemporaryDirectory(prefix="latentlabels-") as folder:
            path = Path(folder) / "encoder.onnx"
            export(module, size, path)
            self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self._input = self._session.get_inputs()[0].name

    def __call__(self, images: Tensor) -> Tensor:
        """uint8 images (B, 3, H, W) to float32 features (B, D).

        Raises:
            TypeError: images of another type.
            Exception: what ONNX Runtime raises for images of another size than was given.
        """
        return in_parts(images, self._part)

    def _part(self, images: Tensor) -> Tensor:
        return torch.from_numpy(self._session.run(None, {self._input: images.contiguous().numpy()})[0])


def export(module: nn.Module, size: Size, path: Path) -> None:
    """Write an ONNX file, its weights beside it where they exceed what one file may hold.

    Args:
        module: float images (B, 3, H, W) in [0, 1] to features (B, D).
        size: (height, width).
        path: of the file.
    """
    example = torch.zeros(2, 3, *size, dtype=torch.uint8)
    with quiet():
        program = torch.onnx.export(
            Bytes(module).eval(), (example,), dynamo=True, dynamic_shapes=({0: torch.export.Dim.DYNAMIC},), verbose=False
        )
        assert program is not None
        program.save(str(path))
