"""What a model takes: images or embeddings. Decided here, once, by the encoder's name."""

from __future__ import annotations

from enum import StrEnum

AUTO = "auto"  # the encoder that is chosen from what is at hand; it takes images
PASSED_THROUGH = "embedding"  # the encoder that leaves its inputs as they are


class Kind(StrEnum):
    """What inputs are."""

    IMAGES = "images"
    EMBEDDINGS = "embeddings"

    @property
    def one(self) -> str:
        """A single one, for a message: "image" or "embedding"."""
        return self.value.removesuffix("s")


def kind_of(encoder: str) -> Kind:
    """What an encoder takes, by its name."""
    return Kind.EMBEDDINGS if encoder == PASSED_THROUGH else Kind.IMAGES
