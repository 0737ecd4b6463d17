"""The card on which a person states labels and sees the others move: its data, its scripts, and a page of one file."""

from .documents import Document, image_document, space_document
from .recovered import marginals_document
from .static import MOST, SCRIPTS, explore_document, most_instructive, script, static_page, style, write_static

__all__ = [
    "MOST",
    "SCRIPTS",
    "Document",
    "explore_document",
    "image_document",
    "marginals_document",
    "most_instructive",
    "script",
    "space_document",
    "static_page",
    "style",
    "write_static",
]
