"""Encoders: images to features."""

from .choice import Choice, choose, device_of, has_accelerator
from .fingerprint import fingerprint
from .frozen import Frozen, Standardize, Thawed
from .maps import COMPONENTS, RegionFeatures
from .prompts import texts_of
from .registry import Encoder, build_encoder, describe_encoder, embed_texts, has_texts, names, pixel_format
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
    "describe_encoder",
    "device_of",
    "embed_texts",
    "fingerprint",
    "has_accelerator",
    "has_texts",
    "names",
    "pixel_format",
    "texts_of",
]
