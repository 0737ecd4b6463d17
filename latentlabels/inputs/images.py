"""Image files: any of them as RGB, upright, of one size; and arrays of embeddings."""

from __future__ import annotations

import os
import sys
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from torch import Tensor
from torch.utils.data import Dataset

from ..errors import DataError
from ..observed.files import warn
from ..words import listed

Size = tuple[int, int]  # (height, width)
Transform = Callable[[Image.Image], Tensor]
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
            return _to_rgb(_upright(image))
    except Exception as error:  # PIL's decoders stumble over damaged files with errors of every kind, IndexError among them
        why: object = error
        if isinstance(error, UnidentifiedImageError):
            why = "no image, or damaged" if os.path.getsize(path) else "the file is empty"
        elif isinstance(error, OSError) and error.strerror:
            why = error.strerror
        raise DataError(f"{path}: cannot be read as an image ({str(why) or type(error).__name__})") from None


_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def _upright(image: Image.Image) -> Image.Image:
    """Turn by the EXIF tag; `ImageOps.exif_transpose` writes all tags anew as well, and fails where any is damaged."""
    try:
        turn = _TURNS.get(image.getexif().get(_ORIENTATION) or 1)
    except Exception:  # the picture is there, its EXIF data are not
        turn = None
    return image if turn is None else image.transpose(turn)


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image).astype(np.uint16) >> 8).astype(np.uint8)).convert("RGB")
    if image.mode in ("I", "F"):
        values = np.nan_to_num(np.asarray(image, dtype=np.float64), posinf=np.inf, neginf=-np.inf)
        top = 65535.0 if image.mode == "I" and values.max(initial=0) > 255 else 255.0
        if image.mode == "F" and values.max(initial=0) <= 1:
            top = 1.0
        return Image.fromarray((values.clip(0, top) * (255.0 / top)).astype(np.uint8)).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, image).convert("RGB")
    return image.convert("RGB")


def resize(image: Image.Image, size: Size) -> NDArray[np.uint8]:
    """Resize to (height, width), whatever the shape was: no label at the border is cut off. uint8 (3, height, width)."""
    resized = image.resize((size[1], size[0]), Image.Resampling.BILINEAR)
    return np.ascontiguousarray(np.asarray(resized, dtype=np.uint8).transpose(2, 0, 1))


def check_images(files: Sequence[Path]) -> tuple[list[int], list[tuple[Path, str]]]:
    """Which files can be decoded: their numbers, and the others with the reason. Warns of those that cannot.

    Raises:
        DataError: none can, or there are none.
    """
    results = _in_threads(_problem, files, "checking images")
    bad = [(path, why) for path, why in zip(files, results, strict=True) if why]
    _report_unreadable(bad, len(files))
    return [number for number, why in enumerate(results) if not why], bad


def unreadable(files: Sequence[Path]) -> list[tuple[Path, str]]:
    """The files that cannot be decoded, and why."""
    results = _in_threads(_problem, files, "checking images")
    return [(path, why) for path, why in zip(files, results, strict=True) if why]


def cache_images(files: Sequence[Path], size: Size) -> tuple[NDArray[np.uint8], list[int]]:
    """Decode and resize images into one array; those that cannot be read are named, skipped and counted.

    Returns:
        uint8 (N, 3, height, width), and the numbers of the files that the N rows are.

    Raises:
        DataError: none can be read, or there are none.
    """
    results = _in_threads(partial(_decode, size=size), files, "reading images")
    bad = [(path, value) for path, value in zip(files, results, strict=True) if isinstance(value, str)]
    _report_unreadable(bad, len(files))
    kept = [number for number, value in enumerate(results) if not isinstance(value, str)]
    return np.stack([results[number] for number in kept]), kept


def _decode(path: Path, size: Size) -> NDArray[np.uint8] | str:
    try:
        return resize(_read(path, size), size)
    except DataError as error:
        return str(error)


def _problem(path: Path) -> str:
    try:
        _read(path, (64, 64))
    except DataError as error:
        return str(error)
    return ""


def _report_unreadable(bad: Sequence[tuple[Path, str]], total: int) -> None:
    if not total:
        raise DataError("no images to read")
    if not bad:
        return
    shown = "; ".join(why for _, why in bad[:3]) + ("; ..." if len(bad) > 3 else "")
    if len(bad) == total:
        raise DataError(f"none of {total} images can be read: {shown}")
    warn(f"{len(bad)} of {total} images cannot be read and are left out: {shown}")


def _in_threads(work: Callable[[Path], T], files: Sequence[Path], what: str) -> list[T]:
    """Decoding releases the interpreter's lock; a progress line on a terminal alone.

    Warnings are turned off here, around all threads: `warnings.catch_warnings` in each of them would put back the filters of
    another, and so could turn them off for good.
    """
    from rich.console import Console
    from rich.progress import track

    with warnings.catch_warnings(), ThreadPoolExecutor(max_workers=min(os.cpu_count() or 1, 16)) as pool:
        warnings.simplefilter("ignore")
        results: Iterable[T] = pool.map(work, files)
        if sys.stderr.isatty() and len(files) > 500:
            results = track(results, what, total=len(files), console=Console(stderr=True), transient=True)
        return list(results)


class ImageDataset(Dataset[Tensor]):
    """Image files, decoded one by one as they are asked for.

    Args:
        files: N image files.
        transform: from an RGB image to a tensor (3, H, W).
    """

    def __init__(self, files: Sequence[Path], transform: Transform):
        self.files, self.transform = list(files), transform

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, row: int) -> Tensor:
        return self.transform(read_image(self.files[row]))


def eval_transform(size: Size) -> Transform:
    """Resize alone: uint8 (3, height, width)."""
    return partial(_plain, size=size)


def train_transform(size: Size) -> Transform:
    """A random crop of at least 80 % of the image, mirrored half of the time: uint8 (3, height, width)."""
    return partial(_augmented, size=size)


def _plain(image: Image.Image, size: Size) -> Tensor:
    return torch.from_numpy(resize(image, size))


def _augmented(image: Image.Image, size: Size) -> Tensor:
    share, left, top, mirror = torch.rand(4).tolist()
    side = (0.8 + 0.2 * share) ** 0.5
    width, height = side * image.width, side * image.height
    left, top = left * (image.width - width), top * (image.height - height)
    image = image.resize((size[1], size[0]), Image.Resampling.BILINEAR, box=(left, top, left + width, top + height))
    out = _plain(image, size)
    return out.flip(-1) if mirror < 0.5 else out


def load_embeddings(path: str | Path) -> dict[str, Any]:
    """An ``.npz`` or ``.npy`` of embeddings.

    An .npz holds ``embeddings`` (N, D), and may hold ``observed`` (N, K), ``truth`` (N, K), ``labels`` (K,) and
    ``images`` or ``image`` (N,), names.

    Returns:
        Those arrays by name, ``embeddings`` as float32, the others None where they are missing.

    Raises:
        DataError: no such file, no array of embeddings, sizes that differ, or NaN; the rows are named.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            loaded = np.load(file, allow_pickle=False)
            single = isinstance(loaded, np.ndarray)
            arrays = {"embeddings": loaded} if single else {name: loaded[name] for name in loaded.files}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        hint = "; save arrays of numbers or text, not of objects" if "pickle" in str(error) else ""
        raise DataError(f"{path}: cannot be read as .npz or .npy ({error}){hint}") from None
    if "embeddings" not in arrays:
        raise DataError(f"{path}: no array `embeddings` (arrays: {', '.join(arrays)})")
    vectors = arrays["embeddings"]
    if vectors.ndim != 2 or vectors.dtype.kind not in "fiu" or not vectors.size:
        raise DataError(f"{path}: embeddings are numbers (N, D), not {vectors.dtype} of shape {vectors.shape}")
    with np.errstate(over="ignore"):  # what float32 cannot hold is infinite, and named below
        vectors = vectors.astype(np.float32)
    wrong = np.flatnonzero(~np.isfinite(vectors).all(1))
    if len(wrong):
        raise DataError(
            f"{path}: {len(wrong)} of {len(vectors)} embeddings hold NaN or infinity (rows {listed(list(wrong))}); "
            "leave those images out, or compute them again"
        )
    images = arrays.get("images", arrays.get("image"))
    out = {"embeddings": vectors, "images": images, **{name: arrays.get(name) for name in ("observed", "truth", "labels")}}
    labels = out["labels"]
    for name, shape in {"labels": "(K,)", "images": "(N,)", "observed": "(N, K)", "truth": "(N, K)"}.items():
        array = out[name]
        if array is None:
            continue
        if array.ndim != len(shape.split()):
            raise DataError(f"{path}: {name} is an array {shape}, not of shape {array.shape}")
        if name != "labels" and len(array) != len(vectors):
            raise DataError(f"{path}: {len(vectors)} embeddings, but {len(array)} rows of {name}")
        if array.ndim == 2 and labels is not None and array.shape[1] != len(labels):
            raise DataError(f"{path}: {len(labels)} labels, but {array.shape[1]} columns of {name}")
    return out
