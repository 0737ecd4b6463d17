"""Known labels of the images: the table of 1, 0 and -1, and its readers."""

from .image_files import Tree, find_images, is_image, list_images
from .names import match_names, name_column
from .observed import Observed

__all__ = ["Observed", "Tree", "find_images", "is_image", "list_images", "match_names", "name_column"]
