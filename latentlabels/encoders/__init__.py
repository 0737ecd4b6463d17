"""Encoders: images to features."""

from .frozen import Frozen, Standardize
from .registry import Encoder, build_encoder, names, pixel_format
from .tiny import TinyCNN

__all__ = ["Encoder", "Frozen", "Standardize", "TinyCNN", "build_encoder", "names", "pixel_format"]
