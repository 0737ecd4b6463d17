"""Configs: their sections and keys, read from YAML with the file and line of every key."""

from .schema import Config, read_config
from .sections import OBJECTIVE_NAMES, BenchConfig, DataConfig, FitConfig, ModelConfig

__all__ = ["OBJECTIVE_NAMES", "BenchConfig", "Config", "DataConfig", "FitConfig", "ModelConfig", "read_config"]
