"""Features of pictures, computed once by an encoder that is not trained, and kept on disk."""

from .folder import cache_folder
from .source import EncoderFeatures
from .store import FeatureStore

__all__ = ["EncoderFeatures", "FeatureStore", "cache_folder"]
