"""Runtimes: what computes the features of an encoder that is not trained."""

from .extractor import Extractor, TorchExtractor
from .selection import choose_extractor

__all__ = ["Extractor", "TorchExtractor", "choose_extractor"]
