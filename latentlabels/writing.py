"""Files appear whole or not at all: written under a temporary name in the same folder, flushed to disk, then renamed.

Everything in the package that writes a file uses this, so a process that is killed at any moment leaves the old file or the
new one, never half of one. What a killed process leaves behind are hidden temporary files, which `clear_leftovers` removes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

_MARK = ".partial"


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """A temporary path to write to, which becomes `path` when the block ends without an error.

    The temporary name keeps the ending of `path`, since some writers choose their format by it.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}{_MARK}{path.suffix}")
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
        _sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes(path: str | Path, content: bytes) -> None:
    """Write a file of bytes."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: str | Path, text: str) -> None:
    """Write a text file in UTF-8; line ends stay as they are."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: str | Path, value: Any) -> None:
    """Write one JSON document."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def clear_leftovers(folder: str | Path) -> None:
    """Remove the temporary files that killed processes left in a folder."""
    for left in Path(folder).glob(f".*{_MARK}*"):
        left.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Put the rename itself on disk, where the system allows to open a folder."""
    with suppress(OSError, AttributeError):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
