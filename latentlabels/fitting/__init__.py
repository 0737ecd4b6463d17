"""Training: from settings to a program, the module, the loop, stopping, checkpoints."""

from .build import Program, build_program
from .head_policy import HeadPolicy, decide_head
from .loop import LoopSettings, TrainingResult, train
from .module import LabelModule
from .stopping import RULES, Best

__all__ = [
    "RULES",
    "Best",
    "HeadPolicy",
    "LabelModule",
    "LoopSettings",
    "Program",
    "TrainingResult",
    "build_program",
    "decide_head",
    "train",
]
