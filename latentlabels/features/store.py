"""`FeatureStore`: features of one encoder at one size, by the content of the pictures, in a folder of their own.

The folder holds `about.json`, which says what the features are of, files of rows to which rows are only ever added, and an
index, which says where the features of a content lie and what their checksum is. Rows are flushed to the disk before the index
says that they are there, and the index has transactions: whenever a process is killed, what the index names is whole. A row
whose checksum is wrong is as if it were not there. Processes add rows one after the other, by the lock of the index. Rows and
index bear a name of their own, which `about.json` gives: who still has those of a folder that was removed and made again does
not write into the new ones.

Numbers are kept as float32, so that what is kept is what was computed. Rows with maps, which are much longer, are kept as
float16, but for those that it cannot hold (above 65,504, or all below 3e-5).
"""

from __future__ import annotations

import errno
import json
import os
import re
import secrets
import shutil
import sqlite3
import threading
import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..inputs.feature_source import Learnt
from ..writing import MARK, building, clear_leftovers, write_json
from .database import Database, is_damaged
from .folder import FORMAT, Notes
from .rows import FileRows, MemoryRows, Rows, fits_half

ABOUT = "about.json"
KIND = "latentlabels features"
_KINDS = (np.float16, np.float32)
_OURS = re.compile(r"(index-[0-9a-f]+\.sqlite(-journal)?|rows-[0-9a-f]+\.f(16|32))")
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS features (content BLOB PRIMARY KEY, wide INTEGER, row INTEGER, checksum INTEGER) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS counts (wide INTEGER PRIMARY KEY, rows INTEGER)",
)
_TRIES = 20  # to make a folder that other processes remove
_PART = 48  # bits of a number below those that say in which rows it is


class FeatureStore:
    """Features of one encoder at one size.

    Args:
        folder: where they are kept, which need not exist; None to keep them in memory.
        about: what they are of, ready for JSON; a folder that says something else is removed.
        notes: says what goes wrong.
        key: which encoder, at which size.
        learnt: what the encoder has learned from pictures, if it learns something: its rows hold maps, which float16 halves.
    """

    def __init__(
        self,
        folder: Path | None,
        about: Mapping[str, Any],
        notes: Notes | None = None,
        key: str = "",
        learnt: Learnt | None = None,
    ):
        self.folder, self.about, self.key = folder, {"kind": KIND, "format": FORMAT, **about}, key
        self.learnt = learnt
        self._lock = threading.RLock()
        self._notes = Notes(Path("")) if notes is None else notes
        self._parts: list[Rows] = []  # none is ever left out: numbers that were given stay what they are
        self._files: tuple[int, ...] = ()  # the parts in files, of `_KINDS`
        self._memory: tuple[int, ...] = ()
        self._remembered: dict[bytes, int] = {}
        self._index: Database | None = None
        self._keeps = folder is not None

    def __getstate__(self) -> dict[str, Any]:
        """A copy reads and writes by itself."""
        return {key: value for key, value in self.__dict__.items() if key != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.RLock()

    # --- what is there ----------------------------------------------------------------------------------

    def find(self, contents: Sequence[bytes]) -> NDArray[np.int64]:
        """(N,) the numbers of the features of some contents, -1 where there are none, or where they are damaged."""
        found: dict[bytes, int] = {}
        with self._lock:
            try:
                if self._open():
                    found = self._in_index(list(dict.fromkeys(contents)))
            except (OSError, sqlite3.Error) as error:
                self._fail(error)
            found |= self._remembered
        return np.array([found.get(content, -1) for content in contents], np.int64)

    def _in_index(self, contents: list[bytes]) -> dict[bytes, int]:
        assert self._index is not None
        question = "SELECT content, wide, row, checksum FROM features WHERE content IN (?)"
        named = [*self._index.read_all(question, contents)]
        out: dict[bytes, int] = {}
        for wide, part in enumerate(self._files):
            there = len(self._parts[part])
            listed = [(content, row, checksum) for content, kind, row, checksum in named if kind == wide and row < there]
            values = self._parts[part].read(np.array([row for _, row, _ in listed], np.int64))
            for (content, row, checksum), value in zip(listed, values, strict=True):
                if zlib.crc32(value) == checksum:
                    out[content] = part << _PART | row
        if len(out) < len(named):
            self._notes.say(f"{self.folder}: some of the features kept there are damaged, so they are computed again")
        return out

    def rows(self, numbers: NDArray[np.int64]) -> NDArray[np.float32]:
        """Features by number, float32 (B, D)."""
        of, row = numbers >> _PART, numbers & ((1 << _PART) - 1)
        out = np.empty((len(numbers), self._parts[-1].width if self._parts else 0), np.float32)
        with self._lock:
            for part in np.unique(of).tolist():
                here = of == part
                out[here] = self._parts[part].read(row[here])
        return out

    # --- adding -----------------------------------------------------------------------------------------

    def add(self, contents: Sequence[bytes], features: NDArray[np.float32]) -> NDArray[np.int64]:
        """Keep features.

        Args:
            contents: N of them.
            features: float32 (N, D).

        Returns:
            (N,) their numbers.

        Raises:
            DataError: features that are not finite.
        """
        wrong = np.flatnonzero(~np.isfinite(features).all(1))
        if len(wrong):
            raise DataError(f"the encoder gives NaN or infinity for {len(wrong)} of {len(features)} images; check its weights")
        wide = (~fits_half(features) if self.learnt is not None else np.ones(len(features), bool)).astype(np.int64)
        with self._lock:
            while self._keeps:
                try:
                    self._open_for(features.shape[1])
                    return self._append(contents, features, wide)
                except (OSError, sqlite3.Error) as error:
                    if not self._was_removed(error):
                        self._fail(error)
                        break
            return self._hold(contents, features, wide)

    def _append(self, contents: Sequence[bytes], features: NDArray[np.float32], wide: NDArray[np.int64]) -> NDArray[np.int64]:
        """Add rows to the files, and then to the index."""
        assert self._index is not None
        numbers = np.empty(len(contents), np.int64)
        with self._index.writing() as index:
            counts = dict(index.execute("SELECT wide, rows FROM counts"))
            for kind in np.unique(wide).tolist():
                here, part, first = np.flatnonzero(wide == kind), self._files[kind], counts.get(kind, 0)
                values = features[here].astype(_KINDS[kind])
                self._parts[part].write(first, values)
                numbers[here] = (part << _PART) + first + np.arange(len(here))
                named = [
                    (contents[row], kind, first + number, zlib.crc32(value))
                    for number, (row, value) in enumerate(zip(here.tolist(), values, strict=True))
                ]
                index.executemany("INSERT OR REPLACE INTO features VALUES (?, ?, ?, ?)", named)
                index.execute("INSERT OR REPLACE INTO counts VALUES (?, ?)", (kind, first + len(here)))
        return numbers

    def _hold(self, contents: Sequence[bytes], features: NDArray[np.float32], wide: NDArray[np.int64]) -> NDArray[np.int64]:
        """Keep rows in memory, rounded as on the disk, so that a fit is the same with and without a cache."""
        if not self._memory:
            self._memory = self._with_parts([MemoryRows(kind, features.shape[1]) for kind in _KINDS])
        numbers = np.empty(len(contents), np.int64)
        for kind in np.unique(wide).tolist():
            here, part = np.flatnonzero(wide == kind), self._memory[kind]
            rows = self._parts[part]
            numbers[here] = (part << _PART) + len(rows) + np.arange(len(here))
            rows.write(len(rows), features[here].astype(_KINDS[kind]))
        self._remembered.update(zip(contents, numbers.tolist(), strict=True))
        return numbers

    # --- the folder -------------------------------------------------------------------------------------

    def _open(self) -> bool:
        """Whether the folder is there; what is in it is checked the first time."""
        if self._index is not None:
            return True
        if self.folder is None or not self.folder.is_dir():
            return False
        about, why = _usable(self.folder, self.about)
        if about is None:
            if self.folder.is_dir() and _usable(self.folder, self.about)[0] is None:  # else others are removing or making it
                self._remove(why)
            return False
        width, name = about["numbers"], about["name"]
        index = Database(self.folder / f"index-{name}.sqlite", _SCHEMA)
        try:
            index.open()
            files = [self.folder / f"rows-{name}.f{np.dtype(kind).itemsize * 8}" for kind in _KINDS]
            rows = [FileRows(path, kind, width) for path, kind in zip(files, _KINDS, strict=True)]
        except (OSError, sqlite3.Error):
            if (self.folder / ABOUT).exists():
                raise
            return False  # another process has just removed it
        self._files = self._with_parts(rows)
        self._index = index
        with suppress(OSError):
            os.utime(self.folder / ABOUT)  # when it was used last
        return True

    def _with_parts(self, rows: Sequence[Rows]) -> tuple[int, ...]:
        self._parts += rows
        return tuple(range(len(self._parts) - len(rows), len(self._parts)))

    def _open_for(self, width: int) -> None:
        """Open the folder for rows of `width` numbers, or make it."""
        assert self.folder is not None
        if self._open() and (there := self._parts[self._files[0]].width) != width:
            self._remove(f"its features have {there} numbers, but the encoder gives {width}")
        for _ in range(_TRIES):
            if self._open():
                return
            self._create(width)
        raise OSError(errno.EBUSY, "others remove it as soon as it is made", str(self.folder))

    def _create(self, width: int) -> None:
        assert self.folder is not None
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        clear_leftovers(self.folder.parent)
        try:
            with building(self.folder) as hidden:
                write_json(hidden / ABOUT, {**self.about, "numbers": width, "name": secrets.token_hex(4)})
        except OSError:
            if not self.folder.is_dir():  # else another process was quicker
                raise

    def _was_removed(self, error: OSError | sqlite3.Error) -> bool:
        """Whether another process has removed the folder, so that it is made again; what was found is still there to read."""
        if self._index is None or self._index.path.exists():
            return False
        self._index.close()
        self._index = None
        return True

    def _fail(self, error: OSError | sqlite3.Error) -> None:
        """Go on without the folder, or with a new one in its place."""
        if is_damaged(error) and self.folder is not None:
            self._remove(f"its index is damaged ({error})")
        else:
            self._keeps = False
            self._notes.say_unusable(error)

    def _remove(self, why: str) -> None:
        assert self.folder is not None
        if self._index is not None:
            self._index.close()
            self._index = None
        self._notes.say_damaged(self.folder, why)
        try:
            remove_store(self.folder)
        except OSError as error:
            self._keeps = False
            self._notes.say_unusable(error)


def _usable(folder: Path, about: Mapping[str, Any]) -> tuple[dict[str, Any] | None, str]:
    """What a folder says of itself; None, and why, where its features cannot be used."""
    found = read_about(folder)
    if found is None:
        return None, f"its {ABOUT} is missing or damaged"
    if found.get("format") != about["format"]:
        return None, "it was written by another version"
    if {key: found.get(key) for key in about} != about:
        return None, f"its {ABOUT} names another encoder"
    width, name = found.get("numbers"), found.get("name")
    if not isinstance(width, int) or width < 1 or not isinstance(name, str) or not name.isalnum():
        return None, f"its {ABOUT} is damaged"
    return found, ""


def read_about(folder: Path) -> dict[str, Any] | None:
    """What a folder says of itself; None where it is none of ours, or damaged."""
    try:
        found = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and found.get("kind") == KIND else None


def remove_store(folder: Path) -> None:
    """Remove the files of a store, and the folder where nothing else is in it.

    Raises:
        OSError: they cannot be removed.
    """
    with suppress(FileNotFoundError):
        ours, others = files_of(folder)
        if not others:  # at once, so that nobody sees a half of it
            hidden = folder.with_name(f".{folder.name}.{os.getpid()}{MARK}")
            folder.rename(hidden)
            shutil.rmtree(hidden, ignore_errors=True)
            return
        for name in ours:
            (folder / name).unlink(missing_ok=True)


def files_of(folder: Path) -> tuple[list[str], list[str]]:
    """What is ours in a folder, and what is not."""
    names = sorted(os.listdir(folder))
    ours = [name for name in names if name == ABOUT or _OURS.fullmatch(name)]
    return ours, [name for name in names if name not in ours]
