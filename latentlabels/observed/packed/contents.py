"""The images in packed files: their names, in order, and how each is opened."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError
from . import arrow, tar
from .shards import TARS, expand


@dataclass(frozen=True, slots=True)
class PackedImage:
    """One image inside a packed file; its text is its place, as a path would be.

    Attributes:
        place: for people and messages: ``shard.tar/dir/0001.jpg``.
        content: reads its bytes.
    """

    place: str
    content: Callable[[], bytes]

    def __str__(self) -> str:
        return self.place

    def open(self) -> BinaryIO:
        """The encoded image, as a file."""
        return io.BytesIO(self.content())
