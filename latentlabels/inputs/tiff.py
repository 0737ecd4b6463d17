"""TIFFs whose values Pillow does not open, or gives wrongly: floating point and 32 bits in colour, 64 bits, separate planes.

Read by TIFF 6.0 (sections 7, 8, 14 and 15) and Adobe's Technical Note 3 on predictors: strips or tiles, uncompressed or
compressed by Deflate, of whole numbers or floating point with 8, 16, 32 or 64 bits. Of a file with several pages, the first.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin

from .opening import ImageSource, opened

_DEFLATE = (8, 32946)
_MANY = 16  # values in a pixel; more are no picture
_SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_KINDS = {1: "u", 2: "i", 3: "f"}


class Samples(NamedTuple):
    """The values of a TIFF.

    Attributes:
        values: (C, H, W), grey or RGB.
        opacity: float32 (H, W) in [0, 1], or None.
        inverted: whether 0 is white.
        orientation: by the tag of that name.
    """

    values: NDArray[Any]
    opacity: NDArray[np.float32] | None
    inverted: bool
    orientation: int


class _Layout(NamedTuple):
    """How the values of a file lie; blocks are strips or tiles of (height, width)."""

    dtype: np.dtype[Any]
    height: int
    width: int
    samples: int
    block: tuple[int, int]
    tiled: bool
    planes: bool
    compression: int
    predictor: int

    @property
    def channels(self) -> int:
        return 1 if self.planes else self.samples


def read_tiff(path: ImageSource) -> Samples | None:
    """The first page of a TIFF with values other than bytes; None for any other file, and for what is not read here.

    Raises:
        OSError, ValueError, zlib.error, PIL.Image.DecompressionBombError: a damaged or far too large file.
    """
    with opened(path) as file:
        tags = _directory(file)
        if tags is None:
            return None
        file.seek(tags.next)
        tags.load(file)
        layout = _layout(tags, "<" if tags.prefix == b"II" else ">")
        if layout is None:
            return None
        most = 2 * Image.MAX_IMAGE_PIXELS if Image.MAX_IMAGE_PIXELS else None
        if most is not None and layout.height * layout.width > most:
            raise Image.DecompressionBombError
        values = _values(file, tags, layout)
    return _samples(values, tags)


def count_pages(path: ImageSource) -> int:
    """How many pages a TIFF has, without those that are smaller copies of others, up to where the file is damaged."""
    pages, seen = 0, set()
    with opened(path) as file:
        tags = _directory(file)
        with suppress(Exception):  # of a directory, Pillow says in many ways that it is damaged
            while tags is not None and tags.next and tags.next not in seen:
                seen.add(tags.next)
                file.seek(tags.next)
                tags.load(file)
                pages += not int(_first(tags, 254, 0)) & 1
    return max(pages, 1)


def _directory(file: BinaryIO) -> TiffImagePlugin.ImageFileDirectory_v2 | None:
    """The directory of tags, not loaded; `next` is where its first page begins. None for what is no TIFF."""
    head = file.read(16)
    if not head.startswith(_SIGNATURES):
        return None
    big = 43 in (head[2], head[3])
    return TiffImagePlugin.ImageFileDirectory_v2(head if big else head[:8])


def _layout(tags: Mapping[int, Any], order: str) -> _Layout | None:
    """How the values lie; None for what Pillow reads, or nobody."""
    width, height, samples = (int(_first(tags, tag, 0)) for tag in (256, 257, 277))
    samples = samples or 1
    bits, kinds = {*_all(tags, 258, 1)}, {*_all(tags, 339, 1)}
    compression, predictor = int(_first(tags, 259, 1)), int(_first(tags, 317, 1))
    planes, tiled = samples > 1 and _first(tags, 284, 1) == 2, 322 in tags
    known = len(bits) == len(kinds) == 1 and kinds <= {*_KINDS} and width > 0 < height and samples <= _MANY
    if not known or compression not in (1, *_DEFLATE) or predictor not in (1, 2, 3) or _first(tags, 262, 1) not in (0, 1, 2):
        return None
    size, kind = bits.pop(), _KINDS[kinds.pop()]
    if (
        size not in (8, 16, 32, 64)
        or (size == 8 and kind != "i")
        or (predictor == 3 and kind != "f")
        or _first(tags, 266, 1) != 1
    ):
        return None
    rows = min(int(_first(tags, 278, height)), height)
    block = (int(_first(tags, 323, 0)), int(_first(tags, 322, 0))) if tiled else (rows, width)
    if min(block) < 1:
        return None
    return _Layout(np.dtype(f"{order}{kind}{size // 8}"), height, width, samples, block, tiled, planes, compression, predictor)


def _values(file: BinaryIO, tags: Mapping[int, Any], layout: _Layout) -> NDArray[Any]:
    """(samples, height, width)."""
    offsets, lengths = _all(tags, 324 if layout.tiled else 273, 0), _all(tags, 325 if layout.tiled else 279, 0)
    out = np.zeros((layout.samples, layout.height, layout.width), layout.dtype.newbyteorder("="))
    places = list(_places(layout))
    if len(offsets) < len(places) or len(lengths) < len(places):
        raise ValueError("parts of the image are missing")
    for (plane, top, left), offset, length in zip(places, offsets, lengths, strict=False):
        file.seek(offset)
        data = file.read(length)
        height, width = layout.block
        if not layout.tiled:
            height = min(height, layout.height - top)
        if layout.compression in _DEFLATE:
            data = zlib.decompressobj().decompress(data, height * width * layout.channels * layout.dtype.itemsize)
        block = _block(data, height, width, layout)[: layout.height - top, : layout.width - left]
        into = out[plane : plane + layout.channels, top : top + block.shape[0], left : left + block.shape[1]]
        into[...] = block.transpose(2, 0, 1)
    return out


def _places(layout: _Layout) -> Iterator[tuple[int, int, int]]:
    """Channel, row and column where each block begins, in the order of the file."""
    for plane in range(layout.samples if layout.planes else 1):
        for top in range(0, layout.height, layout.block[0]):
            for left in range(0, layout.width, layout.block[1]):
                yield plane, top, left


def _block(data: bytes, height: int, width: int, layout: _Layout) -> NDArray[Any]:
    """(height, width, channels) of one strip or tile, predictions undone."""
    dtype, channels = layout.dtype, layout.channels
    count = height * width * channels
    if len(data) < count * dtype.itemsize:
        raise ValueError("the image is truncated")
    if layout.predictor == 3:  # bytes of a row in planes, the highest first, each less the one before
        rows = np.frombuffer(data, np.uint8, count * dtype.itemsize).reshape(height, -1, channels)
        planes = rows.cumsum(1, dtype=np.uint8).reshape(height, dtype.itemsize, width * channels)
        whole = np.ascontiguousarray(planes.transpose(0, 2, 1)).view(dtype.newbyteorder(">"))
        return whole.reshape(height, width, channels)
    values = np.frombuffer(data, dtype, count).reshape(height, width, channels)
    if layout.predictor == 2:
        whole_type = np.dtype(f"u{dtype.itemsize}")
        return values.view(whole_type.newbyteorder(dtype.byteorder)).cumsum(1, dtype=whole_type).view(dtype.newbyteorder("="))
    return values


def _samples(values: NDArray[Any], tags: Mapping[int, Any]) -> Samples | None:
    photometric, extra = _first(tags, 262, 1), _all(tags, 338, None)
    colours = 3 if photometric == 2 else 1
    if len(values) < colours:
        return None
    opacity = None
    if len(values) > colours and extra and extra[0] in (1, 2):
        full = 1.0 if values.dtype.kind == "f" else float(np.iinfo(values.dtype).max)
        opacity = (values[colours] / full).clip(0, 1).astype(np.float32)
        if extra[0] == 1:  # the colours are multiplied by it
            values = np.where(opacity > 0, values[:colours] / np.maximum(opacity, 1e-9), 0).astype(values.dtype)
    return Samples(values[:colours], opacity, photometric == 0, int(_first(tags, 274, 1)))


def _first(tags: Mapping[int, Any], number: int, default: Any) -> Any:
    found = _all(tags, number, default)
    return found[0] if found else default


def _all(tags: Mapping[int, Any], number: int, default: Any) -> tuple[Any, ...]:
    found = tags.get(number, default)
    return () if found is None else tuple(found) if isinstance(found, tuple | list) else (found,)
