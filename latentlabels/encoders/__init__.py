"""Encoders: images to features."""

from .registry import Encoder, Frozen, Standardize, TinyCNN, build_encoder, names

__all__ = ["Encoder", "Frozen", "Standardize", "TinyCNN", "build_encoder", "names"]
