"""Which files a name means: one shard, a glob of shards, or numbers in braces, ``shard-{000000..000009}.tar``."""

from __future__ import annotations

import re
from glob import glob
from itertools import product
from pathlib import Path

from .errors import DataError
from .words import count, listed

TARS = (".tar",)
TABLES = (".parquet", ".arrow", ".feather")
_SQUEEZED = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst", ".tar.lz4")
_ARCHIVES = (".zip", ".7z", ".rar")
_BRACES = re.compile(r"\{(\d+)\.\.(\d+)\}")


def is_packed(where: str | Path) -> bool:
    """Whether a name is one of files with images inside, by its ending; nothing is opened. Folders are not."""
    name = str(where).lower()
    return name.endswith((*TARS, *TABLES, *_SQUEEZED, *_ARCHIVES)) and not Path(where).is_dir()


def expand(where: str | Path) -> list[Path]:
    """The shards that a name means, in order.

    Args:
        where: a file, a glob, or a name with numbers in braces as WebDataset writes it, from the first to the last.

    Raises:
        DataError: shards that are not there, or that are compressed; they are named.
    """
    name = str(where)
    if name.lower().endswith(_SQUEEZED):
        raise DataError(
            f"{name}: is compressed, so its images cannot be read one by one; unpack it into a plain .tar (gunzip or zstd "
            "-d keep "
            "the tar), JPEG and PNG images do not become larger by that"
        )
    if name.lower().endswith(_ARCHIVES):
        raise DataError(f"{name}: this kind of archive cannot be read; unpack it and give the folder")
    if Path(where).exists():
        return [Path(where)]
    if _BRACES.search(name):
        files = [Path(one) for one in _numbered(name)]
        lost = [file for file in files if not file.is_file()]
        if lost:
            shown = listed([file.name for file in lost], 3)
            raise DataError(
                f"{name}: {len(lost):,} of {count(len(files), 'shard')} not found: {shown}; get them, or correct the numbers"
            )
        return files
    if any(sign in name for sign in "*?["):
        files = sorted(Path(one) for one in glob(name, recursive=True))
        if not files:
            raise DataError(f"{name}: no file matches this pattern")
        return files
    raise DataError(f"{name}: file not found")


def _numbered(name: str) -> list[str]:
    """The names that ``{000000..000009}`` stands for; leading zeros give the width."""
    parts = _BRACES.split(name)
    ranges = [
        [f"{number:0{len(first)}d}" for number in range(int(first), int(last) + 1)]
        for first, last in zip(parts[1::3], parts[2::3], strict=True)
    ]
    return ["".join(map("".join, zip(parts[::3], (*chosen, ""), strict=True))) for chosen in product(*ranges)]
