"""The card on which a person states labels and sees the others move: its data, and its scripts."""

from pathlib import Path

from .documents import Document, image_document, space_document

SCRIPTS = Path(__file__).parent

__all__ = ["SCRIPTS", "Document", "image_document", "space_document"]
