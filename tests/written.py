"""Image files written by their specifications, for what Pillow does not write."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def write_png(path: Path, samples: Array, transparent: tuple[int, ...] | None = None, interlaced: bool = False) -> Path:
    """A PNG with 16 bits, (height, width, channels): grey, grey with opacity, RGB, or RGB with opacity."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    height, width, channels = samples.shape
    colour = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    header = struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, int(interlaced))
    passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]  # Adam7
    parts = [samples[top::down, left::right] for top, left, down, right in passes] if interlaced else [samples]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for part in parts if part.size for row in part)
    clear = b"" if transparent is None else chunk(b"tRNS", struct.pack(f">{len(transparent)}H", *transparent))
    body = chunk(b"IHDR", header) + clear + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)
    return path


def write_tiff(
    path: Path,
    samples: Array,
    order: str = "<",
    *,
    compression: int = 1,
    planar: bool = False,
    predictor: int = 1,
    tile: tuple[int, int] | None = None,
    rows: int | None = None,
    photometric: int | None = None,
    opacity: int | None = None,
    orientation: int = 1,
) -> Path:
    """A TIFF of one page by TIFF 6.0, (height, width, channels), of any type of numbers."""
    height, width, channels = samples.shape
    kind, bits = {"u": 1, "i": 2, "f": 3}[samples.dtype.kind], samples.dtype.itemsize * 8
    down, right = tile or (rows or height, width)
    blocks = []
    for plane in [samples[..., [c]] for c in range(channels)] if planar else [samples]:
        for top in range(0, height, down):
            for left in range(0, width, right):
                block = plane[top : top + down, left : left + right]
                if tile:
                    block = np.pad(block, ((0, down - block.shape[0]), (0, right - block.shape[1]), (0, 0)))
                blocks.append(_packed(_predicted(block, order, predictor), compression))
    tags: dict[int, tuple[str, list[int]]] = {
        256: ("I", [width]),
        257: ("I", [height]),
        258: ("H", [bits] * channels),
        259: ("H", [compression]),
        262: ("H", [(2 if channels >= 3 else 1) if photometric is None else photometric]),
        274: ("H", [orientation]),
        277: ("H", [channels]),
        284: ("H", [2 if planar else 1]),
        317: ("H", [predictor]),
        339: ("H", [kind] * channels),
    }
    if opacity is not None:
        tags[338] = ("H", [opacity])
    if tile:
        tags |= {322: ("I", [right]), 323: ("I", [down])}
    else:
        tags[278] = ("I", [down])
    where, lengths = (324, 325) if tile else (273, 279)
    tags |= {where: ("I", [0] * len(blocks)), lengths: ("I", [len(block) for block in blocks])}
    _, extra = _directory(tags, order)
    at = 8 + 2 + 12 * len(tags) + 4 + len(extra)
    tags[where] = ("I", [at + sum(len(block) for block in blocks[:number]) for number in range(len(blocks))])
    entries, extra = _directory(tags, order)
    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, 8) + struct.pack(order + "H", len(tags))
    path.write_bytes(head + entries + struct.pack(order + "I", 0) + extra + b"".join(blocks))
    return path


def _directory(tags: dict[int, tuple[str, list[int]]], order: str) -> tuple[bytes, bytes]:
    entries, extra = b"", b""
    for number in sorted(tags):
        kind, values = tags[number]
        data = struct.pack(f"{order}{len(values)}{kind}", *values)
        entries += struct.pack(order + "HHI", number, {"H": 3, "I": 4}[kind], len(values))
        if len(data) <= 4:
            entries += data.ljust(4, b"\0")
        else:
            entries += struct.pack(order + "I", 8 + 2 + 12 * len(tags) + 4 + len(extra))
            extra += data
    return entries, extra


def _predicted(block: Array, order: str, predictor: int) -> bytes:
    stored = block.astype(block.dtype.newbyteorder(order))
    if predictor == 2:
        whole = block.view(f"u{block.dtype.itemsize}")
        less = whole.copy()
        less[:, 1:] -= whole[:, :-1]
        return less.astype(less.dtype.newbyteorder(order)).tobytes()
    if predictor == 3:
        height, width, channels = block.shape
        high_first = block.astype(block.dtype.newbyteorder(">")).view(np.uint8).reshape(height, width * channels, -1)
        planes = high_first.transpose(0, 2, 1).reshape(height, -1)
        less = planes.copy()
        less[:, channels:] -= planes[:, :-channels]
        return less.tobytes()
    return stored.tobytes()


def _packed(data: bytes, compression: int) -> bytes:
    if compression == 8:
        return zlib.compress(data)
    if compression == 5:  # LZW that forgets its table before it has one: all codes have 9 bits
        codes = [code for start in range(0, len(data), 200) for code in (256, *data[start : start + 200])] + [257]
        bits = "".join(f"{code:09b}" for code in codes)
        bits += "0" * (-len(bits) % 8)
        return int(bits, 2).to_bytes(len(bits) // 8, "big")
    return data
