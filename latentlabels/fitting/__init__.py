"""Training on Lightning: the module, the loop, checkpoints."""

from .loop import LoopSettings, TrainingResult, train
from .module import LabelModule
from .stopping import Best

__all__ = ["Best", "LabelModule", "LoopSettings", "TrainingResult", "train"]
