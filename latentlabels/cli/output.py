"""What verbs share: their common options, where text goes, tables and bars.

Answers go to stdout, and with ``--json`` they are one JSON document; everything else goes to stderr.
"""

from __future__ import annotations

import json
import math
import sys
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from ..errors import LatentLabelsError
from ..words import shown

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document to stdout.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show a traceback on errors, and show all warnings.")]
Strict = Annotated[bool, typer.Option("--strict", help="Stop at unreadable images instead of skipping them.")]
RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="A run folder written by `fit`.")]


class UsageError(LatentLabelsError):
    """A mistake on the command line: exit code 2."""


class Output:
    """Where a verb's words go. A context manager: inside, whatever is printed goes to stderr, but for `emit`.

    Args:
        as_json: print one JSON document, and nothing else, to stdout.
    """

    def __init__(self, as_json: bool = False):
        self.as_json = as_json
        self._stdout: TextIO = sys.stdout

    def __enter__(self) -> Output:
        # libraries print progress to stdout, which belongs to the answer
        self._stdout, sys.stdout = sys.stdout, sys.stderr
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        sys.stdout = self._stdout

    @property
    def stdout(self) -> TextIO:
        """The real stdout, for a table."""
        return self._stdout

    def note(self, text: str) -> None:
        """A line about what is going on, to stderr."""
        print(text, file=sys.stderr, flush=True)

    def emit(self, document: Mapping[str, Any], show: Callable[[Console], None]) -> None:
        """The answer: `document` as JSON, or what `show` prints."""
        if self.as_json:
            print(json.dumps(plain(document), indent=1, ensure_ascii=False), file=self._stdout)
        else:
            show(console(self._stdout))
        self._stdout.flush()


def console(file: TextIO) -> Console:
    """A rich console that neither colours nor wraps unless `file` is a terminal."""
    from rich.console import Console

    class OwnConsole(Console):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError  # rich would close sys.stdout, which is stderr while a verb runs

    width = None if file.isatty() else 10_000  # a file has no edge
    return OwnConsole(file=file, highlight=False, markup=False, emoji=False, soft_wrap=True, width=width)


def plain(value: Any) -> Any:
    """JSON's own types: numpy numbers and arrays unpacked, paths as text, what is not finite as null."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, str) or value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, Iterable):
        return [plain(item) for item in value]
    return str(value)


def bar(share: float, width: int = 20, file: TextIO | None = None) -> str:
    """A bar of up to `width` characters for a number in [0, 1]."""
    encoding = (getattr(file or sys.stdout, "encoding", None) or "ascii").lower()
    full, half = ("█", "▌") if encoding.startswith("utf") else ("#", "-")
    halves = round(2 * width * min(max(share, 0.0), 1.0))
    return full * (halves // 2) + half * (halves % 2)


def table(
    columns: Sequence[str], rows: Iterable[Sequence[str]], numeric: Sequence[str] = (), title: str | None = None
) -> Table:
    """A table with one header line; the columns named in `numeric` are aligned right, and cells are `shown`."""
    from rich.table import Table
    from rich.text import Text

    out = Table(title=title, title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        out.add_column(Text(column), justify="right" if column in numeric else "left", no_wrap=True)
    for row in rows:
        cells: list[RenderableType] = [Text(shown(cell)) for cell in row]
        out.add_row(*cells)
    return out


def show_facts(console: Console, pairs: Iterable[tuple[str, str]]) -> None:
    """Print two columns, names and values. On a terminal, long values are wrapped below themselves."""
    from rich.text import Text

    rows = list(pairs)
    width = max((len(name) for name, _ in rows), default=0) + 2
    for name, text in rows:
        line = Text(name.ljust(width), style="bold")
        lines = textwrap.wrap(text, max(console.width - width, 30)) if console.is_terminal else [text]
        line.append(f"\n{' ' * width}".join(lines), style="not bold")
        console.print(line)


def show_verdict(console: Console, found: Mapping[str, Any]) -> None:
    """Print how good a run is, and its weakest labels.

    Args:
        console: where to.
        found: `Verdict.to_dict()`.
    """
    console.print(f"\n{found['sentence']}")
    if found["weakest_sentence"]:
        console.print(found["weakest_sentence"])


def existing(path: Path, what: str) -> Path:
    """`path`, if it is there.

    Raises:
        UsageError: it is not.
    """
    if not path.exists():
        raise UsageError(f"{path}: no such {what}")
    return path
