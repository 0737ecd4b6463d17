"""A fitted model outside of this package: graphs for onnxruntime, OpenVINO and torch, with a model card."""

from .exporting import Exported, export_model, files_of
from .formats import FORMATS

__all__ = ["FORMATS", "Exported", "export_model", "files_of"]
