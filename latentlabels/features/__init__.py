"""Features of pictures, computed once by an encoder that is not trained, and kept on disk."""

from .folder import cache_folder
from .source import EncoderFeatures, SizedFeatures
from .store import FeatureStore

__all__ = ["EncoderFeatures", "FeatureStore", "SizedFeatures", "cache_folder"]
