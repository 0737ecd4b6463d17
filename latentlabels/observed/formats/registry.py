"""Which formats there are. A new one is a module with the parts of `Format`, and one line in `_HOMES`.

A format's `read` says what stands in a file, as `Statements`; what that means for a label space, for contradictions and
for labels that are not mentioned is decided afterwards, once for all formats (`observed.resolve`).
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError, nearest
from ...shards import expand, is_packed
from ...space import LabelSpace
from ..options import ReadOptions
from ..record import Statements

_HOMES: dict[str, str] = {
    "coco": "coco",
    "cub": "cub",
    "nus-wide": "nus_wide",
    "voc": "voc",
    "celeba": "celeba",
    "imagefolder": "imagefolder",
    "webdataset": "webdataset",
    "arrow": "arrow",
    "open-images": "open_images",
    "label-studio": "label_studio",
    "datumaro": "datumaro",
    "cvat": "cvat",
    "fiftyone": "fiftyone",
    "table": "table",  # any other text, Parquet or spreadsheet: asked last
}
"""Format name: module. In the order in which files are asked."""

NAMES: tuple[str, ...] = tuple(_HOMES)
_HEAD = 4096  # bytes of a file by which a format is recognised


@dataclass(frozen=True, eq=False)
class Labelled:
    """Labels of images to be written.

    Attributes:
        images: N names.
        space: the K labels.
        known: int8 (N, K) of 1 known present, 0 known absent, -1 unknown; None where nothing is known.
        probabilities: float32 (N, K) of posterior probabilities; None where there are none.
        model: what made the probabilities, for formats that store it.
    """

    images: tuple[str, ...]
    space: LabelSpace
    known: NDArray[np.int8] | None = None
    probabilities: NDArray[np.float32] | None = None
    model: str = "latentlabels"


@runtime_checkable
class Format(Protocol):
    """What the module of a format has.

    Attributes:
        NAME: the name by which a user asks for it.
        TITLE: what it is, in a few words, for messages and tables.
        WRITES: what it can hold: "known", "probabilities", both or neither.
    """

    NAME: str
    TITLE: str
    WRITES: frozenset[str]

    def recognise(self, path: Path, head: bytes) -> bool:
        """Whether a file or folder is of this format, by its name and its first bytes (b"" for a folder)."""
        ...

    def read(self, path: Path, options: ReadOptions) -> Statements:
        """What a file states.

        Raises:
            DataError: no file, or none of this format; file and line (or entry) are named.
            ObservationError: what it says cannot be used, or can mean two things (`options.ambiguous`).
        """
        ...

    def write(self, path: Path, content: Labelled) -> None:
        """Write labels; only where `WRITES` is not empty.

        Raises:
            DataError: the format cannot hold the content.
        """
        ...


def find(name: str) -> Format:
    """The format of a name.

    Raises:
        DataError: there is none; the nearest is suggested.
    """
    if name not in _HOMES:
        raise DataError(f'unknown format "{name}"{nearest(name, NAMES)} (known: {", ".join(NAMES)})')
    return cast(Format, import_module(f"{__package__}.{_HOMES[name]}"))


def recognise(path: Path) -> Format:
    """The format of a file or folder, by looking into it.

    Raises:
        DataError: there is no such file, or it is empty.
    """
    first = path
    if is_packed(path):
        first = expand(path)[0]  # of several shards the first
    elif not path.exists():
        raise DataError(f"{path}: file not found; give a table of known labels, or a file of another tool")
    head = b""
    if first.is_file():
        with first.open("rb") as file:
            head = file.read(_HEAD)
        if not head.strip():
            raise DataError(f"{path}: empty")
    for name in NAMES:
        found = find(name)
        if found.recognise(first, head):
            return found
    raise DataError(f"{path}: not a format that can be read (known: {', '.join(NAMES)}); give the format by name")
