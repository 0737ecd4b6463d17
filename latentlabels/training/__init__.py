"""Training on Lightning: the module, the loop, checkpoints."""

from .loop import LoopSettings, TrainingResult, train
from .module import LabelModule

__all__ = ["LabelModule", "LoopSettings", "TrainingResult", "train"]
