"""What is remembered of image files, whatever the encoder: their contents, and what pictures these hold.

`images.sqlite` has two tables. One names the content of a file that has not changed since it was read (see `inputs/content.py`
for when that is believed), so that it need not be read again. The other says of a content what picture it decodes to: its
height and width, its values and what it is recognised by, so that it need not be decoded again.
"""

from __future__ import annotations

import os
import sqlite3
import struct
import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from ..inputs.content import Stamp
from ..inputs.copies import Print
from ..inputs.feature_source import Facts
from ..inputs.levels import Numbers, Span
from ..inputs.looks import Look
from .database import Database, is_damaged
from .folder import Notes

NAME = "images.sqlite"
_VERSION = 1
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS files (path BLOB PRIMARY KEY, stamp BLOB, content BLOB) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS pictures (content BLOB, side INTEGER, facts BLOB, PRIMARY KEY (content, side))",
)
_NUMBERS: tuple[Numbers, ...] = ("byte", "whole", "real")
_HEAD = struct.Struct("<BIIBddddBI")
_THUMBNAIL = (16, 16, 3)


class Contents:
    """What is remembered of image files.

    Args:
        root: the folder of the cache; None to remember nothing.
        notes: says what goes wrong.
    """

    def __init__(self, root: Path | None, notes: Notes | None = None):
        self._root, self._notes = root, Notes(Path("")) if notes is None else notes
        self._file = None if root is None else Database(root / NAME, _SCHEMA)

    def digests(self, stamps: Mapping[Path, Stamp]) -> dict[Path, bytes]:
        """The contents of those files that have not changed since they were read."""
        keys = {_key(path): path for path in stamps}
        question = "SELECT path, stamp, content FROM files WHERE path IN (?)"
        found = self._read(question, [*keys])
        return {keys[path]: content for path, stamp, content in found if stamp == _packed(stamps[keys[path]])}

    def facts(self, contents: Sequence[bytes], side: int) -> dict[bytes, Facts]:
        """What is known of some contents, decoded for pictures of `side` pixels."""
        question = f"SELECT content, facts FROM pictures WHERE side = {int(side)} AND content IN (?)"
        found = ((content, unpack(packed)) for content, packed in self._read(question, [*dict.fromkeys(contents)]))
        return {content: facts for content, facts in found if facts is not None}

    def remember(self, read: Mapping[Path, tuple[Stamp, bytes]], facts: Mapping[bytes, Facts], side: int) -> None:
        """Keep what was found out about files and contents."""
        if self._file is None or not (read or facts):
            return
        files = [(_key(path), _packed(stamp), content) for path, (stamp, content) in read.items()]
        pictures = [(content, side, pack(one)) for content, one in facts.items()]
        try:
            self._file.path.parent.mkdir(parents=True, exist_ok=True)
            with self._file.writing() as index:
                index.executemany("INSERT OR REPLACE INTO files VALUES (?, ?, ?)", files)
                index.executemany("INSERT OR REPLACE INTO pictures VALUES (?, ?, ?)", pictures)
        except (OSError, sqlite3.Error) as error:
            self._fail(error)

    def _read(self, question: str, values: Sequence[bytes]) -> list[tuple[bytes, ...]]:
        if self._file is None:
            return []
        try:
            return [*self._file.read_all(question, values)]
        except (OSError, sqlite3.Error) as error:
            self._fail(error)
            return []

    def _fail(self, error: OSError | sqlite3.Error) -> None:
        """Go on without the file, or with a new one in its place."""
        assert self._file is not None
        path = self._file.path
        self._file.close()
        if not is_damaged(error):
            self._file = None
            self._notes.say_unusable(error)
            return
        self._notes.say_damaged(path, f"it is damaged ({error})")
        with suppress(OSError):
            path.unlink(missing_ok=True)


def _key(path: Path) -> bytes:
    return os.fsencode(os.path.abspath(path))


def _packed(stamp: Stamp) -> bytes:
    return " ".join(map(str, stamp)).encode()


# --- facts as bytes -----------------------------------------------------------------------------------------------------


def pack(facts: Facts) -> bytes:
    """Facts as bytes, their checksum first."""
    look, found = facts.look, facts.print
    sample = b"" if look.sample is None else look.sample.astype("<f4").tobytes()
    head = _HEAD.pack(
        _VERSION, *facts.shape, _NUMBERS.index(look.span.numbers), look.span.low, look.span.high, *look.ends, look.inverted,
        look.pages,
    )  # fmt: skip
    content = head + struct.pack("<I", len(sample)) + sample
    content += b"" if found is None else found.digest + np.ascontiguousarray(found.thumbnail).tobytes()
    return struct.pack("<I", zlib.crc32(content)) + content


def unpack(packed: bytes) -> Facts | None:
    """What `pack` made bytes of; None where they are damaged, or another version's."""
    content = packed[4:]
    try:
        if struct.unpack_from("<I", packed)[0] != zlib.crc32(content) or content[0] != _VERSION:
            return None
        _, height, width, numbers, low, high, first, last, inverted, pages = _HEAD.unpack_from(content)
        size = struct.unpack_from("<I", content, _HEAD.size)[0]
        rest = content[_HEAD.size + 4 :]
        sample = np.frombuffer(rest[:size], "<f4").astype(np.float32) if size else None
        own = rest[size:]
        found = Print(own[:16], np.frombuffer(own[16:], np.uint8).reshape(_THUMBNAIL)) if own else None
        look = Look(Span(_NUMBERS[numbers], low, high), (first, last), sample, bool(inverted), pages)
    except (struct.error, ValueError, IndexError):
        return None
    return Facts((height, width), look, found)
