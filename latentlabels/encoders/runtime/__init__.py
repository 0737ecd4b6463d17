"""Runtimes: what computes the features of an encoder that is not trained."""

from .extractor import Extractor, TorchExtractor
from .selection import LazyExtractor, choose_extractor

__all__ = ["Extractor", "LazyExtractor", "TorchExtractor", "choose_extractor"]
