"""The folder of the cache: where it is, and what is said, once, where it cannot be used."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from ..observed.image_files import warn

VARIABLE = "LATENTLABELS_CACHE"
NONE = "none"
FORMAT = 1
"""Of everything that is kept; another number is another version's."""


def cache_folder(setting: str | Path | None = None) -> Path | None:
    """The folder of the cache; None where nothing is kept.

    Args:
        setting: `fit.cache`: a path, "none", or None for the environment variable LATENTLABELS_CACHE and, without it, the
            usual folder for caches of this system.
    """
    from platformdirs import user_cache_dir

    chosen = str(setting) if setting is not None else os.environ.get(VARIABLE) or user_cache_dir("latentlabels")
    return None if chosen == NONE else Path(os.path.abspath(os.path.expanduser(chosen)))


class Notes:
    """What is said about one cache, each thing once.

    Args:
        root: the folder of the cache.
    """

    def __init__(self, root: Path):
        self.root = root
        self._said: set[str] = set()
        self._unusable = False

    def say(self, message: str) -> None:
        """Warn, unless that was said before."""
        if message not in self._said:
            self._said.add(message)
            warn(message)

    def say_unusable(self, error: OSError | sqlite3.Error) -> None:
        """Warn that nothing more can be kept; once, whatever parts of the cache say so."""
        if self._unusable:
            return
        self._unusable = True
        self.say(
            f"{self.root}: features cannot be kept there ({_reason(error)}), so they stay in memory and are computed again "
            f"next time; make room, or name another folder by fit.cache or {VARIABLE} (fit.cache: none keeps nothing)"
        )

    def say_damaged(self, path: Path, why: str) -> None:
        """Warn of what is thrown away and made again."""
        self.say(f"{path}: {why}, so it was removed, and what is missing is computed again")


def _reason(error: OSError | sqlite3.Error) -> str:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return "no space left on the disk"
    if code == sqlite3.SQLITE_BUSY:
        return "another process keeps it locked"
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        return "it cannot be written"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror[:1].lower() + error.strerror[1:]
    return str(error)
