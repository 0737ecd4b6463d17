"""What is known of the images: the {1, 0, -1} table and its readers."""

from .core import Observed
from .files import find_images, is_image, listed

__all__ = ["Observed", "find_images", "is_image", "listed"]
