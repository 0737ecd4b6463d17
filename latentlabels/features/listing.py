"""What a cache holds, and how it is cleared: nothing is removed that this package did not write."""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from .contents import NAME
from .database import Database
from .folder import FORMAT
from .source import BASES, RUNTIMES, STORES
from .store import ABOUT, files_of, read_about, remove_store

_RUNTIME = re.compile(r"runtime-[0-9a-f]+\.json")
_BASIS = re.compile(r"[0-9a-f]{12}\.safetensors")
_DAY = 86_400.0


@dataclass(frozen=True)
class Stored:
    """The features of one encoder at one size.

    Attributes:
        key: the name of its folder.
        folder: the folder.
        encoder: the name of the encoder.
        size: (height, width) of the pictures.
        images: of how many contents there are features; None where the folder is another version's, or damaged.
        bytes: on the disk.
        used: when it was used last, in seconds since 1970.
    """

    key: str
    folder: Path
    encoder: str
    size: tuple[int, int]
    images: int | None
    bytes: int
    used: float


@dataclass(frozen=True)
class Listing:
    """What a cache holds.

    Attributes:
        root: its folder.
        stores: the features.
        others: files about images and runtimes, whatever the encoder.
        bytes: of everything.
    """

    root: Path
    stores: tuple[Stored, ...]
    others: tuple[Path, ...]
    bytes: int


def list_cache(root: Path) -> Listing:
    """What a cache holds; a folder that is not there holds nothing."""
    stores = tuple(sorted(_stores(root), key=lambda one: -one.used))
    others = tuple(_others(root))
    return Listing(root, stores, others, sum(one.bytes for one in stores) + sum(map(_size, others)))


def _stores(root: Path) -> Iterator[Stored]:
    with suppress(OSError):
        for folder in sorted((root / STORES).iterdir()):
            about = read_about(folder)
            if about is None:
                continue
            height, width = about.get("size", (0, 0))
            files = [folder / name for name in files_of(folder)[0]]
            used = (folder / ABOUT).stat().st_mtime
            images = _count(folder, str(about.get("name"))) if about.get("format") == FORMAT else None
            found = Stored(
                folder.name, folder, str(about.get("encoder")), (height, width), images, sum(map(_size, files)), used
            )
            yield found


def _count(folder: Path, name: str) -> int | None:
    index = Database(folder / f"index-{name}.sqlite", ())
    try:
        found = index.read("SELECT count(*) FROM features")
        return int(found[0][0]) if found else 0
    except sqlite3.Error:
        return None
    finally:
        index.close()


def _others(root: Path) -> Iterator[Path]:
    for name in (NAME, f"{NAME}-journal"):
        if (root / name).is_file():
            yield root / name
    with suppress(OSError):
        yield from sorted(path for path in (root / RUNTIMES).iterdir() if _RUNTIME.fullmatch(path.name))
    yield from sorted(path for path in (root / BASES).glob("*/*") if _BASIS.fullmatch(path.name))


def _size(path: Path) -> int:
    try:
        return path.stat().st_blocks * 512 if hasattr(path.stat(), "st_blocks") else path.stat().st_size
    except OSError:
        return 0


def older(listing: Listing, days: float) -> tuple[Stored, ...]:
    """Those that were not used for so many days."""
    return tuple(one for one in listing.stores if time.time() - one.used > days * _DAY)


def clear(listing: Listing, stores: tuple[Stored, ...], everything: bool = False) -> int:
    """Remove features, and with `everything` what is remembered of images and runtimes as well.

    Returns:
        Bytes that were freed.

    Raises:
        OSError: what cannot be removed.
    """
    freed = 0
    for one in stores:
        remove_store(one.folder)
        freed += one.bytes
    if everything:
        for path in listing.others:
            size = _size(path)
            path.unlink(missing_ok=True)
            freed += size
        of_bases = {path.parent for path in listing.others if path.parent.parent == listing.root / BASES}
        for folder in (listing.root / RUNTIMES, listing.root / STORES, *of_bases, listing.root / BASES):
            with suppress(OSError):
                folder.rmdir()  # where nothing else is in it
    return freed
