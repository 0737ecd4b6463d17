"""Many image files: decoded into one array, looked at, or read one by one as they are asked for."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from ..errors import DataError, DataWarning
from ..observed.image_files import warn
from ..observed.packed import PackedImage
from ..progress import Phase, phase
from ..words import none_readable
from .copies import Print, fingerprint
from .depth import Deep
from .image_file import at_size, read_picture, scaled
from .levels import BYTES, Levels, Scale
from .looks import Look, PixelNote, conclude, look_at
from .rgb import Interpolation, Size, resize

MANY = 500  # images from which on it is shown how far they are, where nothing else shows it

S = TypeVar("S")
T = TypeVar("T")


class LeftOut(NamedTuple):
    """An image that cannot be read.

    Attributes:
        name: of the image.
        why: the error, which names it as well.
    """

    name: str
    why: str


@dataclass(frozen=True, eq=False)
class Checked:
    """What image files are, without their pixels.

    Attributes:
        left_out: those that cannot be read.
        levels: black and white of the others.
        notes: what is doubtful about them.
        prints: what each of the others is recognised by; none where nobody asked.
    """

    left_out: tuple[LeftOut, ...]
    levels: Levels
    notes: tuple[PixelNote, ...]
    prints: tuple[Print, ...]


@dataclass(frozen=True, eq=False)
class Decoded(Checked):
    """Image files in memory.

    Attributes:
        pixels: uint8 (N, 3, height, width).
        shapes: (N, 2) height and width of each file's picture, which tell its proportions.
        kept: the numbers of the files that the N rows are; the others are left out.
    """

    pixels: NDArray[np.uint8]
    shapes: NDArray[np.int64]
    kept: NDArray[np.int64]


def decode_images(
    files: Sequence[Path | PackedImage],
    size: Size,
    interpolation: Interpolation = "bilinear",
    white: float | None = None,
    known: Levels | None = None,
    recognise: bool = False,
) -> Decoded:
    """Decode and resize image files into one array, each file once; those that cannot be read have no row.

    Args:
        files: the image files.
        size: (height, width).
        interpolation: how they are resized.
        white: the value of white that the user states.
        known: the levels of the fit, for files that a fitted model is asked about.
        recognise: whether copies are looked for, so that each picture's print is kept.
    """
    pixels = np.empty((len(files), 3, *size), np.uint8)
    shapes = np.zeros((len(files), 2), np.int64)
    looks: list[Look | None] = [None] * len(files)
    prints: list[Print | None] = [None] * len(files)
    waiting: dict[int, Deep] = {}  # until all have been looked at, where black and white are not known before
    before = known_before(white, known)

    def decode(row: int) -> str:
        try:
            picture, pages = read_picture(files[row], size)
        except DataError as error:
            return str(error)
        looks[row] = look_at(picture, pages)
        prints[row] = fingerprint(picture) if recognise else None
        if isinstance(picture, Deep):
            shapes[row] = picture.size
            picture = picture.resized(size, interpolation)
            scale = before.of(picture.span.numbers)
            if scale is None:
                waiting[row] = picture
            else:
                pixels[row] = picture.scaled(scale)
        else:
            shapes[row] = picture.height, picture.width
            pixels[row] = resize(picture, size, interpolation)
        return ""

    why = _in_threads(decode, range(len(files)), "reading images")
    levels, notes = conclude(*_looked_at(files, looks), white, known)
    if levels.byte != BYTES:
        for row in (row for row, look in enumerate(looks) if look is not None and look.sample is None):
            pixels[row] = levels.byte.to_bytes(pixels[row])
    while waiting:
        row, picture = waiting.popitem()
        pixels[row] = scaled(picture, levels)
    kept = np.array([row for row, reason in enumerate(why) if not reason], np.int64)
    if len(kept) < len(files):
        pixels, shapes = pixels[kept], shapes[kept]
    return Decoded(_left_out(files, why), levels, notes, _there(prints), pixels, shapes, kept)


def known_before(white: float | None, known: Levels | None) -> Levels:
    """The levels that do not depend on the pictures."""
    out = Levels() if known is None else known
    white = white if out.stated is None else out.stated
    if white is None:
        return out
    scale = Scale(0.0, float(white))
    return replace(out, whole=out.whole or scale, real=out.real or scale)


def _there(prints: Sequence[Print | None]) -> tuple[Print, ...]:
    return tuple(one for one in prints if one is not None)


def check_images(
    files: Sequence[Path | PackedImage], white: float | None = None, known: Levels | None = None, recognise: bool = False
) -> Checked:
    """Look at image files, each decoded once, and keep none of their pixels; arguments are those of `decode_images`."""
    looks: list[Look | None] = [None] * len(files)
    prints: list[Print | None] = [None] * len(files)

    def check(row: int) -> str:
        try:
            picture, pages = read_picture(files[row], (64, 64))
        except DataError as error:
            return str(error)
        looks[row] = look_at(picture, pages)
        prints[row] = fingerprint(picture) if recognise else None
        return ""

    why = _in_threads(check, range(len(files)), "checking images")
    return Checked(_left_out(files, why), *conclude(*_looked_at(files, looks), white, known), _there(prints))


def _looked_at(files: Sequence[Path | PackedImage], looks: Sequence[Look | None]) -> tuple[list[str], list[Look]]:
    found = [(str(file), look) for file, look in zip(files, looks, strict=True) if look is not None]
    return [name for name, _ in found], [look for _, look in found]


def cache_images(files: Sequence[Path | PackedImage], size: Size) -> tuple[NDArray[np.uint8], list[int]]:
    """Decode and resize images into one array; those that cannot be read are named, skipped and counted.

    Returns:
        uint8 (N, 3, height, width), and the numbers of the files that the N rows are.

    Raises:
        DataError: none can be read, or there are none.
    """
    found = decode_images(files, size)
    report_unreadable(found.left_out, len(files))
    return found.pixels, found.kept.tolist()


def report_unreadable(left_out: Sequence[LeftOut], total: int) -> None:
    """Warn of images that cannot be read.

    Raises:
        DataError: none can, or there are none.
    """
    if not total:
        raise DataError("no images to read")
    if not left_out:
        return
    shown = "; ".join(bad.why for bad in left_out[:3]) + ("; ..." if len(left_out) > 3 else "")
    if len(left_out) == total:
        raise DataError(f"{none_readable(total)}: {shown}")
    warn(f"{len(left_out)} of {total} images cannot be read and are left out: {shown}")


def _left_out(files: Sequence[Path | PackedImage], why: Sequence[str]) -> tuple[LeftOut, ...]:
    return tuple(LeftOut(str(path), reason) for path, reason in zip(files, why, strict=True) if reason)


def _in_threads(work: Callable[[S], T], items: Sequence[S], what: str) -> list[T]:
    """Decoding releases the interpreter's lock."""
    many = len(items) > MANY
    with (
        quietly(),
        ThreadPoolExecutor(max_workers=min(os.cpu_count() or 1, 16)) as pool,
        phase(Phase.READING, what, len(items), alone=many) as step,
    ):
        out = []
        for result in pool.map(work, items):
            out.append(result)
            step()
        return out


@contextmanager
def quietly() -> Iterator[None]:
    """Turn off what Pillow and NumPy warn of, around all threads; this package's own warnings stay as they are.

    `warnings.catch_warnings` in each thread would put back the filters of another thread, and could leave them turned off.
    """
    own: Any = "default"
    for action, text, kind, module, _ in warnings.filters:
        if issubclass(DataWarning, kind) and text is None and module is None:
            own = action
            break
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter(own, DataWarning)
        yield


class FilePictures(Dataset[Tensor]):
    """Image files, decoded one by one as they are asked for.

    Args:
        files: N image files.
        size: (height, width) to resize to.
        interpolation: how.
        levels: black and white of the data set; None to see them in each file alone.
    """

    def __init__(
        self,
        files: Sequence[Path | PackedImage],
        size: Size,
        interpolation: Interpolation = "bilinear",
        levels: Levels | None = None,
    ):
        self.files, self.size, self.interpolation, self.levels = files, size, interpolation, levels

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, row: int) -> Tensor:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            picture = read_picture(self.files[row], self.size).picture
        return torch.from_numpy(at_size(picture, self.size, self.interpolation, self.levels))
