"""What is known of the images: the {1, 0, -1} table and its readers."""

from .files import find_images, is_image
from .observed import Observed

__all__ = ["Observed", "find_images", "is_image"]
