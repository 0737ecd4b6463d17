"""Encoders: images to features."""

from .choice import Choice, choose, has_accelerator
from .fingerprint import fingerprint
from .frozen import Frozen, Standardize, Thawed
from .registry import Encoder, build_encoder, names, pixel_format
from .tiny import TinyCNN

__all__ = [
    "Choice",
    "Encoder",
    "Frozen",
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
