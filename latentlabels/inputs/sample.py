"""Some of the pictures of a data set, for an encoder that has to see a few before it can say what it keeps of all.

Which they are depends on the names of the pictures alone, in an order that nothing else follows: where images are added to a
data set or removed from it, the sample of the others stays.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ..errors import DataError
from ..observed.packed import PackedImage
from .content import Content, digest_of, read_content
from .depth import Deep
from .image_file import at_size, read_picture
from .images import known_before, quietly
from .levels import Levels
from .looks import conclude, look_at
from .rgb import Interpolation, Size

SAMPLE = 500
"""Pictures of a sample."""


def sample_of(names: Sequence[str], most: int = SAMPLE) -> list[int]:
    """Which of the pictures belong to the sample, in its order."""
    drawn = sorted((hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest(), row) for row, name in enumerate(names))
    return [row for _, row in drawn[:most]]


@dataclass(frozen=True)
class SampleOfFiles:
    """A sample of image files; those that cannot be read are left out.

    Args:
        files: all of them.
        size: (height, width) of the pictures.
        interpolation: how they are resized.
        white: the value of white that the user states.
        known: the levels of the fit, for files that a fitted model is asked about.
    """

    files: Sequence[Path | PackedImage]
    size: Size
    interpolation: Interpolation = "bilinear"
    white: float | None = None
    known: Levels | None = None

    def contents(self) -> list[bytes]:
        """What names the pictures: hashes of their files."""
        return [content.digest for row in self._rows() if (content := _read(self.files[row])) is not None]

    def pixels(self) -> NDArray[np.uint8]:
        """The pictures, uint8 (n, 3, H, W). Those of more than 8 bits have black and white of the sample."""
        before = known_before(self.white, self.known)
        found: list[NDArray[np.uint8] | Deep] = []
        names, looks = [], []
        with quietly():
            for row in self._rows():
                try:
                    picture, pages = read_picture(read_content(self.files[row]).image, self.size)
                except DataError:
                    continue
                names.append(str(self.files[row]))
                looks.append(look_at(picture, pages))
                found.append(picture if isinstance(picture, Deep) else at_size(picture, self.size, self.interpolation, before))
        levels, _ = conclude(names, looks, self.white, self.known)
        at_last = [at_size(one, self.size, self.interpolation, levels) if isinstance(one, Deep) else one for one in found]
        return np.stack(at_last) if at_last else np.empty((0, 3, *self.size), np.uint8)

    def _rows(self) -> list[int]:
        return sample_of([Path(str(file)).name for file in self.files])


def _read(file: Path | PackedImage) -> Content | None:
    try:
        return read_content(file)
    except DataError:
        return None


@dataclass(frozen=True)
class SampleOfPixels:
    """A sample of pictures in memory or of a Dataset.

    Args:
        number: N.
        of: some of the pictures, by number: uint8 (B, 3, H, W).
    """

    number: int
    of: Callable[[Sequence[int]], NDArray[np.uint8]]

    def contents(self) -> list[bytes]:
        """What names the pictures: hashes of their pixels."""
        return [digest_of(b"pixels " + one.tobytes()) for one in self.pixels()]

    def pixels(self) -> NDArray[np.uint8]:
        """The pictures, uint8 (n, 3, H, W); what a Dataset draws at random is drawn by a fixed seed."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return self.of(sorted(sample_of([str(row) for row in range(self.number)])))
