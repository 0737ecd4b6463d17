"""Image files: any of them as RGB, upright, of one size."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from torch import Tensor
from torch.utils.data import Dataset

from ..errors import DataError
from ..observed.image_files import warn
from .arrays import Interpolation, Size, resize, to_rgb, upright

S = TypeVar("S")
T = TypeVar("T")


def read_image(path: str | Path, size: Size | None = None) -> Image.Image:
    """An image file as 8-bit RGB, turned upright by its EXIF tag, transparency over white; a GIF's first frame.

    Args:
        path: the file.
        size: (height, width) that is wanted in the end: a JPEG is decoded no larger than that needs.

    Raises:
        DataError: no file, or one that cannot be decoded.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _read(path, size)


def _read(path: str | Path, size: Size | None) -> Image.Image:
    """`read_image`; PIL's warnings, of damaged EXIF data and the like, are the caller's: the picture is what counts."""
    try:
        with Image.open(path) as image:
            if size is not None and image.format == "JPEG":
                image.draft("RGB", (2 * max(size), 2 * max(size)))
            image.load()
            return to_rgb(upright(image))
    except Exception as error:  # PIL's decoders stumble over damaged files with errors of every kind, IndexError among them
        why: object = error
        if isinstance(error, UnidentifiedImageError):
            why = "not an image, or damaged" if os.path.getsize(path) else "the file is empty"
        elif isinstance(error, OSError) and error.strerror:
            why = error.strerror
        raise DataError(f"{path}: cannot be read as an image ({str(why) or type(error).__name__})") from None


class LeftOut(NamedTuple):
    """An image that cannot be read.

    Attributes:
        name: of the image.
        why: the error, which names it as well.
    """

    name: str
    why: str


@dataclass(frozen=True, eq=False)
class Decoded:
    """Image files in memory.

    Attributes:
        pixels: uint8 (N, 3, height, width).
        shapes: (N, 2) height and width of each file's picture, which tell its proportions.
        kept: the numbers of the files that the N rows are.
        left_out: the others.
    """

    pixels: NDArray[np.uint8]
    shapes: NDArray[np.int64]
    kept: NDArray[np.int64]
    left_out: tuple[LeftOut, ...]


def decode_images(files: Sequence[Path], size: Size, interpolation: Interpolation = "bilinear") -> Decoded:
    """Decode and resize image files into one array, each file once; those that cannot be read have no row."""
    pixels = np.empty((len(files), 3, *size), np.uint8)
    shapes = np.zeros((len(files), 2), np.int64)

    def decode(row: int) -> str:
        try:
            image = _read(files[row], size)
        except DataError as error:
            return str(error)
        pixels[row] = resize(image, size, interpolation)
        shapes[row] = image.height, image.width
        return ""

    why = _in_threads(decode, range(len(files)), "reading images")
    kept = np.array([row for row, reason in enumerate(why) if not reason], np.int64)
    if len(kept) < len(files):
        pixels, shapes = pixels[kept], shapes[kept]
    return Decoded(pixels, shapes, kept, _left_out(files, why))


def check_images(files: Sequence[Path]) -> tuple[LeftOut, ...]:
    """The files that cannot be decoded; of the others nothing is kept."""
    return _left_out(files, _in_threads(_problem, files, "checking images"))


def cache_images(files: Sequence[Path], size: Size) -> tuple[NDArray[np.uint8], list[int]]:
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
        raise DataError(f"none of {total} images can be read: {shown}")
    warn(f"{len(left_out)} of {total} images cannot be read and are left out: {shown}")


def _left_out(files: Sequence[Path], why: Sequence[str]) -> tuple[LeftOut, ...]:
    return tuple(LeftOut(str(path), reason) for path, reason in zip(files, why, strict=True) if reason)


def _problem(path: Path) -> str:
    try:
        _read(path, (64, 64))
    except DataError as error:
        return str(error)
    return ""


def _in_threads(work: Callable[[S], T], items: Sequence[S], what: str) -> list[T]:
    """Decoding releases the interpreter's lock; a progress line on a terminal alone.

    Warnings are turned off here, around all threads: `warnings.catch_warnings` in each of them would put back the filters of
    another thread, and could leave them turned off.
    """
    from rich.console import Console
    from rich.progress import track

    with warnings.catch_warnings(), ThreadPoolExecutor(max_workers=min(os.cpu_count() or 1, 16)) as pool:
        warnings.simplefilter("ignore")
        results: Iterable[T] = pool.map(work, items)
        if sys.stderr.isatty() and len(items) > 500:
            results = track(results, what, total=len(items), console=Console(stderr=True), transient=True)
        return list(results)


class FilePictures(Dataset[Tensor]):
    """Image files, decoded one by one as they are asked for.

    Args:
        files: N image files.
        size: (height, width) to resize to.
        interpolation: how.
    """

    def __init__(self, files: Sequence[Path], size: Size, interpolation: Interpolation = "bilinear"):
        self.files, self.size, self.interpolation = list(files), size, interpolation

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, row: int) -> Tensor:
        return torch.from_numpy(resize(read_image(self.files[row], self.size), self.size, self.interpolation))
