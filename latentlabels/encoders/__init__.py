"""Encoders: images to features."""

from .choice import Choice, choose, has_accelerator
from .fingerprint import fingerprint
from .frozen import Frozen, Standardize, Thawed
from .maps import COMPONENTS, RegionFeatures
from .registry import Encoder, build_encoder, names, pixel_format
from .tiny import TinyCNN

__all__ = [
    "COMPONENTS",
    "Choice",
    "Encoder",
    "Frozen",
    "RegionFeatures",
    "Standardize",
    "Thawed",
    "TinyCNN",
    "build_encoder",
    "choose",
    "fingerprint",
    "has_accelerator",
    "names",
    "pixel_format",
]
