"""Image files: any of them as RGB, upright, of one size; and arrays of embeddings."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch import Tensor
from torch.utils.data import Dataset

from ..errors import DataError, DataWarning

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
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of damaged EXIF data and the like: the picture is what counts
            with Image.open(path) as image:
                if size is not None and image.format == "JPEG":
                    image.draft("RGB", (2 * max(size), 2 * max(size)))
                return _to_rgb(ImageOps.exif_transpose(image))
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise DataError(f"{path}: cannot be read as an image ({error})") from None


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image).astype(np.uint16) >> 8).astype(np.uint8)).convert("RGB")
    if image.mode in ("I", "F"):
        values = np.asarray(image, dtype=np.float64)
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
        DataError: none can.
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
        DataError: none can be read.
    """
    results = _in_threads(partial(_decode, size=size), files, "reading images")
    bad = [(path, value) for path, value in zip(files, results, strict=True) if isinstance(value, str)]
    _report_unreadable(bad, len(files))
    kept = [number for number, value in enumerate(results) if not isinstance(value, str)]
    return np.stack([results[number] for number in kept]), kept


def _decode(path: Path, size: Size) -> NDArray[np.uint8] | str:
    try:
        return resize(read_image(path, size), size)
    except DataError as error:
        return str(error)


def _problem(path: Path) -> str:
    try:
        read_image(path, (64, 64))
    except DataError as error:
        return str(error)
    return ""


def _report_unreadable(bad: Sequence[tuple[Path, str]], total: int) -> None:
    if not bad:
        return
    shown = "; ".join(why for _, why in bad[:3]) + ("; ..." if len(bad) > 3 else "")
    if len(bad) == total:
        raise DataError(f"none of {total} images can be read: {shown}")
    warnings.warn(f"{len(bad)} of {total} images cannot be read and are left out: {shown}", DataWarning, stacklevel=4)


def _in_threads(work: Callable[[Path], T], files: Sequence[Path], what: str) -> list[T]:
    """Decoding releases the interpreter's lock; a progress line on a terminal alone."""
    from rich.console import Console
    from rich.progress import track

    with ThreadPoolExecutor(max_workers=min(os.cpu_count() or 1, 16)) as pool:
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
        loaded = np.load(path, allow_pickle=False)
        arrays = {"embeddings": loaded} if isinstance(loaded, np.ndarray) else {name: loaded[name] for name in loaded.files}
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path}: cannot be read as .npz or .npy ({error})") from None
    if "embeddings" not in arrays:
        raise DataError(f"{path}: no array `embeddings` (arrays: {', '.join(arrays)})")
    vectors = arrays["embeddings"]
    if vectors.ndim != 2 or not np.issubdtype(vectors.dtype, np.number):
        raise DataError(f"{path}: embeddings are numbers (N, D), not {vectors.dtype} of shape {vectors.shape}")
    vectors = vectors.astype(np.float32)
    wrong = np.flatnonzero(~np.isfinite(vectors).all(1))
    if len(wrong):
        raise DataError(
            f"{path}: {len(wrong)} of {len(vectors)} embeddings hold NaN or infinity (rows {', '.join(map(str, wrong[:5]))}); "
            "leave those images out, or compute them again"
        )
    out: dict[str, Any] = {"embeddings": vectors}
    for name, sources in {"observed": ["observed"], "truth": ["truth"], "labels": ["labels"], "images": ["images", "image"]}.items():
        out[name] = next((arrays[source] for source in sources if source in arrays), None)
        if name != "labels" and out[name] is not None and len(out[name]) != len(vectors):
            raise DataError(f"{path}: {len(vectors)} embeddings, but {len(out[name])} rows of {name}")
    return out
