"""A small SQLite file that several processes and threads read and write."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

_WAIT = 120.0  # seconds for which another process may write
AT_ONCE = 500  # values that one question asks about; SQLite allows 999 everywhere
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_FORMAT)


class Database:
    """One connection, which threads share and a forked process opens for itself.

    Args:
        path: of the file.
        schema: statements that make its tables where they are missing.
    """

    def __init__(self, path: Path, schema: Sequence[str]):
        self.path, self._schema = path, tuple(schema)
        self._lock, self._open, self._of = threading.RLock(), None, 0

    _open: sqlite3.Connection | None

    def __getstate__(self) -> dict[str, Any]:
        """A copy opens the file for itself."""
        return {"path": self.path, "_schema": self._schema}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["path"], state["_schema"])  # type: ignore[misc]

    def read(self, question: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows of an answer; none where there is no file.

        Raises:
            sqlite3.Error: the file is damaged or cannot be read.
        """
        with self._lock:
            if self._open is None and not self.path.exists():
                return []
            return self._connection().execute(question, values).fetchall()

    def read_all(self, question: str, values: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
        """The rows of a question with ``IN (?)``, which is asked about some of the values at a time."""
        for start in range(0, len(values), AT_ONCE):
            part = values[start : start + AT_ONCE]
            yield from self.read(question.replace("(?)", f"({', '.join('?' * len(part))})"), part)

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction, during which no other process writes; it is undone where the block raises.

        Raises:
            sqlite3.Error, OSError: it cannot be written; the file is as it was.
        """
        with self._lock:
            connection = self._connection()
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):  # where the disk is full it may have been undone already
                    connection.execute("ROLLBACK")
                raise

    def open(self) -> None:
        """Open the file, which is made where it is missing.

        Raises:
            sqlite3.Error: it is damaged, or cannot be opened.
        """
        with self._lock:
            self._connection()

    def close(self) -> None:
        """Give the file back; the next question opens it again."""
        with self._lock:
            if self._open is not None and self._of == os.getpid():
                self._open.close()
            self._open = None

    def _connection(self) -> sqlite3.Connection:
        if self._open is None or self._of != os.getpid():  # SQLite forbids to carry a connection into a forked process
            connection = sqlite3.connect(self.path, timeout=_WAIT, isolation_level=None, check_same_thread=False)
            try:
                self._make(connection)
            except BaseException:
                connection.close()
                raise
            self._open, self._of = connection, os.getpid()
        return self._open

    def _make(self, connection: sqlite3.Connection) -> None:
        """Make the tables; a file that has them need not be writable."""
        found = connection.execute("SELECT count(*) FROM sqlite_master WHERE type = 'table'").fetchone()[0]
        if found < len(self._schema):
            connection.execute("BEGIN IMMEDIATE")
            for statement in self._schema:
                connection.execute(statement)
            connection.execute("COMMIT")


def is_damaged(error: BaseException) -> bool:
    """Whether an error says that the file is no database, or not one of ours, rather than that the disk is full or busy."""
    code = getattr(error, "sqlite_errorcode", None)
    return isinstance(error, sqlite3.DatabaseError) and code is not None and code & 0xFF in _DAMAGED
