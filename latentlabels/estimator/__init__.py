"""The estimator: what is fitted, asked, saved and loaded."""

from .latent_labels import LatentLabels

__all__ = ["LatentLabels"]
