"""Files appear whole or not at all: written under a temporary name in the same folder, flushed to disk, then renamed.

Everything in the package that writes a file uses this, so a process that is killed at any moment leaves the old file or the
new one, never half of one. What a killed process leaves behind are hidden temporary files, which `clear_leftovers` removes.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, TextIO

from .processes import is_alive

MARK = ".partial"
"""What the names of temporary files and folders end with, after the process that makes them."""
ESCAPED = "latentlabels.escaped"
"""How `str.encode` writes the bytes of a file name that are no UTF-8, which Python keeps as lone surrogates: as \\xNN."""


def _escape(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    wrong = (ord(one) for one in error.object[error.start : error.end])
    return "".join(f"\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else f"\\u{code:04x}" for code in wrong), error.end


codecs.register_error(ESCAPED, _escape)


def separated(rows: Iterable[Sequence[str]], delimiter: str = ",") -> str:
    """Rows as CSV: RFC 4180 but for its line ends, which are those of Unix. What is no text is `ESCAPED`.

    Cells with a delimiter, a quotation mark or a line end are quoted. A row with a carriage return is quoted throughout:
    Python 3.11 would leave such a cell without quotes, and readers take the sign for the end of a line.
    """
    text = io.StringIO(newline="")
    plain, quoted = (
        csv.writer(text, delimiter=delimiter, lineterminator="\n", quoting=quoting)
        for quoting in (csv.QUOTE_MINIMAL, csv.QUOTE_ALL)
    )
    for row in rows:
        (quoted if "\r" in "".join(row) else plain).writerow(row)
    return text.getvalue().encode("utf-8", ESCAPED).decode("utf-8")


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """A temporary path to write to, which becomes `path` when the block ends without an error.

    The temporary name keeps the ending of `path`, since some writers choose their format by it. A link is followed, and what is
    no file, such as a pipe, is written to directly.

    Raises:
        OSError: what cannot be written; it names `path`.
    """
    path = Path(os.path.realpath(path))
    if path.exists() and not path.is_file():
        yield path
        return
    with temporary(path) as hidden:
        try:
            yield hidden
            with hidden.open("rb+") as file:
                os.fsync(file.fileno())
            hidden.replace(path)
            _sync_folder(path.parent)
        except OSError as error:
            if error.filename == str(hidden):
                error.filename = str(path)
            raise


@contextmanager
def writing(path: str | Path) -> Iterator[TextIO]:
    """A text file in UTF-8 to write to bit by bit, which becomes `path` when the block ends without an error."""
    with replacing(path) as hidden, hidden.open("w", encoding="utf-8", errors=ESCAPED, newline="") as file:
        yield file


@contextmanager
def temporary(path: str | Path) -> Iterator[Path]:
    """A hidden path beside `path` to write to, which is removed when the block ends, or later if the process is killed."""
    path = Path(os.path.realpath(path))
    hidden = path.with_name(f".{path.stem[:40]}.{os.getpid()}{MARK}{path.suffix}")
    _clear(path.parent, hidden.name.split(f"{os.getpid()}{MARK}")[0])
    try:
        yield hidden
    finally:
        with suppress(OSError):
            hidden.unlink(missing_ok=True)


def scratch() -> IO[bytes]:
    """An open file without a name, in the system's folder of temporary files (TMPDIR); it is gone when it is closed."""
    return tempfile.TemporaryFile(prefix="latentlabels-")


@contextmanager
def building(folder: str | Path) -> Iterator[Path]:
    """A temporary folder to fill, which becomes `folder` when the block ends without an error.

    For many small files: they are not flushed one by one, so a loss of power, though not a killed process, may lose some.

    Raises:
        OSError: `folder` is there already and holds something.
    """
    folder = Path(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    hidden = folder.with_name(f".{folder.name}.{os.getpid()}{MARK}")
    hidden.mkdir()
    try:
        yield hidden
        hidden.replace(folder)
        _sync_folder(folder.parent)
    finally:
        shutil.rmtree(hidden, ignore_errors=True)


def write_bytes(path: str | Path, content: bytes) -> None:
    """Write a file of bytes."""
    with replacing(path) as hidden:
        hidden.write_bytes(content)


def write_text(path: str | Path, text: str) -> None:
    """Write a text file in UTF-8; line ends stay as they are, and what is no text is `ESCAPED`."""
    write_bytes(path, text.encode("utf-8", ESCAPED))


def write_json(path: str | Path, value: Any, *, compact: bool = False) -> None:
    """Write one JSON document, on one line if `compact`."""
    text = json.dumps(value, indent=None if compact else 1, ensure_ascii=False) + "\n"
    write_bytes(path, text.encode("utf-8", "backslashreplace"))  # a lone surrogate is JSON's own \udcNN


def append_text(path: str | Path, text: str) -> None:
    """Add lines to the end of a file, which is made if it is not there, and flush it to disk.

    One call of the system: a killed process leaves all of the lines or none. A loss of power may leave some of the bytes, so a
    reader drops a last line without an end.
    """
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    try:
        left = memoryview(text.encode("utf-8"))
        while left:  # a single call, but where the disk is full
            left = left[os.write(handle, left) :]
        os.fsync(handle)
    finally:
        os.close(handle)


class Part:
    """A file that is written block by block over a long time, and can be continued after its process was killed.

    What is written stands in FILE.part, and in FILE.part.json how much of it is whole and what it was begun with. The file gets
    its name when it is complete.

    Args:
        path: the file.
    """

    def __init__(self, path: str | Path):
        self.path = Path(os.path.realpath(path))
        self.content = self.path.with_name(self.path.name + ".part")
        self.state = self.path.with_name(self.path.name + ".part.json")

    def begun(self) -> dict[str, Any] | None:
        """What was last said of a part that is there, with `size`, its bytes that are whole; None without one."""
        try:
            found = json.loads(self.state.read_text(encoding="utf-8"))
            whole = self.content.stat().st_size >= found["size"] >= 0
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return found if whole else None

    def begin(self) -> None:
        """Begin with nothing written."""
        self.state.unlink(missing_ok=True)
        write_bytes(self.content, b"")

    def add(self, size: int, content: bytes, about: Mapping[str, Any]) -> int:
        """Write a block, and then that it is there; what an earlier process left of a block is written over.

        Args:
            size: bytes that are whole.
            content: what follows them.
            about: what `begun` will say, ready for JSON.

        Returns:
            Bytes that are whole now.
        """
        with self.content.open("r+b") as file:
            file.truncate(size)
            file.seek(size)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        write_json(self.state, {**about, "size": size + len(content)}, compact=True)
        return size + len(content)

    def cut(self, size: int) -> None:
        """Drop what follows the bytes that are whole."""
        with self.content.open("r+b") as file:
            file.truncate(size)
            os.fsync(file.fileno())

    def finish(self, size: int) -> None:
        """Give the file its name."""
        self.cut(size)
        self.content.replace(self.path)
        self.state.unlink(missing_ok=True)
        _sync_folder(self.path.parent)

    def discard(self) -> None:
        """Remove what is there."""
        self.state.unlink(missing_ok=True)
        self.content.unlink(missing_ok=True)


def clear_leftovers(folder: str | Path) -> None:
    """Remove the temporary files and folders that killed processes left in a folder; those of living ones stay."""
    _clear(Path(folder), ".")


def _clear(folder: Path, start: str) -> None:
    """Remove what is left over of names that start so."""
    with suppress(OSError), os.scandir(folder) as entries:
        left = [entry.path for entry in entries if entry.name.startswith(start) and is_leftover(entry.name)]
        for path in left:
            if os.path.isdir(path):
                shutil.rmtree(path, ignore_errors=True)
            else:
                os.unlink(path)


def is_leftover(name: str) -> bool:
    """Whether a file or folder of this name was left by a process that has ended."""
    found = re.search(rf"\.(\d+){re.escape(MARK)}(\.|$)", name)
    return found is not None and not is_alive(int(found[1]))


def _sync_folder(folder: Path) -> None:
    """Put the rename itself on disk, where the system allows to open a folder."""
    with suppress(OSError, AttributeError):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
